"""Special tokens, whether BOS and EOS are added, and the chat template of a model folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medllm.errors import ConversionError

from medconvert.source import read_json

_ROLES = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")

Template = str | list[dict[str, str]]


@dataclass(slots=True)
class Specials:
    """What a GGUF says of special tokens."""

    ids: dict[str, int] = field(default_factory=dict)
    """Token id by role; the order is that of the file."""
    added: dict[str, bool] = field(default_factory=dict)
    """Whether a role's token is added to every text."""
    template: Template | None = None

    def write(self, writer: Any) -> None:
        """Adds them to a `gguf.GGUFWriter`."""
        for role, token in self.ids.items():
            if handler := getattr(writer, f"add_{role}_token_id", None):  # there is none for cls
                handler(token)
        for role, added in self.added.items():
            if handler := getattr(writer, f"add_add_{role}_token", None):
                handler(added)
        if self.template is not None:
            writer.add_chat_template(self.template)


def read_specials(folder: Path, size: int) -> Specials:
    """Reads them from tokenizer_config.json, tokenizer.json and config.json.

    The tokenizer's post-processor says what is added, the settings name the tokens,
    and config.json fills in the ids that are still missing.
    """
    tokenizer = _optional(folder / "tokenizer.json")
    settings = _optional(folder / "tokenizer_config.json")
    config = _optional(folder / "config.json")
    found = Specials(template=read_template(folder, settings))
    texts = {role: _text(settings.get(f"{role}_token")) for role in _ROLES}
    texts["bos"] = texts["bos"] or texts["cls"]
    texts["eos"] = texts["eos"] or texts["sep"]
    if processor := tokenizer.get("post_processor"):
        for step in processor.get("processors", [processor]):
            found.added |= _added_by(step, texts, bool(settings), found.added)
    known = {t["content"]: t["id"] for t in reversed(tokenizer.get("added_tokens") or [])}
    for role in _ROLES:
        stated = settings.get(f"add_{role}_token")
        if isinstance(stated, bool):
            found.added.setdefault(role, stated)
        if settings and (token := known.get(texts[role])) is not None:
            found.ids.setdefault(role, token)
    for role in _ROLES:
        token = config.get(f"{role}_token_id")
        if isinstance(token, int) and not isinstance(token, bool):
            found.ids.setdefault(role, token)
    _check(found, size)
    return found


def _added_by(
    step: Mapping[str, Any], texts: dict[str, str | None], named: bool, so_far: dict[str, bool]
) -> dict[str, bool]:
    """What one step of the post-processor adds; `so_far` is what earlier ones did."""
    kind = step.get("type")
    if kind == "ByteLevel":
        return {role: so_far.get(role, False) for role in ("bos", "eos")}
    if kind != "TemplateProcessing":
        raise ConversionError(
            f"The tokenizer's post-processor {kind} can't be converted.",
            "Those that can: ByteLevel, TemplateProcessing.",
        )
    single, added = step.get("single") or [], {}
    first = _special(single[0]) if len(single) > 1 else None
    last = _special(single[-1]) if len(single) > 1 else None
    if first:
        if not named:
            texts["bos"] = first
        elif first not in (texts["bos"], texts["cls"]):
            texts["bos"], texts["cls"] = texts["bos"] or first, texts["cls"] or first
        added["bos"] = first in (texts["bos"], texts["cls"])
    if last:
        if named and last != texts["eos"]:
            raise ConversionError(
                f"The tokenizer ends a text with {last!r}, which is not its end-of-text token "
                f"{texts['eos']!r}."
            )
        added["eos"] = True
    # Between the two texts of a pair stands a separator, or another beginning.
    inner = [s for s in map(_special, step.get("pair") or ()) if s]
    inner = inner[1 if first else 0 : -1 if last else None]
    if inner:
        ends = (texts["sep"], texts["eos"])
        added["sep"] = (inner[0] in ends and not last) or (len(inner) > 1 and inner[1] in ends)
    return added


def read_template(folder: Path, settings: Mapping[str, Any]) -> Template | None:
    """The chat template, or a named list of them; inside the settings it wins over the file."""
    if template := settings.get("chat_template"):
        return template if isinstance(template, str | list) else None
    jinja, old = folder / "chat_template.jinja", folder / "chat_template.json"
    if jinja.is_file():
        text = jinja.read_text(encoding="utf-8")
        more = sorted((folder / "additional_chat_templates").glob("*.jinja"))
        if not more:
            return text
        others = [{"name": f.stem, "template": f.read_text(encoding="utf-8")} for f in more]
        return [{"name": "default", "template": text}, *others]
    if old.is_file():
        template = read_json(old).get("chat_template")
        return template if isinstance(template, str) else None
    return None


def _check(found: Specials, size: int) -> None:
    for role, token in found.ids.items():
        if not 0 <= token < size:
            raise ConversionError(
                f"The {role} token has the id {token}, the embedding {size} rows.",
                "Tokenizer and model don't belong together.",
            )


def _special(part: Mapping[str, Any]) -> str | None:
    return _text(part.get("SpecialToken", {}).get("id"))


def _text(token: Any) -> str | None:
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else None


def _optional(file: Path) -> dict[str, Any]:
    return read_json(file) if file.is_file() else {}
