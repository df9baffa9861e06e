"""The `general.*` keys of a GGUF: name, size, licence, sampling; and our own `medllm.*`."""

from pathlib import Path
from typing import Any

from medconvert.source import Source, read_json

# A model card's fields that stay true of a model that was tuned from it.
_INHERITED = ("license", "license_name", "license_link", "language", "languages")


def write_general(writer: Any, source: Source, name: str) -> None:
    """Adds the general keys to a `gguf.GGUFWriter` that knows its tensors already.

    Name parts and size are found as llama.cpp's converter finds them, in the model
    card and the name; of a base that an adapter is merged into, the card gives
    the licence and the language only.
    """
    import gguf

    parameters, shared, expert, experts = writer.get_total_parameter_count()
    card = _card(source.base)
    config: dict[str, Any] = read_json(source.base / "config.json")
    if source.adapter:
        card = {key: value for key, value in card.items() if key in _INHERITED}
        config = {}
    metadata = gguf.Metadata(name=name)
    _add_sampling(metadata, source.base)
    metadata = gguf.Metadata.apply_metadata_heuristic(
        metadata, card, config, Path(name), parameters
    )
    if metadata.size_label is None:
        metadata.size_label = gguf.size_label(parameters, shared, expert, experts)
    writer.add_type(gguf.GGUFType.MODEL)
    metadata.set_gguf_meta_model(writer)


def write_own(writer: Any, source: Source) -> None:
    """Adds what the next stages want to know of the training."""
    record = source.record
    if record is None:
        return
    trained = {
        "medllm.recipe": record.recipe,
        "medllm.prompt_version": record.prompt_version,
        "medllm.chat_family": record.chat_family,
        "medllm.base_sha256": record.outputs.get(f"{record.base}/model.safetensors", ""),
    }
    if source.adapter:
        file = f"{record.adapter}/adapter_model.safetensors"
        trained["medllm.adapter_sha256"] = record.outputs.get(file, "")
    for key, value in trained.items():
        writer.add_string(key, value)


def _card(base: Path) -> dict[str, Any]:
    import gguf

    # Some cards hold what is not YAML; a card must not stand in the way of a conversion.
    try:
        card = gguf.Metadata.load_model_card(base)
    except Exception:  # yaml's and gguf's own errors have no common base
        return {}
    return card if isinstance(card, dict) else {}


def _add_sampling(metadata: Any, base: Path) -> None:
    """Recommended sampling, from generation_config.json."""
    file = base / "generation_config.json"
    if not file.is_file():
        return
    settings = read_json(file)
    names = {key: key for key in ("sequence", "top_k", "top_p", "min_p", "xtc_probability")}
    names |= {"xtc_threshold": "xtc_threshold", "temp": "temperature"}
    names |= {"penalty_last_n": "penalty_last_n", "penalty_repeat": "penalty_repeat"}
    names |= {key: key for key in ("mirostat", "mirostat_tau", "mirostat_eta")}
    for ours, theirs in names.items():
        setattr(metadata, f"sampling_{ours}", settings.get(theirs))
    if metadata.sampling_penalty_repeat is None:
        metadata.sampling_penalty_repeat = settings.get("repetition_penalty")
