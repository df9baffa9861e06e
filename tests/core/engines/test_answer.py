"""Answers computed in this process: what the host does, without the pipes."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from medllm import card, prompts
from medllm.engines.answer import write
from medllm.engines.decoder import Decoder
from medllm.engines.protocol import Done, Request, Token
from medllm.engines.sampling import Logits

from tests.tiny import write_tiny

CARD = Request(prompts.messages("What is gout?"), card.grammar(), card.openings())


@pytest.fixture(scope="module")
def decoders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Decoder]]:
    """Random models: flat, sharp, and one that likes to stop."""
    folder = tmp_path_factory.mktemp("decoders")
    kinds = [(1.0, 1.0), (1.0, 4.0), (6.0, 2.0)]
    made = [
        Decoder(
            write_tiny(folder / f"{n}.gguf", n, eos_bias=eos, spread=spread),
            1024,
            1,
            lambda _share: None,
            lambda: False,
        )
        for n, (eos, spread) in enumerate(kinds)
    ]
    yield made
    for decoder in made:
        decoder.close()


def run(decoder: Decoder, request: Request) -> tuple[list[Token], Done]:
    *tokens, done = write(decoder, request, lambda: False, time.perf_counter())
    assert isinstance(done, Done)
    return [token for token in tokens if isinstance(token, Token)], done


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    model=st.integers(0, 2),
    seed=st.integers(0, 1 << 32),
    temperature=st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0]),
    top_p=st.sampled_from([0.3, 0.95, 1.0]),
    max_tokens=st.integers(100, 400),
    part_tokens=st.integers(1, 160),
    question=st.text(max_size=20),
)
def test_every_answer_under_the_grammar_ends_as_a_card(
    decoders: list[Decoder],
    model: int,
    seed: int,
    temperature: float,
    top_p: float,
    max_tokens: int,
    part_tokens: int,
    question: str,
) -> None:
    request = replace(
        CARD,
        messages=prompts.messages(question),
        seed=seed,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        part_tokens=part_tokens,
    )
    tokens, done = run(decoders[model], request)
    text = "".join(token.text for token in tokens)
    assert done.reason == "stop", text
    assert card.adherent(text), text
    assert done.tokens <= max_tokens


def test_a_model_that_wants_to_stop_gets_a_word_out_for_each_part(decoders: list[Decoder]) -> None:
    vocabulary = decoders[0].vocabulary

    class Stopper(Decoder):
        """The first model, but the end token is always likeliest."""

        def __init__(self) -> None:
            self.__dict__.update(decoders[0].__dict__)

        def _logits(self) -> Logits:
            logits = super()._logits().copy()
            logits[vocabulary.eos] = logits.max() + 1
            return logits

    tokens, done = run(Stopper(), replace(CARD, max_tokens=200))
    parts = card.parse("".join(token.text for token in tokens)).parts()
    assert done.reason == "stop"
    assert all(part.isalnum() and len(part) <= 3 for part in parts), parts


@settings(max_examples=40, deadline=None)
@given(model=st.integers(0, 2), seed=st.integers(0, 99), max_tokens=st.integers(1, 100))
def test_with_too_little_room_a_stop_is_still_a_card(
    decoders: list[Decoder], model: int, seed: int, max_tokens: int
) -> None:
    request = replace(CARD, seed=seed, temperature=1.0, max_tokens=max_tokens)
    tokens, done = run(decoders[model], request)
    assert done.reason == "length" or card.adherent("".join(token.text for token in tokens))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logprobs_are_those_of_the_free_distribution(
    decoders: list[Decoder], temperature: float
) -> None:
    decoder = decoders[0]
    request = Request(
        prompts.messages("ab"),
        grammar="root ::= [ -~]+",  # so that each token is a text of its own
        max_tokens=30,
        temperature=temperature,
        seed=5,
    )
    tokens, _ = run(decoder, request)
    prompt = decoder.prompt(request.messages)
    answer = decoder._cached[len(prompt) :]
    assert len(answer) == len(tokens) > 9
    logits, _ = decoder.begin(prompt)
    for token, shown in zip(answer, tokens, strict=True):
        exact = logits.astype(np.float64)
        expected = exact[token] - exact.max() - np.log(np.exp(exact - exact.max()).sum())
        assert shown.logprob == pytest.approx(expected, abs=1e-3)
        assert decoder.vocabulary.piece(token).decode() == shown.text
        logits = decoder.extend([token])


def test_one_bos_whatever_the_template(tmp_path: Path) -> None:
    for template in (
        "{{ messages[0]['content'] }}",
        "{{ bos_token }}{{ messages[0]['content'] }}",
        "{{ bos_token }}{{ bos_token }}{{ messages[0]['content'] }}",
    ):
        file = write_tiny(tmp_path / "m.gguf", template=template)
        decoder = Decoder(file, 512, 1, lambda _share: None, lambda: False)
        tokens = decoder.prompt(prompts.messages("ab", system=None))
        assert tokens[0] == decoder.vocabulary.bos
        assert tokens.count(decoder.vocabulary.bos) == 1
        assert len(tokens) == 3
        decoder.close()


def test_a_template_that_refuses_a_system_turn_still_sees_its_text(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no') }}"
        "{% endif %}{{ m['content'] }}{% endfor %}"
    )
    file = write_tiny(tmp_path / "m.gguf", template=template)
    decoder = Decoder(file, 512, 1, lambda _share: None, lambda: False)
    assert not decoder.template.has_system
    assert decoder.template.render(prompts.messages("ab", system="cd")) == "cd\n\nab"
    decoder.close()


def test_special_tokens_are_never_text(decoders: list[Decoder]) -> None:
    vocabulary = decoders[0].vocabulary
    for token in range(vocabulary.size):
        assert not vocabulary.is_control(token) or vocabulary.piece(token) == b""
