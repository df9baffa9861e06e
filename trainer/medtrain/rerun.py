"""A run repeated from its run.json: the same settings, seed and data, and is it the same output?"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medllm import run_record
from medllm.errors import DataError, UsageError
from medllm.run_record import RunRecord
from pydantic import ValidationError

from medtrain import bases, data, scratch
from medtrain import run as runs
from medtrain.settings import Recipe, ScratchRecipe, TuningRecipe


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as it was."""

    what: str
    """Version, machine, data, ..."""
    name: str
    before: str
    now: str

    def line(self) -> str:
        """The difference as one line."""
        return f"{self.what} {self.name}: {self.before or 'none'} then, {self.now or 'none'} now"


def read(folder: Path) -> tuple[RunRecord, Recipe]:
    """A finished training and the recipe that it ran.

    Raises:
        DataError: it is no run, or its settings are not those of this version.
        UsageError: it is not a training, or not finished.
    """
    record = run_record.read(folder)
    if record.stage != "train":
        raise UsageError(f"{folder} holds no training but the stage {record.stage!r}.")
    if not record.finished:
        raise UsageError(
            f"The run in {folder} is not finished, so there is nothing to compare with.",
            "Run its recipe again into the same folder; it goes on.",
        )
    kind = ScratchRecipe if record.settings.get("kind") == "scratch" else TuningRecipe
    try:
        return record, kind.model_validate(record.settings)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise DataError(
            f"{folder / run_record.NAME}: the setting {where} is not known to this version."
        ) from error


def data_of(folder: Path, named: Path | None) -> Path | None:
    """The data of a run: what is named, else what the run prepared for itself."""
    own = folder / "data"
    return named if named is not None or not own.is_dir() else own


def environment(record: RunRecord) -> list[Difference]:
    """What is installed or built in otherwise than when the run was made."""
    now = RunRecord(
        stage="train",
        recipe=record.recipe,
        versions=run_record.versions(*runs.PACKAGES),
        machine=run_record.machine() | _device(record),
    )
    return [
        *_differences("version", record.versions, now.versions),
        *_differences("machine", record.machine, now.machine),
        *_differences(
            "version", {"prompts": record.prompt_version}, {"prompts": now.prompt_version}
        ),
    ]


def check_inputs(record: RunRecord, recipe: Recipe, named: Path | None, out: Path) -> None:
    """Refuses to repeat a run on other data or another base.

    Raises:
        DataError: a file is not what it was; the first ones are named.
    """
    if isinstance(recipe, TuningRecipe):
        prepared = data.of_run(recipe, named, out / "data")
        found = prepared.inputs | bases.hashes(bases.locate(recipe.base, recipe.revision))
    else:
        found = scratch.inputs()
    changed = [d.name for d in _differences("data", record.inputs, found)]
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise DataError(
            f"The data is not that of the run: {', '.join(changed[:3])}{more} differ.",
            "Name the same data with --data, and the same base with --base.",
        )


def outputs(before: RunRecord, now: RunRecord) -> list[Difference]:
    """The output files whose SHA-256 is not the same."""
    return list(_differences("output", before.outputs, now.outputs))


def _device(record: RunRecord) -> dict[str, str]:
    """The device as a run records it; only where the run did."""
    if "device" not in record.machine:
        return {}
    from medtrain import device as devices

    here = devices.here()
    return {"device": here.name, "processes": str(here.processes)}


def _differences(what: str, before: dict[str, str], now: dict[str, str]) -> Iterator[Difference]:
    for name in sorted(before.keys() | now.keys()):
        then, today = before.get(name, ""), now.get(name, "")
        if then != today:
            yield Difference(what, name, then, today)
