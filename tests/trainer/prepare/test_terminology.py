"""What is done to the terms of an example, question and answer as one."""

from dataclasses import replace

import pytest
from medllm.prompts import Message
from medtrain.examples import Example
from medtrain.prepare import terminology
from medtrain.settings import TerminologySettings

EXAMPLE = Example([], "", "mine", "mine", "1", "question")


def _normalised(question: str, answer: str, *earlier: Message) -> tuple[str, str]:
    turns: list[Message] = [*earlier, {"role": "user", "content": question}]
    example = replace(EXAMPLE, prompt=turns, completion=answer)
    made = [terminology.normalised(example, terminology.make_ready()) for _ in range(2)]
    assert made[0].line() == made[1].line()
    assert made[0].prompt[:-1] == list(earlier)
    return made[0].prompt[-1]["content"], made[0].completion


def test_abbreviations_are_written_out_where_the_question_tells_their_sense() -> None:
    # The answer alone would tell nothing.
    assert _normalised("Is a MI likely now that troponin rose after chest pain?", "An MI is.") == (
        "Is a myocardial infarction (MI) likely now that troponin rose after chest pain?",
        "A myocardial infarction (MI) is.",
    )
    assert _normalised("Is the vital red substance (VRS) safe?", "No, VRS harms. VRS kills.") == (
        "Is the vital red substance (VRS) safe?",
        "No, vital red substance (VRS) harms. Vital red substance kills.",
    )
    assert _normalised("Was an MI noted?", "No.") == ("Was an MI noted?", "No.")


def test_what_an_abbreviation_stands_for_is_not_given_away() -> None:
    pair = ("What does MI stand for when troponin rises?", "MI is an infarct, by troponin.")
    assert _normalised(*pair) == pair


def test_turns_before_tell_the_sense_and_stay() -> None:
    earlier: list[Message] = [
        {"role": "user", "content": "What is a vital red substance (VRS)?"},
        {"role": "assistant", "content": "VRS is a dye."},
    ]
    asked, _ = _normalised("Is VRS safe?", "No.", *earlier)
    assert asked == "Is vital red substance (VRS) safe?"


@pytest.mark.parametrize("kinds", [["preferred"], []])
def test_a_copy_tells_what_was_written_out(kinds: list[str]) -> None:
    text = "Troponin rose after chest pain: was it an MI?"
    example = replace(EXAMPLE, prompt=[{"role": "user", "content": text}], completion="Yes.")
    settings = TerminologySettings.model_validate({"augment": kinds})
    vocabulary = terminology.make_ready()
    copies = list(terminology.copies(example, settings, frozenset(), 0, vocabulary))
    assert len(copies) == len(kinds)
    for copy, told in copies:
        assert copy.prompt[-1]["content"].endswith("was it a myocardial infarction (MI)?")
        assert [(c["before"], c["after"]) for c in told["changes"]] == [
            ("an", "a"),
            ("MI", "myocardial infarction (MI)"),
        ]
        for change in told["changes"]:
            assert text[change["source_start"] :].startswith(change["before"])
            assert told["text"][change["start"] :].startswith(change["after"])
