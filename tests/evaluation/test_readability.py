"""The Flesch-Kincaid grade."""

import pytest
from medeval.readability import flesch_kincaid_grade, syllables, words


@pytest.mark.parametrize(
    ("word", "count"), [("cat", 1), ("table", 2), ("medical", 3), ("hypertension", 4)]
)
def test_syllables(word: str, count: int) -> None:
    assert syllables(word) == count


def test_the_formula() -> None:
    # Six words of one syllable in two sentences: 0.39 * 3 + 11.8 * 1 - 15.59.
    assert flesch_kincaid_grade("The cat sat. The dog ran.") == pytest.approx(-2.62)


def test_long_words_and_sentences_are_harder() -> None:
    easy = "Blood goes from the heart to the lungs."
    hard = "Pulmonary circulation transports deoxygenated blood toward respiratory capillaries."
    assert flesch_kincaid_grade(easy) + 5 < flesch_kincaid_grade(hard)


def test_words_keep_their_apostrophes() -> None:
    assert words("Crohn's disease, B12") == ["Crohn's", "disease", "B"]


def test_nothing_to_grade() -> None:
    with pytest.raises(ValueError, match="no word"):
        flesch_kincaid_grade("12 %")
