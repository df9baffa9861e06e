"""The functions that a template can call. Texts count in bytes, as Go's strings do."""

import json
import re
from collections.abc import Callable, Mapping, Sequence

from medconvert.go_template.lexer import refused
from medconvert.go_template.values import Struct, Value, kind, printed, true

Function = Callable[..., Value]


def _equal(first: Value, *others: Value) -> bool:
    """`eq`: whether the first is one of the others."""
    if not others:
        raise refused("eq has nothing to compare with")
    return any(_same(first, other) for other in others)


def _same(left: Value, right: Value) -> bool:
    if left is None or right is None:
        return left is right
    if kind(left) != kind(right) or not isinstance(left, str | int):
        raise refused(f"{kind(left)} and {kind(right)} are compared")
    return left == right


def _less(left: Value, right: Value) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.encode() < right.encode()
    if kind(left) == kind(right) == "int" and isinstance(left, int) and isinstance(right, int):
        return left < right
    raise refused(f"{kind(left)} and {kind(right)} are put in order")


def _length(value: Value) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Sequence | Mapping):
        return len(value)
    raise refused(f"the length of a {kind(value)} is asked for")


def _position(value: Value, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise refused(f"a {kind(value)} is used as an index")
    if not 0 <= value <= most:
        raise refused(f"the index {value} is out of range")
    return value


def _slice(value: Value, *bounds: Value) -> Value:
    if len(bounds) > 2:
        raise refused("a slice with a capacity is not understood")
    data = value.encode() if isinstance(value, str) else value
    if not isinstance(data, Sequence):
        raise refused(f"a part of a {kind(value)} is asked for")
    last = len(data)
    start = _position(bounds[0], last) if bounds else 0
    end = _position(bounds[1], last) if len(bounds) > 1 else last
    if start > end:
        raise refused(f"the slice ends at {end}, before its beginning {start}")
    part = data[start:end]
    if not isinstance(part, bytes):
        return part
    try:
        return part.decode()
    except UnicodeDecodeError:
        raise refused("a text is cut within a character") from None


def _index(value: Value, *keys: Value) -> Value:
    for key in keys:
        if isinstance(value, Mapping) and isinstance(key, str):
            value = value.get(key)
        elif isinstance(value, str):
            at = _position(key, len(value.encode()) - 1)
            value = value.encode()[at]
        elif isinstance(value, Sequence):
            value = value[_position(key, len(value) - 1)]
        else:
            raise refused(f"a {kind(value)} is indexed by a {kind(key)}")
    return value


def _print(*values: Value) -> str:
    """Go's Sprint: a space between two of which neither is a string."""
    text = ""
    for place, value in enumerate(values):
        apart = place and not isinstance(value, str) and not isinstance(values[place - 1], str)
        text += (" " if apart else "") + _shown(value)
    return text


def _print_line(*values: Value) -> str:
    return " ".join(map(_shown, values)) + "\n"


def _shown(value: Value) -> str:
    return "<nil>" if value is None else printed(value)


def _printf(form: Value, *values: Value) -> str:
    rest = list(values)
    wanted = {"s": ("string",), "d": ("int",), "v": ("string", "int", "bool", "nil")}

    def put(found: re.Match[str]) -> str:
        verb = found[1]
        if verb == "%":
            return "%"
        if verb not in wanted or not rest or kind(rest[0]) not in wanted[verb]:
            raise refused(f"printf can't write {found[0]!r} here")
        return _shown(rest.pop(0))

    if not isinstance(form, str):
        raise refused("printf has no format")
    text = re.sub(r"%(.?)", put, form, flags=re.DOTALL)
    if rest:
        raise refused("printf is given more than its format asks for")
    return text


def _json(value: Value) -> str:
    """As Ollama's own function: Go's encoding/json, which is careful of HTML."""
    if isinstance(value, Struct):
        raise refused(f"a {value.kind} is written as JSON")
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


FUNCTIONS: Mapping[str, Function] = {
    "eq": _equal,
    "ne": lambda left, right: not _equal(left, right),
    "lt": _less,
    "le": lambda left, right: _less(left, right) or _equal(left, right),
    "gt": lambda left, right: not _less(left, right) and not _equal(left, right),
    "ge": lambda left, right: not _less(left, right),
    "not": lambda value: not true(value),
    "len": _length,
    "index": _index,
    "slice": _slice,
    "print": _print,
    "println": _print_line,
    "printf": _printf,
    "json": _json,
    # These two stop at the argument that decides; `execution` sees to it.
    "and": lambda *values: values[-1],
    "or": lambda *values: values[-1],
}
"""By name; those of text/template that are missing here are refused by name."""
