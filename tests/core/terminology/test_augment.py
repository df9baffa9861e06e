"""What is done to training texts, and that it is told."""

from random import Random

from medllm.terminology import augment
from medllm.terminology.mentions import Annotator

TEXT = (
    "Mucoviscidosis is inherited. She denies cystic fibrosis, but a breast cancer (BC) was found. "
    "Breast cancers and CF differ; Curschmann-Batten-Steinert syndrome is another matter."
)


def test_preferred_names(annotator: Annotator) -> None:
    made = augment.preferred(TEXT, annotator.mentions(TEXT), annotator.store)
    assert made.text.startswith("Cystic fibrosis is inherited.")
    assert _sound(made, TEXT)


def test_masks_by_group(annotator: Annotator) -> None:
    mentions = annotator.mentions(TEXT)
    made = augment.masked(TEXT, mentions, annotator.store)
    assert made.text.startswith("[DISO] is inherited. She denies [DISO], but a [DISO]")
    assert _sound(made, TEXT)
    assert augment.masked(TEXT, mentions, annotator.store, groups=("CHEM",)).changes == ()


def test_synonyms_are_exact_written_out_and_not_negated(annotator: Annotator) -> None:
    mentions = annotator.mentions(TEXT)
    for seed in range(30):
        made = augment.with_synonyms(TEXT, mentions, annotator.store, Random(seed))
        assert _sound(made, TEXT)
        assert "denies cystic fibrosis" in made.text  # negated
        assert "Breast cancers and CF differ" in made.text  # a plural, an acronym
        assert "Curschmann-Batten-Steinert" in made.text.split("; ")[1]  # a related name
        assert {c.after for c in made.changes} <= {
            "Cystic fibrosis",
            "malignant neoplasm of breast",
        }
        assert made.changes


def test_rare_concepts_are_masked(annotator: Annotator) -> None:
    text = "cystic fibrosis and breast cancer"
    mentions = annotator.mentions(text)
    rare = {mention.link.concept for mention in mentions if mention.link and mention.start}
    made = augment.masked(text, mentions, annotator.store, concepts=rare)
    assert made.text == "cystic fibrosis and [DISO]"
    assert [c.kind for c in made.changes] == ["rare-mask"]


def _sound(made: augment.Example, source: str) -> bool:
    """Whether every change and span is where it says."""
    return all(
        made.text[c.start : c.start + len(c.after)] == c.after
        and source[c.source_start : c.source_start + len(c.before)] == c.before
        for c in made.changes
    ) and all(made.text[s.start : s.end] for s in made.spans)
