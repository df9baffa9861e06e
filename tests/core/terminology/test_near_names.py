"""Near names: none above the floor is missed or said to be likelier than it is."""

import pytest
from medllm.terminology import near_names, tokens
from medllm.terminology.grams import GramWeights
from medllm.terminology.near_names import NearNames, likeness, wording

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
    words = mention.split()
    weights, mine = GramWeights(NAMES), wording(mention)
    found = NearNames(NAMES).of(words, floor)
    whole = {
        name: likeness(mine, wording(name), weights.cosine(tokens.form(words), name))
        for name in NAMES
    }
    assert [score for score, _ in found] == sorted((score for score, _ in found), reverse=True)
    assert all(score == pytest.approx(whole[name]) and score >= floor for score, name in found)
    if floor >= 0.6:
        assert {name for _, name in found} == {n for n, score in whole.items() if score >= floor}


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
