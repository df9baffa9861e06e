"""The line under an answer: where it comes from, and how sure the model is."""

import pytest
from medtui.shown import provenance_line


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({}, ""),
        ({"model": "tiny", "quantization": "Q4_K_M"}, "tiny · Q4_K_M"),
        ({"model": "tiny", "sha256": "0123456789abcdef"}, "tiny · sha256 01234567"),
        # Fitted for this model: what it says of itself stands last, where the eye ends.
        ({"model": "tiny", "prompt_version": "1", "confidence": "low"}, "tiny · prompt 1 · confidence low"),
        ({"model": "tiny", "card": "asthma", "reviewed": True}, "tiny · card asthma"),
        ({"model": "tiny", "card": "asthma", "reviewed": False}, "tiny · card asthma · card not yet reviewed"),
        # Nothing was fitted, so nothing is claimed.
        ({"model": "tiny", "confidence": None}, "tiny"),
    ],
)  # fmt: skip
def test_the_line_of_provenance(facts: dict[str, object], line: str) -> None:
    assert provenance_line(facts) == line
