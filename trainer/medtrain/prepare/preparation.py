"""A whole preparation: rows to shards, duplicates found, splits written; resumed where it stopped.

out/work holds the shards while it is under way. A stage that was interrupted makes only what is
not whole yet; at the end work is removed.
"""

import hashlib
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from medllm import files, paths, run_record
from medllm.errors import DataError, InterruptedRunError, UsageError
from medllm.run_record import RunRecord

from medtrain import examples, readers
from medtrain.prepare import (
    data_card,
    decontamination,
    duplicates,
    finish,
    shards,
    statistics,
    terminology,
)
from medtrain.prepare.engines import Engine, Name, open_engine
from medtrain.prepare.finish import Finish
from medtrain.prepare.progress import Progress
from medtrain.prepare.shards import Plan
from medtrain.settings import Recipe, TuningRecipe

FORMAT = "2"
"""Changes where the same data and settings would give other examples."""
AUGMENTED = "augmented.jsonl"
_MOST_LISTED = 1000
"""Files of a data set whose hashes run.json holds one by one."""


def prepare(
    recipe: Recipe,
    out: Path,
    *,
    workers: int = 1,
    engine: Name = "auto",
    augmented: Path | None = None,
) -> RunRecord:
    """Prepares what `recipe` trains on: train.jsonl, validation.jsonl, README.md, run.json.

    Args:
        recipe: its `data` and `seed` decide what comes out, and nothing else does.
        out: folder; what was interrupted there goes on.
        workers: processes.
        engine: who works: see `medtrain.prepare.engines`.
        augmented: where augmented.jsonl, with each change, is written; None: `out`.

    Returns:
        The finished record; at once if it was finished before.

    Raises:
        UsageError: there is no such data, or another preparation lies in `out`.
        DataError: a row is broken, or nothing is left to learn.
        StorageError: it can't be written.
        InterruptedRunError: Ctrl-C; the same command goes on.
    """
    if not isinstance(recipe, TuningRecipe):
        raise UsageError(f"The recipe {recipe.name} needs no preparation.", "Run it at once.")
    started = time.monotonic()
    paths.ensure_dir(out)
    plan = Plan(out / "work", recipe.data, recipe.seed)
    named = _evaluation(plan)
    record = _begin(recipe, plan, named, out)
    if record.finished:
        return record
    for line in decontamination.unknown(plan.sources(), record.inputs):
        print(f"{recipe.name}: {line}", file=sys.stderr)
    paths.ensure_dir(plan.work / "evaluation")
    with _told(out), Progress(recipe.name) as view, open_engine(engine, workers) as engine_:
        decontamination.compile_into(plan.work / "evaluation", named)
        sizes = _read(plan, engine_, view)
        marks = _mark(plan, sizes, engine_, view)
        _finish(plan, sizes, engine_, view)
        figures = statistics.gather(plan, sizes, marks)
        if not figures.examples["train"]:
            raise _nothing_left(plan, figures)
        _join(plan, len(sizes), out, augmented or out)
    figures.tokens = statistics.tokens(out / examples.TRAIN, recipe, figures.examples["train"])
    evaluation = {k: v for k, v in record.inputs.items() if k.startswith("evaluation/")}
    files.write_text(out / "README.md", data_card.render(plan, recipe.name, figures, evaluation))
    written = (examples.TRAIN, examples.VALIDATION, "README.md")
    record.outputs = {name: files.sha256(out / name) for name in written}
    record.metrics = figures.record()
    record.finish(out, started)
    shutil.rmtree(plan.work, ignore_errors=True)
    return record


def _evaluation(plan: Plan) -> list[str]:
    """Evaluation data that the recipe names, and the test PMIDs that lie beside PubMedQA."""
    named = list(plan.data.decontaminate)
    for source in plan.sources():
        if source.reader == "pubmedqa":
            folders = {file.parent for file in readers.open_reader(source).inputs()}
            found = [folder / decontamination.GROUND_TRUTH for folder in sorted(folders)]
            named += [str(file) for file in found if file.is_file() and str(file) not in named]
    return named


def _begin(recipe: TuningRecipe, plan: Plan, named: list[str], out: Path) -> RunRecord:
    """The record of this preparation; its inputs and settings must be those that lie there."""
    settings = {"data": recipe.data.model_dump(mode="json"), "format": FORMAT}
    inputs = _hashes("evaluation", sorted(set(decontamination.inputs(named))))
    for place, source in enumerate(plan.sources()):
        inputs |= _hashes(f"{source.reader}-{place}", readers.open_reader(source).inputs())
    if terminology.is_asked(recipe.data.terminology):
        file = terminology.make_ready()
        inputs[f"vocabulary/{file.name}"] = files.sha256(file)
    if (out / run_record.NAME).is_file():
        record = run_record.read(out)
        if (record.settings, record.inputs, record.seed) == (settings, inputs, recipe.seed):
            return record
        if record.finished:
            raise UsageError(
                f"{out} holds examples that were prepared with other settings or other data.",
                "Name another folder with --out, or remove that one.",
            )
    shutil.rmtree(plan.work, ignore_errors=True)
    record = RunRecord(
        stage="prepare",
        recipe=recipe.name,
        settings=settings,
        inputs=inputs,
        seed=recipe.seed,
        versions=run_record.versions("numpy", "ftfy"),
        machine=run_record.machine(),
    )
    record.write(out)
    return record


