"""Word parts that keep a near spelling from being taken for another term."""

from functools import lru_cache

# Word parts that turn a meaning round or to another organ; a near spelling must keep them.
_TELLING_STARTS = """
    hyper hypo tachy brady poly oligo macro micro intra inter extra supra infra sub
    endo exo ecto ante anti pre post peri para uni bi hemi anterior posterior ab ad eu
    dys an un non
    """.split()
_TELLING_ENDS = """
    emia uria itis osis oma penia cytosis philia megaly algia ectomy otomy ostomy
    plasty pathy plegia paresis phagia phasia praxia taxia gram graph graphy scopy
    rrhea rrhage pnea tension
    """.split()


def same_sense_parts(first: str, second: str) -> bool:
    """Whether no word of two spellings begins or ends in a way that tells them apart.

    A misspelt beginning or end tells nothing; two different known ones do.
    """
    if first[0] != second[0] or first.count(" ") != second.count(" "):
        return False
    pairs = zip(first.split(), second.split(), strict=True)
    return not any(contradict(one, other) for one, other in pairs)


def contradict(one: str, other: str) -> bool:
    """Whether two words begin or end in different known ways: hypo- and hyper-, -emia and -uria."""
    return any(
        mine and theirs and mine != theirs
        for mine, theirs in zip(_telling_parts(one), _telling_parts(other), strict=True)
    )


@lru_cache(1 << 14)
def _telling_parts(word: str) -> tuple[frozenset[str], frozenset[str]]:
    return (
        frozenset(part for part in _TELLING_STARTS if word.startswith(part)),
        frozenset(part for part in _TELLING_ENDS if word.endswith(part)),
    )
