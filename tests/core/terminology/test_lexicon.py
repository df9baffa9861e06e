"""The built-in lexicon: its size, its warnings, what may not be in it; and broken files."""

from collections import Counter
from pathlib import Path

import pytest
from medllm import paths
from medllm.errors import DataError, StorageError
from medllm.reference import builtin_cards
from medllm.terminology.lexicon import Concept, Lexicon, Sense, builtin_lexicon
from medllm.terminology.normalise import key
from medllm.terminology.readers import senses as reader
from medllm.terminology.tokens import bag, name_words

LEXICON = builtin_lexicon()
SENSES = [sense for short in LEXICON.abbreviations() for sense in LEXICON.senses(short)]


def test_it_is_as_large_as_promised() -> None:
    assert len(LEXICON.abbreviations()) >= 700
    assert len(SENSES) >= 1500
    assert sum(len(LEXICON.senses(short)) > 1 for short in LEXICON.abbreviations()) >= 300


def test_no_sense_stands_twice() -> None:
    keys = Counter(
        (sense.abbreviation, key(sense.expansion) or sense.expansion) for sense in SENSES
    )
    assert [pair for pair, count in keys.items() if count > 1] == []


def test_every_concept_is_of_use() -> None:
    """It is what an abbreviation can mean, or it has other names."""
    used = {sense.concept for sense in SENSES}
    named = {code for code, concept in LEXICON.concepts.items() if concept.synonyms}
    assert set(LEXICON.concepts) - used - named == set()


def test_no_name_is_of_two_concepts() -> None:
    owners: dict[str, set[str]] = {}
    for concept in LEXICON.concepts.values():
        for name in (concept.name, *concept.synonyms):
            owners.setdefault(key(name), set()).add(concept.id)
    shared = {name: codes for name, codes in owners.items() if len(codes) > 1}
    assert shared == {}


def test_everyday_names_lead_to_the_technical_ones() -> None:
    names = {key(n): c.name for c in LEXICON.concepts.values() for n in (c.name, *c.synonyms)}
    for everyday, technical in (
        ("hair loss", "alopecia"), ("canker sores", "recurrent aphthous stomatitis"),
        ("fifth disease", "Erythema infectiosum"), ("earwax", "cerumen"),
    ):  # fmt: skip
        assert names[key(everyday)].casefold() == technical.casefold(), everyday


@pytest.mark.parametrize("short", ["U", "IU", "QD", "QOD", "MSO4", "MgSO4"])
def test_what_may_not_be_used_is_marked(short: str) -> None:
    """The Joint Commission's list of abbreviations that are not to be used."""
    assert any(sense.caution.startswith("do not use: ") for sense in LEXICON.senses(short))


def test_morphine_and_magnesium_are_told_apart() -> None:
    told = {s.expansion: s.caution for s in LEXICON.senses("MS")}
    assert all(
        told[drug].startswith("do not use: ") for drug in ("morphine sulfate", "magnesium sulfate")
    )
    assert told["multiple sclerosis"] == ""


def test_errors_that_are_often_made_are_marked() -> None:
    assert sum(sense.caution.startswith("error-prone: ") for sense in SENSES) >= 40


def test_the_cards_abbreviations_have_their_sense() -> None:
    missing = []
    for card in builtin_cards():
        if card.abbreviation:
            names = {_bag(name) for name in (card.term, *card.synonyms)}
            senses = [
                sense
                for spelling in LEXICON.spellings(card.abbreviation)
                for sense in LEXICON.senses(spelling.abbreviation)
            ]
            if not any(_bag(name) in names for s in senses for name in LEXICON.names(s)):
                missing.append((card.abbreviation, card.term))
    assert missing == []


def test_a_cards_concept_is_the_cards() -> None:
    """`MI` leads to the card of myocardial infarction."""
    assert f"MED:{'myocardial-infarction'}" in LEXICON.codes(LEXICON.senses("MI")[0])


def test_cues_are_short_and_in_small_letters() -> None:
    assert [s for s in SENSES for cue in s.cues if cue != cue.lower() or len(cue.split()) > 4] == []


def _bag(name: str) -> str:
    """Of a test's name without the word: a test and what it measures share an abbreviation."""
    words = [word for word in name_words(name) if word not in ("test", "tests")]
    return bag(words)


