"""A chat in an Ollama template, as Ollama puts it there.

A template that names `.Messages` gets the whole chat at once. An older one, over
`.System`, `.Prompt` and `.Response`, is written once a question, the last time only
up to `.Response`. Source: Ollama, template/template.go.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from medllm.prompts import Message

from medconvert.go_template.execution import execute
from medconvert.go_template.lexer import refused
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
from medconvert.go_template.parser import parse
from medconvert.go_template.values import Struct, Value

_RESPONSE = "Response"
_THINKING: dict[str, Value] = {"Think": False, "ThinkLevel": "", "IsThinkSet": False}


def render(template: str, messages: Sequence[Message]) -> str:
    """The prompt that Ollama makes of a chat; BOS is left to its tokenizer.

    Raises:
        ConversionError: the template can't be used; the message says why.
    """
    nodes = parse(template)
    system, turns = _collated(messages)
    names = {name.lower() for name in _names(nodes)}
    if "messages" in names:
        data: dict[str, Value] = {
            "System": system,
            "Messages": [_struct(turn) for turn in turns],
            "Tools": [],
            _RESPONSE: "",
        }
        return execute(nodes, data | _THINKING)
    if "response" not in names:
        nodes = (*nodes, Action(Pipeline(((Field((_RESPONSE,)),),))))
    return _by_turns(nodes, turns)


def _collated(messages: Sequence[Message]) -> tuple[str, list[Message]]:
    """All system texts as one, and the turns, those of the same role in a row made one."""
    turns: list[Message] = []
    for message in messages:
        if turns and turns[-1]["role"] == message["role"]:
            content = f"{turns[-1]['content']}\n\n{message['content']}"
            turns[-1] = {"role": message["role"], "content": content}
        else:
            turns.append(message)
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    return system, turns


def _struct(message: Message) -> Struct:
    fields: dict[str, Value] = {"Role": message["role"], "Content": message["content"]}
    fields |= {"Thinking": "", "Images": [], "ToolCalls": [], "ToolName": "", "ToolCallID": ""}
    return Struct("message", fields)


def _by_turns(nodes: Nodes, turns: Sequence[Message]) -> str:
    written = ""
    system = prompt = response = ""
    for turn in turns:
        role = turn["role"]
        if (role == "system" and (prompt or response)) or (role == "user" and response):
            written += execute(nodes, _turn(system, prompt, response))
            system = prompt = response = ""
        if role == "system":
            system = turn["content"]
        elif role == "user":
            prompt = turn["content"]
        else:
            response = turn["content"]
    return written + execute(_open_ended(nodes), _turn(system, prompt, response))


def _turn(system: str, prompt: str, response: str) -> dict[str, Value]:
    return {"System": system, "Prompt": prompt, _RESPONSE: response} | _THINKING


def _open_ended(nodes: Nodes) -> Nodes:
    """The template up to `.Response`, so that the answer can follow."""
    return _cut(nodes)[0]


def _cut(nodes: Nodes) -> tuple[Nodes, bool]:
    kept: list[Node] = []
    for node in nodes:
        if isinstance(node, If | With | Range):
            body, found = _cut(node.body)
            if found and node.otherwise:
                raise refused("Ollama can't end a prompt within an {{if}} that has an {{else}}")
            otherwise, later = _cut(node.otherwise)
            kept.append(replace(node, body=body, otherwise=otherwise))
            found = found or later
        else:
            kept.append(node)
            found = isinstance(node, Action) and _answers(node)
        if found:
            return tuple(kept), True
    return tuple(kept), False


def _answers(action: Action) -> bool:
    """Whether an action is `{{ .Response }}`."""
    if _RESPONSE not in set(_named(action.pipeline)):
        return False
    if action.pipeline.targets or len(action.pipeline.commands) > 1:
        raise refused(".Response is more than written")
    (first, *arguments) = action.pipeline.commands[0]
    if arguments or not isinstance(first, Field):
        raise refused(".Response is more than written")
    return True


def _names(nodes: Nodes) -> Iterator[str]:
    """Every field and variable that a template names."""
    for node in nodes:
        match node:
            case Text() | Jump():
                continue
            case Action(pipeline):
                yield from _named(pipeline)
            case _:
                yield from _in_branch(node)


def _in_branch(node: Branch) -> Iterator[str]:
    yield from _named(node.pipeline)
    yield from _names(node.body)
    yield from _names(node.otherwise)


def _named(pipeline: Pipeline) -> Iterator[str]:
    for command in pipeline.commands:
        for operand in command:
            yield from _in_operand(operand)


def _in_operand(operand: Operand) -> Iterator[str]:
    match operand:
        case Field(names):
            yield from names
        case Variable(name, names):
            yield from (f"${name}", *names)
        case Nested(pipeline, ()):
            yield from _named(pipeline)
        case Nested():  # Ollama doesn't look into one that a field is taken of
            return
        case Constant() | Function():
            return
