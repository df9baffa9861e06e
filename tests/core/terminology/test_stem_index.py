"""Names that share the telling words of a mention, and words that look like one."""

import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from medllm.terminology import stem_index
from medllm.terminology.like_words import LikeWords
from medllm.terminology.stem_index import StemIndex, stems_of

NAMES = [
    "breast cancer", "cancer", "cystic fibrosis", "myotonic dystrophy type 1", "lip pit syndrome",
    "muscular dystrophy", "muscular dystrophy with cataract", "dystrophy of the cornea",
]  # fmt: skip


def _share(asked: str, name: str) -> float:
    """As it is defined, over all names."""
    counts = Counter(stem for known in NAMES for stem in stems_of(known.split()))

    def weigh(stems: frozenset[str]) -> float:
        return sum(math.log((1 + len(NAMES)) / (1 + counts[stem])) + 1 for stem in stems)

    one, other = stems_of(asked.split()), stems_of(name.split())
    return 2 * weigh(one & other) / (weigh(one) + weigh(other))


@pytest.mark.parametrize("asked", ["muscular dystrophy", "cancers of the breast", "fibrosis"])
def test_names_come_with_the_share_of_their_stems(asked: str) -> None:
    index = StemIndex(NAMES)
    found = index.likely(asked.split(), 4)
    for number, share in found:
        assert share == pytest.approx(_share(asked, index.names[number]), abs=1e-5)
    assert found[0][1] == pytest.approx(max(_share(asked, name) for name in NAMES), abs=1e-5)
    assert len({number for number, _ in found}) == len(found), "each name once"
    assert index.likely(asked.split(), 1) == found[:1]


def test_of_very_many_names_the_shortest_are_read() -> None:
    many = ["gout" + " the" * number for number in range(stem_index.LOOKED_THROUGH + 50)]
    index = StemIndex(many[::-1])
    found = [index.names[number] for number, _ in index.likely(["gout"], len(many))]
    assert sorted(found, key=len) == many[: stem_index.LOOKED_THROUGH]


def test_look_ups_at_once_answer_like_one_after_another() -> None:
    index = StemIndex(f"{name} {number}" for name in NAMES for number in range(100))
    asked = [[*name.split(), str(number)] for name in NAMES for number in range(0, 60, 3)]
    alone = [index.likely(words, 8) for words in asked]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda words: index.likely(words, 8), asked)) == alone


@pytest.mark.parametrize(
    ("stem", "like"),
    [
        ("mucovisidos", {"mucoviscidos"}),
        ("lippit", {"lip", "pit"}),
        ("pit", set()),
        ("17q21", set()),
        ("zzzzzz", set()),
    ],
)
def test_like_words(stem: str, like: set[str]) -> None:
    assert set(LikeWords(["mucoviscidos", "lip", "pit", "fibros", "17q22"]).of(stem)) == like
