"""The command as a whole: what it converts by itself, foresees, exports and publishes."""

import json
import shutil
from pathlib import Path

import pytest
from medllm import paths

from tests.converter.conftest import medconvert


def test_without_a_source_the_newest_run_is_taken(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, finished in (("old", "2025-01-01T00:00:00Z"), ("new", "2026-01-01T00:00:00Z")):
        run = shutil.copytree(run_folder, tmp_path / "runs" / name)
        shutil.rmtree(run / "gguf", ignore_errors=True)
        record = json.loads((run / "run.json").read_text())
        (run / "run.json").write_text(json.dumps({**record, "finished": finished}))
    monkeypatch.chdir(tmp_path)
    done = medconvert("--quant", "q4_k_m", "--no-verify")
    assert done.returncode == 0, done.stderr
    assert "Converting runs/new." in done.stderr
    assert (tmp_path / "runs" / "new" / "gguf" / "new.q4_k_m.gguf").is_file()
    assert not (tmp_path / "runs" / "old" / "gguf").exists()


def test_without_any_run_it_says_what_to_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = medconvert("--quant", "q4_k_m")
    assert done.returncode == 2 and "Name a run" in done.stderr


def test_a_dry_run_foresees_sizes_and_writes_nothing(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = (run_folder, "--quant", "q4_k_m,q8_0", "--out", out)
    done = medconvert(*arguments, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert not out.exists() and found["architecture"] == "llama"
    made = medconvert(*arguments, "--no-verify", "--json")
    records = json.loads(made.stdout)["outputs"]
    assert {file: Path(file).stat().st_size for file in found["outputs"]} == found["outputs"]
    assert [r["metrics"]["bytes_written"] for r in records] == list(found["outputs"].values())
    peaks = [r["metrics"]["peak_anonymous_mb"] for r in records]
    assert all(peak < found["memory_bytes"] / 1e6 for peak in peaks if peak)


def test_the_base_of_an_adapter_can_be_named(run_folder: Path, tmp_path: Path) -> None:
    adapter = shutil.copytree(run_folder / "adapter", tmp_path / "adapter")
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "someone/some-model"
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    out = tmp_path / "x.gguf"
    lost = medconvert(adapter, "--out", out, "--no-verify")
    assert lost.returncode == 9 and "--base" in lost.stderr
    base = run_folder / "base"
    assert medconvert(adapter, "--base", base, "--out", out, "--no-verify").returncode == 0
    wrong = medconvert(base, "--base", base, "--out", out)
    assert wrong.returncode == 2 and "no adapter" in wrong.stderr


def test_the_adapter_alone(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "adapter.gguf"
    done = medconvert(run_folder, "--format", "adapter", "--out", out)
    assert done.returncode == 0, done.stderr
    assert out.is_file() and done.stdout.startswith(f"{out}: ")
    unknown = medconvert(run_folder, "--format", "exe")
    assert unknown.returncode == 2 and "adapter, onnx, ct2" in unknown.stderr


def test_a_finished_file_is_published_or_foreseen(tmp_path: Path) -> None:
    model = paths.builtin_model()
    done = medconvert(model, "--publish", "hf:owner/name", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "name-Q4_K_M.gguf" in done.stdout and "SHA-256" in done.stdout
    alone = medconvert(model)
    assert alone.returncode == 2 and "--publish" in alone.stderr


@pytest.mark.parametrize("target", ["hf:noslash", "ftp:x", "owner/name"])
def test_a_target_misspelled_is_refused_before_any_work(run_folder: Path, target: str) -> None:
    done = medconvert(run_folder, "--publish", target)
    assert done.returncode == 2 and "--publish hf:OWNER/NAME" in done.stderr


def test_inspect(tmp_path: Path) -> None:
    done = medconvert("inspect", paths.builtin_model(), "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["architecture"] == "llama"
    bad = tmp_path / "x.gguf"
    bad.write_bytes(b"nothing")
    refused = medconvert("inspect", bad)
    assert refused.returncode == 3 and "not a GGUF" in refused.stderr
