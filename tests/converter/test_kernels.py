"""The own quantizers make ggml's bytes of any numbers, and ggml's serve where they don't."""

import ctypes
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from medconvert import ggml, kernels
from medllm.errors import ConversionError, UsageError

from tests.converter.conftest import convert

ROOT = Path(__file__).parents[2]
Q4_K, Q6_K = 12, 14
KINDS = pytest.mark.parametrize("kind", [Q4_K, Q6_K], ids=["q4_k", "q6_k"])
SETS = pytest.mark.parametrize("chosen", kernels.instruction_sets() or ("none",))
needs_kernels = pytest.mark.skipif(not kernels.instruction_sets(), reason="no kernels here")
LARGEST = float(np.finfo(np.float32).max)

_ANY, _LONG = ctypes.c_void_p, ctypes.c_int64
Quantizer = ctypes.CFUNCTYPE(
    ctypes.c_size_t, ctypes.c_int, _ANY, _ANY, _LONG, _LONG, _LONG, _ANY
)  # ggml_quantize_chunk


@pytest.fixture(autouse=True)
def _no_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ggml.SWITCH, raising=False)


def both(chosen: str, kind: int, numbers: Any) -> tuple[bytes, bytes]:
    """Numbers quantized by the own kernel and by ggml."""
    values = np.ascontiguousarray(numbers, np.float32).reshape(1, -1)
    assert np.isfinite(values).all()
    ours = kernels.quantize(chosen, kind, values, ggml._quantizer_address())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ggml.SWITCH, "ggml")
        return ours.tobytes(), ggml.quantize(kind, values).tobytes()


def _blocks(count: int = 8) -> Any:
    return np.random.default_rng(5).standard_normal(256 * count)


def _at(place: int, value: float, others: Any) -> Any:
    """Super-blocks with one number set to `value`."""
    found = np.array(others, np.float64)
    found[place::256] = value
    return found


TRAPS: dict[str, Callable[[], Any]] = {
    "zeros": lambda: np.zeros(2048),
    "negative zeros": lambda: -np.zeros(2048),
    "zeros of both signs": lambda: np.copysign(0.0, _blocks()),
    "a positive constant": lambda: np.full(2048, 0.3),
    "a negative constant": lambda: np.full(2048, -0.3),
    "a constant a sub-block": lambda: np.repeat(_blocks(1)[:64], 32),
    "a constant and its neighbour": lambda: np.where(
        _blocks() > 0, np.float32(0.7), np.nextafter(np.float32(0.7), np.float32(1))
    ),
    "one-hot rows": lambda: _at(77, 1.0, np.zeros(2048)),
    "one negative in zeros": lambda: _at(0, -1e-3, np.zeros(2048)),
    # A large scale beside small ones: theirs are rounded to zero, the search's levels stay.
    "an outlier": lambda: _at(200, 1e4, _blocks() * 1e-3),
    "a negative outlier": lambda: _at(3, -1e4, _blocks() * 1e-3),
    "half empty": lambda: np.where(np.arange(2048) % 256 < 128, 0, _blocks()),
    "all above zero": lambda: abs(_blocks()),
    "all below zero": lambda: -abs(_blocks()),
    "far above zero": lambda: 5 + _blocks() * 1e-3,
    "far below zero": lambda: -5 + _blocks() * 1e-3,
    # A minimum so coarse that (x + minimum) / scale is past what rounding by addition can do.
    "a range hidden by its offset": lambda: np.where(
        np.arange(2048) % 256 < 32, -3e5 * abs(_blocks()), -3e5 + _blocks() * 1e-2
    ),
    "three values": lambda: np.random.default_rng(1).integers(-1, 2, 2048),
    "ties": lambda: np.tile(np.arange(-128, 128) / 2, 8),
    "the extremes twice": lambda: np.tile([-1.0, 1.0], 1024),
    "half-precision overflow": lambda: _blocks() * 1e9,
    "squares overflow": lambda: _blocks() * 1e25,
    "cubes overflow": lambda: _blocks() * 1e13,
    "the range overflows": lambda: np.clip(_blocks() * 3e38, -LARGEST, LARGEST),
    "the largest numbers": lambda: np.tile([LARGEST, -LARGEST, 0, 1], 512),
    "under Q6_K's threshold": lambda: _blocks() * 3e-16,
    "about Q6_K's threshold": lambda: _blocks() * 1e-15,
    "scales under half precision": lambda: _blocks() * 1e-6,
    "squares underflow": lambda: _blocks() * 1e-25,
    "the smallest normal numbers": lambda: _blocks() * 2e-38,
    "denormal numbers": lambda: _blocks() * 1e-41,
    "the smallest number": lambda: np.tile([1.4e-45, 0, -1.4e-45, 0], 512),
    "denormal beside normal": lambda: np.where(_blocks() > 0, _blocks() * 1e-40, _blocks()),
}


