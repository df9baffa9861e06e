"""What the mini model reads: prose for pre-training, question and card pairs for tuning."""

from collections.abc import Sequence
from typing import TypedDict

from medllm.card import TITLES
from medllm.prompts import ABBREVIATION_PHRASINGS, ASSISTANT, PHRASINGS, USER, Message
from medllm.reference import ReferenceCard
from medllm.terminology.normalise import sentence_case


class Pair(TypedDict):
    """A prompt/completion record, as TRL takes it: the loss is on the completion alone."""

    prompt: list[Message]
    completion: list[Message]


class Prose(TypedDict):
    """A prompt/completion record of running text.

    The prompt names the term and is not learned: which name comes next can't be
    known, and that noise would drown what name and meaning have to do with each other.
    """

    prompt: str
    completion: str


LEADS = (
    ("More on this. ", "Why it matters. ", "A word of caution. "),
    ("How this comes about or works: ", "What it means in care: ", "What to watch for: "),
    ("", "", ""),
)
"""What a writer may put before the second, third and fourth paragraph."""


def paragraphs(card: ReferenceCard, lead: int) -> str:
    """The card's content as four paragraphs of prose; `lead` chooses how they begin."""
    first, *others = card.card.parts()
    led = [opening + text for opening, text in zip(LEADS[lead % 3], others, strict=True)]
    return "\n\n".join((first, *led))


def prose(card: ReferenceCard) -> list[Prose]:
    """The card's content as running text, without any heading, in several arrangements."""
    running = " " + " ".join(card.card.parts())
    name = sentence_case(card.term)
    texts: list[Prose] = [
        {"prompt": f"{card.term}.", "completion": running},
        {"prompt": f"About {name}:", "completion": "\n\n" + paragraphs(card, 2)},
    ]
    if len(card.names()) > 1:
        other = f"{card.names()[1]} is another name for {name}."
        texts.append({"prompt": other, "completion": running})
    return texts


def questions(card: ReferenceCard) -> list[str]:
    """All questions that the card is trained to answer, its synonyms and abbreviation included."""
    asked = [phrasing.format(name=sentence_case(card.term)) for phrasing in PHRASINGS]
    asked.append(PHRASINGS[0].format(name=card.term))
    asked.append(PHRASINGS[1].format(name=card.term))
    if card.abbreviation:
        asked += [p.format(name=card.abbreviation) for p in ABBREVIATION_PHRASINGS[:3]]
    for index, synonym in enumerate(card.synonyms):
        asked.append(PHRASINGS[index % len(PHRASINGS)].format(name=synonym))
    return list(dict.fromkeys(asked))


def prose_answers(card: ReferenceCard) -> list[Prose]:
    """Questions, in the chat's form, that the card's prose answers, still without headings.

    Each kind of question is answered in full. Only the last answer begins with the name:
    the others must be found by the name in the question, as those of the tuning must.
    """
    asked = _spread(questions(card), 5)
    named = f"**{card.term}**: "
    return [
        {
            "prompt": f"{USER}{question}{ASSISTANT}",
            "completion": (named if question == asked[-1] else "") + paragraphs(card, lead),
        }
        for lead, question in enumerate(asked)
    ]


def words_of_the_form() -> list[Prose]:
    """Sentences that use the words of the headings as words, in the order of a card.

    A token that pre-training never has to write gets an embedding that an adapter,
    which leaves embeddings alone, can hardly write later.
    """
    told = [
        (
            "says",
            ("what a term means", "how it comes about", "why it matters", "when to seek help"),
        ),
        ("tells", ("what it is", "how it works", "what it is for", "what to be careful about")),
        ("holds", ("the meaning", "the cause or the way it works", "its use in care", "a warning")),
        ("gives", ("one sentence", "a few more", "a reason to know it", "a word of caution")),
    ]
    sentences: list[Prose] = [
        {
            "prompt": "Words:",
            "completion": " "
            + ", ".join(
                f"**{title}** {verb} {meaning}"
                for title, meaning in zip(TITLES, meanings, strict=True)
            )
            + ".",
        }
        for verb, meanings in told
    ]
    return sentences * 4


def _spread(items: list[str], count: int) -> list[str]:
    """`count` of the items, evenly spread, first and last among them."""
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def pairs(cards: Sequence[ReferenceCard]) -> list[Pair]:
    """Question and card records of the cards that are in the tuning."""
    return [
        {
            "prompt": [{"role": "user", "content": question}],
            "completion": [{"role": "assistant", "content": card.text}],
        }
        for card in cards
        if card.split != "test"
        for question in questions(card)
    ]
