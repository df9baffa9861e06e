"""What a text says about its own abbreviations."""

from functools import cached_property

from medllm.terminology import tokens
from medllm.terminology.schwartz_hearst import definitions


class Document:
    """A text around a mention: its definitions of abbreviations and its words."""

    def __init__(self, text: str) -> None:
        """Takes the whole text."""
        self.text = text

    @cached_property
    def long_forms(self) -> dict[str, str]:
        """Long form by short form; the first definition counts."""
        found: dict[str, str] = {}
        for pair in definitions(self.text):
            found.setdefault(pair.short, pair.long)
        return found

    @cached_property
    def acronyms(self) -> tuple[str, ...]:
        """Words written as acronyms, each once, in the order of the text."""
        words = (self.text[word.start : word.end] for word in tokens.words_at(self.text))
        capitals = (word for word in words if not word.islower())
        return tuple(dict.fromkeys(word for word in capitals if tokens.is_acronym(word)))

    @cached_property
    def in_capitals(self) -> bool:
        """Whether it is written without small letters, so that case tells nothing."""
        return self.text.isupper()

    @cached_property
    def stems(self) -> frozenset[str]:
        """Stems of all words."""
        return frozenset(tokens.stem(word.folded) for word in tokens.words_at(self.text))
