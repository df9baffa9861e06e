"""The model card, README.md: made from the records, nothing in it is typed by hand.

Format: https://huggingface.co/docs/hub/model-cards (YAML at the head, Markdown below).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from medllm.run_record import RunRecord

from medconvert.publish.bundle import Item
from medconvert.publish.licence import Licence
from medconvert.publish.material import Material, Output
from medconvert.publish.scores import Score
from medconvert.publish.target import Target
from medconvert.verify import table

_MOST_SETTINGS = 60
_INTENDED = """\
For explaining medical terms, abbreviations, disease mechanisms, anatomy and diagnostic tests to \
patients, ward staff and students, in a program that shows its limits. Not intended for diagnosis, \
for choosing or dosing a treatment, for emergencies, or for decisions about a person without a \
clinician who checks the answer."""
_LIMITS = """\
- It can be wrong and sound sure. Check an answer before anyone relies on it.
- It was made for English.
- It knows nothing newer than its training data, and nothing of the person who asks.
- Quantization changes the predictions a little; the section on verification says how much was \
measured."""
_SAFETY = """\
Educational information only: no medical advice, no diagnosis, no doses. Each answer ends with a \
safety note; a program that shows answers should show that note, too. In an emergency call the \
local emergency number. Runs offline: what is asked need not leave the machine."""


def readme(target: Target, material: Material, items: Mapping[str, Item], terms: Licence) -> str:
    """The card.

    Args:
        target: the repository.
        material: what the model was made from.
        items: the weights, by their quantization.
        terms: the licence.
    """
    sections = [
        f"# {target.stem}",
        _opening(material),
        _use(target, items),
        "## Files\n\n" + _files(items, material.outputs),
        "## How it was made\n\n" + _made(material),
        "## Scores\n\n" + _scores(material),
        "## Verification\n\n" + _verification(material.outputs),
        "## Intended use\n\n" + _INTENDED,
        "## Limits\n\n" + _LIMITS,
        "## Safety\n\n" + _SAFETY,
        "## Licence\n\n" + _licence(material, terms),
    ]
    return _front_matter(material, terms) + "\n" + "\n\n".join(sections) + "\n"


def _front_matter(material: Material, terms: Licence) -> str:
    tags = ["medical", "gguf", "llama.cpp", "ollama"]
    if material.first.record.adapter:
        tags.append("lora")
    fields: dict[str, Any] = {"license": terms.name}
    if terms.name == "other":
        fields |= {"license_name": "see-license-file", "license_link": "LICENSE"}
    if material.base_id:
        fields |= {"base_model": material.base_id, "base_model_relation": "quantized"}
        if material.first.record.adapter:
            fields["base_model_relation"] = "finetune"
    fields |= {
        "language": ["en"],
        "pipeline_tag": "text-generation",
        "library_name": "gguf",
        "tags": tags,
    }
    # JSON's strings and lists are YAML's, so nothing in a name can break the head.
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    return "\n".join(["---", *lines, "---"]) + "\n"


def _opening(material: Material) -> str:
    facts = material.first.facts
    kind = f"A {facts.architecture} model of {facts.parameters:,} parameters"
    if material.base:
        tuned = "tuned from" if material.first.record.adapter else "converted from"
        link = material.base
        if material.base_id:
            link = f"[{material.base}](https://huggingface.co/{material.base})"
        kind += f", {tuned} {link},"
    else:
        kind += ", trained from scratch,"
    return (
        f"{kind} as GGUF for llama.cpp and Ollama. It explains medical terms in four parts: "
        "definition, explanation, clinical relevance and safety note. Educational information "
        "only: no medical advice."
    )


def _use(target: Target, items: Mapping[str, Item]) -> str:
    first, item = next(iter(items.items()))
    return (
        f"```sh\nollama run hf.co/{target.name}:{first}\n"
        f"medtui pull {target.name} --file {item.name}\n"
        f"llama-cli -hf {target.name}:{first}\n```"
    )


def _files(items: Mapping[str, Item], outputs: Iterable[Output]) -> str:
    rows = []
    for output in outputs:
        item = items[output.quantization]
        bits = 8 * item.size / max(1, output.facts.parameters)
        memory = output.facts.memory_bytes(min(4096, output.facts.context_length))
        rows.append(
            (
                f"`{item.name}`",
                output.quantization,
                f"{item.size:,}",
                f"{bits:.2f}",
                f"{memory / 1e9:.2f} GB",
                f"`{item.sha256}`",
            )
        )
    heads = ("file", "quantization", "bytes", "bits a weight", "memory about", "SHA-256")
    return (
        _table(heads, rows) + "\n\nMemory is for the weights and a context of "
        f"{min(4096, next(iter(outputs)).facts.context_length)} tokens. `sha256sum -c SHA256SUMS` "
        "checks a download. `template`, `system` and `params` are what Ollama reads."
    )


def _made(material: Material) -> str:
    record, training = material.first.record, material.training
    lines = [f"- Base: {_word(material.base) or 'none, trained from scratch'}."]
    if record.recipe:
        lines.append(f"- Recipe: {_word(record.recipe)}, seed {record.seed}.")
    if record.adapter:
        lines.append("- An adapter, merged into the base and quantized in one pass by medconvert.")
    lines.append(
        f"- Chat family: {_word(record.chat_family) or 'not recorded'}; "
        f"prompt version {_word(record.prompt_version)}."
    )
    packages = ", ".join(f"{name} {number}" for name, number in sorted(record.versions.items()))
    lines.append(f"- Versions at conversion: {packages or 'not recorded'}.")
    if training is None:
        lines.append("- Training data: no record of the training was at hand.")
        return "\n".join(lines)
    lines.append(f"- Trained in {training.seconds / 3600:.1f} hours; finished {training.finished}.")
    return "\n".join(lines) + "\n\n" + _training(training)


def _training(training: RunRecord) -> str:
    data = [(f"`{_word(name)}`", f"`{digest}`") for name, digest in sorted(training.inputs.items())]
    settings = list(_flat("", training.settings))
    parts = ["### Training data", _table(("file", "SHA-256"), data) if data else "Not recorded."]
    if settings:
        shown = [(f"`{name}`", f"`{value}`") for name, value in settings[:_MOST_SETTINGS]]
        parts += ["### Settings", _table(("setting", "value"), shown)]
    return "\n\n".join(parts)


def _scores(material: Material) -> str:
    kinds = {output.sha256: output.quantization for output in material.outputs}
    rows = [
        (
            kinds[score.sha256],
            _word(score.task),
            _word(score.name),
            _figure(score.value, score.share),
            _interval(score),
            f"{score.answers:,}",
        )
        for score in material.scores
    ]
    if not rows:
        return "No evaluation of these files lay beside them when they were published."
    heads = ("quantization", "task", "measure", "value", "95% interval", "answers")
    return "Measured by `medeval run` on these very files.\n\n" + _table(heads, rows)


def _interval(score: Score) -> str:
    if score.low is None or score.high is None:
        return "too few answers"
    return f"{_figure(score.low, score.share)} to {_figure(score.high, score.share)}"


def _figure(value: float, share: bool) -> str:
    return f"{value:.1%}" if share else f"{value:.3f}"


def _verification(outputs: Iterable[Output]) -> str:
    rows = [
        (output.quantization, name, said)
        for output in outputs
        for name, said in table.rows(output.record.verify)
    ]
    return "What was checked on these files after the conversion:\n\n" + _table(
        ("quantization", "check", "outcome"), rows
    )


def _licence(material: Material, terms: Licence) -> str:
    of = f", the terms of {material.base}" if material.base else ""
    return f"{terms.name}{of}; the full text is in the file LICENSE."


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _word(text: str) -> str:
    """A recorded word as Markdown takes it: one line, no code, no tags, no links."""
    return "".join(letter for letter in " ".join(text.split()) if letter not in "`<>[]|")


def _flat(prefix: str, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping):
            yield from _flat(name, value)
        elif value not in ("", None):
            yield _word(name), _word(str(value))