@needs_kernels
@SETS
@KINDS
@pytest.mark.parametrize("trap", TRAPS)
def test_trap_cases(chosen: str, kind: int, trap: str) -> None:
    ours, theirs = both(chosen, kind, TRAPS[trap]())
    assert ours == theirs


def _bit_patterns(random: np.random.Generator, count: int) -> Any:
    bits = random.integers(0, 2**32, count, dtype=np.uint32)
    bits[bits >> 23 & 255 == 255] ^= 1 << 30  # no NaN, no infinity
    return bits.view(np.float32)


DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, int], Any]] = {
    "weights": lambda random, count: random.standard_normal(count) * 0.02,
    "uniform": lambda random, count: random.uniform(-1, 1, count),
    "long tails": lambda random, count: random.standard_cauchy(count),
    "many scales": lambda random, count: (
        random.lognormal(0, 6, count) * random.choice([-1, 1], count)
    ),
    "sparse": lambda random, count: random.standard_normal(count) * (random.random(count) < 0.02),
    "bf16": lambda random, count: (
        random.standard_normal(count, np.float32).view(np.uint32) & 0xFFFF0000
    ).view(np.float32),
    "drifting": lambda random, count: np.cumsum(random.standard_normal(count)) * 1e-3,
    "bit patterns": _bit_patterns,
}


@needs_kernels
@SETS
@KINDS
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_four_million_random_numbers(chosen: str, kind: int, distribution: str) -> None:
    random = np.random.default_rng([kind, *distribution.encode()])
    numbers = DISTRIBUTIONS[distribution](random, (1 << 22) // len(DISTRIBUTIONS))
    ours, theirs = both(chosen, kind, numbers)
    assert ours == theirs


@needs_kernels
@SETS
@KINDS
@settings(max_examples=40, deadline=None)
@given(
    blocks=st.integers(1, 9),  # more and fewer than the lanes hold
    seed=st.integers(0, 2**32 - 1),
    scale=st.integers(-44, 37),
    offset=st.floats(-100, 100),
    spread=st.floats(0, 20),
)
def test_any_scale_offset_and_number_of_blocks(
    chosen: str, kind: int, blocks: int, seed: int, scale: int, offset: float, spread: float
) -> None:
    random = np.random.default_rng(seed)
    numbers = offset + random.standard_normal(256 * blocks) * random.lognormal(
        0, spread, 256 * blocks
    )
    ours, theirs = both(chosen, kind, np.clip(numbers * 10.0**scale, -LARGEST, LARGEST))
    assert ours == theirs


@needs_kernels
@SETS
@KINDS
@settings(max_examples=60, deadline=None)
@given(
    numbers=arrays(
        np.float32, 512, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)
    )
)
def test_any_finite_numbers(chosen: str, kind: int, numbers: Any) -> None:
    ours, theirs = both(chosen, kind, numbers)
    assert ours == theirs


@needs_kernels
@SETS
def test_blocks_that_overflow_are_handed_to_ggml_and_others_not(chosen: str) -> None:
    handed: list[int] = []

    @Quantizer
    def counting(kind: int, source: int, to: int, *_rest: int) -> int:
        handed.append(kind)
        ctypes.memset(to, 0xEE, kernels.BYTES[kind])
        return kernels.BYTES[kind]

    address = ctypes.cast(counting, _ANY).value or 0
    values = np.ascontiguousarray(_blocks(5), np.float32)
    packed = kernels.quantize(chosen, Q4_K, values, address)
    assert handed == []
    values[256:512] *= np.float32(1e-41)
    values[1024:] = np.where(values[1024:] > 0, LARGEST, -LARGEST)
    mixed = kernels.quantize(chosen, Q4_K, values, address).reshape(5, -1)
    assert handed == [Q4_K, Q4_K]
    assert (mixed[[1, 4]] == 0xEE).all()
    assert np.array_equal(mixed[[0, 2, 3]], packed.reshape(5, -1)[[0, 2, 3]])


