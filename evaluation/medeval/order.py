"""The order in which samples are asked, so that a limit is a fair sample."""

import hashlib
from collections.abc import Sequence

from medllm.errors import DataError

from medeval.sample import Sample


def shuffled(samples: Sequence[Sample], seed: int, limit: int = 0) -> list[Sample]:
    """`samples` in an order that depends on the seed and their ids alone.

    Published files are often sorted by label. A smaller limit takes a part of what a
    larger one takes, whatever the order in the file.

    Args:
        samples: of one task; their ids are distinct.
        seed: of the order.
        limit: how many are kept; 0 keeps all.

    Raises:
        DataError: two samples have the same id.
    """
    ids = [sample.id for sample in samples]
    if len(set(ids)) < len(ids):
        twice = next(i for n, i in enumerate(ids) if i in ids[:n])
        raise DataError(f"The id {twice} stands twice in the data.", "Remove one of the two.")
    order = sorted(samples, key=lambda s: hashlib.sha256(f"{seed}:{s.id}".encode()).digest())
    return order[: limit or None]
