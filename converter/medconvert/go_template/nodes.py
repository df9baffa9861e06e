"""What a template is made of."""

from dataclasses import dataclass

Literal = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Constant:
    """A string, a number, true, false or nil."""

    value: Literal


@dataclass(frozen=True, slots=True)
class Field:
    """`.A.B` of dot; dot itself where there are no names."""

    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name.A.B`; the name is empty for the data that the template was given."""

    name: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """A function by name; an operand only where it takes no arguments."""

    name: str


@dataclass(frozen=True, slots=True)
class Nested:
    """`(pipeline).A.B`."""

    pipeline: "Pipeline"
    names: tuple[str, ...] = ()


Operand = Constant | Field | Variable | Function | Nested


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each given the value of the one before as its last argument."""

    commands: tuple[tuple[Operand, ...], ...]
    targets: tuple[str, ...] = ()
    """Variables that take its value."""
    declares: bool = False
    """Whether these are new (`:=`) or set (`=`)."""


@dataclass(frozen=True, slots=True)
class Text:
    """Text as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """`{{ pipeline }}`."""

    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class If:
    """`{{ if }}`; `else if` is an If alone in `otherwise`."""

    pipeline: Pipeline
    body: "Nodes"
    otherwise: "Nodes"


@dataclass(frozen=True, slots=True)
class With:
    """`{{ with }}`."""

    pipeline: Pipeline
    body: "Nodes"
    otherwise: "Nodes"


@dataclass(frozen=True, slots=True)
class Range:
    """`{{ range }}`."""

    pipeline: Pipeline
    body: "Nodes"
    otherwise: "Nodes"


@dataclass(frozen=True, slots=True)
class Jump:
    """`{{ break }}` or, where `ends` is false, `{{ continue }}`."""

    ends: bool


Branch = If | With | Range
Node = Text | Action | Branch | Jump
Nodes = tuple[Node, ...]
