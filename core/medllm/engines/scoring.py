"""How likely given beginnings of an answer are. Host process only."""

from medllm.engines.decoder import Decoder
from medllm.engines.sampling import Sampler
from medllm.errors import UsageError
from medllm.prompts import Message


def score(
    decoder: Decoder, messages: tuple[Message, ...], continuations: tuple[str, ...]
) -> list[float]:
    """Log-probability of each continuation's tokens, one after another, given the prompt.

    Prompt and continuation are tokenized together, as the text would be; where their
    tokens would merge over the edge, apart.

    Raises:
        UsageError: prompt and continuation are longer than the context, or one is empty.
        Cancelled: the request was cancelled.
        EngineError: llama.cpp failed.
    """
    prompt = decoder.prompt(messages)
    tails = [_tail(decoder, messages, prompt, text) for text in continuations]
    if not all(tails):
        raise UsageError("An empty continuation can't be scored.")
    if len(prompt) + max(map(len, tails), default=0) > decoder.context:
        raise UsageError(
            f"The question is too long: {len(prompt)} tokens of the {decoder.context} that the "
            "model has room for.",
            "Shorten it.",
        )
    sampler = Sampler(0.0, 1.0, 0, decoder.vocabulary.size)
    first = decoder.begin(prompt)[0].copy()
    scores = []
    for tail in tails:
        total = sampler.logprob(first, tail[0])
        for end in range(1, len(tail)):
            logits, _ = decoder.begin(prompt + tail[:end])
            total += sampler.logprob(logits, tail[end])
        scores.append(total)
    return scores


def _tail(
    decoder: Decoder, messages: tuple[Message, ...], prompt: list[int], text: str
) -> list[int]:
    whole = decoder.prompt(messages, text)
    if whole[: len(prompt)] == prompt:
        return whole[len(prompt) :]
    return decoder.vocabulary.tokenize(text, special=False)
