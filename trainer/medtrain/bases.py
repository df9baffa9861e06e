"""The base model: found or fetched, shown in the run's folder, opened for training.

RUN/base holds links to the base's files, beside a chat template of our own where the base
has none. So what follows, conversion and evaluation, sees the tokenizer that was trained with.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from medllm import chat_families, files, paths
from medllm.errors import DataError, UsageError

from medtrain import network
from medtrain.settings import TuningRecipe

_WANTED = ("*.safetensors", "*.json", "*.model*", "*.jinja", "*.txt", "*.md", "LICENSE*")
_UNWANTED = ("consolidated*", "*/*")
"""Weights in another layout."""
_PADS = ("<|finetune_right_pad_id|>", "<pad>", "[PAD]", "<|pad|>", "<unk>", "<|endoftext|>")
"""Tokens that may fill up a batch, the best first."""
_PAIRS = (
    "{%- for turn in messages %}"
    "{%- if turn.role == 'user' %}{{- PREFIX + turn.content + eos_token }}"
    "{%- elif turn.role == 'assistant' %}{{- turn.content + eos_token }}"
    "{%- else %}{{- turn.content + ' ' }}{%- endif %}"
    "{%- endfor %}"
)


def locate(base: str, revision: str = "", *, weights: bool = True) -> Path:
    """The base's folder; what the Hub has is fetched, or found where it was fetched to.

    Args:
        base: folder or Hub id.
        revision: branch, tag or commit of the Hub.
        weights: whether they are needed, and not settings and tokenizer alone.

    Raises:
        UsageError: there is no such base, or it has no safetensors.
    """
    folder = Path(base).expanduser()
    if not (folder / "config.json").is_file():
        if folder.is_dir():
            raise UsageError(f"The base {base} holds no config.json.", "Name a model folder.")
        folder = _from_hub(base, revision, weights)
    if weights and not list(folder.glob("*.safetensors")):
        raise UsageError(
            f"The base {base} has no weights as safetensors.", "Take one that has them."
        )
    return folder


def _from_hub(base: str, revision: str, weights: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return Path(
            snapshot_download(
                base,
                revision=revision or None,
                allow_patterns=list(_WANTED if weights else _WANTED[1:]),
                ignore_patterns=list(_UNWANTED),
                local_files_only=network.is_off(),
            )
        )
    except GatedRepoError as error:
        raise UsageError(
            f"{base} asks for its terms to be accepted.",
            f"Accept them at https://huggingface.co/{base}, then: hf auth login",
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UsageError(
            f"There is no base {base!r}, neither as a folder nor on the Hub.",
            "Name a folder: --set base=FOLDER",
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise UsageError(
            f"The base {base} is not here and can't be fetched now.",
            "Connect to the network, or name a folder: --set base=FOLDER",
        ) from error


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of the base's weights and settings, by name."""
    read = [file for file in folder.iterdir() if file.suffix in (".safetensors", ".json")]
    return {f"base/{file.name}": files.sha256(file) for file in sorted(read)}


def template_of(recipe: TuningRecipe, tokenizer: Any) -> tuple[str | None, str]:
    """The chat template to train with, and the family that it belongs to.

    Returns:
        The template where it is not the base's own, else None; and the family's name, empty
        where it is not known.

    Raises:
        DataError: the base has no template and the recipe names none, or they disagree.
    """
    if recipe.kind == "seq2seq":
        return _PAIRS.replace("PREFIX", json.dumps(recipe.prefix, ensure_ascii=False)), ""
    named = recipe.chat_family
    if named:
        chat_families.family(named)
    own = tokenizer.chat_template
    if recipe.template == "family" or not own:
        if not named:
            raise DataError(
                f"The base {recipe.base} has no chat template, and the recipe names none.",
                f"Set chat_family to one of: {', '.join(chat_families.FAMILIES)}.",
            )
        return chat_families.family(named).jinja, named
    if not isinstance(own, str):
        raise DataError(f"The base {recipe.base} has several chat templates.", "Keep one of them.")
    bos, eos = tokenizer.bos_token or "", tokenizer.eos_token or ""
    known = chat_families.recognise(own, bos, eos)
    if known and named and known.name != named:
        raise DataError(
            f"The base {recipe.base} speaks {known.name}, the recipe says {named}.",
            f"Set chat_family={known.name}, or template=family to teach it another.",
        )
    return None, known.name if known else ""


def show(base: Path, target: Path, template: str | None) -> None:
    """Makes a folder of links to the base's files, with another chat template if one is given.

    Raises:
        StorageError: it can't be written.
    """
    paths.ensure_dir(target)
    for file in sorted(base.iterdir()):
        link = target / file.name
        weights = file.suffix in (".bin", ".pth", ".pt", ".h5", ".msgpack", ".onnx", ".gguf")
        if file.is_dir() or weights or file.name.startswith(("consolidated", ".")):
            continue
        link.unlink(missing_ok=True)
        link.symlink_to(file.resolve())
    if template is None:
        return
    settings_file = target / "tokenizer_config.json"
    settings = json.loads(settings_file.read_text("utf-8")) if settings_file.is_file() else {}
    settings.pop("chat_template", None)
    for name in ("tokenizer_config.json", "chat_template.jinja", "chat_template.json"):
        (target / name).unlink(missing_ok=True)
    files.write_json(settings_file, settings)
    files.write_text(target / "chat_template.jinja", template)


def tokenizer_of(folder: Path) -> Any:
    """The tokenizer, with a padding token that is not its end token where there is one.

    Raises:
        UsageError: there is none that can be read.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        told = " ".join(str(error).split())[:200]
        raise UsageError(f"The tokenizer of {folder} can't be read: {told}") from error
    if tokenizer.pad_token is None or tokenizer.pad_token == tokenizer.eos_token:
        known = tokenizer.get_vocab()
        free = (pad for pad in _PADS if pad in known and pad != tokenizer.eos_token)
        tokenizer.pad_token = next(free, tokenizer.eos_token)
    tokenizer.padding_side = "right"
    return tokenizer


def ends_of(tokenizer: Any, folder: Path, family: str) -> frozenset[int]:
    """Ids of the tokens that end an answer."""
    ends = {tokenizer.eos_token_id}
    file = folder / "generation_config.json"
    if file.is_file():
        named = json.loads(file.read_text("utf-8")).get("eos_token_id")
        ends |= set(named) if isinstance(named, list) else {named}
    if family:
        stop = chat_families.family(family).stops[0]
        ends.add(tokenizer.get_vocab().get(stop))
    return frozenset(end for end in ends if end is not None)


def complete(base: Path, model: Path) -> None:
    """Takes over into a trained model what its saving leaves out, the SentencePiece file above all.

    Without it a converter would have to guess the scores of the tokens.
    """
    for file in sorted(base.iterdir()):
        if file.suffix in (".model", ".txt", ".md") or file.name.startswith("tokenizer"):
            shutil.copyfile(file, model / file.name)
