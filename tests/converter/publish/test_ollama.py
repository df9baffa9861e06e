"""A whole publish to a stand-in of Ollama; its failures; and to a real Ollama where there is one."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from medconvert import publish
from medconvert.publish import ollama as sending
from medllm.errors import MedLLMError

from tests.converter.publish.ollama import Ollama
from tests.converter.publish.server import Fault

ROOT = Path(__file__).parents[3]
BLOB, CREATE, PUSH = "/api/blobs/", "/api/create", "/api/push"


def planned(gguf: Path, name: str = "tiny", **options: Any) -> publish.Plan:
    return publish.plan([gguf], publish.parse_target(f"ollama:{name}"), publish.Options(**options))


def send(plan: publish.Plan) -> str:
    """Publishes in this process, so that tests need not wait between tries."""
    return sending.send(plan, set(), lambda *_: None)


def test_a_whole_publish(ollama: Ollama, gguf: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    said = publish.run(planned(gguf), lambda *step: steps.append(step))
    assert said == "Created tiny. Try it with: ollama run tiny"
    digest = hashlib.sha256(gguf.read_bytes()).hexdigest()
    assert ollama.blobs == {digest: gguf.read_bytes()}
    made = ollama.models["tiny"]
    assert made["files"] == {"tiny-Q4_K_M.gguf": f"sha256:{digest}"}
    assert made["parameters"]["stop"][0] == "</s>"
    assert made["parameters"]["num_ctx"] == 1024
    assert "{{" in made["template"] and "Apache License" in made["license"]
    assert "system" not in made
    assert steps[-1] == ("Uploading", gguf.stat().st_size, gguf.stat().st_size)
    assert not ollama.calls("POST", PUSH)


def test_a_blob_that_is_there_is_not_sent_again(ollama: Ollama, gguf: Path) -> None:
    send(planned(gguf))
    send(planned(gguf, "another:v2"))
    assert len(ollama.calls("POST", BLOB)) == 1
    assert ollama.models.keys() == {"tiny", "another:v2"}


def test_it_is_pushed_where_that_is_asked_for(ollama: Ollama, gguf: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    plan = planned(gguf, "someone/tiny", push=True)
    assert sending.send(plan, set(), lambda *step: steps.append(step)).startswith(
        "Created and pushed someone/tiny."
    )
    assert ollama.pushed == ["someone/tiny"]
    assert ("Pushing", 5, 10) in steps and steps[-1][0] == "Pushing"
    with pytest.raises(MedLLMError, match="not authorized to push") as caught:
        send(planned(gguf, "another/tiny", push=True))
    assert "ollama signin" in caught.value.hint
    with pytest.raises(MedLLMError, match="names like USER/tiny"):
        planned(gguf, push=True)


@pytest.mark.parametrize(
    ("method", "path"), [("HEAD", BLOB), ("POST", BLOB), ("POST", CREATE), ("POST", PUSH)]
)
@pytest.mark.parametrize("status", [0, 503, 429])
def test_what_fails_once_or_twice_is_tried_again(
    ollama: Ollama, gguf: Path, waits: list[float], method: str, path: str, status: int
) -> None:
    wait = {"Retry-After": "7"} if status == 429 else {}
    cut_at = 1_000_000 if path == BLOB and method == "POST" else 0
    ollama.faults.append(Fault(method, path, status, wait, times=2, after=cut_at))
    send(planned(gguf, "someone/tiny", push=True))
    assert ollama.pushed == ["someone/tiny"]
    assert waits == ([7, 7] if status == 429 else [1, 2])


def test_a_blob_whose_answer_is_lost_is_not_sent_twice(
    ollama: Ollama, gguf: Path, waits: list[float]
) -> None:
    ollama.faults.append(Fault("POST", BLOB, late=True))
    send(planned(gguf))
    assert len(ollama.calls("POST", BLOB)) == 1
    assert waits == [1]


@pytest.mark.parametrize("path", [BLOB, CREATE])
@pytest.mark.parametrize(
    ("status", "says", "hint"),
    [
        (0, "broke off", "The same command goes on"),
        (401, "refuses (401)", "Sign in"),
        (403, "refuses (403)", "Sign in"),
        (404, "does not know this request (404)", "Update Ollama"),
        (429, "wants no more requests (429)", "Try again later"),
        (500, "answers with error 500", "Try again"),
    ],
)
def test_failures_are_one_line(
    ollama: Ollama, gguf: Path, waits: list[float], path: str, status: int, says: str, hint: str
) -> None:
    ollama.faults.append(Fault("POST", path, status, times=9, body=b""))
    with pytest.raises(MedLLMError) as caught:
        send(planned(gguf))
    assert says in caught.value.message and hint in caught.value.hint
    assert "\n" not in caught.value.line()
    assert len(waits) == (4 if status in (0, 429, 500) else 0)
    ollama.faults.clear()
    send(planned(gguf))
    assert ollama.models.keys() == {"tiny"}


def test_what_ollama_says_is_passed_on(ollama: Ollama, gguf: Path, waits: list[float]) -> None:
    said = json.dumps({"error": "invalid model name\nor so"}).encode()
    ollama.faults.append(Fault("POST", CREATE, 400, body=said))
    with pytest.raises(MedLLMError, match="Ollama refuses: invalid model name or so"):
        send(planned(gguf))
    ollama.faults.append(Fault("POST", CREATE, 200, body=said))
    with pytest.raises(MedLLMError, match="Ollama refuses: invalid model name or so"):
        send(planned(gguf))
    # An answer that ends before it says success is a connection that broke.
    ollama.faults.append(Fault("POST", CREATE, 200, body=b'{"status": "parsing GGUF"}\n'))
    send(planned(gguf))
    assert waits == [1]


def test_a_file_that_changed_is_not_taken(ollama: Ollama, gguf: Path) -> None:
    plan = planned(gguf)
    data = bytearray(gguf.read_bytes())
    data[-1] ^= 1
    gguf.write_bytes(data)
    with pytest.raises(MedLLMError, match="digest mismatch"):
        send(plan)
    assert not ollama.models


def test_no_ollama_is_said_at_once(ollama: Ollama, gguf: Path, waits: list[float]) -> None:
    plan = planned(gguf)
    ollama.__exit__()
    with pytest.raises(MedLLMError, match="does not answer at http://127") as caught:
        send(plan)
    assert "ollama serve" in caught.value.hint
    assert waits == []


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A real `ollama serve` with a folder of its own; gives the environment to call it in."""
    if not (program := shutil.which("ollama")):
        pytest.skip("there is no ollama on the PATH")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("OLLAMA_HOST", address)
    environment = {**os.environ, "OLLAMA_MODELS": str(tmp_path / "ollama"), "HOME": str(tmp_path)}
    server = subprocess.Popen(
        [program, "serve"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 30
        ask = [program, "list"]
        while subprocess.run(ask, env=environment, capture_output=True, check=False).returncode:
            assert time.monotonic() < until, "ollama serve does not come up"
            time.sleep(0.2)
        yield environment
    finally:
        server.terminate()
        server.wait(30)


def test_a_real_ollama_takes_it_and_answers(
    real: dict[str, str], gguf: Path, tmp_path: Path
) -> None:
    publish.run(planned(gguf, "medical-llm-tiny"))
    asked = ["ollama", "run", "medical-llm-tiny", "What is hypertension?"]
    done = subprocess.run(asked, env=real, capture_output=True, text=True, check=False, timeout=300)
    assert "**Definition**:" in done.stdout, done.stderr
    # And by a Modelfile, as users do it.
    modelfile = tmp_path / "Modelfile"
    modelfile.write_text(
        (ROOT / "modelfiles" / "medical-llm-mini.Modelfile")
        .read_text()
        .replace("../data/models/medical-llm-mini.q4_k_m.gguf", str(gguf))
    )
    create = ["ollama", "create", "medical-llm", "-f", str(modelfile)]
    subprocess.run(create, env=real, check=True, capture_output=True, timeout=300)
    asked[2] = "medical-llm"
    done = subprocess.run(asked, env=real, capture_output=True, text=True, check=False, timeout=300)
    assert "**Definition**:" in done.stdout, done.stderr


PROBE = """
import socket, sys
from medconvert.publish import sender
def reach(plan, hosts, progress):
    found = []
    for host in ("192.0.2.1", "example.org", plan.target.host):
        try: socket.create_connection((host, 9), 1)
        except Exception as error: found.append(type(error).__name__)
    return " ".join(found)
sender.ollama.send = reach
sender._main()
"""


def test_the_process_that_sends_reaches_no_other_host(ollama: Ollama, gguf: Path) -> None:
    plan = json.dumps(asdict(planned(gguf)), default=str)
    done = subprocess.run(
        [sys.executable, "-c", PROBE], input=plan + "\n", capture_output=True, text=True, check=True
    )
    refused = "NetworkRefusedError NetworkRefusedError ConnectionRefusedError"
    assert json.loads(done.stdout) == {"said": refused}
