"""Running a template."""

from collections.abc import Mapping

from medconvert.go_template.functions import FUNCTIONS
from medconvert.go_template.lexer import refused
from medconvert.go_template.nodes import (
    Action,
    Branch,
    Constant,
    Field,
    Function,
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
from medconvert.go_template.values import Value, field, printed, true

_NOTHING: list[Value] = []


class _JumpError(Exception):
    def __init__(self, *, ends: bool) -> None:
        self.ends = ends


def execute(nodes: Nodes, data: Mapping[str, Value]) -> str:
    """What a template writes for `data`.

    Raises:
        ConversionError: it asks for what isn't there, or for what is not understood.
    """
    state = _State(data)
    state.walk(nodes, data)
    return "".join(state.written)


class _State:
    def __init__(self, data: Mapping[str, Value]) -> None:
        self.written: list[str] = []
        self._variables: list[tuple[str, Value]] = [("", data)]

    def walk(self, nodes: Nodes, dot: Value) -> None:
        for node in nodes:
            self._visit(node, dot)

    def _visit(self, node: Node, dot: Value) -> None:
        match node:
            case Text(text):
                self.written.append(text)
            case Action(pipeline):
                value = self._pipeline(pipeline, dot)
                if not pipeline.targets:
                    self.written.append(printed(value))
            case Jump(ends):
                raise _JumpError(ends=ends)
            case _:
                known = len(self._variables)
                self._branch(node, dot)
                del self._variables[known:]

    def _branch(self, node: Branch, dot: Value) -> None:
        value = self._pipeline(node.pipeline, dot)
        if isinstance(node, Range):
            self._range(node, value, dot)
        elif true(value):
            self.walk(node.body, value if isinstance(node, With) else dot)
        else:
            self.walk(node.otherwise, dot)

    def _range(self, node: Range, value: Value, dot: Value) -> None:
        if not isinstance(value, list | tuple) and value is not None:
            raise refused("a range goes over something else than a list")
        targets = node.pipeline.targets
        known = len(self._variables)
        for place, element in enumerate(value or ()):
            # The only variable takes the element, of two the first takes the index.
            for name, part in zip(targets, (place, element)[2 - len(targets) :], strict=True):
                self._set(name, part)
            try:
                self.walk(node.body, element)
            except _JumpError as jump:
                if jump.ends:
                    break
            finally:
                del self._variables[known:]
        if not value:
            self.walk(node.otherwise, dot)

    def _pipeline(self, pipeline: Pipeline, dot: Value) -> Value:
        passed = _NOTHING
        for command in pipeline.commands:
            passed = [self._command(command, passed, dot)]
        for name in pipeline.targets:
            if pipeline.declares:
                self._variables.append((name, passed[0]))
            else:
                self._set(name, passed[0])
        return passed[0]

    def _set(self, name: str, value: Value) -> None:
        self._variables[self._place(name)] = (name, value)

    def _place(self, name: str) -> int:
        for place in reversed(range(len(self._variables))):
            if self._variables[place][0] == name:
                return place
        raise refused(f"the variable ${name} has no value here")

    def _command(self, command: tuple[Operand, ...], passed: list[Value], dot: Value) -> Value:
        first, *arguments = command
        if not isinstance(first, Function):
            return self._value(first, dot)
        if first.name in ("and", "or"):
            return self._decided(first.name, arguments, passed, dot)
        values = [*(self._value(argument, dot) for argument in arguments), *passed]
        return _called(first.name, values)

    def _decided(
        self, name: str, arguments: list[Operand], passed: list[Value], dot: Value
    ) -> Value:
        """`and` and `or` look no further than the argument that decides."""
        for argument in arguments:
            value = self._value(argument, dot)
            if true(value) == (name == "or"):
                return value
        if not (arguments or passed):
            raise refused(f"{name} is called with the wrong number of arguments")
        return passed[0] if passed else value

    def _value(self, operand: Operand, dot: Value) -> Value:
        match operand:
            case Constant(constant):
                return constant
            case Function(name):
                return _called(name, [])
            case Field():
                value = dot
            case Variable(name):
                value = self._variables[self._place(name)][1]
            case Nested(pipeline):
                value = self._pipeline(pipeline, dot)
        for name in operand.names:
            value = field(value, name)
        return value


def _called(name: str, values: list[Value]) -> Value:
    try:
        return FUNCTIONS[name](*values)
    except (TypeError, IndexError):
        raise refused(f"{name} is called with the wrong number of arguments") from None
