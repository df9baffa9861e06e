"""Words to nodes."""

import re
from collections.abc import Iterator

from medconvert.go_template.functions import FUNCTIONS
from medconvert.go_template.lexer import Piece, Word, pieces, refused
from medconvert.go_template.nodes import (
    Action,
    Branch,
    Constant,
    Field,
    Function,
    If,
    Jump,
    Nested,
    Node,
    Nodes,
    Operand,
    Pipeline,
    Range,
    Text,
    Variable,
    With,
)

_BRANCHES: dict[str, type[Branch]] = {"if": If, "with": With, "range": Range}
_CONSTANTS = {"true": True, "false": False, "nil": None}
_REFUSED = ("define", "block", "template")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "a": "\a", "b": "\b",
            "f": "\f", "v": "\v"}  # fmt: skip
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)


def parse(source: str) -> Nodes:
    """Reads a template.

    Raises:
        ConversionError: it is not one, or uses what is not understood; the message names it.
    """
    reader = _Reader(pieces(source))
    nodes, end = reader.nodes(inside=())
    assert end is None
    return nodes


class _Reader:
    def __init__(self, stream: Iterator[Piece]) -> None:
        self._stream = stream
        self._scopes: list[str] = [""]
        self._loops = 0

    def nodes(self, inside: tuple[str, ...]) -> tuple[Nodes, tuple[Word, ...] | None]:
        """Nodes up to a keyword of `inside`, and that action; None at the end of the template."""
        found: list[Node] = []
        for piece in self._stream:
            if piece.action is None:
                found.append(Text(piece.text))
                continue
            if not piece.action:
                raise refused("an action is empty")
            word = piece.action[0]
            keyword = word.text if word.kind == "name" else ""
            if keyword in inside:
                return tuple(found), piece.action
            found.append(self._node(keyword, piece.action))
        if inside:
            raise refused("an {{if}}, {{range}} or {{with}} has no {{end}}")
        return tuple(found), None

    def _node(self, keyword: str, words: tuple[Word, ...]) -> Node:
        if keyword in _BRANCHES:
            return self._branch(keyword, words[1:])
        if keyword in ("break", "continue"):
            if len(words) > 1 or not self._loops:
                raise refused(f"{{{{{keyword}}}}} stands outside of a {{{{range}}}}")
            return Jump(ends=keyword == "break")
        if keyword in ("else", "end"):
            raise refused(f"there is an {{{{{keyword}}}}} with nothing that it belongs to")
        if keyword in _REFUSED:
            raise refused(f"{{{{{keyword}}}}} is not understood")
        return Action(self._pipeline(words))

    def _branch(self, keyword: str, words: tuple[Word, ...]) -> Branch:
        known = len(self._scopes)
        pipeline = self._pipeline(words, two=keyword == "range")
        self._loops += keyword == "range"
        body, end = self.nodes(("else", "end"))
        self._loops -= keyword == "range"
        otherwise: Nodes = ()
        assert end is not None
        if end[0].text == "else" and len(end) > 1:
            if end[1].text != keyword or keyword == "range":
                raise refused(f"{{{{else {end[1].text}}}}} doesn't go on from {{{{{keyword}}}}}")
            # `else if` shares the `end` of what it belongs to.
            otherwise = (self._branch(keyword, end[2:]),)
        elif end[0].text == "else":
            otherwise, end = self.nodes(("else", "end"))
            if end is None or end[0].text != "end":
                raise refused("an {{else}} follows another")
        if end[0].text == "end" and len(end) > 1:
            raise refused("something stands behind {{end")
        del self._scopes[known:]
        return _BRANCHES[keyword](pipeline, body, otherwise)

    def _pipeline(self, words: tuple[Word, ...], *, two: bool = False) -> Pipeline:
        """An action's pipeline; `two`: it may declare an index and an element."""
        signs = [i for i, word in enumerate(words) if word.text in (":=", "=") and _is_sign(word)]
        if not signs:
            return Pipeline(self._commands(words))
        left, sign, right = words[: signs[0]], words[signs[0]], words[signs[0] + 1 :]
        targets = tuple(word.text[1:] for word in left[::2])
        commas = left[1::2]
        if (
            len(targets) != 1 + len(commas)
            or len(targets) > 1 + two
            or any(word.kind != "variable" or "." in word.text for word in left[::2])
            or any(word.text != "," for word in commas)
        ):
            raise refused(f"variables can't be set by {_spelled(left)!r}")
        pipeline = Pipeline(self._commands(right), targets, declares=sign.text == ":=")
        for name in targets:
            if not pipeline.declares and name not in self._scopes:
                raise refused(f"the variable ${name} is set before it is declared")
        if pipeline.declares:
            self._scopes += targets
        return pipeline

    def _commands(self, words: tuple[Word, ...]) -> tuple[tuple[Operand, ...], ...]:
        rest = list(words)
        commands = self._read_commands(rest)
        if rest:
            raise refused(f"{rest[0].text!r} stands where it can't")
        return commands

    def _read_commands(self, rest: list[Word]) -> tuple[tuple[Operand, ...], ...]:
        """Commands up to the end or a closing parenthesis, which stays."""
        commands: list[tuple[Operand, ...]] = [()]
        while rest and rest[0].text != ")":
            if _is_sign(rest[0]) and rest[0].text == "|":
                rest.pop(0)
                commands.append(())
                continue
            if commands[-1] and not rest[0].spaced:
                raise refused(f"there is no space before {rest[0].text!r}")
            commands[-1] += (self._operand(rest),)
        if not all(commands):
            raise refused("a command is missing")
        for place, (first, *arguments) in enumerate(commands):
            if (arguments or place) and not isinstance(first, Function):
                raise refused("what is no function is given an argument")
            if first == Constant(None):
                raise refused("nil is not a command")
        return tuple(commands)

    def _operand(self, rest: list[Word]) -> Operand:
        word = rest.pop(0)
        if word.kind in ("string", "number"):
            return _constant(word)
        if word.kind in ("dot", "field"):
            return Field(tuple(word.text.split(".")[1:]) if word.kind == "field" else ())
        if word.kind == "variable":
            name, *names = word.text[1:].split(".")
            if name not in self._scopes:
                raise refused(f"the variable ${name} is not declared")
            return Variable(name, tuple(names))
        if word.kind == "name":
            return _named(word.text)
        if word.text != "(":
            raise refused(f"{word.text!r} stands where it can't")
        return self._nested(rest)

    def _nested(self, rest: list[Word]) -> Nested:
        commands = self._read_commands(rest)
        if not rest:
            raise refused("a parenthesis is not closed")
        rest.pop(0)
        names: tuple[str, ...] = ()
        if rest and rest[0].kind == "field" and not rest[0].spaced:
            names = tuple(rest.pop(0).text[1:].split("."))
        return Nested(Pipeline(commands), names)


def _named(name: str) -> Operand:
    if name in _CONSTANTS:
        return Constant(_CONSTANTS[name])
    if name not in FUNCTIONS:
        raise refused(f"the function {name!r} is not understood")
    return Function(name)


def _constant(word: Word) -> Constant:
    if word.kind == "string":
        return Constant(_string(word.text))
    if re.fullmatch(r"[+-]?0\d+", word.text):
        raise refused(f"the octal number {word.text} is not understood")
    number = int(word.text)
    if not -(2**63) <= number < 2**63:
        raise refused(f"{word.text} is no int")
    return Constant(number)


def _string(spelled: str) -> str:
    if spelled[0] == "`":
        return spelled[1:-1].replace("\r", "")

    def character(found: re.Match[str]) -> str:
        if code := found[1] or found[2]:
            return chr(int(code, 16))
        if found[3] not in _ESCAPES:
            raise refused(f"the escape \\{found[3]} is not understood")
        return _ESCAPES[found[3]]

    return _ESCAPE.sub(character, spelled[1:-1])


def _is_sign(word: Word) -> bool:
    return word.kind == "sign"


def _spelled(words: tuple[Word, ...]) -> str:
    return " ".join(word.text for word in words)
