"""What a plan holds, and what it refuses, before anything is sent."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from medconvert import publish
from medconvert.publish import private
from medconvert.publish.target import hub_address, ollama_address, parse_target
from medllm.errors import MedLLMError, UsageError

from tests.tiny import write_tiny

HUB, OLLAMA = "hf:owner/tiny", "ollama:tiny"


@pytest.fixture(autouse=True)
def _usual_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_ENDPOINT", "OLLAMA_HOST", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def planned(*files: Path, to: str = HUB, **options: Any) -> publish.Plan:
    return publish.plan(list(files), parse_target(to), publish.Options(**options))


def record_of(gguf: Path) -> Path:
    return gguf.with_name(f"{gguf.stem}.run.json")


def edit(file: Path, **fields: Any) -> None:
    content = json.loads(file.read_text())
    for key, value in fields.items():
        content[key] = {**content.get(key, {}), **value} if isinstance(value, dict) else value
    file.write_text(json.dumps(content))


def tiny(folder: Path, name: str, **shape: Any) -> Path:
    """A random model with a record as medconvert writes it, and its base with its licence."""
    from medllm import files
    from medllm.run_record import RunRecord

    file = write_tiny(folder / f"{name}.gguf", **shape)
    (folder / "base").mkdir()
    (folder / "base" / "LICENSE").write_text("Apache License\nVersion 2.0")
    outputs = {file.name: files.sha256(file)}
    record = RunRecord(stage="convert", recipe="trial", base="base", outputs=outputs)
    files.write_json(record_of(file), record.model_dump(mode="json"))
    return file


@pytest.mark.parametrize(
    ("text", "name", "stem"),
    [
        ("hf:owner/medical-llm", "owner/medical-llm", "medical-llm"),
        ("hf:Owner-1/My.Model-GGUF", "Owner-1/My.Model-GGUF", "My.Model"),
        ("ollama:medical-llm", "medical-llm", "medical-llm"),
        ("ollama:someone/medical-llm:v2", "someone/medical-llm:v2", "medical-llm"),
    ],
)
def test_targets(text: str, name: str, stem: str) -> None:
    target = parse_target(text)
    assert (target.name, target.stem, str(target)) == (name, stem, text)


@pytest.mark.parametrize(
    "text",
    ["", "hf", "hf:", "hf:name", "hf:a/b/c", "hf:../x", "hf:a--b/c", "hf:a/b..c", "hf:a/b c",
     "hf:" + "a" * 50 + "/" + "b" * 60, "ollama:", "ollama:a:b:c", "ollama:a b", "s3:a/b"],
)  # fmt: skip
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(UsageError, match="no place to publish"):
        parse_target(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("127.0.0.1:1234", "http://127.0.0.1:1234"),
        (":5000", "http://127.0.0.1:5000"),
        ("[::]:5", "http://[::1]:5"),
        ("https://ollama.example.org/api/", "https://ollama.example.org:443/api"),
        ("http://example.org", "http://example.org:80"),
        ("example.org", "http://example.org:11434"),
    ],
)
def test_what_ollama_host_means(text: str, address: str) -> None:
    assert ollama_address(text) == address


def test_addresses_that_are_refused() -> None:
    for text in ("http://x:99999", "ftp://x", "::1"):
        with pytest.raises(UsageError, match="OLLAMA_HOST"):
            ollama_address(text)
    with pytest.raises(UsageError, match="not an https address") as caught:
        hub_address("http://me:secret@example.org")
    assert "secret" not in caught.value.line()


def test_a_dry_run_tells_every_file_and_request_and_opens_no_socket(gguf: Path) -> None:
    program = (
        "import sys, json; from pathlib import Path; from medllm import guard\n"
        "guard.install()\n"
        "sys.addaudithook(lambda event, _: event == 'socket.__new__' and sys.exit(7))\n"
        "from medconvert import publish\n"
        "for to in sys.argv[2:]:\n"
        "    plan = publish.plan([Path(sys.argv[1])], publish.parse_target(to))\n"
        "    print(plan); print(json.dumps(plan.as_json()))\n"
        "assert guard.refused() == 0\n"
        "assert not {'torch', 'huggingface_hub', 'httpx'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(gguf), HUB, OLLAMA],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    hub, ollama = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    assert {file["name"] for file in hub["files"]} >= {"tiny-Q4_K_M.gguf", "README.md"}
    assert [file["name"] for file in ollama["files"]] == ["tiny-Q4_K_M.gguf"]
    for plan in (hub, ollama):
        for file in plan["files"]:
            assert file["sha256"] in done.stdout and f"{file['bytes']:,} bytes" in done.stdout
        for request in plan["requests"]:
            assert f"{request['address']}: {request['purpose']}" in done.stdout
    assert hub["server"] == "https://huggingface.co"
    assert ollama["requests"][2]["address"] == "http://127.0.0.1:11434/api/create"
    assert str(gguf.parent) not in done.stdout


def test_several_quantizations_go_together(tmp_path: Path) -> None:
    from medllm import files

    first = tiny(tmp_path, "m.f16")
    second = tmp_path / "m.q8_0.gguf"
    data = first.read_bytes()
    key = b"general.file_type"
    place = data.index(key) + len(key) + 4
    second.write_bytes(data[:place] + (7).to_bytes(4, "little") + data[place + 4 :])
    edit(record_of(first), outputs={second.name: files.sha256(second)})
    record_of(second).write_text(record_of(first).read_text())
    plan = planned(first, second, to="ollama:m")
    assert [model.name for model in plan.models] == ["m:f16", "m:q8_0"]
    names = [item.name for item in planned(first, second).items]
    assert names[:2] == ["tiny-F16.gguf", "tiny-Q8_0.gguf"]
    with pytest.raises(UsageError, match="2 files can't all be m:v1"):
        planned(first, second, to="ollama:m:v1")
    with pytest.raises(UsageError, match="Two files are F16"):
        planned(first, first)


def test_a_model_of_an_unknown_family_goes_without_a_template(tmp_path: Path) -> None:
    file = tiny(tmp_path, "m.f16", template="{{ messages[0]['content'] }}")
    plan = planned(file, to=OLLAMA)
    assert plan.models[0].settings.keys() == {"license"}
    assert any("chat family is not known" in note for note in plan.notes)
    assert any("was not verified" in note for note in plan.notes)


def test_a_family_with_a_system_turn_gets_the_system_text(tmp_path: Path) -> None:
    from medllm import prompts
    from medllm.chat_families import family

    file = tiny(tmp_path, "m.f16", template=family("chatml").jinja)
    settings = planned(file, to=OLLAMA).models[0].settings
    assert settings["system"] == prompts.SYSTEM
    assert settings["parameters"]["stop"][0] == "<|im_end|>"
    assert settings["parameters"]["num_ctx"] == 2048  # the model's own
    items = {item.name: item.text for item in planned(file).items}
    assert items["system"] == prompts.SYSTEM
    assert json.loads(items["params"]) == settings["parameters"]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda file: record_of(file).unlink(), "has no record"),
        (lambda file: record_of(file).write_text("{"), "can't be read"),
        (lambda file: edit(record_of(file), outputs={file.name: "0" * 64}), "SHA-256 differs"),
        (lambda file: file.write_bytes(file.read_bytes()[:-9]), "truncated"),
        (lambda file: file.unlink(), "no model"),
    ],
)
def test_what_cannot_be_published(gguf: Path, damage: Any, says: str) -> None:
    damage(gguf)
    with pytest.raises(MedLLMError, match=says) as caught:
        planned(gguf)
    assert "\n" not in caught.value.line()


def test_the_licence_comes_from_the_base_or_is_asked_for(gguf: Path, tmp_path: Path) -> None:
    gguf.with_name("medical-llm-mini.train.json").unlink()
    base = gguf.parent / "some-base"
    base.mkdir()
    edit(record_of(gguf), base="some-base", adapter="")
    with pytest.raises(MedLLMError, match="terms of the base some-base are not known") as caught:
        planned(gguf)
    assert "--license" in caught.value.hint
    (base / "LICENSE.txt").write_text("LLAMA 3.1 COMMUNITY LICENSE AGREEMENT\n...")
    items = {item.name: item.text for item in planned(gguf).items}
    assert items["LICENSE"].startswith("LLAMA 3.1")
    assert 'license: "llama3.1"' in items["README.md"]
    own = tmp_path / "terms"
    own.write_text("Do as you like.")
    items = {item.name: item.text for item in planned(gguf, licence=own).items}
    assert items["LICENSE"] == "Do as you like."
    assert 'license: "other"' in items["README.md"]
    with pytest.raises(UsageError, match="can't be read"):
        planned(gguf, licence=tmp_path / "none")


def test_the_base_is_named_as_the_hub_knows_it(gguf: Path) -> None:
    edit(gguf.with_name("medical-llm-mini.train.json"), base="some-org/Base-7B")
    train = gguf.with_name("medical-llm-mini.train.json")
    content = json.loads(train.read_text())
    del content["settings"]["pretrain"]
    train.write_text(json.dumps(content))
    terms = gguf.with_name("terms")
    terms.write_text("Apache License\nVersion 2.0")
    card = {i.name: i.text for i in planned(gguf, licence=terms).items}["README.md"]
    assert 'base_model: "some-org/Base-7B"' in card
    assert "[some-org/Base-7B](https://huggingface.co/some-org/Base-7B)" in card
    card = {i.name: i.text for i in planned(gguf, licence=terms, base="a/b").items}["README.md"]
    assert 'base_model: "a/b"' in card


def test_nothing_of_this_machine_is_in_what_is_published(
    gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER", "janedoe")
    monkeypatch.setattr("socket.gethostname", lambda: "ward-pc-7.example.org")
    edit(
        record_of(gguf),
        base=str(gguf.parent / "base"),
        adapter="/home/janedoe/runs/adapter",
        machine={"processor": "ward-pc-7"},
        settings={"threads": 3, "imatrix": "/home/janedoe/text.txt"},
        inputs={"/home/janedoe/model/config.json": "0" * 64},
    )
    plan = planned(gguf)
    for item in plan.items:
        for word in ("janedoe", "ward-pc", str(gguf.parent), "/home/", "threads"):
            assert word not in item.text, (item.name, word)


@pytest.mark.parametrize(
    ("place", "content", "found"),
    [
        ("recipe", "made by janedoe", "the name of this user or machine"),
        ("recipe", "on WARD-PC-7", "the name of this user or machine"),
        ("recipe", "see /home/someone/x", "the path /home/someone/x"),
        ("recipe", "C:\\Users\\jane", "the path"),
        ("recipe", "hf_" + "a" * 30, "a token or key"),
        ("recipe", "s3cr3t-value", "a token or key"),
        ("versions", {"tool": "/opt/tool"}, "the path /opt/tool"),
        ("verify", {"tokens": {"skipped": "no /tmp/x/y"}}, "the path /tmp/x/y"),
    ],
)
def test_what_is_private_is_refused(
    gguf: Path, monkeypatch: pytest.MonkeyPatch, place: str, content: Any, found: str
) -> None:
    monkeypatch.setenv("USER", "janedoe")
    monkeypatch.setenv("SOME_API_KEY", "s3cr3t-value")
    monkeypatch.setattr("socket.gethostname", lambda: "ward-pc-7.example.org")
    edit(record_of(gguf), **{place: content})
    with pytest.raises(MedLLMError) as caught:
        planned(gguf)
    assert found in caught.value.message and "nothing was published" in caught.value.message
    assert "s3cr3t" not in caught.value.line() and "hf_a" not in caught.value.line()


def test_private_metadata_of_the_weights_is_refused(tmp_path: Path) -> None:
    file = tiny(tmp_path, "m.f16", recipe="/home/someone/recipe")
    for to in (HUB, OLLAMA):
        with pytest.raises(MedLLMError, match=r"medllm\.recipe of m\.f16\.gguf holds the path"):
            planned(file, to=to)


@pytest.mark.parametrize(
    "text",
    ["and/or 1/2 a/home", "https://huggingface.co/home/x", "</s> [INST] {{ .System }}",
     "the root of the word; a user", "{{ 'Q:\\n' }}", "<think>/no_think</think>", "a /b c/d e", "data/cards/x.jsonl", "owner owner/tiny", "2/3"],
)  # fmt: skip
def test_what_is_not_private(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "root")
    private.check({"a": text}, {"owner", "owner/tiny"})


def test_one_may_publish_under_ones_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "janedoe")
    private.check({"README.md": "ollama run hf.co/janedoe/tiny:Q4_K_M"}, {"janedoe"})
    private.check({"LICENSE": "Copyright janedoe"}, set(), signed=["LICENSE"])
    with pytest.raises(MedLLMError):
        private.check({"README.md": "ollama run hf.co/janedoe/tiny"}, {"other"})
    # A name that may stand there makes no folder public.
    with pytest.raises(MedLLMError, match="holds the path /home/janedoe/runs"):
        private.check({"README.md": "from /home/janedoe/runs"}, {"janedoe"})
