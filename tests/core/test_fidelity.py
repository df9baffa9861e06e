"""What counts as straying from a card."""

from itertools import pairwise

import pytest
from medllm import fidelity
from medllm.card import Card
from medllm.reference import builtin_cards

CARD = Card(
    "Hypertension is blood pressure that stays above the usual range.",
    "The heart has four chambers. It can not rest. Pressure rises when small arteries tighten.",
    "It often has no symptoms but raises the risk of stroke.",
    "Seek emergency care at once for chest pain.",
)


def changed(**parts: str) -> Card:
    return Card(**{**CARD.as_dict(), **parts})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (CARD, None),
        (changed(definition="Hypertension is a blood pressure that stays above the usual range."), None),
        (changed(definition=CARD.definition.replace("above", "below")), "direction"),
        (changed(explanation=CARD.explanation.replace("four", "three")), "number"),
        (changed(explanation=CARD.explanation.replace("not ", "")), "negation"),
        (changed(explanation=CARD.explanation.replace("can not", "can't")), None),
        (changed(clinical_relevance=CARD.clinical_relevance.replace("no", "some")), "negation"),
        (changed(clinical_relevance=CARD.clinical_relevance + " It affects 30 people."), "number"),
        (changed(safety_note="See a nurse when you like."), "emergency|direction"),
        (changed(definition="Gout is a painful joint disease from crystals."), "direction|common"),
    ],
)  # fmt: skip
def test_strays(answer: Card, reason: str | None) -> None:
    found = fidelity.strays(answer, CARD)
    if reason is None:
        assert found is None
    else:
        assert found is not None
        assert any(word in found for word in reason.split("|")), found


def test_every_card_keeps_to_itself_and_strays_from_its_neighbour() -> None:
    cards = builtin_cards()
    for one, other in pairwise(cards):
        assert fidelity.strays(one.card, one.card) is None
        assert fidelity.strays(one.card, other.card) is not None


def test_common_is_a_share() -> None:
    assert fidelity.common("a b c d", "a b c d") == 1.0
    assert fidelity.common("a b", "c d") == 0.0
    assert fidelity.common("", "") == 1.0