SMALL = Lexicon(
    [],
    [
        Sense("pt", "X:1", "patient"),
        Sense("PT", "X:2", "prothrombin time"),
        Sense("BID", "X:3", "twice a day"),
        Sense("A/P", "X:4", "assessment and plan"),
        Sense("AP", "X:5", "anteroposterior"),
        Sense("M", "X:6", "male"),
        Sense("MS", "X:7", "multiple sclerosis"),
        Sense("DVT", "X:8", "deep vein thrombosis"),
    ],
)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("pt", [("pt", 0), ("PT", 1)]),
        ("PT", [("PT", 0), ("pt", 1)]),
        ("Pt.", [("pt", 1), ("PT", 1)]),
        ("b.i.d.", [("BID", 1)]),
        ("bid", [("BID", 1)]),
        ("a/p", [("A/P", 1), ("AP", 2)]),  # a slash tells A/P from AP, an underscore is one
        ("a_p", [("A/P", 1), ("AP", 2)]),
        ("AP", [("AP", 0), ("A/P", 2)]),
        ("DVTs", [("DVT", 3)]),
        ("DVT's", [("DVT", 3)]),
        ("MS", [("MS", 0)]),  # not two males
        ("Ms", [("MS", 1)]),
        ("XYZ", []),
        ("", []),
        ("s", []),
    ],
)
def test_spellings(written: str, expected: list[tuple[str, int]]) -> None:
    assert [(s.abbreviation, s.closeness) for s in SMALL.spellings(written)] == expected


CONCEPTS = "\t".join(reader.CONCEPT_HEADER) + "\nX:1\tone\tfirst|prime\tDISO\tY:1\n"
TABLE = "\t".join(reader.SENSE_HEADER) + "\nON\tX:1\tone\tcue one|two\t\terror-prone: no\n"


def test_both_tables_are_read(tmp_path: Path) -> None:
    (tmp_path / "c.tsv").write_text(CONCEPTS)
    (tmp_path / "s.tsv").write_text(TABLE)
    concepts = reader.read_concepts(tmp_path / "c.tsv")
    assert concepts == [Concept("X:1", "one", ("first", "prime"), "DISO", ("Y:1",))]
    assert reader.read_senses(tmp_path / "s.tsv", {"X:1"}) == [
        Sense("ON", "X:1", "one", ("cue one", "two"), "", "error-prone: no")
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "line 1: the file is empty"),
        ("concept\tname\n", "line 1: the header must be: concept id"),
        (CONCEPTS + "X:2\ttwo\n", "line 3: 2 cells where the header has 5"),
        (CONCEPTS + "X:1\tagain\t\tDISO\t\n", "line 3: the concept X:1 stands here a second time"),
        (CONCEPTS + "two\ttwo\t\tDISO\t\n", "line 3: 'two' is no concept id"),
        (CONCEPTS + "X:2\t\t\tDISO\t\n", "line 3: X:2 has no name"),
        (CONCEPTS + "X:2\ttwo\t\tDISEASE\t\n", "line 3: 'DISEASE' is no semantic group"),
        (CONCEPTS + "X:2\ttwo\t\tDISO\tnone\n", "line 3: 'none' is no code"),
        (CONCEPTS.encode() + b"X:2\tcaf\xe9\t\tDISO\t\n", "line 3: not UTF-8"),
    ],
)
def test_broken_concepts_are_told(tmp_path: Path, content: str | bytes, told: str) -> None:
    file = tmp_path / "lexicon.tsv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError, match=r"lexicon\.tsv") as error:
        reader.read_concepts(file)
    assert told in error.value.message


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("\tX:1\tone\t\t\t", "an abbreviation and an expansion"),
        ("TW\tX:2\ttwo\t\t\t", "'X:2' is no concept of the lexicon"),
        ("ON\tX:1\tOne\t\t\t", "ON has the sense One already"),
        ("TW\tX:1\ttwo\t\t\tdangerous", "a caution begins with one of"),
        ("TW\tX:1\ttwo\t\t\t\nON\tX:1\tother\t\t\t", "ON has senses further up"),
    ],
)
def test_broken_senses_are_told(tmp_path: Path, line: str, told: str) -> None:
    file = tmp_path / "abbreviations.tsv"
    file.write_text(TABLE + line + "\n")
    with pytest.raises(DataError, match=r"line [34]") as error:
        reader.read_senses(file, {"X:1"})
    assert told in error.value.message


def test_a_missing_lexicon_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere\.tsv"):
        reader.read_concepts(tmp_path / "nowhere.tsv")


def test_the_files_are_where_the_paths_say() -> None:
    assert paths.lexicon_file().is_file()
    assert paths.abbreviations_file().is_file()
