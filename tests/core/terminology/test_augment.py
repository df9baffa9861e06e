"""What is done to training texts, and that it is told."""

import json
from pathlib import Path
from random import Random

import pytest
from medllm.errors import DataError, UsageError
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
    texts = ["cystic fibrosis", "cystic fibrosis and breast cancer"]
    annotated = [annotator.mentions(text) for text in texts]
    rare = augment.rare_concepts(annotated, 1)
    made = augment.masked(texts[1], annotated[1], annotator.store, concepts=rare)
    assert made.text == "cystic fibrosis and [DISO]"
    assert [c.kind for c in made.changes] == ["rare-mask"]


def test_same_seed_same_bytes(annotator: Annotator, tmp_path: Path) -> None:
    source = tmp_path / "raw.jsonl"
    source.write_text(
        json.dumps({"id": "a", "text": TEXT}) + "\n" + json.dumps({"text": "Nothing to see."})
    )
    for name in ("one", "two"):
        assert augment.augment_file(source, tmp_path / name, annotator, seed=3) == 4
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    for line in (tmp_path / "one").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        assert row["source"] == "a"
        assert row["seed"] == 3
        assert {change["kind"] for change in row["changes"]} == {row["kind"]}
        assert all(row["text"][s["start"] : s["end"]] for s in row["spans"])


def test_broken_lines_are_named_and_nothing_is_written(
    annotator: Annotator, tmp_path: Path
) -> None:
    source = tmp_path / "raw.jsonl"
    source.write_bytes(b'{"text": "gout"}\n{"no": 1}\n')
    with pytest.raises(DataError, match="line 2"):
        augment.augment_file(source, tmp_path / "out", annotator)
    source.write_bytes(b'{"text": "gout"}\n{"text": "\xff"}\n')
    with pytest.raises(DataError, match="line 2"):
        augment.augment_file(source, tmp_path / "out", annotator)
    with pytest.raises(UsageError):
        augment.augment_file(source, tmp_path / "out", annotator, ["back-translation"])  # type: ignore[list-item]
    assert not (tmp_path / "out").exists()


def _sound(made: augment.Example, source: str) -> bool:
    """Whether every change and span is where it says."""
    return all(
        made.text[c.start : c.start + len(c.after)] == c.after
        and source[c.source_start : c.source_start + len(c.before)] == c.before
        for c in made.changes
    ) and all(made.text[s.start : s.end] for s in made.spans)
