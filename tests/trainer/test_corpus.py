"""What the mini model reads: no heading before tuning, no test card in it."""

from medllm import card
from medllm.reference import builtin_cards
from medtrain import corpus, pretrain

CARDS = builtin_cards()


def test_prose_has_every_part_and_no_heading() -> None:
    for entry in CARDS:
        for text in corpus.prose(entry):
            assert all(part in text["completion"] for part in entry.card.parts()), entry.id
        for text in (*corpus.prose(entry), *corpus.prose_answers(entry)):
            assert not any(heading in "".join(text.values()) for heading in card.HEADINGS)
            assert entry.definition in text["completion"]


def test_the_words_of_the_headings_are_written_in_pre_training() -> None:
    texts = [text["completion"] for text in corpus.words_of_the_form()]
    assert all(f"**{title}**" in text for text in texts for title in card.TITLES)
    assert not any(heading in text for text in texts for heading in card.HEADINGS)
    assert set(texts) <= {record["completion"] for record in pretrain.records(CARDS)}


def test_the_prose_of_all_splits_is_read() -> None:
    assert {c.split for c in CARDS if corpus.prose(c)} >= {"train", "test"}


def test_no_card_of_the_test_split_is_in_the_tuning() -> None:
    completions = {pair["completion"][0]["content"] for pair in corpus.pairs(CARDS)}
    assert {c.text for c in CARDS if c.split != "test"} == completions
    assert not completions & {c.text for c in CARDS if c.split == "test"}


def test_every_name_is_asked_for() -> None:
    for entry in CARDS:
        asked = " | ".join(corpus.questions(entry)).casefold()
        assert all(name.casefold() in asked for name in entry.names()), entry.id
        assert len(set(corpus.questions(entry))) == len(corpus.questions(entry)) >= 5


def test_the_pairs_are_the_same_each_time() -> None:
    assert corpus.pairs(CARDS) == corpus.pairs(CARDS)
