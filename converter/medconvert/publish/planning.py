"""Making the plan of a publication: every file, every request, and the check for what is private.

Nothing here opens a socket; a dry run is this and no more.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medllm import prompts
from medllm.chat_families import ChatFamily
from medllm.errors import UsageError

from medconvert import chat_family
from medconvert.publish import private
from medconvert.publish.bundle import Item, OllamaModel, Plan, Progress, Request
from medconvert.publish.licence import Licence, licence
from medconvert.publish.material import Material, Output, gather
from medconvert.publish.readme import readme
from medconvert.publish.target import Target

# What of a conversion's record is of use to others and tells nothing of the machine.
_PUBLIC_SETTINGS = ("quant", "match_peft", "merge_into")
_PUBLIC_METRICS = ("parameters", "bits_per_weight", "tensors", "merged_tensors")


@dataclass(frozen=True, slots=True)
class Options:
    """What the user may decide."""

    licence: Path | None = None
    """Text of the licence, where the base doesn't carry it."""
    base: str = ""
    """Hub id of the base, where no record tells it."""
    private: bool = False
    """Make the Hub repository private."""
    push: bool = False
    """Push to Ollama's library, too."""


def plan(
    outputs: Sequence[Path],
    target: Target,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Plan:
    """What publishing GGUFs to a target would do.

    Args:
        outputs: GGUFs of one conversion, each with its `<stem>.run.json` beside it.
        target: where to.
        options: the user's decisions.
        progress: is told how far the reading of the files is, in bytes.

    Raises:
        MedLLMError: it can't be published as it is, or something private is in it.
    """
    options = options or Options()
    material = gather(outputs, options.base, progress)
    terms = licence(
        options.licence,
        material.base_folder,
        material.first.texts.get("general.license", ""),
        material.base,
    )
    first = material.first
    family = chat_family.of_gguf(first.file, first.header, first.record.chat_family)
    make: Callable[..., Plan] = _for_hub if target.kind == "hf" else _for_ollama
    made = make(target, material, terms, _chat_settings(material, family), options)
    _refuse_private(made, material)
    return made


def _for_hub(
    target: Target, material: Material, terms: Licence, settings: dict[str, Any], options: Options
) -> Plan:
    weights = {
        output.quantization: _weights(output, f"{target.stem}-{output.quantization}.gguf")
        for output in material.outputs
    }
    small = [Item.of_text("LICENSE", terms.text)]
    small += _read_by_ollama(settings)
    small.append(Item.of_text("README.md", readme(target, material, weights, terms)))
    small += [
        Item.of_text(f"{item.name.removesuffix('.gguf')}.run.json", _public_record(output, item))
        for output, item in zip(material.outputs, weights.values(), strict=True)
    ]
    items = [*weights.values(), *sorted(small, key=lambda item: item.name)]
    sums = "".join(f"{item.sha256}  {item.name}\n" for item in items)
    return Plan(
        target=target,
        items=(*items, Item.of_text("SHA256SUMS", sums)),
        requests=_hub_requests(target, list(weights.values()), options.private),
        private=options.private,
        notes=(*_notes(material, settings), *_missing_scores(material)),
    )


def _chat_settings(material: Material, family: ChatFamily | None) -> dict[str, Any]:
    """`template`, `system` and `parameters` for Ollama, as far as they are known."""
    if family is None:
        return {}
    parameters: dict[str, Any] = {**family.parameters, "stop": list(family.stops)}
    if limit := material.first.facts.context_length:
        parameters["num_ctx"] = min(int(parameters.get("num_ctx", limit)), limit)
    settings: dict[str, Any] = {"template": family.ollama_template, "parameters": parameters}
    return {**settings, "system": prompts.SYSTEM} if family.takes_system else settings


def _read_by_ollama(settings: dict[str, Any]) -> list[Item]:
    """The files that `ollama run hf.co/...` reads (huggingface.co/docs/hub/ollama)."""
    texts: dict[str, str] = {
        name: settings[name] for name in ("template", "system") if name in settings
    }
    if parameters := settings.get("parameters"):
        texts["params"] = json.dumps(parameters, indent=2) + "\n"
    return [Item.of_text(name, text) for name, text in texts.items()]


def _for_ollama(
    target: Target, material: Material, terms: Licence, settings: dict[str, Any], options: Options
) -> Plan:
    if options.push and not target.owner:
        raise UsageError(
            f"Ollama's library takes names like USER/{target.stem}.",
            f"Publish to ollama:USER/{target.stem}, with your name there.",
        )
    tagged = ":" in target.name
    if tagged and len(material.outputs) > 1:
        raise UsageError(
            f"{len(material.outputs)} files can't all be {target.name}.",
            "Leave the tag out; each gets its quantization as tag.",
        )
    settings = {**settings, "license": terms.text}
    created = []
    for output in material.outputs:
        item = _weights(output, f"{target.stem}-{output.quantization}.gguf")
        tag = f":{output.quantization.lower()}" if len(material.outputs) > 1 else ""
        created.append(OllamaModel(target.name + tag, item, settings))
    return Plan(
        target=target,
        items=tuple(model.item for model in created),
        requests=_ollama_requests(target, created, options.push),
        models=tuple(created),
        push=options.push,
        notes=_notes(material, settings),
    )


def _weights(output: Output, name: str) -> Item:
    return Item(name, output.facts.size_bytes, output.sha256, output.file)


def _public_record(output: Output, item: Item) -> str:
    """The record of a conversion without anything of the machine it was made on."""
    record = output.record
    kept = {
        "stage": record.stage,
        "recipe": record.recipe,
        "settings": {key: record.settings.get(key) for key in _PUBLIC_SETTINGS},
        "inputs": {
            name if not name.startswith(("/", "..")) else Path(name).name: digest
            for name, digest in record.inputs.items()
        },
        "outputs": {item.name: item.sha256},
        "seed": record.seed,
        "chat_family": record.chat_family,
        "prompt_version": record.prompt_version,
        "versions": record.versions,
        "metrics": {key: record.metrics.get(key) for key in _PUBLIC_METRICS},
        "verify": record.verify,
    }
    return json.dumps(kept, indent=2, ensure_ascii=False) + "\n"


def _hub_requests(target: Target, weights: list[Item], hidden: bool) -> tuple[Request, ...]:
    api, repository = f"{target.server}/api", f"{target.server}/api/models/{target.name}"
    kind = "a private" if hidden else "a public"
    size = sum(item.size for item in weights)
    return (
        Request("POST", f"{api}/repos/create", f"make {kind} repository, if there is none"),
        Request("GET", f"{repository}/tree/main", "see which files are there already"),
        Request("POST", f"{repository}/preupload/main", "ask how each file is to be sent"),
        Request(
            "POST",
            f"{target.server}/{target.name}.git/info/lfs/objects/batch",
            "ask where the weights go; those that the Hub has are not sent again",
        ),
        Request("PUT", "the addresses that the Hub names", f"send up to {size:,} bytes of weights"),
        Request("POST", f"{api}/validate-yaml", "have the model card's head checked"),
        Request("POST", f"{repository}/commit/main", "put all files in place, in one commit"),
    )


def _ollama_requests(target: Target, created: list[OllamaModel], push: bool) -> tuple[Request, ...]:
    requests = []
    for model in created:
        blob = f"{target.server}/api/blobs/sha256:{model.item.sha256}"
        requests += [
            Request("HEAD", blob, f"see whether {model.item.name} is there already"),
            Request("POST", blob, f"send {model.item.size:,} bytes, if not"),
            Request("POST", f"{target.server}/api/create", f"make the model {model.name}"),
        ]
        if push:
            purpose = f"send {model.name} on to Ollama's library"
            requests.append(Request("POST", f"{target.server}/api/push", purpose))
    return tuple(requests)


def _notes(material: Material, settings: dict[str, Any]) -> tuple[str, ...]:
    notes = []
    for output in material.outputs:
        if not output.record.verify:
            notes.append(f"{output.file.name} was not verified when it was converted.")
    if "template" not in settings:
        notes.append("Its chat family is not known, so Ollama gets no template and no system text.")
    return tuple(notes)


def _missing_scores(material: Material) -> tuple[str, ...]:
    if material.scores:
        return ()
    return ("No evaluation lies beside it, so the model card has no scores.",)


def _refuse_private(made: Plan, material: Material) -> None:
    texts = {item.name: item.text for item in made.items if item.file is None}
    for model in made.models:
        texts |= {key: str(text) for key, text in model.settings.items()}
    # Written for every model alike, it holds nothing of the user's.
    texts = {name: text for name, text in texts.items() if text != prompts.SYSTEM}
    for output in material.outputs:
        texts |= {f"{key} of {output.file.name}": text for key, text in output.texts.items()}
    names = {made.target.name, made.target.owner, made.target.stem, material.base}
    names |= {material.base.partition("/")[0]}
    folders = [output.file.parent.absolute() for output in material.outputs]
    private.check(texts, names - {""}, folders, signed=("LICENSE", "license"))
