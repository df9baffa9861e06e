"""Mentions in running text: places, longest names, negation."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from medllm.terminology import negation, tokens
from medllm.terminology.mentions import Annotator


@pytest.mark.parametrize(
    "text",
    [
        "Crohn’s ﬁbrosis: cystic fibrosis (CF), and œdema — oedema.",  # ligatures stay one character
        "Naïve e\u0301 e\u0301 cystic\u00a0fibrosis, 𝔐 cystic fibrosis",
        "½ cystic fibrosis ①②③ breast cancer\r\n\tbreast-cancer",
    ],
)
def test_offsets_are_of_the_text_as_given(annotator: Annotator, text: str) -> None:
    found = annotator.mentions(text)
    assert found
    assert all(text[m.start : m.end] == m.text for m in found)
    assert {"cystic fibrosis"} <= {m.text.replace("\u00a0", " ") for m in found}


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_every_word_is_where_it_says(text: str) -> None:
    words = tokens.words_at(text)
    assert all(text[w.start : w.end].strip() for w in words)
    assert all(one.end <= other.start for one, other in pairwise(words))


def test_the_longest_name_wins(annotator: Annotator) -> None:
    text = "myotonic dystrophy type 1 and malignant neoplasms of breast"
    assert [m.text for m in annotator.mentions(text)] == [
        "myotonic dystrophy type 1",
        "malignant neoplasms of breast",
    ]


def test_no_name_reaches_over_a_sentence(annotator: Annotator) -> None:
    found = annotator.mentions("The lump was breast. Cancer followed.")
    assert "breast. Cancer" not in [m.text for m in found]


def test_an_acronym_needs_its_capitals(annotator: Annotator) -> None:
    assert annotator.mentions("The cf. sign says compare, dm1 is nothing.") == []


def test_what_cannot_be_told_is_said(annotator: Annotator) -> None:
    (found,) = annotator.mentions("DM1 was considered.")
    assert (found.text, found.link) == ("DM1", None)


@pytest.mark.parametrize(
    ("text", "short", "expected"),
    [
        ("Troponin peaked and the trace showed an inferior MI.", "MI", "myocardial infarction"),
        ("Echo: mild MI, systolic murmur, valve, jet.", "MI", "mitral insufficiency"),
        ("CF with Pseudomonas in sputum, on enzymes.", "CF", "cystic fibrosis"),
        ("CF with dyspnea, edema, low ejection fraction, a diuretic.", "CF", "heart failure"),
        # The text's own definition comes before what the abbreviation mostly means.
        ("Mucoviscidosis (MV) is inherited. The MV was severe.", "MV", "cystic fibrosis"),
        ("MI noted.", "MI", None),
        ("Seen for CF.", "CF", None),
    ],
)
def test_an_abbreviation_means_what_its_text_tells(
    annotator: Annotator, text: str, short: str, expected: str | None
) -> None:
    found = [mention for mention in annotator.mentions(text) if mention.text == short]
    assert found
    for mention in found:
        names = annotator.store.names(mention.link.concept) if mention.link else []
        folded = [entry.text.lower() for entry in names]
        assert (mention.link is None) is (expected is None)
        assert expected is None or expected in folded, folded


@pytest.mark.parametrize(
    "text",
    [
        "The National Institute of Cystic Fibrosis and Asthma (NICFA) pays. NICFA is large.",
        "The Society of Irritable Bowels (SIB) met. SIB is small.",
    ],
)
def test_an_abbreviation_of_more_is_not_a_part_of_it(annotator: Annotator, text: str) -> None:
    short = [m for m in annotator.mentions(text) if m.text in ("NICFA", "SIB")]
    assert short and [m.link for m in short] == [None] * len(short)


def test_where_it_is_not_sure_the_senses_are_given(annotator: Annotator) -> None:
    (found,) = (m for m in annotator.mentions("MI noted.") if m.text == "MI")
    assert found.link is None
    assert found.ranked is not None
    senses = [entry.sense.expansion for entry in found.ranked.senses]
    assert {"myocardial infarction", "mitral insufficiency"} <= set(senses)


def test_what_was_said_before_counts(annotator: Annotator) -> None:
    alone, after = (
        annotator.mentions("The MV was severe.", before)
        for before in ("", "Mucoviscidosis (MV) is inherited.")
    )
    assert [mention.link for mention in alone] == [None]
    assert [(mention.start, mention.end) for mention in after] == [(4, 6)]
    assert after[0].link is not None
    assert annotator.store.preferred(after[0].link.concept) == "cystic fibrosis"


@pytest.mark.parametrize(
    ("text", "negated"),
    [
        ("No evidence of cystic fibrosis.", True),
        ("She denies pain, cough, cystic fibrosis or fever.", True),
        ("Cystic fibrosis was ruled out.", True),
        ("Cystic fibrosis: negative", True),
        ("without cystic fibrosis", True),
        ("She has cystic fibrosis.", False),
        ("Not only cystic fibrosis was found.", False),  # only looks like one
        ("No fever but cystic fibrosis.", False),  # the clause ends
        ("No fever. Cystic fibrosis is known.", False),
        ("Gram negative rods in cystic fibrosis.", False),
        ("Cystic fibrosis was not ruled out.", False),
        ("Cystic fibrosis; fever was ruled out.", False),
    ],
)
def test_negation(annotator: Annotator, text: str, negated: bool) -> None:
    (found,) = (m for m in annotator.mentions(text) if m.text.lower() == "cystic fibrosis")
    assert (found.negation is not None) is negated


def test_a_cue_reaches_so_far_and_no_farther() -> None:
    text = "no " + "word " * 40
    (scope,) = negation.scopes(text)
    assert len(text[scope.start : scope.end].split()) == negation.SCOPE
