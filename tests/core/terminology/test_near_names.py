"""Near names: likeness by trigrams is the cosine that it is said to be, and a floor changes none."""

import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from medllm.terminology import near_names
from medllm.terminology.grams import GramIndex
from medllm.terminology.near_names import NearNames, likeness

NAMES = [
    "breast cancer", "cystic fibrosis", "mucoviscidosis", "myotonic dystrophy type 1",
    "muscular dystrophy", "fish eye disease", "hypokalemia", "hypokalemic periodic paralysis",
    "irritable bowel syndrome", "spastic colon", "lip pit syndrome", "énigme",
]  # fmt: skip


def _trigrams(text: str) -> set[bytes]:
    padded = f" {text} ".encode()
    return {padded[i : i + 3] for i in range(len(padded) - 2)}


def _cosine(asked: str, name: str) -> float:
    """As it is defined, over all names."""
    counts = Counter(gram for known in NAMES for gram in _trigrams(known))

    def square(gram: bytes) -> float:
        return (math.log((1 + len(NAMES)) / (1 + counts[gram])) + 1) ** 2

    one, other = _trigrams(asked), _trigrams(name)
    norms = sum(map(square, one)) * sum(map(square, other))
    return sum(map(square, one & other)) / math.sqrt(norms)


@pytest.mark.parametrize(
    "asked", ["mucovisidosis", "muscular dystrophy", "fibrosis", "enigme", "é"]
)
def test_nearest_have_the_cosine_of_their_trigrams(asked: str) -> None:
    found = GramIndex(NAMES).nearest(asked, 4)
    for name, cosine in found:
        assert cosine == pytest.approx(_cosine(asked, name), abs=1e-5), name
    best = max(NAMES, key=lambda name: _cosine(asked, name))
    assert [name for name, _ in found[:1]] == ([best] if _cosine(asked, best) >= 0.3 else [])


@pytest.mark.parametrize("asked", ["", "q", "zzzzzz", "قلب"])
def test_what_looks_like_nothing_has_no_nearest(asked: str) -> None:
    assert GramIndex(NAMES).nearest(asked, 4) == []


def test_look_ups_at_once_answer_like_one_after_another() -> None:
    index = GramIndex([f"{name} {number}" for name in NAMES for number in range(200)])
    asked = [f"{name} {number}" for name in NAMES for number in range(0, 60, 3)]
    alone = [index.nearest(text, 8) for text in asked]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda text: index.nearest(text, 8), asked)) == alone


@pytest.mark.parametrize("floor", [0.0, 0.4, 0.6, 0.9])
@pytest.mark.parametrize(
    "mention", ["mucovisidosis", "hyperkalemia", "dystrophy type 2", "pits of the lip", "colon"]
)
def test_a_floor_changes_no_likeness_above_it(mention: str, floor: float) -> None:
    words = mention.split()
    for name in NAMES:
        cosine = _cosine(mention, name)
        whole, cut = likeness(words, name, cosine), likeness(words, name, cosine, floor)
        assert cut == pytest.approx(whole) if whole >= floor else cut < floor, name


def test_near_names_are_those_above_the_floor() -> None:
    near = NearNames(NAMES)
    (score, name), *others = near.of(["mucovisidosis"], 0.6)
    assert name == "mucoviscidosis"
    assert all(0.6 <= other <= score for other, _ in others)
    assert near.of(["mucovisidosis"], score + 0.01) == []
    assert near.of(["lip"], 0.0) == [], near_names.SHORTEST
