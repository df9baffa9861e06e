"""Texts as hashes of their words and of runs of words, many texts at once.

A word is hashed as a polynomial in its bytes modulo 2^64, a run as a polynomial in its words;
both are mixed by the finaliser of SplitMix64 (Steele, Lea and Flood 2014). The same text gives
the same hashes in every process.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]

_LONGEST_WORD = 64
"""Bytes after which the powers of a word's polynomial begin anew."""


def _powers(base: int, count: int) -> Hashes:
    return np.array([pow(base, k, 1 << 64) for k in range(count)], dtype=np.uint64)


_IN_WORD = _powers(0x9E3779B97F4A7C15, _LONGEST_WORD)
_IN_RUN = _powers(0xD1342543DE82EF95, 64)
_WORD_BYTES = bytes(byte if byte >= 0x80 or chr(byte).isalnum() else 0x20 for byte in range(256))


def comparable(text: str) -> bytes:
    """`text` as it is compared: small letters, nothing but words and blanks."""
    return text.lower().encode("utf-8", "replace").translate(_WORD_BYTES)


def mix(hashes: Hashes) -> Hashes:
    """Spreads each hash over all 64 bits."""
    mixed = hashes ^ (hashes >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


@dataclass(frozen=True, slots=True)
class Words:
    """The words of several texts."""

    hashes: Hashes
    """Shape (words,), those of the first text first."""
    text: Indices
    """Shape (words,): which text a word is of."""
    counts: Indices
    """Shape (texts,): how many words each text has."""

    def runs(self, length: int) -> tuple[Hashes, Indices]:
        """All runs of `length` words and the texts they are of; a shorter text is one run."""
        texts = len(self.counts)
        place = np.arange(len(self.hashes)) + self.text * (length - 1)
        padded = np.zeros(len(self.hashes) + (texts + 1) * (length - 1), dtype=np.uint64)
        padded[place] = self.hashes
        begun = np.cumsum(self.counts) - self.counts
        inside = np.arange(len(self.hashes)) - begun[self.text]
        starts = inside <= np.maximum(0, self.counts - length)[self.text]
        place = place[starts]
        total = padded[place].copy()
        for step in range(1, length):
            total += padded[place + step] * _IN_RUN[step]
        return mix(total), self.text[starts]


def words(texts: Sequence[bytes]) -> Words:
    """Hashes the words of texts that `comparable` made."""
    joined = b"\n".join(texts) + b"\n"
    signs = np.frombuffer(joined, dtype=np.uint8)
    is_word = signs > 0x20
    starts = np.flatnonzero(is_word & np.concatenate(([True], ~is_word[:-1])))
    ends = np.flatnonzero(signs == 0x0A)
    text = np.searchsorted(ends, starts).astype(np.int64)
    counts = np.bincount(text, minlength=len(texts)).astype(np.int64)
    if not len(starts):
        return Words(np.zeros(0, dtype=np.uint64), text, counts)
    # Blanks count nothing, so that a word may reach to the next one's start.
    values = np.where(is_word, signs, 0)[starts[0] :].astype(np.uint64)
    reach = np.diff(np.append(starts, len(signs)))
    inside = np.arange(starts[0], len(signs)) - np.repeat(starts, reach)
    values *= _IN_WORD[inside % _LONGEST_WORD]
    return Words(mix(np.add.reduceat(values, starts - starts[0])), text, counts)
