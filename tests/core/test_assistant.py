"""The assistant: a random model must never be believed, the mini model must be right."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from medllm import card, paths
from medllm.assistant import (
    LONGEST_QUESTION,
    Answer,
    Assistant,
    Delta,
    Finished,
    checked_question,
)
from medllm.engines.llamacpp import LlamaCppEngine
from medllm.errors import UsageError
from medllm.reference import builtin_cards

from tests.tiny import write_tiny

BY_ID = {entry.id: entry for entry in builtin_cards()}
KEYS = [
    "question", "term", "concept", "source", "card", "text", "adherent", "nearest",
    "provenance", "timings", "network", "warnings",
]  # fmt: skip


def asked(assistant: Assistant, question: str) -> tuple[str, Answer]:
    streamed, answer = "", None
    for event in assistant.ask(question):
        if isinstance(event, Delta):
            streamed += event.text
        else:
            answer = event.answer
    assert answer is not None
    return streamed, answer


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assistant]:
    engine = LlamaCppEngine(write_tiny(tmp_path_factory.mktemp("models") / "tiny.gguf"))
    engine.load()
    yield Assistant(engine)
    engine.close()


@pytest.fixture(scope="module")
def mini() -> Iterator[Assistant]:
    engine = LlamaCppEngine(paths.builtin_model())
    engine.load()
    yield Assistant(engine)
    engine.close()


def test_a_straying_answer_is_replaced_by_the_card_and_says_so(random_model: Assistant) -> None:
    streamed, answer = asked(random_model, "What is hypertension?")
    assert streamed.strip() != answer.text
    assert answer.text == BY_ID["hypertension"].text
    assert (answer.source, answer.adherent) == ("reference", True)
    assert any("strayed" in warning for warning in answer.warnings)


def test_a_full_models_own_knowledge_is_marked(random_model: Assistant) -> None:
    _, answer = asked(random_model, "What is flumboitis?")
    assert answer.source == "model"
    assert answer.term is None
    assert any("unchecked" in warning for warning in answer.warnings)
    assert answer.adherent


def test_stopping_keeps_what_arrived(random_model: Assistant) -> None:
    events = random_model.ask("What is asthma?")
    first = next(events)
    assert isinstance(first, Delta)
    random_model.cancel()
    *_, last = events
    assert isinstance(last, Finished)
    assert last.answer.stopped
    assert last.answer.text.startswith(first.text.strip())
    assert any("Stopped" in warning for warning in last.answer.warnings)


def test_the_mini_model_explains_hypertension(mini: Assistant) -> None:
    streamed, answer = asked(mini, "What is hypertension?")
    assert card.adherent(streamed.strip())
    assert (answer.term, answer.source, answer.warnings) == ("Hypertension", "reference", ())
    assert answer.card == BY_ID["hypertension"].card


def test_an_answer_tells_where_it_comes_from(mini: Assistant) -> None:
    _, answer = asked(mini, "What does MI stand for?")
    told = answer.as_dict()
    assert list(told) == KEYS
    assert told["concept"] == "DOID:5844"
    assert told["provenance"]["card"] == "myocardial-infarction"
    assert told["provenance"]["quantization"] == "Q4_K_M"
    assert len(told["provenance"]["sha256"]) == 64
    assert told["timings"]["tokens"] > 50
    assert told["timings"]["tokens_per_second"] > 0
    assert told["network"] == {"refused": 0}
    assert json.loads(json.dumps(told)) == told


def test_an_unknown_term_gets_no_invented_answer(mini: Assistant) -> None:
    _, answer = asked(mini, "What is portal hypertension?")
    assert (answer.source, answer.card, answer.term) == ("none", None, None)
    assert answer.nearest[0] == "Hypertension"
    assert "medtui pull" in answer.text


def test_a_near_spelling_is_told(mini: Assistant) -> None:
    _, answer = asked(mini, "hypertention")
    assert answer.term == "Hypertension"
    assert any('Taken as "Hypertension"' in warning for warning in answer.warnings)


@pytest.mark.slow
def test_every_known_term_is_answered_by_its_card_or_close_to_it(mini: Assistant) -> None:
    """Whatever the model says of any card, what stands in the end keeps to the card."""
    from medllm import fidelity

    for entry in builtin_cards()[::5]:
        _, answer = asked(mini, f"What is {entry.term}?")
        assert answer.term == entry.term
        assert answer.adherent
        assert answer.card is not None
        assert fidelity.strays(answer.card, entry.card) is None


@pytest.mark.parametrize("text", ["", "   ", "\x00\x1b", "?!…", "\u200f"])
def test_an_empty_question_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        checked_question(text)


def test_a_document_is_refused() -> None:
    with pytest.raises(UsageError, match="100,000 characters"):
        checked_question("a" * 100_000)
    assert len(checked_question("a" * LONGEST_QUESTION)) == LONGEST_QUESTION


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("What is\x1b[31m asthma\x07?", "What is [31m asthma ?"),
        ("  What\n\tis gout? ", "What is gout?"),
        ("ما هو الربو؟", "ما هو الربو؟"),
        ("高血压是什么？", "高血压是什么？"),
        ("\u202ewhat is gout", "what is gout"),  # a direction override hides text
    ],
)
def test_questions_are_cleaned_not_changed(text: str, kept: str) -> None:
    assert checked_question(text) == kept


def test_the_builtin_models_are_small_and_there() -> None:
    sizes = [Path(f).stat().st_size for f in (paths.builtin_model(), paths.builtin_base_model())]
    assert sum(sizes) <= 16_000_000
