"""A whole publish to a stand-in of the Hub, a download and a load; and all that can go wrong."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from medconvert import publish
from medconvert.publish import hub as sending
from medllm.errors import MedLLMError

from tests.converter.publish.hub import TOKEN, Hub
from tests.converter.publish.server import Fault

NAME = "owner/tiny-GGUF"
WEIGHTS = "tiny-Q4_K_M.gguf"
LFS, COMMIT = "^/lfs/", "/commit/main"
Steps = list[tuple[str, int, int]]


def planned(gguf: Path, **options: Any) -> publish.Plan:
    return publish.plan([gguf], publish.parse_target(f"hf:{NAME}"), publish.Options(**options))


def send(plan: publish.Plan, steps: Steps | None = None) -> str:
    """Publishes in this process, so that tests need not wait between tries."""
    told = steps if steps is not None else []
    return sending.send(plan, {plan.target.host}, lambda *step: told.append(step))


def test_a_whole_publish_a_download_and_a_load(hub: Hub, gguf: Path, tmp_path: Path) -> None:
    plan, steps = planned(gguf), []
    said = publish.run(plan, lambda *step: steps.append(step))
    assert said == f"Published {len(plan.items)} files at {hub.url}/{NAME}."
    assert steps[-1] == ("Uploading", gguf.stat().st_size, gguf.stat().st_size)
    published = hub.repositories[NAME].files
    assert published.keys() == {
        ".gitattributes", WEIGHTS, "template", "params", "LICENSE", "README.md",
        "SHA256SUMS", "tiny-Q4_K_M.run.json",
    }  # fmt: skip
    # The mini model knows no system turn, so there is no text for one.
    assert not hub.repositories[NAME].private
    assert "</s>" in json.loads(published["params"])["stop"]
    assert published["template"].count(b"{{") >= 1
    for line in published["SHA256SUMS"].decode().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256(published[name]).hexdigest() == digest
    folder = download(hub, tmp_path)
    assert (folder / WEIGHTS).read_bytes() == gguf.read_bytes()
    assert loads(folder / WEIGHTS)


def download(hub: Hub, tmp_path: Path) -> Path:
    """Fetches everything by huggingface_hub, in a process that knows only the stand-in."""
    program = (
        "import sys; from huggingface_hub import hf_hub_download\n"
        "for name in sys.argv[2:]: print(hf_hub_download(sys.argv[1], name))"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": hub.url}
    done = subprocess.run(
        [sys.executable, "-c", program, NAME, WEIGHTS, "README.md", "template"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[0]).parent


def loads(model: Path) -> bool:
    """Whether llama.cpp loads a model and it writes something."""
    program = (
        "import sys, llama_cpp\n"
        "model = llama_cpp.Llama(sys.argv[1], n_ctx=256, n_threads=1, verbose=False)\n"
        "ask = [{'role': 'user', 'content': 'What is hypertension?'}]\n"
        "answer = model.create_chat_completion(ask, max_tokens=8, temperature=0)\n"
        "print(answer['choices'][0]['message']['content'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(model)], capture_output=True, text=True, check=False
    )
    return "Definition" in done.stdout


def test_a_second_publish_sends_nothing_and_a_changed_card_only_itself(
    hub: Hub, gguf: Path
) -> None:
    send(planned(gguf))
    hub.seen.clear()
    assert send(planned(gguf)).startswith("Everything is already at")
    assert [seen.method for seen in hub.seen] == ["POST", "GET"]
    evaluated(gguf)
    hub.seen.clear()
    assert send(planned(gguf)).startswith("Published 2 files")
    assert not hub.calls("PUT")
    row = b"| Q4_K_M | format | adherence | 70.0% | 60.0% to 80.0% | 250 |"
    assert row in hub.repositories[NAME].files["README.md"]


def evaluated(gguf: Path, folder: str = "eval", **changes: Any) -> None:
    """An evaluation beside a model, as medeval writes it."""
    from medeval.results import Figure, Report, TaskResult

    figure = Figure(
        name="adherence", value=0.7, low=0.6, high=0.8, answers=250, better=1, share=True
    )
    task = TaskResult(name="format", about="", asked=250, answered=250, figures=(figure,))
    facts: dict[str, Any] = {
        "identity": f"gguf:{hashlib.sha256(gguf.read_bytes()).hexdigest()}",
        "stopped_by": "",
        **changes,
    }
    report = Report(
        engine="gguf", prompt_version="1", seed=0, limit=0, tasks={"format": task}, **facts
    )
    (gguf.parent / folder).mkdir()
    report.write(gguf.parent / folder, [])


def test_only_whole_evaluations_of_this_very_file_are_in_the_card(gguf: Path, hub: Hub) -> None:
    evaluated(gguf, "other", identity="gguf:" + "0" * 64)
    evaluated(gguf, "broken-off", stopped_by="Ctrl-C")
    (gguf.parent / "report.json").write_text("[]")
    card = next(item.text for item in planned(gguf).items if item.name == "README.md")
    assert "No evaluation of these files" in card
    evaluated(gguf)
    card = next(item.text for item in planned(gguf).items if item.name == "README.md")
    assert "70.0%" in card


def test_weights_that_the_hub_keeps_as_texts_arrive_too(hub: Hub, gguf: Path) -> None:
    hub.small = True
    assert send(planned(gguf)).startswith("Published")
    assert hub.repositories[NAME].files[WEIGHTS] == gguf.read_bytes()
    assert send(planned(gguf)).startswith("Everything is already")


def test_weights_go_in_parts_where_the_hub_asks_for_it(
    hub: Hub, gguf: Path, waits: list[float]
) -> None:
    hub.part = 2_000_000
    hub.faults.append(Fault("PUT", f"{LFS}.*/2\\?", after=1_000_000))
    steps: Steps = []
    send(planned(gguf), steps)
    assert hub.repositories[NAME].files[WEIGHTS] == gguf.read_bytes()
    # Only the part that broke off was sent twice.
    parts = [re.search(r"/(\d)\?", seen.path)[1] for seen in hub.calls("PUT")]  # type: ignore[index]
    assert parts == ["1", "2", "2", "3"]
    assert waits == [1]
    size = gguf.stat().st_size
    assert steps[-1][1:] == (size, size)


def test_a_private_repository_is_made_private(hub: Hub, gguf: Path) -> None:
    plan = planned(gguf, private=True)
    assert "make a private repository" in str(plan)
    send(plan)
    assert hub.repositories[NAME].private


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/repos/create"),
        ("GET", "/tree/"),
        ("POST", "/preupload/"),
        ("POST", "/objects/batch"),
        ("PUT", LFS),
        ("POST", "/verify"),
        ("POST", "/validate-yaml"),
        ("POST", COMMIT),
    ],
)
@pytest.mark.parametrize("status", [0, 503, 429])
def test_what_fails_once_or_twice_is_tried_again(
    hub: Hub, gguf: Path, waits: list[float], method: str, path: str, status: int
) -> None:
    wait = {"Retry-After": "7"} if status == 429 else {}
    hub.faults.append(Fault(method, path, status, wait, times=2, after=1000 * (method == "PUT")))
    send(planned(gguf))
    assert hub.repositories[NAME].files[WEIGHTS] == gguf.read_bytes()
    assert len(hub.repositories[NAME].commits) == 2
    assert len(waits) == 2
    assert all(7 <= waited <= 8 for waited in waits) if status == 429 else sum(waits) == 3


def test_a_commit_whose_answer_is_lost_is_not_made_twice(
    hub: Hub, gguf: Path, waits: list[float]
) -> None:
    hub.faults.append(Fault("POST", COMMIT, late=True))
    assert send(planned(gguf)).startswith("Published")
    assert len(hub.repositories[NAME].commits) == 2
    assert len(hub.calls("POST", COMMIT)) == 1


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", LFS), ("POST", COMMIT), ("POST", "/api/repos/create")]
)
@pytest.mark.parametrize(
    ("status", "says"),
    [
        (0, "The connection to the Hub failed. Check the network. The same command goes on"),
        (429, "The Hub wants no more requests (429). Try again later. The same command goes on"),
        (500, "The Hub is in trouble and answers with error 500. Try again later. The same"),
    ],
)
def test_what_keeps_failing_is_one_line_and_a_second_run_goes_on(
    hub: Hub, gguf: Path, waits: list[float], method: str, path: str, status: int, says: str
) -> None:
    hub.faults.append(Fault(method, path, status, times=99))
    with pytest.raises(MedLLMError) as caught:
        send(planned(gguf))
    assert caught.value.line().startswith(says)
    assert_clean(caught.value)
    assert len(waits) in (4, 5) and sum(waits) < 60
    assert WEIGHTS not in getattr(hub.repositories.get(NAME), "files", {})
    hub.faults.clear()
    sent = len(hub.calls("PUT"))
    assert send(planned(gguf)).startswith("Published")
    # What had arrived before the commit failed does not go again.
    assert len(hub.calls("PUT")) - sent == (0 if path == COMMIT else 1)


def assert_clean(error: BaseException) -> None:
    line = error.line() if isinstance(error, MedLLMError) else str(error)
    assert "\n" not in line
    assert TOKEN not in line and "Signature" not in line and "127.0.0.1" not in line


def test_a_hub_that_asks_for_a_long_wait_is_not_waited_for(
    hub: Hub, gguf: Path, waits: list[float]
) -> None:
    hub.faults.append(Fault("POST", "/preupload/", 429, {"Retry-After": "3600"}))
    with pytest.raises(MedLLMError, match="no more requests for 3600 seconds"):
        send(planned(gguf))
    hub.faults.append(Fault("POST", "/preupload/", 503, {"Retry-After": "3600"}))
    with pytest.raises(MedLLMError, match="error 503"):
        send(planned(gguf))
    assert waits == []


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "The Hub does not accept the token (401). Log in with `hf auth login`"),
        (403, "The token may not write to owner/tiny-GGUF (403). Take a token with write access"),
        (404, "The Hub has no owner/tiny-GGUF that you can write to (404). Check the name"),
        (413, "The Hub finds a file too large (413)."),
        (418, "The Hub refuses the publication with error 418."),
    ],
)
@pytest.mark.parametrize("path", ["/preupload/", "/objects/batch", "/commit/", "/repos/create"])
def test_refusals_are_one_line_at_once(
    hub: Hub, gguf: Path, waits: list[float], status: int, says: str, path: str
) -> None:
    hub.faults.append(Fault("POST", path, status, times=9))
    with pytest.raises(MedLLMError) as caught:
        send(planned(gguf))
    assert caught.value.line().startswith(says)
    assert caught.value.hint
    assert_clean(caught.value)
    assert waits == []


def test_a_wrong_token_another_owner_and_no_token(
    hub: Hub, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(gguf)
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 30)
    with pytest.raises(MedLLMError, match="does not accept the token"):
        send(plan)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    other = publish.plan([gguf], publish.parse_target("hf:nobody/tiny"))
    with pytest.raises(MedLLMError, match="may not write to nobody/tiny"):
        send(other)
    monkeypatch.delenv("HF_TOKEN")
    hub.seen.clear()
    with pytest.raises(MedLLMError, match="no token for the Hub"):
        send(plan)
    assert hub.seen == []


def test_an_offline_hub_library_is_said(
    hub: Hub, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # to the process that sends
    with pytest.raises(MedLLMError, match="HF_HUB_OFFLINE is set"):
        publish.run(planned(gguf))
    assert hub.seen == []


def test_nobody_listens(gguf: Path, hub: Hub, waits: list[float]) -> None:
    plan = planned(gguf)
    hub.__exit__()
    with pytest.raises(MedLLMError, match="connection to the Hub failed"):
        send(plan)


def test_weights_go_only_to_hosts_that_the_hub_names_and_never_plainly(
    hub: Hub, gguf: Path
) -> None:
    hub.storage = "http://storage.example.org"
    with pytest.raises(MedLLMError, match=r"sent us on to storage\.example\.org"):
        send(planned(gguf))
    assert WEIGHTS not in hub.repositories[NAME].files


def test_a_redirect_to_another_host_is_refused(hub: Hub, gguf: Path) -> None:
    hub.faults.append(
        Fault("GET", "/tree/", 302, {"Location": "https://elsewhere.example.org/tree"})
    )
    with pytest.raises(MedLLMError, match=r"sent us on to elsewhere\.example\.org"):
        send(planned(gguf))


def test_a_killed_publish_goes_on(hub: Hub, gguf: Path) -> None:
    """kill -9 between the weights and the commit; the second run sends no weights."""
    gate = Fault("POST", COMMIT, 429, {"Retry-After": "60"}, times=9)
    hub.faults.append(gate)
    program = (
        "import sys; from pathlib import Path; from medconvert import publish\n"
        "target = publish.parse_target(sys.argv[2])\n"
        "publish.run(publish.plan([Path(sys.argv[1])], target))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(gguf), f"hf:{NAME}"], start_new_session=True
    ) as process:
        until = time.monotonic() + 60
        while not hub.calls("POST", COMMIT) and time.monotonic() < until:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    assert hub.repositories[NAME].files.keys() == {".gitattributes"}
    hub.faults.clear()
    hub.seen.clear()
    assert publish.run(planned(gguf)).startswith("Published")
    assert not hub.calls("PUT")
    assert hub.repositories[NAME].files[WEIGHTS] == gguf.read_bytes()


def test_the_card_says_what_the_records_say(hub: Hub, gguf: Path) -> None:
    card = next(item.text for item in planned(gguf).items if item.name == "README.md")
    _, head, body = card.split("---\n", 2)
    fields = yaml.safe_load(head)
    assert fields["license"] == "apache-2.0"
    assert (fields["pipeline_tag"], fields["language"]) == ("text-generation", ["en"])
    assert "base_model" not in fields  # the mini model is trained from scratch
    record = json.loads(gguf.with_name("medical-llm-mini.q4_k_m.run.json").read_text())
    training = json.loads(gguf.with_name("medical-llm-mini.train.json").read_text())
    for said in (
        f"ollama run hf.co/{NAME}:Q4_K_M",
        "7,868,672 parameters, trained from scratch",
        record["outputs"][gguf.name],
        *training["inputs"].values(),
        f"`lora.r` | `{training['settings']['lora']['r']}`",
        "## Limits", "## Intended use", "## Safety", "No evaluation of these files",
        f"{record['verify']['tokens']['tokens']} tokens alike",
    ):  # fmt: skip
        assert said in body


def test_a_hub_elsewhere_cannot_send_us_to_this_machine(hub: Hub) -> None:
    from huggingface_hub import get_session
    from medconvert.publish.client import hub_client
    from medconvert.publish.target import Target
    from medllm.errors import NetworkRefusedError

    elsewhere = Target("hf", NAME, "https://hub.example.org")
    with hub_client(elsewhere, {"hub.example.org", "127.0.0.1"}):
        with pytest.raises(NetworkRefusedError, match=r"sent us on to 127\.0\.0\.1"):
            get_session().get(hub.url)
        with pytest.raises(NetworkRefusedError, match=r"sent us on to other\.example\.org"):
            get_session().get("https://other.example.org")
    assert hub.seen == []


def test_what_was_just_converted_is_published_with_its_checks(
    hub: Hub, converted: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    made, done = converted
    assert done.returncode == 0, done.stderr
    terms = tmp_path / "terms"
    terms.write_text("Apache License\nVersion 2.0")
    plan = planned(made, licence=terms)
    send(plan)
    published = hub.repositories[NAME].files
    assert published[WEIGHTS] == made.read_bytes()
    card = published["README.md"].decode()
    assert "tokens alike in" in card and "nats a token from the merged model" in card
    record = json.loads(published["tiny-Q4_K_M.run.json"])
    assert record["verify"]["tokens"]["passed"] and "base" not in record
