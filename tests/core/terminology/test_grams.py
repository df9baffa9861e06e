"""Trigrams: the likeness is the cosine that it is said to be, one look-up disturbs no other."""

import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from medllm.terminology.grams import GramIndex, GramWeights

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


@pytest.mark.parametrize("asked", ["mucovisidosis", "fish eye disease", "énigme", "zzzzzz", "é"])
def test_weights_give_the_same_cosine(asked: str) -> None:
    weights = GramWeights(NAMES)
    for name in NAMES:
        for _ in range(2):  # anew, and as it is remembered
            assert weights.cosine(asked, name) == pytest.approx(_cosine(asked, name)), name
