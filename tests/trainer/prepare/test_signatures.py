"""Hashes of words and MinHash, each against what it stands for, computed plainly."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from medtrain.prepare import signatures
from medtrain.prepare.words import comparable, words

VOCABULARY = [f"word{number}" for number in range(3000)]


def runs(text: str, length: int = signatures.RUN) -> set[tuple[str, ...]]:
    said = comparable(text).decode("utf-8", "replace").split()
    return {tuple(said[i : i + length]) for i in range(max(1, len(said) - length + 1))} - {()}


def jaccard(one: str, other: str) -> float:
    first, second = runs(one), runs(other)
    return len(first & second) / len(first | second)


def changed(said: list[str], count: int, draw: random.Random) -> str:
    copy = list(said)
    for place in draw.sample(range(len(copy)), count):
        copy[place] = draw.choice(VOCABULARY)
    return " ".join(copy)


@given(st.lists(st.text(alphabet="ab éß,.\n-字", max_size=40), min_size=1, max_size=6))
def test_equal_runs_have_equal_hashes_and_others_not(texts: list[str]) -> None:
    found = words([comparable(text) for text in texts])
    plain = [comparable(text).split() for text in texts]
    assert found.counts.tolist() == [len(said) for said in plain]
    every = [word for said in plain for word in said]
    assert len(set(found.hashes.tolist())) == len(set(every))
    assert len(set(zip(every, found.hashes.tolist(), strict=True))) == len(set(every))
    for length in (1, 3, 13):
        hashes, text = found.runs(length)
        for number, one in enumerate(texts):
            assert len(set(hashes[text == number].tolist())) == len(runs(one, length))


def test_a_text_has_the_same_hashes_in_any_company() -> None:
    alone = words([comparable("Flu is an infection.")])
    among = words([comparable(t) for t in ("", "Other text", "flu IS an: infection", "")])
    assert among.hashes[among.text == 2].tolist() == alone.hashes.tolist()
    together, text = among.runs(3)
    assert together[text == 2].tolist() == alone.runs(3)[0].tolist()


@pytest.mark.parametrize("length", [6, 30, 200])
def test_likeness_is_the_jaccard_index(length: int) -> None:
    draw = random.Random(length)
    pairs = []
    for _ in range(400):
        said = draw.choices(VOCABULARY, k=length)
        pairs.append((" ".join(said), changed(said, draw.randint(0, length // 4), draw)))
    one, other = (
        signatures.marks(words([comparable(pair[side]) for pair in pairs])) for side in (0, 1)
    )
    exact = np.array([jaccard(*pair) for pair in pairs])
    missed = signatures.likeness(one, other) - exact
    assert abs(missed.mean()) < 0.01, "it is biased"
    # The standard error of 128 draws is at most 0.044; short texts borrow more.
    assert missed.std() < 0.06
    assert (missed[exact == 1] == 0).all()


@pytest.mark.parametrize("near", [0.7, 0.85, 0.95])
def test_pairs_at_the_threshold_share_a_band_and_unlike_ones_do_not(near: float) -> None:
    draw = random.Random(1)
    found = wrongly = total = 0
    for _ in range(300):
        said = draw.choices(VOCABULARY, k=120)
        other = changed(said, draw.randint(1, 6), draw)
        stranger = " ".join(draw.choices(VOCABULARY, k=120))
        texts = [comparable(text) for text in (" ".join(said), other, stranger)]
        keys = signatures.bands(signatures.marks(words(texts)), near)
        wrongly += bool((keys[:, 0] == keys[:, 2]).any())
        if jaccard(" ".join(said), other) >= near:
            total += 1
            found += bool((keys[:, 0] == keys[:, 1]).any())
    assert total > 20 and found / total > 0.95
    assert wrongly == 0


def test_texts_without_words_have_a_signature_that_is_nothing() -> None:
    found = words([comparable(""), comparable("...")])
    assert not signatures.marks(found).any()
    assert found.runs(3)[0].size == 0
