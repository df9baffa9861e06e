"""`medtui pull` through the real command, against a stand-in of the Hub on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from medllm.errors import UsageError
from medtui.pull import choose

from tests.tui.conftest import Run
from tests.tui.hub import Hub

NAME = "tiny.Q4_K_M.gguf"


@pytest.fixture
def hub(tiny_mini: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub() as stand_in:
        stand_in.files["owner/tiny-GGUF"] = {
            "README.md": b"# tiny",
            "tiny.Q8_0.gguf": b"GGUF...",
            NAME: tiny_mini.read_bytes(),
        }
        monkeypatch.setenv("HF_ENDPOINT", stand_in.url)
        yield stand_in


def test_it_fetches_the_q4_k_m_file_and_says_how_to_use_it(
    medtui: Run, hub: Hub, home: Path, tiny_mini: Path
) -> None:
    done = medtui("pull", "owner/tiny-GGUF")
    assert done.returncode == 0, done.stderr
    target = home / "models" / "owner" / "tiny-GGUF" / NAME
    assert f"medtui --model {target}" in done.stdout
    assert target.read_bytes() == tiny_mini.read_bytes()
    assert [file.name for file in target.parent.iterdir()] == [NAME]
    # One look-up and one download, and nothing else is asked of anybody.
    assert [path.split("/")[1] for path, _, _ in hub.requests] == ["api", "owner"]
    assert all(token is None for _, _, token in hub.requests)
    asked = medtui("ask", "hypertension", "--no-history", "--model", str(target))
    assert asked.returncode == 0
    again = medtui("pull", "owner/tiny-GGUF")
    assert (again.returncode, "already there" in again.stdout) == (0, True)


def test_a_token_comes_from_the_environment(medtui: Run, hub: Hub) -> None:
    assert medtui("pull", "owner/tiny-GGUF", HF_TOKEN="hf_secret").returncode == 0
    assert {token for _, _, token in hub.requests} == {"Bearer hf_secret"}


@pytest.mark.parametrize("ranges", [True, False], ids=["server goes on", "server starts over"])
def test_a_download_that_breaks_off_goes_on(
    medtui: Run, hub: Hub, home: Path, tiny_mini: Path, ranges: bool
) -> None:
    hub.break_at, hub.ranges = 1_500_000, ranges
    broken = medtui("pull", "owner/tiny-GGUF")
    assert broken.returncode == 1
    assert broken.stderr.split("\n")[-2].startswith("error: The connection")
    assert "goes on where it was" in broken.stderr
    target = home / "models" / "owner" / "tiny-GGUF" / NAME
    assert not target.exists()
    assert medtui("pull", "owner/tiny-GGUF").returncode == 0
    assert target.read_bytes() == tiny_mini.read_bytes()
    assert hub.requests[-1][1] == "bytes=1500000-"


@pytest.mark.parametrize(
    ("repository", "status", "code", "exit_code", "says"),
    [
        ("owner/none", 404, "RepoNotFound", 3, "There is no model owner/none"),
        ("owner/private", 401, "RepoNotFound", 3, "or it is private"),
        ("owner/gated", 403, "GatedRepo", 3, "asks for its terms to be accepted"),
        ("owner/forbidden", 403, "", 3, "does not let you fetch"),
        ("owner/broken", 500, "", 1, "answered with error 500"),
    ],
)
def test_what_the_hub_refuses_is_one_line(
    medtui: Run, hub: Hub, repository: str, status: int, code: str, exit_code: int, says: str
) -> None:
    hub.statuses[repository] = (status, code)
    done = medtui("pull", repository)
    assert (done.returncode, done.stdout) == (exit_code, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["owner/tiny-GGUF", "--revision", "v9"], "has no revision v9"),
        (["owner/tiny-GGUF", "--file", "no.gguf"], "There is no file no.gguf"),
        (["no-slash"], "medtui pull OWNER/NAME"),
        (["../../etc/passwd"], "medtui pull OWNER/NAME"),
        (["../models"], "is not a repository"),
    ],
)
def test_what_cannot_be_meant(medtui: Run, hub: Hub, arguments: list[str], says: str) -> None:
    done = medtui("pull", *arguments)
    assert done.returncode in (2, 3)
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_connection_and_offline_mode(medtui: Run) -> None:
    done = medtui("pull", "owner/name", HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.startswith("error: The connection to the Hub failed.")
    done = medtui("pull", "owner/name", HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert "HF_HUB_OFFLINE is set" in done.stderr


def test_a_file_with_another_hash_is_removed(medtui: Run, hub: Hub, home: Path) -> None:
    hub.wrong_hash = True
    done = medtui("pull", "owner/tiny-GGUF")
    assert done.returncode == 3
    assert "another SHA-256" in done.stderr
    assert list((home / "models" / "owner" / "tiny-GGUF").iterdir()) == []


def test_a_file_that_is_no_model_is_removed(medtui: Run, hub: Hub, home: Path) -> None:
    done = medtui("pull", "owner/tiny-GGUF", "--file", "tiny.Q8_0.gguf")
    assert done.returncode == 3
    assert list((home / "models" / "owner" / "tiny-GGUF").iterdir()) == []


@pytest.mark.parametrize(
    ("names", "wanted", "chosen"),
    [
        (["a.gguf", "README.md"], None, "a.gguf"),
        (["a.Q8_0.gguf", "a.q4_k_m.gguf", "a.Q4_K_S.gguf"], None, "a.q4_k_m.gguf"),
        (["a.gguf", "b.gguf"], "b.gguf", "b.gguf"),
        (["m.gguf", "mmproj-m.gguf"], None, "m.gguf"),
        (["big-00001-of-00002.gguf", "big-00002-of-00002.gguf", "s.gguf"], None, "s.gguf"),
    ],
)
def test_choose(names: list[str], wanted: str | None, chosen: str) -> None:
    assert choose(names, wanted) == chosen


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["model.safetensors"], "no GGUF file"),
        (["a.Q8_0.gguf", "a.Q5_K_M.gguf"], "2 models to choose from"),
        (["big-00001-of-00002.gguf", "big-00002-of-00002.gguf"], "only models in pieces"),
    ],
)
def test_choose_nothing(names: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        choose(names, None)
