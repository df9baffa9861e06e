"""What a conversion takes is said and checked before; what is not there is one line."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from medconvert.conversion import Targets, preview
from medconvert.estimate import Estimate
from medconvert.plan import Options
from medconvert.quants import quant, quants
from medconvert.source import open_source
from medllm.errors import StorageError, UsageError

from tests.converter.conftest import convert

HUGE = 1 << 60


def test_a_disk_or_a_memory_too_small_is_said_before_it_begins(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="free, the output takes") as refused:
        Estimate(0, {"q4_k_m": HUGE}, 0, 0.0).need_room(tmp_path)
    assert "--out" in refused.value.hint
    with pytest.raises(StorageError, match="memory are needed") as refused:
        Estimate(0, {}, HUGE, 0.0).need_memory()
    assert "--threads 1" in refused.value.hint


def test_sizes_are_foreseen_to_the_byte(run_folder: Path, tmp_path: Path) -> None:
    source = open_source(run_folder, with_adapter=False)
    for name in ("f32", "bf16", "q4_k_m", "q6_k", "q5_1"):
        kind, out = quant(name), tmp_path / f"{name}.gguf"
        _, expected = preview(source, Targets({kind: out}), Options((kind,), threads=2))
        assert not out.exists()
        convert(source.base, out, quants=name, name=source.name)
        assert abs(expected.sizes[name] - out.stat().st_size) < 512  # our own keys


def test_a_disk_that_runs_full_on_the_way(run_folder: Path, tmp_path: Path) -> None:
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    command = [sys.executable, "-m", "medconvert.cli", str(run_folder), "--no-verify"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "x.gguf")],
        capture_output=True, text=True, check=False, preexec_fn=small,
    )  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert "can't be written" in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_quantizations_are_llama_cpp_s() -> None:
    from llama_cpp import llama_cpp

    known = {
        name.removeprefix("LLAMA_FTYPE_").removeprefix("ALL_").removeprefix("MOSTLY_").lower(): n
        for name, n in vars(llama_cpp).items()
        if name.startswith("LLAMA_FTYPE_") and name != "LLAMA_FTYPE_GUESSED"
    }
    gone = {"q4_1_some_f16", "q4_2", "q4_3", "q4_0_4_4", "q4_0_4_8", "q4_0_8_8"}
    ours = {
        kind.name: kind.file_type for name in known if name not in gone for kind in quants(name)
    }
    assert ours == {name: n for name, n in known.items() if name not in gone}


@pytest.mark.parametrize("names", ["", ",", "q4_k"])
def test_a_quantization_that_there_is_not(names: str) -> None:
    with pytest.raises(UsageError) as refused:
        quants(names)
    assert "q4_k_m" in refused.value.hint
