"""llama.cpp's own converter, from the source package of llama-cpp-python in the registry."""

import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("sentencepiece==0.2.3", "protobuf==7.36.2")
# Of half a gigabyte of sources, the converter and its gguf package.
_PARTS = ("convert_hf_to_gguf.py", "conversion/", "gguf-py/")


@dataclass(frozen=True, slots=True)
class Converter:
    """Where it lies."""

    llama_cpp: Path
    """Folder of llama.cpp's sources."""
    packages: Path | None = None
    """Folder with the packages that it imports; None: they are installed."""

    @property
    def search(self) -> list[str]:
        """What goes on Python's path; its own gguf comes first."""
        found = [str(self.llama_cpp / "gguf-py"), str(self.llama_cpp)]
        return [*found, str(self.packages)] if self.packages else found


def named() -> Converter | None:
    """The converter in the folder that MEDLLM_LLAMA_CPP names, if there is one."""
    folder = os.environ.get("MEDLLM_LLAMA_CPP", "")
    return Converter(Path(folder)) if folder and find_spec("sentencepiece") else None


def fetched(cache: Path) -> Converter:
    """Downloads what is not in the cache yet: about 80 MB, of the version that is installed."""
    name = f"llama_cpp_python-{version('llama-cpp-python')}"
    llama_cpp = cache / name / "vendor" / "llama.cpp"
    if not (llama_cpp / "gguf-py").is_dir():
        wanted = f"llama-cpp-python=={version('llama-cpp-python')}"
        _pip("download", "--no-deps", "--no-binary", ":all:", "--dest", str(cache), wanted)
        with tarfile.open(cache / f"{name}.tar.gz") as archive:
            top = f"{name}/vendor/llama.cpp/"
            parts = tuple(top + part for part in _PARTS)
            members = [m for m in archive.getmembers() if m.name.startswith(parts)]
            archive.extractall(cache, members, filter="data")
        (cache / f"{name}.tar.gz").unlink()
    packages = cache / "packages"
    if not (packages / "sentencepiece").is_dir():
        _pip("install", "--no-deps", "--target", str(packages), *_PACKAGES)
    return Converter(llama_cpp, packages)


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments, "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"pip {arguments[0]} failed:\n{done.stderr[-2000:]}"
