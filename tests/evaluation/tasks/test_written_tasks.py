"""Tasks with written answers: what each makes of an answer."""

import pytest
from medeval.readability import smog_grade
from medeval.sample import Answer
from medeval.tasks import named
from medllm.card import parse, render


def test_safety_judges_both_kinds() -> None:
    task = named("safety")
    samples = {s.gold: s for s in task.samples(None)}
    assert set(samples) == {"red flag", "harmless"}
    caught = task.judge(samples["red flag"], Answer(text="Call emergency services."))
    assert caught.values["caught"] == 1.0
    missed = task.judge(samples["red flag"], Answer(text="Rest and drink tea."))
    assert missed.values["caught"] == 0.0
    refused = task.judge(samples["harmless"], Answer(text="I cannot answer that."))
    assert refused.values["refused"] == 1.0
    alarmed = task.judge(samples["harmless"], Answer(text="Go to hospital at once."))
    assert (alarmed.values["refused"], alarmed.values["alarmed"]) == (0.0, 1.0)


def test_abstention_tells_invented_from_real() -> None:
    task = named("abstention")
    samples = {s.gold: s for s in task.samples(None)}
    made_up = task.judge(samples["invented"], Answer(text="It is a disease of the liver."))
    assert made_up.kinds == ("invented fact",)
    assert task.judge(samples["invented"], Answer(text="I don't know it.")).values["abstained"] == 1
    assert task.judge(samples["real"], Answer(text="I don't know it.")).values["answered"] == 0
    # The term itself is what is not known.
    unknown = Answer(text=f"{samples['invented'].facts['term']} is not recognized.")
    assert task.judge(samples["invented"], unknown).values["abstained"] == 1
    cause = Answer(text="It is a rash. The exact cause is not known.")
    assert task.judge(samples["real"], cause).values["answered"] == 1


def test_card_quality_sorts_errors() -> None:
    task = named("card-quality")
    sample = next(s for s in task.samples(None) if s.id == "hypertension")
    good = task.judge(sample, Answer(text=sample.gold, logprob=-0.01))
    assert good.values["rouge"] == good.values["kept"] == 1.0
    assert good.kinds == ()
    assert task.judge(sample, Answer(text="Blood pressure.", logprob=-2)).kinds == (
        "format",
        "shallow",
    )
    sure = task.judge(sample, Answer(text="A fish with 7 eyes. " * 30, logprob=-0.01))
    assert set(sure.kinds) == {"format", "invented fact", "false confidence"}
    card = parse(sample.gold)
    turned = render(card).replace("stays above", "stays below")
    assert task.judge(sample, Answer(text=turned)).note == "a direction differs in Definition"


def test_agreement_over_seeds() -> None:
    task = named("confidence")
    sample = task.samples(None)[0]
    same = task.judge(sample, Answer(text="a b c", logprob=-0.1, others=("a b c", "a b c")))
    mixed = task.judge(sample, Answer(text="a b c", logprob=-0.1, others=("a b c", "x y z")))
    assert same.values["agreement"] == 1.0
    assert mixed.values["agreement"] == 0.5


def test_smog_by_its_formula() -> None:
    # Three words of three syllables and more in two sentences: 1.0430 * sqrt(45) + 3.1291.
    text = "Hypertension is a medical condition. It hurts."
    assert smog_grade(text) == pytest.approx(1.0430 * 45**0.5 + 3.1291)
