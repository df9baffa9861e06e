"""When tokens count as the original's, and when not."""

import numpy as np
import pytest
from medconvert.formats.choices import NONE, agreement, error, refuse
from medllm.errors import ConversionError

LOGITS = np.array([[0, 3, 1], [2, 1.9999, 0], [5, 4, 0]], np.float32)


def test_equal_tied_and_other_tokens_are_told_apart() -> None:
    found = agreement(LOGITS, [1, 1, 1], "float32")
    assert (found.tokens, found.equal, found.tied) == (3, 1, 1)
    assert not found.faithful
    assert found.said == "1 of 3 greedy tokens as the original's, 1 more tied"


def test_ties_are_as_wide_as_the_type_is_coarse() -> None:
    near = np.array([[2, 1.9, 0]], np.float32)
    assert agreement(near, [1], "bfloat16").faithful
    assert not agreement(near, [1], "float32").faithful


def test_another_token_is_refused() -> None:
    with pytest.raises(ConversionError, match="only 2 of 3"):
        refuse(agreement(LOGITS, [1, 0, 1], "float32"), "model")
    refuse(agreement(LOGITS, [1, 0, 0], "float32"), "model")


def test_nothing_compared_is_not_faithful() -> None:
    assert not NONE.faithful


def test_the_error_is_a_share_of_the_spread() -> None:
    wanted = np.array([[1.0, -1.0], [101.0, 99.0]], np.float32)
    assert error(wanted, wanted) == 0
    assert error(wanted, wanted + np.float32(0.5)) == pytest.approx(0.5)
    assert error(10 * wanted, 10 * wanted + np.float32(5)) == pytest.approx(0.5)