@needs_kernels
@KINDS
def test_a_ggml_that_rounds_otherwise_is_noticed(kind: int) -> None:
    own, address = kernels.instruction_sets()[0], ggml._quantizer_address()
    genuine = Quantizer(address)

    @Quantizer
    def otherwise(*arguments: int) -> int:
        written = int(genuine(*arguments))
        ctypes.c_uint8.from_address(arguments[2] + written // 2).value ^= 1
        return written

    assert kernels.agrees(own, kind, address)
    assert not kernels.agrees(own, kind, ctypes.cast(otherwise, _ANY).value or 0)


def test_they_are_there_where_there_is_a_compiler() -> None:
    compiler = shutil.which(os.environ.get("CC") or "cc")
    if not compiler or platform.machine() not in ("x86_64", "aarch64", "arm64"):
        pytest.skip("no compiler, or no kernels for this processor")
    assert kernels.LIBRARY.is_file(), "build them with: pip install --no-deps -e ."
    assert set(kernels.instruction_sets()) <= {"avx512", "avx2", "neon"}


def _without(*_arguments: Any) -> Any:
    raise AssertionError("an own kernel ran")


@needs_kernels
def test_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.ascontiguousarray(_blocks(), np.float32).reshape(2, -1)
    fastest = ggml.quantize(Q4_K, values)
    for chosen in kernels.instruction_sets():
        monkeypatch.setenv(ggml.SWITCH, chosen)
        assert ggml.quantizers() == f"own ({chosen})"
        assert np.array_equal(ggml.quantize(Q4_K, values), fastest)
    monkeypatch.setenv(ggml.SWITCH, "ggml")
    monkeypatch.setattr(kernels, "quantize", _without)
    assert ggml.quantizers() == "ggml"
    assert np.array_equal(ggml.quantize(Q4_K, values), fastest)
    monkeypatch.setenv(ggml.SWITCH, "mmx")
    with pytest.raises(UsageError, match="asks for mmx"):
        ggml.quantize(Q4_K, values)


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """As in an installation without a compiler; the file may be put there."""
    cached = (kernels._library, kernels.instruction_sets)
    monkeypatch.setattr(kernels, "LIBRARY", tmp_path / "quantizers.so")
    for function in cached:
        function.cache_clear()
    yield tmp_path / "quantizers.so"
    for function in cached:
        function.cache_clear()


@pytest.mark.parametrize("content", [None, b"", b"\x7fELF of another machine"])
def test_without_the_library_ggml_serves(no_library: Path, content: bytes | None) -> None:
    if content is not None:
        no_library.write_bytes(content)
    assert kernels.instruction_sets() == ()
    assert ggml.quantizers() == "ggml"
    assert ggml.quantize(Q6_K, np.zeros((2, 256), np.float32)).tobytes() == bytes(420)


@KINDS
def test_importance_is_ggml_s_business(kind: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "quantize", _without)
    values = np.ascontiguousarray(_blocks(), np.float32).reshape(4, 512)
    weights = np.linspace(0.1, 3, 512, dtype=np.float32)
    weighted = ggml.quantize(kind, values, weights)
    # A vector that does not lie in one piece is read all the same.
    assert np.array_equal(ggml.quantize(kind, values, np.repeat(weights, 2)[::2]), weighted)
    assert not np.array_equal(ggml.quantize(kind, values, weights[::-1]), weighted)
    with pytest.raises(AssertionError, match="weights for 512 columns"):
        ggml.quantize(kind, values, weights[:256])


def test_a_type_that_needs_importance_says_so() -> None:
    with pytest.raises(ConversionError, match="importance matrix"):
        ggml.quantize(16, np.ones((1, 256), np.float32))


_AT_ONCE = """
import threading
import numpy as np
from medconvert import ggml
values = np.random.default_rng(0).standard_normal((4, 256), np.float32)
weights = np.ones(256, np.float32)
made, start = [], threading.Barrier(8)
def work(kind):
    start.wait()
    made.append((kind, ggml.quantize(kind, values, weights).tobytes()))
threads = [threading.Thread(target=work, args=(kind,)) for kind in (16, 18, 21, 16) * 2]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(made), len(set(made)))
"""


def test_the_first_use_of_a_type_may_come_from_several_threads_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _AT_ONCE], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, ["8", "3"]), done.stderr


@needs_kernels
def test_a_whole_conversion_has_the_same_bytes(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, adapter = run_folder / "base", run_folder / "adapter"
    made = {}
    for chosen in ("ggml", *kernels.instruction_sets()):
        monkeypatch.setenv(ggml.SWITCH, chosen)
        convert(base, tmp_path / chosen / "tiny.gguf", adapter)
        made[chosen] = (tmp_path / chosen / "tiny.gguf").read_bytes()
    assert len(set(made.values())) == 1 and len(made) > 1


@pytest.mark.parametrize("compiler", ["cc", "no-such-compiler"])
def test_a_wheel_has_them_where_there_is_a_compiler(tmp_path: Path, compiler: str) -> None:
    if compiler == "cc" and not kernels.instruction_sets():
        pytest.skip("no kernels here")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, env={**os.environ, "CC": compiler}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert ("medconvert/kernels/quantizers.so" in names) == (compiler == "cc")
    assert wheel.name.endswith("-py3-none-any.whl") == (compiler != "cc")
    assert not [name for name in names if name.endswith((".c", ".h"))]
