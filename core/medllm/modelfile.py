"""Ollama Modelfiles, rendered from the chat families and the prompts.

Format: Ollama, docs/modelfile.md. A value stands in quotes as it is: nothing in it is
escaped. BOS is not written: Ollama adds it, as the GGUF asks for.

    python -m medllm.modelfile modelfiles     writes all of them into that folder
    python -m medllm.modelfile --show mini    prints one
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from medllm import command, files, prompts
from medllm.chat_families import FAMILIES, ChatFamily
from medllm.errors import UsageError

NOTICE = "Educational information only: no medical advice, no diagnosis, no doses."
_OWN = f"Apache-2.0. {NOTICE}"


@dataclass(frozen=True, slots=True)
class Model:
    """What a Modelfile is about."""

    family: str
    gguf: str
    """The file, relative to the Modelfile."""
    how: str
    """How to get that file."""
    licence: str


def _on(base: str, family: str, licence: str) -> Model:
    """A model of one's own, tuned on a base of that family."""
    gguf = f"medical-llm-{family}.q4_k_m.gguf"
    how = f"medconvert path/to/run --out modelfiles/{gguf}, a run on {base}"
    return Model(family, gguf, how, f"{licence} {NOTICE}")


_BASE = "Under the license of its base model."
_META = "Copyright (c) Meta Platforms, Inc. All Rights Reserved."

MODELS = {
    "medical-llm": Model(
        "mistral",
        "medical-llm.q4_k_m.gguf",
        "medconvert path/to/run --out modelfiles/medical-llm.q4_k_m.gguf, a run on "
        "Mistral-7B-Instruct-v0.3",
        f"Apache-2.0, as its base Mistral-7B-Instruct-v0.3. {NOTICE}",
    ),
    "medical-llm-mini": Model(
        "mini",
        "../data/models/medical-llm-mini.q4_k_m.gguf",
        "comes with the project",
        f"Apache-2.0. {NOTICE}",
    ),
    "medical-llm-llama2": _on(
        "Llama 2 Chat",
        "llama2",
        f"Llama 2 is licensed under the LLAMA 2 Community License, {_META}",
    ),
    "medical-llm-llama3": _on(
        "Llama 3 Instruct",
        "llama3",
        "Built with Meta Llama 3. Meta Llama 3 is licensed under the Meta Llama 3 Community "
        f"License, {_META} It asks that the name of a published model begins with Llama 3.",
    ),
    "medical-llm-llama3.1": _on(
        "Llama 3.1 or 3.3 Instruct",
        "llama3.1",
        f"Built with Llama. Llama 3.1 is licensed under the Llama 3.1 Community License, {_META} "
        "It asks that the name of a published model begins with Llama.",
    ),
    "medical-llm-mistral": _on("another Mistral Instruct of version 3", "mistral", _BASE),
    "medical-llm-mistral-v1": _on("Mistral-7B-Instruct-v0.1 or v0.2", "mistral-v1", _BASE),
    "medical-llm-alpaca": _on("a base that knows no chat", "alpaca", _BASE),
    "medical-llm-medical-answer": _on(
        "Llama 3.2 by the recipe flashcards-llama3",
        "medical-answer",
        f"Built with Llama. Llama 3.2 is licensed under the Llama 3.2 Community License, {_META} "
        "It asks that the name of a published model begins with Llama.",
    ),
    "medical-llm-chatml": _on("Qwen3 or another that speaks ChatML", "chatml", _BASE),
    "medical-llm-qwen2.5": _on("Qwen2.5 Instruct", "qwen2.5", _BASE),
    "medical-llm-gemma": _on(
        "Gemma 2 or 3",
        "gemma",
        "Gemma is provided under and subject to the Gemma Terms of Use found at "
        "ai.google.dev/gemma/terms.",
    ),
    "medical-llm-phi3": _on("Phi-3 or Phi-3.5", "phi3", "MIT, as its base."),
}
"""By the name that the model has in Ollama."""


def render(name: str) -> str:
    """The Modelfile of a model.

    Raises:
        UsageError: there is none of that name.
    """
    try:
        model = MODELS[name]
    except KeyError:
        known = ", ".join(MODELS)
        raise UsageError(f"There is no Modelfile for {name!r}.", f"There are: {known}.") from None
    head = (
        f"# ollama create {name} -f modelfiles/{name}.Modelfile\n"
        f"# The GGUF: {model.how}\n"
        "# Rendered by: python -m medllm.modelfile modelfiles\n"
    )
    return head + instructions(FAMILIES[model.family], model.gguf, model.licence)


def instructions(family: ChatFamily, gguf: str, licence: str) -> str:
    """The instructions of a Modelfile.

    Args:
        family: how the model is talked to.
        gguf: the model file, relative to the Modelfile or absolute.
        licence: its terms, any text.
    """
    lines = [f"FROM {gguf}", f"TEMPLATE {_quoted(family.ollama_template)}"]
    if family.takes_system:
        lines.append(f"SYSTEM {_quoted(prompts.SYSTEM)}")
    lines += [f'PARAMETER stop "{stop}"' for stop in family.stops]
    lines += [f"PARAMETER {key} {value}" for key, value in family.parameters.items()]
    lines.append(f"LICENSE {_quoted(licence)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    if '"""' in text:
        raise UsageError('A text with """ can\'t stand in a Modelfile.')
    return f'"""{text}"""'


def main(arguments: list[str]) -> None:
    """Writes all Modelfiles into a folder, or prints one."""
    match arguments:
        case ["--show", name]:
            sys.stdout.write(render(name))
        case [folder] if Path(folder).is_dir():
            for name in MODELS:
                files.write_text(Path(folder) / f"{name}.Modelfile", render(name))
        case _:
            raise UsageError("Name the folder of the Modelfiles, or --show and one of them.")


if __name__ == "__main__":
    command.run(lambda: main(sys.argv[1:]))
