"""Near names: none above the floor is missed or said to be likelier than it is."""

import pytest
from medllm.terminology import near_names
from medllm.terminology.near_names import NearNames

NAMES = [
    "breast cancer", "cystic fibrosis", "mucoviscidosis", "myotonic dystrophy type 1",
    "muscular dystrophy", "fish eye disease", "hypokalemia", "hypokalemic periodic paralysis",
    "irritable bowel syndrome", "spastic colon", "lip pit syndrome", "énigme",
]  # fmt: skip


@pytest.mark.parametrize("floor", [0.0, 0.4, 0.6, 0.9])
@pytest.mark.parametrize(
    "mention",
    ["mucovisidosis", "hyperkalemia", "dystrophy type 2", "pits of the lip", "muscular distrophy"],
)
def test_near_names_are_those_above_the_floor(mention: str, floor: float) -> None:
    """Giving up early changes nothing of what is near enough."""
    near = NearNames(NAMES)
    whole = near.of(mention.split(), 0.0)
    found = near.of(mention.split(), floor)
    assert found == [(score, name) for score, name in whole if score >= floor]
    assert whole == sorted(whole, reverse=True) and all(0 < score < 1 for score, _ in whole)


@pytest.mark.parametrize(
    ("mention", "nearer", "other"),
    [
        ("myotonic dystrophy type 1", "myotonic dystrophy type 1", "muscular dystrophy"),
        ("myotonic dystrophi type 2", "muscular dystrophy", "myotonic dystrophy type 1"),
        ("hyperkalemic periodic paralysis", "", "hypokalemic periodic paralysis"),
    ],
)
def test_other_numbers_and_opposed_words_are_not_near(
    mention: str, nearer: str, other: str
) -> None:
    scores = {name: score for score, name in NearNames(NAMES).of(mention.split(), 0.0)}
    assert scores.get(nearer, 0.6) > scores.get(other, 0.0)


@pytest.mark.parametrize(
    ("mention", "name"),
    [
        ("mucovisidosis", "mucoviscidosis"),
        ("lippit syndrome", "lip pit syndrome"),
        ("muco viscidosis", "mucoviscidosis"),
        ("myotonic muscular dystrophy type 1", "myotonic dystrophy type 1"),
        ("irritable bowel", "irritable bowel syndrome"),
    ],
)
def test_misspelt_joined_parted_more_and_less(mention: str, name: str) -> None:
    assert NearNames(NAMES).of(mention.split(), 0.6)[0][1] == name


@pytest.mark.parametrize("mention", ["", "lip", "qqqqqqq", "the of and", "قلبقلب"])
def test_what_looks_like_nothing_has_no_near_name(mention: str) -> None:
    assert NearNames(NAMES).of(mention.split(), 0.0) == [], near_names.SHORTEST


def test_a_vocabulary_without_names_has_no_near_name() -> None:
    assert NearNames([]).of(["mucoviscidosis"], 0.0) == []
