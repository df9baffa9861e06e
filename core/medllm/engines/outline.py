"""Where an answer stands among the openings of its parts, and when to move on.

Pure text and counting: no native code, so that it can be tested alone.
"""

from collections.abc import Iterator

_SENTENCE_ENDS = (".", "!", "?")
# Tokens kept free for each part's first word (space, word), and once for an
# unfinished character or heading.
_WORD, _SLACK = 3, 4


class Outline:
    """Follows the text of an answer from opening to opening.

    Args:
        openings: literals in order, as in `Request.openings`.
        costs: tokens that each takes.
        part_tokens: tokens after which a part is left at its next sentence end;
            a quarter later it is left anyway.
        max_tokens: tokens of the whole answer, openings included.
    """

    def __init__(
        self, openings: tuple[str, ...], costs: tuple[int, ...], part_tokens: int, max_tokens: int
    ) -> None:
        self._openings, self._costs = openings, costs
        self._part_tokens, self._left = part_tokens, max_tokens
        self._share = max_tokens // (2 * max(1, len(openings)))
        self._reach = 2 * max((len(opening) for opening in openings), default=0) + 8
        self._index = 0
        self._recent = ""
        self._has_word = False
        self._begin_part()

    @staticmethod
    def least_tokens(costs: tuple[int, ...]) -> int:
        """Tokens of the shortest answer with all openings."""
        return sum(costs) + _WORD * len(costs) + _SLACK

    @property
    def finished(self) -> bool:
        """Whether no opening is left."""
        return self._index == len(self._openings)

    @property
    def has_word(self) -> bool:
        """Whether the part under way has a letter or digit."""
        return self._has_word

    @property
    def left(self) -> int:
        """Tokens left of the answer."""
        return self._left

    def spend(self, tokens: int) -> None:
        """Counts tokens of the answer, whether they gave text or not."""
        self._left -= tokens
        self._spent += tokens

    def feed(self, text: str) -> None:
        """Follows text of the answer."""
        self._recent = (self._recent + text)[-(self._reach + len(text)) :]
        if not self._has_word:
            self._has_word = any(c.isalnum() for c in text)
        if self.finished or not text:
            return
        opening = self._openings[self._index]
        at = _find(self._recent, opening)
        if at >= 0:
            self._index += 1
            self._recent = self._recent[at:]
            self._begin_part()
            self._has_word = any(c.isalnum() for c in self._recent)

    def due(self) -> bool:
        """Whether it is time to leave the part under way."""
        if self._left <= self._reserve() or self._spent >= self._hard:
            return True
        return self._spent >= self._soft and self._recent.rstrip().endswith(_SENTENCE_ENDS)

    def begun(self) -> bool:
        """Whether the model has begun to write the next opening itself."""
        if self.finished:
            return False
        body = self._openings[self._index].lstrip("\n")
        line = self._recent.rpartition("\n")[2]
        return 2 <= len(line) < len(body) and body.startswith(line)

    def next_openings(self) -> Iterator[str]:
        """What would bring the text to the end of the next opening, in order of preference.

        Whole openings come first, then without the newlines or letters that the
        text already ends with. Not every one of them need fit the grammar.
        """
        if self.finished:
            return
        opening = self._openings[self._index]
        for start in range(len(opening)):
            rest = opening[start:]
            if _find(self._recent + rest, opening) == len(self._recent + rest):
                yield rest

    def _begin_part(self) -> None:
        self._spent = 0
        self._has_word = False
        after = len(self._openings) - self._index
        # The parts to come keep at least half an even share.
        room = self._left - self._reserve() - after * min(self._share, self._part_tokens)
        self._hard = max(0, min(self._part_tokens + self._part_tokens // 4, room))
        self._soft = min(self._part_tokens, self._hard * 4 // 5)

    def _reserve(self) -> int:
        rest = self._costs[self._index :]
        return sum(rest) + _WORD * len(rest) + (0 if self._has_word else _WORD) + _SLACK


def _find(text: str, opening: str) -> int:
    """Where `opening` ends in `text`, -1 if nowhere; of its newlines one is enough."""
    body = opening.lstrip("\n")
    wanted = "\n" + body if body != opening else body
    at = text.find(wanted)
    return at + len(wanted) if at >= 0 else -1
