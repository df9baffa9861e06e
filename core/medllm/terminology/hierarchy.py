"""Codes that are one concept, and hierarchies that bite their tail."""

from collections import defaultdict
from collections.abc import Iterable, Iterator


def classes(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Each code of `pairs` with the code that stands for its class: the first in the alphabet."""
    above: dict[str, str] = {}

    def root(code: str) -> str:
        above.setdefault(code, code)
        while above[code] != code:
            above[code] = above[above[code]]
            code = above[code]
        return code

    for one, other in pairs:
        first, second = sorted((root(one), root(other)))
        above[second] = first
    for code in list(above):
        yield code, root(code)


def closing_links(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The (child, parent) links that close a cycle in a depth-first walk over all of them."""
    parents: dict[str, list[str]] = defaultdict(list)
    for child, parent in pairs:
        parents[child].append(parent)
    closing, done, open_ = [], set[str](), set[str]()
    for start in list(parents):
        path = [(start, iter(parents[start]))] if start not in done else []
        open_ |= {code for code, _ in path}
        while path:
            code, rest = path[-1]
            for parent in rest:
                if parent in open_:
                    closing.append((code, parent))
                elif parent not in done:
                    open_.add(parent)
                    path.append((parent, iter(parents.get(parent, ()))))
                    break
            else:
                path.pop()
                open_.discard(code)
                done.add(code)
    return closing
