"""A folder of model files."""

import hashlib
from pathlib import Path

from medllm import models
from medllm.errors import ModelError


def folder_hash(folder: Path) -> str:
    """One hash over names and contents of a model folder's files; `models.sha256` remembers them.

    Raises:
        ModelError: there is no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise ModelError(f"There is no folder {folder}.", "Name the folder of a model.")
    found = sorted(f for f in folder.iterdir() if f.is_file() and f.name != "run.json")
    if not found:
        raise ModelError(f"The folder {folder} is empty.", "Name the folder of a model.")
    digest = hashlib.sha256()
    for file in found:
        digest.update(f"{file.name} {models.sha256(file)}\n".encode())
    return digest.hexdigest()
