"""A recipe: everything that decides a training, as small typed settings read from YAML.

The command line (`--set tune.epochs=3`) wins over the file, the file over the defaults.
"""

from importlib import resources
from pathlib import Path
from typing import Any

from medllm.errors import DataError, UsageError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from rapidfuzz import process


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSettings(_Settings):
    """Shape of a Llama that is trained from scratch."""

    hidden: int = Field(256, gt=0)
    """Width; a multiple of 256 so that Q4_K can hold its rows."""
    layers: int = Field(8, gt=0)
    heads: int = Field(4, gt=0)
    ffn: int = Field(768, gt=0)
    """Inner width of the feed-forward part; a multiple of 256."""
    vocabulary: int = Field(4096, ge=300)
    """Tokens of the byte-level BPE vocabulary, specials included."""
    context: int = Field(1024, ge=64)
    """Longest text in tokens."""

    @model_validator(mode="after")
    def _fits_blocks(self) -> "ModelSettings":
        for name in ("hidden", "ffn"):
            if getattr(self, name) % 256:
                raise ValueError(f"model.{name} must be a multiple of 256")
        if self.hidden % self.heads:
            raise ValueError("model.hidden must be a multiple of model.heads")
        return self


class StageSettings(_Settings):
    """One training stage, pre-training or tuning."""

    epochs: float = Field(1, gt=0)
    learning_rate: float = Field(1e-3, gt=0)
    """Peak; it falls to zero along a cosine."""
    batch: int = Field(16, gt=0)
    """Examples a step."""
    warmup: int = Field(0, ge=0)
    """Steps of rising learning rate."""
    weight_decay: float = Field(0.0, ge=0)
    save_steps: int = Field(100, gt=0)
    """Steps between checkpoints."""
    max_steps: int = -1
    """Ends the stage early, for trials; -1: the epochs decide."""


class LoraSettings(_Settings):
    """The adapter."""

    r: int = Field(32, gt=0)
    alpha: float = Field(32, gt=0)
    """Scale is alpha / r."""
    dropout: float = Field(0.0, ge=0, lt=1)


class Recipe(_Settings):
    """A whole run."""

    name: str
    chat_family: str
    seed: int = 0
    model: ModelSettings = ModelSettings()
    pretrain: StageSettings = StageSettings()
    tune: StageSettings = StageSettings()
    lora: LoraSettings = LoraSettings()


def names() -> list[str]:
    """The recipes that come with the project."""
    folder = resources.files("medtrain") / "recipes"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load(recipe: str, overrides: list[str] | None = None) -> Recipe:
    """Reads a recipe by name or path and applies `KEY.KEY=VALUE` overrides.

    Raises:
        UsageError: there is no such recipe, or an override is not of that form.
        DataError: the recipe breaks the schema; the nearest setting is named.
    """
    import yaml

    if recipe in names():
        text = (resources.files("medtrain") / "recipes" / f"{recipe}.yaml").read_text("utf-8")
    elif Path(recipe).is_file():
        text = Path(recipe).read_text("utf-8")
    else:
        raise UsageError(f"There is no recipe {recipe!r}.", f"There are: {', '.join(names())}.")
    try:
        content: dict[str, Any] = yaml.safe_load(text)
        for override in overrides or []:
            _apply(content, override, yaml.safe_load)
        return Recipe.model_validate(content)
    except yaml.YAMLError as error:
        raise DataError(f"{recipe} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise DataError(f"Recipe {recipe}: {_first(error)}") from error


def _apply(content: dict[str, Any], override: str, read: Any) -> None:
    key, sign, value = override.partition("=")
    if not sign or not key:
        raise UsageError(f"--set {override} is not of the form KEY=VALUE.", "Try tune.epochs=3.")
    *groups, last = key.split(".")
    for group in groups:
        content = content.setdefault(group, {})
        if not isinstance(content, dict):
            raise UsageError(f"--set {override}: {group} is no group of settings.")
    content[last] = read(value)


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(map(str, problem["loc"]))
    if problem["type"] != "extra_forbidden":
        return f"{where}: {problem['msg']}" if where else str(problem["msg"])
    group: Any = Recipe
    for key in problem["loc"][:-1]:
        group = group.model_fields[key].annotation
    last = str(problem["loc"][-1])
    nearest = process.extractOne(last, list(group.model_fields))
    return f"there is no setting {where}; did you mean {nearest[0]}?"