def _hashes(what: str, found: list[Path]) -> dict[str, str]:
    """SHA-256 of each file by its name, or of all together where they are very many."""
    names = [file.name for file in found]
    if len(set(names)) < len(names):
        above = os.path.commonpath([file.resolve().parent for file in found])
        names = [str(file.resolve().relative_to(above)) for file in found]
    if len(found) <= _MOST_LISTED:
        return {
            f"{what}/{name}": files.sha256(file) for name, file in zip(names, found, strict=True)
        }
    whole = hashlib.sha256()
    for name, file in zip(names, found, strict=True):
        whole.update(f"{name} {files.sha256(file)}\n".encode("utf-8", "surrogateescape"))
    return {f"{what}/{len(found):,} files": whole.hexdigest()}


def _read(plan: Plan, engine: Engine, view: Progress) -> list[int]:
    """The first stage; gives how many examples each shard has."""
    shard_count, sizes = 0, []

    def missing() -> Iterator[shards.Chunk]:
        nonlocal shard_count
        for chunk in shards.chunks(plan):
            shard_count += 1
            if not shards.is_whole(plan, chunk.number):
                yield chunk

    rows = 0
    for shard in engine.map(partial(shards.make, plan), missing()):
        rows += shards.counts(plan, shard)["rows"]
        view.show("reading", rows, "rows")
    for shard in range(shard_count):
        sizes.append(shards.counts(plan, shard)["clean"])
    return sizes


def _mark(plan: Plan, sizes: list[int], engine: Engine, view: Progress) -> Any:
    """The second stage; gives a mark for each example, which it also writes."""
    columns = len(np.load(plan.file(0, "keys.npy"), mmap_mode="r")) if sizes else 0
    parts = duplicates.parts(columns, sizes)
    look = partial(duplicates.look_through, plan)
    for count, _ in enumerate(engine.map(look, parts), 1):
        view.show("looking for duplicates", count, f"of {len(parts)} parts")
    marks = duplicates.marked(plan, parts, sum(sizes))
    with files.atomic(plan.work / "marks.npy") as temporary, open(temporary, "wb") as stream:
        np.save(stream, marks, allow_pickle=False)
    return marks


def _finish(plan: Plan, sizes: list[int], engine: Engine, view: Progress) -> None:
    settings = plan.data.terminology
    vocabulary = paths.vocabulary_file() if terminology.is_asked(settings) else None
    begins = tuple(np.cumsum([0, *sizes])[:-1].tolist())
    job = Finish(plan, plan.work / "marks.npy", begins, vocabulary)
    if "rare-mask" in settings.augment:
        total: dict[str, int] = {}
        for found in engine.map(partial(finish.mentions, job), range(len(sizes))):
            for concept, count in found.items():
                total[concept] = total.get(concept, 0) + count
        rare = frozenset(concept for concept, count in total.items() if count <= settings.rare)
        job = Finish(plan, job.marks, begins, vocabulary, rare)
    for shard in engine.map(partial(finish.finish_shard, job), range(len(sizes))):
        view.show("writing", shard + 1, f"of {len(sizes)} shards")


def _join(plan: Plan, count: int, out: Path, augmented: Path) -> None:
    """The shards' splits, one after the other, into the files of the prepared folder."""
    targets = {"validation": out / examples.VALIDATION}
    if plan.data.terminology.augment:
        targets["augmented"] = paths.ensure_dir(augmented) / AUGMENTED
    # Where this one is, the others are.
    targets["train"] = out / examples.TRAIN
    for kind, target in targets.items():
        with files.atomic(target) as temporary, open(temporary, "wb") as whole:
            for shard in range(count):
                with open(plan.file(shard, f"{kind}.jsonl"), "rb") as part:
                    shutil.copyfileobj(part, whole, 1 << 20)


def _nothing_left(plan: Plan, figures: statistics.Figures) -> DataError:
    rows = sum(of.rows for of in figures.sources)
    if not rows:
        places = ", ".join(source.path or source.reader for source in plan.sources())
        return DataError(f"There is not one row in {places}.", "Look at the data.")
    removed = figures.record()
    counts = Counter(removed["removed"])
    counts.update({f"{name} duplicates": n for name, n in removed["duplicates"].items()})
    why = [f"{number:,} {name}" for name, number in counts.items() if number]
    told = ", ".join(why) or "no answer was found in them"
    return DataError(
        f"Of {rows:,} rows nothing is left to learn: {told}.",
        "Look at the data and at data.share, data.validation and data.longest.",
    )


@contextmanager
def _told(out: Path) -> Iterator[None]:
    """Says after Ctrl-C how to go on."""
    try:
        yield
    except KeyboardInterrupt as stop:
        raise InterruptedRunError(
            f"Stopped; what is done is kept in {out}.", "The same command goes on."
        ) from stop
