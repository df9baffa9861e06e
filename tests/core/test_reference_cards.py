"""The curated cards: schema, counts, duplicates, links, reading grade, forbidden content, codes."""

import re
from collections import Counter
from typing import get_args

import pytest
from medeval.readability import flesch_kincaid_grade
from medllm import card
from medllm.reference import ReferenceCard, Speciality, builtin_cards
from medllm.terminology.lexicon import builtin_lexicon
from medllm.terminology.normalise import key

from tests import public_data

CARDS = builtin_cards()
COUNTS = {
    ("terminology", "train"): 50,
    ("terminology", "test"): 13,
    ("abbreviation", "train"): 40,
    ("abbreviation", "test"): 16,
    ("disease mechanism", "train"): 25,
    ("disease mechanism", "test"): 8,
    ("anatomy & physiology", "train"): 20,
    ("anatomy & physiology", "test"): 6,
    ("diagnostic test", "train"): 15,
    ("diagnostic test", "test"): 7,
}
DONE_OR_USED = ("PROC", "CHEM", "DEVI")
DOSE = re.compile(r"\b\d+(?:[.,]\d+)?\s?(?:mg|mcg|µg|g|ml|mL|l|L|units?|IU|tablets?|drops?|%)\b|%")
CITATION = re.compile(
    r"https?://|\bdoi\b|\bet al\.|\b(?:19|20)\d\d\b|according to|(?:a|one|recent) stud(?:y|ies) ",
    re.I,
)


def texts(entry: ReferenceCard) -> str:
    # The only year is part of a disease's name.
    return " ".join((*entry.card.parts(), entry.plain)).replace("disease 2019", "disease")


def test_counts_follow_the_split_of_the_mini_recipe() -> None:
    assert Counter((c.category, c.split) for c in CARDS if c.split != "extra") == COUNTS


def test_the_fields_of_medicine_are_all_there() -> None:
    fields = Counter(c.speciality for c in CARDS)
    assert set(fields) == set(get_args(Speciality))
    assert sum(count >= 10 for count in fields.values()) >= 12


def test_a_share_of_them_are_tests_procedures_and_drugs() -> None:
    """By category, or by the semantic group of the lexicon's concept."""
    groups = {
        code.removeprefix("MED:"): concept.group
        for concept in builtin_lexicon().concepts.values()
        for code in (concept.id, *concept.references)
        if code.startswith("MED:")
    }
    told = [c for c in CARDS if c.category == "diagnostic test" or groups.get(c.id) in DONE_OR_USED]
    assert len(told) >= 150


def test_ids_and_names_are_unique() -> None:
    assert [i for i, n in Counter(c.id for c in CARDS).items() if n > 1] == []
    owners: dict[str, set[str]] = {}
    for entry in CARDS:
        for name in entry.names():
            owners.setdefault(key(name), set()).add(entry.id)
    assert {name: ids for name, ids in owners.items() if len(ids) > 1} == {}


def test_see_also_leads_somewhere() -> None:
    known = {c.id for c in CARDS}
    assert [(c.id, i) for c in CARDS for i in c.see_also if i not in known or i == c.id] == []
    assert [c.id for c in CARDS if not c.see_also] == []


@pytest.mark.parametrize("entry", CARDS, ids=lambda c: c.id)
def test_card_reads_back_and_is_adherent(entry: ReferenceCard) -> None:
    assert card.parse(entry.text) == entry.card
    assert card.adherent(entry.text)


def test_plain_versions_are_easy_to_read() -> None:
    grades = {c.id: round(flesch_kincaid_grade(c.plain), 1) for c in CARDS}
    assert {i: grade for i, grade in grades.items() if grade > 8} == {}


def test_no_doses_and_no_citations() -> None:
    found = [
        (c.id, m[0]) for c in CARDS for m in (DOSE.search(texts(c)), CITATION.search(texts(c))) if m
    ]
    assert found == []


def test_safety_notes_send_the_reader_somewhere() -> None:
    told = re.compile(
        r"emergenc|urgent|prompt|doctor|clinician|professional|medical|care|nurse|team|information",
        re.I,
    )
    assert [c.id for c in CARDS if not told.search(c.safety_note)] == []


def test_every_card_had_its_second_reading() -> None:
    assert [c.id for c in CARDS if not c.reviewed] == []


def test_abbreviation_cards_open_with_their_abbreviation() -> None:
    short = [c for c in CARDS if c.category == "abbreviation"]
    assert [c.id for c in short if not c.abbreviation or c.abbreviation not in c.definition] == []


def test_codes_are_confirmed_by_the_public_vocabularies() -> None:
    names = public_data.confirmed_names(public_data.folder())
    wrong = [
        (entry.id, code)
        for entry in CARDS
        for code in entry.codes
        if not names.get(code, set()) & {key(name) for name in entry.names()}
    ]
    assert wrong == []
