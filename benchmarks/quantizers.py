"""Own quantizers against ggml's: numbers a second on one core, and the bytes compared.

    python benchmarks/quantizers.py [--runs N]

Each instruction set that the processor has takes turns with ggml on the same random weights.
Prints the ratio of the medians. Exits with 1 where a byte differs or the fastest set misses
its target; without own quantizers there is nothing to measure, which it says.
"""

import argparse
import os
import statistics
import sys
import time

import numpy as np
from medconvert import ggml, kernels

NUMBERS = 1 << 20
TYPES = {"Q4_K": (12, 6.0), "Q6_K": (14, 4.0)}
"""ggml type, and how many times as fast the fastest set shall be."""


def seconds(kind: int, values: ggml.Floats, chosen: str) -> tuple[float, bytes]:
    """Processor seconds of this thread, and the bytes."""
    os.environ[ggml.SWITCH] = chosen
    started = time.thread_time()
    made = ggml.quantize(kind, values)
    return time.thread_time() - started, made.tobytes()


def compare(kind: int, values: ggml.Floats, runs: int) -> tuple[dict[str, float], bool]:
    """Median seconds by quantizer, and whether all made the same bytes."""
    names = ("ggml", *kernels.instruction_sets())
    times: dict[str, list[float]] = {name: [] for name in names}
    made: set[bytes] = set()
    for _ in range(runs + 1):
        for name in names:
            taken, packed = seconds(kind, values, name)
            times[name].append(taken)
            made.add(packed)
    return {name: statistics.median(taken[1:]) for name, taken in times.items()}, len(made) == 1


def main() -> None:
    """Measures and prints."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=9)
    runs = options.parse_args().runs
    if not kernels.instruction_sets():
        print("There are no own quantizers here: they need a C compiler when the package is built.")
        return
    values = np.random.default_rng(0).standard_normal((256, NUMBERS // 256), np.float32)
    values *= np.float32(0.02)
    passed = True
    print(f"{'type':8}{'quantizer':12}{'million/s':>10}{'ratio':>8}{'target':>10}  bytes")
    for name, (kind, target) in TYPES.items():
        medians, alike = compare(kind, values, runs)
        for i, (quantizer, median) in enumerate(medians.items()):
            ratio = medians["ggml"] / median
            aim = f">= {target:.0f}" if i == 1 else "-"
            passed &= alike and (i != 1 or ratio >= target)
            print(
                f"{name:8}{quantizer:12}{NUMBERS / median / 1e6:10.1f}{ratio:8.2f}{aim:>10}"
                f"  {'alike' if alike else 'DIFFERENT'}"
            )
    del os.environ[ggml.SWITCH]
    print(f"in use: {ggml.quantizers()}")
    sys.exit(not passed)


if __name__ == "__main__":
    main()
