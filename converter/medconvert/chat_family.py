"""The chat family of a GGUF, spelled with the tokens that the model has."""

from pathlib import Path

from medllm import chat_families, gguf_header
from medllm.chat_families import ChatFamily
from medllm.gguf_header import Header


def of_gguf(file: Path, header: Header, recorded: str = "") -> ChatFamily | None:
    """The family by its recorded name, else by the chat template that the file carries.

    Args:
        file: the GGUF.
        header: of the file.
        recorded: what run.json says; the file's own `medllm.chat_family` stands in for it.

    Returns:
        None where neither is known.

    Raises:
        OSError: the file can't be read.
    """
    bos, eos = (_special(file, header, name) for name in ("bos", "eos"))
    name = recorded or header.metadata.get("medllm.chat_family", "")
    template = header.metadata.get("tokenizer.chat_template")
    template = template if isinstance(template, str) else None
    return chat_families.of_model(str(name), template, bos, eos)


def _special(file: Path, header: Header, name: str) -> str:
    """The text of a special token; empty where the model has none."""
    index = header.metadata.get(f"tokenizer.ggml.{name}_token_id")
    tokens = header.arrays.get("tokenizer.ggml.tokens")
    if tokens is None or not isinstance(index, int):
        return ""
    return gguf_header.text_item(file, tokens, index)
