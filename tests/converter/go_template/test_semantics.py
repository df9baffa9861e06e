"""Templates mean what they mean to Go.

`cases.json` holds what Go's text/template wrote for each template and chat, null where it
gave an error; `refused` marks what it can do and we refuse. With `go` on the PATH they
are held against Go itself, through `reference.go`.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from medconvert.go_template.execution import execute
from medconvert.go_template.parser import parse
from medconvert.go_template.values import Struct, Value
from medllm.errors import ConversionError

HERE = Path(__file__).parent
CONTENT: dict[str, Any] = json.loads((HERE / "cases.json").read_text(encoding="utf-8"))
CHATS, CASES = CONTENT["chats"], CONTENT["cases"]


def data(chat: list[dict[str, str]]) -> dict[str, Value]:
    """As `reference.go` has it."""
    empty: dict[str, Value] = {"Thinking": "", "Images": [], "ToolCalls": []}
    empty |= {"ToolName": "", "ToolCallID": ""}
    messages = [
        Struct("message", {"Role": m["role"], "Content": m["content"]} | empty) for m in chat
    ]
    system = "\n\n".join(m["content"] for m in chat if m["role"] == "system")
    return {
        "System": system, "Messages": messages, "Tools": [], "Response": "", "Think": False,
        "ThinkLevel": "", "IsThinkSet": False,
    }  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["template"])
def test_a_template_writes_what_go_writes(case: dict[str, Any]) -> None:
    for chat, wanted in zip(CHATS, case["go"], strict=True):
        if wanted is None or case.get("refused"):
            with pytest.raises(ConversionError, match="template can't be used: "):
                execute(parse(case["template"]), data(chat))
        else:
            assert execute(parse(case["template"]), data(chat)) == wanted


@pytest.mark.skipif(not shutil.which("go"), reason="needs the go command on the PATH")
def test_the_recorded_results_are_those_of_go() -> None:
    asked = [{"template": case["template"], "messages": chat} for case in CASES for chat in CHATS]
    done = subprocess.run(
        ["go", "run", str(HERE / "reference.go")],
        input=json.dumps(asked), capture_output=True, text=True, check=True,
    )  # fmt: skip
    results = [None if "error" in found else found["text"] for found in json.loads(done.stdout)]
    assert results == [text for case in CASES for text in case["go"]]


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ('{{ define "x" }}{{ end }}', "{{define}}"),
        ('{{ template "x" . }}', "{{template}}"),
        ('{{ block "x" . }}{{ end }}', "{{block}}"),
        ('{{ html "<" }}', "'html'"),
        ("{{ currentDate }}", "'currentDate'"),
        ("{{ toUpper .System }}", "'toUpper'"),
        ("{{ 1.5 }}", "1.5"),
        ("{{ range .System }}{{ end }}", "a range goes over something else than a list"),
        ('{{ printf "%q" .System }}', "'%q'"),
        ("{{ .Messages }}", "a list is written as text"),
        ("{{ range .Messages }}{{ .Tool }}{{ end }}", "a message has no field Tool"),
        ("{{ $x }}", "$x is not declared"),
        ("{{ if .System }}", "no {{end}}"),
        ("{{ .System", "has no end"),
        ('{{ eq .System 1 }}', "string and int are compared"),
        ('{{ index .Messages 7 }}', "the index 7 is out of range"),
        ("{{ len }}", "len is called with the wrong number of arguments"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_named(template: str, named: str) -> None:
    with pytest.raises(ConversionError) as caught:
        execute(parse(template), data(CHATS[1]))
    assert named in caught.value.message
    assert "\n" not in caught.value.line()
