"""The values of a template: str, int, bool, None, lists, maps (dicts) and structs.

A missing key of a map is None; a missing field of a struct is an error, as in Go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from medconvert.go_template.lexer import refused


@dataclass(frozen=True, slots=True)
class Struct:
    """A Go struct: its fields are known."""

    kind: str
    fields: Mapping[str, "Value"]


Value: TypeAlias = "str | int | bool | Sequence[Value] | Mapping[str, Value] | Struct | None"


def true(value: Value) -> bool:
    """Whether `if` takes it: what is not empty, zero, false or nil."""
    return True if isinstance(value, Struct) else bool(value)


def printed(value: Value) -> str:
    """As an action writes it.

    Raises:
        ConversionError: a list, map or struct, whose spelling by Go's fmt nobody wants.
    """
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise refused(f"a {kind(value)} is written as text")


def kind(value: Value) -> str:
    """What to call it in a message."""
    if value is None:
        return "nil"
    if isinstance(value, Struct):
        return value.kind
    names = {bool: "bool", str: "string", int: "int"}
    return names.get(type(value), "map" if isinstance(value, Mapping) else "list")


def field(value: Value, name: str) -> Value:
    """A field of a struct or the entry of a map."""
    if isinstance(value, Struct) and name in value.fields:
        return value.fields[name]
    if isinstance(value, Mapping):
        return value.get(name)
    raise refused(f"a {kind(value)} has no field {name}")
