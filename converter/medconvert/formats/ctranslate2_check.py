"""A CTranslate2 folder held against transformers and PEFT: greedy tokens, beams, scores.

python -m medconvert.formats.ctranslate2_check TRIAL.json
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from medllm.errors import ConversionError

from medconvert import child, original
from medconvert.checkpoint import Floats
from medconvert.formats import choices, trial
from medconvert.formats.trial import Trial
from medconvert.verify.divergence import held_texts

BEAMS = 4
SENTENCES = 8
"""Shorter texts that are asked beside the held ones."""
# Nats, of a token's log-probability: largest where nothing is rounded, mean otherwise.
_MOST_WRONG, _MOST_APART = 1e-2, 1.0


class _Runtime:
    """The converted model; tokens go in and out by their text."""

    def __init__(self, folder: Path) -> None:
        import ctranslate2

        self._translator = ctranslate2.Translator(str(folder), device="cpu")
        text = (folder / "shared_vocabulary.json").read_text(encoding="utf-8")
        self._names: list[str] = json.loads(text)
        self._ids = {name: number for number, name in enumerate(self._names)}

    def answer(self, ids: list[int], beams: int) -> list[int]:
        """The best answer, without EOS."""
        (found,) = self._translator.translate_batch(
            [[self._names[i] for i in ids]], beam_size=beams, max_decoding_length=choices.CONTINUE
        )
        return [self._ids[name] for name in found.hypotheses[0]]

    def score(self, ids: list[int], answer: list[int]) -> Floats:
        """Log-probability of each token of `answer`, and of EOS behind it."""
        named = [[self._names[i] for i in each] for each in (ids, answer)]
        (found,) = self._translator.score_batch(named[:1], named[1:])
        return np.array(found.log_probs, np.float32)


def _compare(asked: Trial) -> dict[str, Any]:
    tokenizer = original.load_tokenizer(asked.base)
    texts = _texts(tokenizer)
    runtime = _Runtime(Path(asked.made))
    model = original.load(asked.base, asked.adapter, asked.four_bit, asked.dtype)
    found, beams, off = choices.NONE, 0, []
    for done, ids in enumerate(texts):
        greedy, best = runtime.answer(ids, 1), runtime.answer(ids, BEAMS)
        whole = _ended(greedy, tokenizer.eos_token_id)
        found += choices.agreement(_logits(model, ids, whole), whole, asked.dtype)
        beams += best == _best(model, ids, tokenizer.eos_token_id)
        for answer in (greedy, best):
            expected = _scores(model, ids, [*answer, tokenizer.eos_token_id])
            off.append(np.abs(runtime.score(ids, answer) - expected))
        child.report(done + 1, len(texts))
    return _judge(asked, found, beams, len(texts), np.concatenate(off))


def _texts(tokenizer: Any) -> list[list[int]]:
    sentences = [sentence for text in held_texts() for sentence in text.split(". ")]
    short = [list(tokenizer(f"Explain: {each}")["input_ids"]) for each in sentences[:SENTENCES]]
    return [*trial.texts_of(tokenizer), *short]


def _ended(answer: list[int], eos: int) -> list[int]:
    """An answer shorter than it could be has ended by itself."""
    return answer if len(answer) >= choices.CONTINUE else [*answer, eos]


def _logits(model: Any, ids: list[int], answer: list[int]) -> Floats:
    """The original's logits before each token of an answer, (len(answer), vocabulary)."""
    import torch

    start = model.config.decoder_start_token_id
    with torch.no_grad():
        said = model(
            input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([[start, *answer[:-1]]])
        )
    logits: Floats = said.logits[0].float().numpy()
    return logits


def _scores(model: Any, ids: list[int], answer: list[int]) -> Floats:
    import torch

    each = torch.from_numpy(_logits(model, ids, answer)).log_softmax(dim=1)
    scores: Floats = each[torch.arange(len(answer)), torch.tensor(answer)].numpy()
    return scores


def _best(model: Any, ids: list[int], eos: int) -> list[int]:
    """The original's best answer with beams, without EOS."""
    import torch

    with torch.no_grad():
        said = model.generate(
            input_ids=torch.tensor([ids]),
            max_new_tokens=choices.CONTINUE,
            num_beams=BEAMS,
            do_sample=False,
        )
    tokens: list[int] = said[0].tolist()[1:]
    return tokens[: tokens.index(eos)] if eos in tokens else tokens


def _judge(
    asked: Trial, found: choices.Agreement, beams: int, texts: int, off: Floats
) -> dict[str, Any]:
    worst, mean = float(off.max()), float(off.mean())
    limited = worst if asked.exact else mean
    if not limited <= (_MOST_WRONG if asked.exact else _MOST_APART):  # nor NaN
        raise ConversionError(
            f"The CTranslate2 model scores tokens unlike the model it was made from: {mean:.2g} "
            f"nats a token apart, {worst:.2g} at worst."
        )
    if asked.exact:
        choices.refuse(found, "CTranslate2 model")
    return {
        "generation": found.report(),
        # With beams the two stop searching by different rules; the scores tell whether they
        # search in the same model.
        "beams": {
            "width": BEAMS,
            "texts": texts,
            "equal": beams,
            "said": f"{beams} of {texts} answers as the original's with {BEAMS} beams",
        },
        "scores": {
            "passed": True,
            "dtype": asked.dtype,
            "mean": mean,
            "worst": worst,
            "said": f"log-probabilities {mean:.2g} nats a token apart, {worst:.2g} at worst",
        },
    }


if __name__ == "__main__":
    trial.answer(_compare)
