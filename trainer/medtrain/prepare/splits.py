"""Which split a document falls into: decided by its name and the seed alone.

So the examples of a document stay together, and no document changes sides when others are added.
"""

from hashlib import blake2b

_ALL = 1 << 64


def document_hash(document: str) -> int:
    """64 bits of a document's name."""
    return _hash(document, b"")


def is_held(document: str, seed: int, share: float) -> bool:
    """Whether a document is kept for validation."""
    return share > 0 and _hash(document, b"validation %d" % seed) < share * _ALL


def is_used(document: str, seed: int, share: float) -> bool:
    """Whether a document is among the share that is used."""
    return share >= 1 or _hash(document, b"share %d" % seed) < share * _ALL


def _hash(document: str, purpose: bytes) -> int:
    text = document.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8, key=purpose).digest(), "little")
