"""Which card a question names; the traps are told beside each row."""

import pytest
from medllm.reference import builtin_cards
from medllm.terminology.normalise import key, sentence_case, words
from medllm.terminology.resolver import Resolver, builtin_resolver

RESOLVER = builtin_resolver()
EVERYDAY = ("hit me", "ed called me")
# Without the opposite of some terms, which must not be taken for each other.
FEWER = Resolver(card for card in builtin_cards() if card.split != "extra")


@pytest.mark.parametrize(
    ("question", "kind", "term"),
    [
        ("What is hypertension?", "term", "Hypertension"),
        ("HYPERTENSION", "term", "Hypertension"),
        ("Explain the medical term: Hypertension", "term", "Hypertension"),
        ("what is high blood pressure", "synonym", "Hypertension"),
        ("What is haematuria?", "term", "Hematuria"),  # British spelling
        ("What does MI stand for?", "abbreviation", "Myocardial infarction"),
        ("what is copd", "abbreviation", "Chronic obstructive pulmonary disease"),
        ("What is pulmonary hypertension?", "term", "Pulmonary hypertension"),  # longest name wins
        ("How does asthma develop?", "term", "Asthma"),
        ("Is hypertension dangerous?", "term", "Hypertension"),
        ("Crohn's disease", "term", "Crohn disease"),
        ("What is Guillain-Barre syndrome?", "term", "Guillain-Barré syndrome"),  # no accent typed
        ("tell me about the heart", "term", "Heart"),
        ("what does hit stand for", "abbreviation", "Heparin-induced thrombocytopenia"),
        ("tell me about HIT", "abbreviation", "Heparin-induced thrombocytopenia"),
        ("What is a leaky mitral valve?", "synonym", "Mitral regurgitation"),  # by the lexicon
        ("acne inversa", "synonym", "Hidradenitis suppurativa"),
        ("What is falling sickness?", "synonym", "Epilepsy"),
        ("hypertention", "fuzzy", "Hypertension"),
        ("What is atherosclerosos?", "fuzzy", "Atherosclerosis"),
        ("What is β-thalassaemia?", "term", "Beta-thalassemia"),
        ("α thalassemia", "term", "Alpha-thalassemia"),
        ("α1-antitrypsin deficiency", "term", "Alpha-1 antitrypsin deficiency"),
    ],
)
def test_known(question: str, kind: str, term: str) -> None:
    found = RESOLVER.resolve(question)
    assert (found.kind, found.card and found.card.term) == (kind, term)


@pytest.mark.parametrize(
    "question",
    [
        "What is portal hypertension?",  # a longer name around a known one
        "asthma attack",
        "What is heart block?",
        "What is hypokalemia?",  # one prefix away from hyperkalemia
        "hypernatremia",  # one prefix away from hyponatremia
        "aphagia",  # one letter away from aphasia
        "What is bradypnea?",
        "What is thrombocytosis?",  # the opposite of thrombocytopenia
        "What is flumboitis?",  # invented
        "hit me",  # an everyday word, not heparin-induced thrombocytopenia
        "ed called me",  # a name
        "ms smith went home as planned",  # a title, not multiple sclerosis
        "What is the capital of France?",
        "قلب",
        "高血圧とは何ですか",
    ],
)
def test_unknown_is_never_guessed(question: str) -> None:
    found = (RESOLVER if question in EVERYDAY else FEWER).resolve(question)
    assert (found.kind, found.card) == ("none", None)
    assert len(found.nearest) <= 3


def test_the_nearest_terms_are_offered() -> None:
    assert RESOLVER.resolve("What is portal hypertension?").nearest[0] == "Hypertension"
    assert "Hyperkalemia" in FEWER.resolve("hypokalemia").nearest


def test_two_terms_are_told() -> None:
    found = RESOLVER.resolve("What is gout and what is asthma?")
    assert found.card is not None
    assert {found.card.term, *found.also} == {"Gout", "Asthma"}


def test_the_rest_of_a_question_is_told() -> None:
    assert RESOLVER.resolve("Is hypertension hereditary?").leftover == ("hereditary",)


@pytest.mark.parametrize("entry", builtin_cards(), ids=lambda c: c.id)
def test_every_name_of_every_card_leads_to_it(entry) -> None:  # type: ignore[no-untyped-def]
    for name in entry.names():
        found = RESOLVER.resolve(f"What is {name}?")
        assert found.card is not None, name
        assert found.card.id == entry.id, name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Crohn's  Disease", "crohn disease"),
        ("Guillain-Barré", "guillain barre"),
        ("oedema", "edema"),
        ("What does", "what does"),  # not "des"
        ("ＨＩＶ", "hiv"),  # full-width letters
        ("β blocker", "beta blocker"),
        ("TNF-α", "tnf alpha"),
        ("5 µg", "5 μg"),  # a unit keeps its letter
    ],
)
def test_key(text: str, expected: str) -> None:
    assert key(text) == expected


def test_words_keep_their_case() -> None:
    assert words("What is MI?") == ["What", "is", "MI"]


@pytest.mark.parametrize(
    ("name", "inside"),
    [("Hypertension", "hypertension"), ("C-reactive protein", "C-reactive protein"), ("HIV", "HIV"),
     ("Crohn disease", "Crohn disease"), ("Red blood cell", "red blood cell")],
)  # fmt: skip
def test_sentence_case(name: str, inside: str) -> None:
    assert sentence_case(name) == inside
