"""A recipe: everything that decides a training, read from YAML into typed settings.

The command line (`--set train.epochs=3`) wins over the file, the file over the defaults.
"""

from importlib import resources
from pathlib import Path
from typing import Any, get_args

from medllm.errors import DataError, UsageError
from pydantic import ValidationError
from rapidfuzz import process

from medtrain import settings_text
from medtrain.settings import Kind, Recipe, ScratchRecipe, Settings, TuningRecipe


def names() -> list[str]:
    """The recipes that come with the project."""
    folder = resources.files("medtrain") / "recipes"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load(recipe: str, overrides: list[str] | None = None) -> ScratchRecipe | TuningRecipe:
    """Reads a recipe by name or path and applies `KEY.KEY=VALUE` overrides.

    Raises:
        UsageError: there is no such recipe, or an override is not of that form.
        DataError: the recipe breaks the schema; the nearest setting is named.
    """
    import yaml

    try:
        content = settings_text.read(_text(recipe))
        if not isinstance(content, dict):
            raise DataError(f"Recipe {recipe}: this is no list of settings with their values.")
        for override in overrides or []:
            _apply(content, override)
    except yaml.YAMLError as error:
        raise DataError(f"{recipe} is not YAML: {' '.join(str(error).split())}") from error
    if "base" in content and "kind" not in content:
        raise DataError(f"Recipe {recipe}: kind is missing.", "Set kind: causal, or kind: seq2seq.")
    kind = content.get("kind", "scratch")
    if kind not in get_args(Kind):
        known = ", ".join(get_args(Kind))
        raise DataError(f"Recipe {recipe}: there is no kind {kind!r}.", f"There are: {known}.")
    schema = ScratchRecipe if kind == "scratch" else TuningRecipe
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise DataError(f"Recipe {recipe}: {_first(error, schema)}") from error


def describe(recipe: ScratchRecipe | TuningRecipe) -> str:
    """A recipe in a few lines, for lists."""
    lines = [f"{recipe.name}: {recipe.summary}"]
    if isinstance(recipe, TuningRecipe):
        lora = recipe.lora
        way = f"LoRA of rank {lora.r}, base in {lora.bits} bits" if lora else "all weights"
        lines.append(f"  base      {recipe.base} ({way})")
        lines.append(
            f"  data      {' '.join(filter(None, (recipe.data.reader, recipe.data.path)))}"
        )
    else:
        lines += ["  base      none: trained from nothing", "  data      the built-in cards"]
    if cost := recipe.cost:
        lines += [
            f"  hardware  {cost.hardware}, {cost.memory} of memory",
            f"  time      {cost.time}",
        ]
    return "\n".join(lines)


def _text(recipe: str) -> str:
    if recipe in names():
        return (resources.files("medtrain") / "recipes" / f"{recipe}.yaml").read_text("utf-8")
    if not Path(recipe).is_file():
        raise UsageError(f"There is no recipe {recipe!r}.", f"There are: {', '.join(names())}.")
    try:
        return Path(recipe).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{recipe} can't be read: {reason}.") from error


def _apply(content: dict[str, Any], override: str) -> None:
    key, sign, value = override.partition("=")
    if not sign or not key:
        raise UsageError(f"--set {override} is not of the form KEY=VALUE.", "Try lora.r=16.")
    *groups, last = key.split(".")
    for group in groups:
        if content.get(group) is None:
            content[group] = {}
        content = content[group]
        if not isinstance(content, dict):
            raise UsageError(f"--set {override}: {group} is no group of settings.")
    # Nothing is an empty text, and not YAML's null.
    content[last] = settings_text.read(value) if value.strip() else ""


def _first(error: ValidationError, schema: type[Recipe]) -> str:
    """The first thing that is wrong, in one line."""
    problem = error.errors()[0]
    where = ".".join(map(str, problem["loc"]))
    if problem["type"] == "missing":
        return f"{where} is missing"
    if problem["type"] != "extra_forbidden":
        told = str(problem["msg"]).removeprefix("Value error, ")
        return f"{where}: {told}" if where and where not in told else told
    group: type[Settings] = schema
    for key in problem["loc"][:-1]:
        # A number is the place in a list of groups.
        if isinstance(key, str):
            group = _group(group.model_fields[key].annotation)
    nearest = process.extractOne(str(problem["loc"][-1]), list(group.model_fields))
    return f"there is no setting {where}; did you mean {nearest[0]}?"


def _group(annotation: Any) -> type[Settings]:
    """The settings of an annotation that may also allow None."""
    return next(
        kind
        for kind in (annotation, *get_args(annotation))
        if isinstance(kind, type) and issubclass(kind, Settings)
    )
