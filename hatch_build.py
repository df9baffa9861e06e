"""Compiles the quantizers of converter/medconvert/kernels into the wheel or the checkout.

Without a C compiler, or on a processor they are not written for, the package is built
without them and works all the same.
"""

import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

SOURCES = "converter/medconvert/kernels"
INSTALLED = "medconvert/kernels/quantizers.so"
# Compiled apart for each instruction set; at run time the processor says which one it has.
_X86 = {"avx2": "-mavx2", "avx512": "-mavx512f -mavx512bw -mavx512dq -mavx512vl"}
INSTRUCTION_SETS = {"x86_64": _X86, "aarch64": {"neon": ""}, "arm64": {"neon": ""}}
# CFLAGS of the environment are left out: -ffast-math or fused multiply-add would change bytes.
FLAGS = "-std=gnu11 -O3 -ffp-contract=off -fno-math-errno -fPIC -fvisibility=hidden".split()


class QuantizersHook(BuildHookInterface[Any]):
    """Adds the compiled library to a wheel, and the platform to its name."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles; in an editable installation the library goes beside its sources."""
        self._folder = tempfile.mkdtemp()
        built = Path(self._folder) / "quantizers.so"
        sources = Path(self.root) / SOURCES
        in_checkout = sources / built.name
        if trouble := _compile(sources, built):
            self.app.display_info(f"Without own quantizers, ggml's serve: {trouble}")
            if version == "editable":
                in_checkout.unlink(missing_ok=True)  # it may be of other sources
            return
        if version == "editable":
            part = in_checkout.with_suffix(f".{os.getpid()}.part")
            shutil.copyfile(built, part)
            part.replace(in_checkout)  # another process may have the old one loaded
            return
        build_data["force_include"][str(built)] = INSTALLED
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Removes what was compiled in passing."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _platform() -> str:
    """This machine's tag; one that promises other Linux systems would take an old C library."""
    promising = ("manylinux", "musllinux")
    return str(next(tag for tag in platform_tags() if not tag.startswith(promising)))


def _compile(sources: Path, built: Path) -> str:
    """Compiles and links; returns what hinders it, or nothing."""
    sets = INSTRUCTION_SETS.get(platform.machine())
    if sets is None:
        return f"there are none for {platform.machine()}."
    compiler = shlex.split(os.environ.get("CC") or "cc")
    objects: list[str] = []
    jobs: list[tuple[str, list[str]]] = [("dispatch", [])] + [
        (kernel, [*flags.split(), f"-DINSTRUCTION_SET={name}"])
        for kernel in ("q4k", "q6k")
        for name, flags in sets.items()
    ]
    try:
        for kernel, flags in jobs:
            objects.append(str(built.with_name(f"{len(objects)}.o")))
            source = str(sources / f"{kernel}.c")
            _run([*compiler, *FLAGS, *flags, "-c", source, "-o", objects[-1]])
        _run([*compiler, "-shared", "-o", str(built), *objects])
    except FileNotFoundError:
        return f"there is no compiler {compiler[0]}."
    except subprocess.CalledProcessError as error:
        said = str(error.stderr).strip().splitlines()
        return said[0] if said else "the compiler failed."
    return ""


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
