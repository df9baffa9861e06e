"""The linker beside gilda, for `linking.py`: the same names, the same mentions, processor time.

Each of our rounds runs in a process of its own, as gilda's does, so that nothing is remembered
from another list. A corpus repeats its mentions; so every list is also measured with each
mention once, its codes then being those of all the places where it stands.
"""

import json
import multiprocessing
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import linking_data as data
import numpy as np
from medllm.terminology import mention_forms
from medllm.terminology.facts import Scope
from medllm.terminology.linker import Linker
from medllm.terminology.store import Store

ROUNDS = 3
OURS = {"ours": True, "ours without near names": False}


class Asked(NamedTuple):
    """Mentions to link, and the codes that are right for each."""

    title: str
    mentions: list[str]
    codes: list[frozenset[str]]


def compare(python: str, store: Store, gold: list[data.Gold], folder: Path) -> None:
    """Prints accuracy and time a look-up of gilda, run by `python`, and of the linker."""
    if python == sys.executable and find_spec("gilda") is None:
        print("gilda: not measured; name a Python that has it with --gilda PYTHON")
        return
    asked = list(_lists(gold))
    task, answer = folder / "task.json", folder / "answer.json"
    task.write_text(json.dumps({"names": _names(store), "rounds": [one.mentions for one in asked]}))
    worker = str(Path(__file__).with_name("linking_gilda.py"))
    theirs: list[list[dict]] = []
    ours: list[list[dict[str, tuple[float, float]]]] = []
    for _ in range(ROUNDS):
        subprocess.run([python, worker, str(task), str(answer)], check=True)
        theirs.append(json.loads(answer.read_text()))
        ours.append([
            {name: _alone(store.file, one, near) for name, near in OURS.items()} for one in asked
        ])  # fmt: skip
    for place, one in enumerate(asked):
        links = [store.concept(code) if code else None for code in theirs[0][place]["codes"]]
        base = float(np.median([r[place]["seconds"] for r in theirs])) / len(one.mentions)
        print(f"{len(one.mentions)} {one.title}, accuracy and processor time a look-up:")
        print(f"  {'gilda (baseline)':<23} {_right(store, links, one):.3f}  {1e3 * base:.3f} ms")
        for name in OURS:
            right = ours[0][place][name][0]
            own = float(np.median([r[place][name][1] for r in ours])) / len(one.mentions)
            ratio = f"{own / base:.2f} of gilda's time"
            print(f"  {name:<23} {right:.3f}  {1e3 * own:.3f} ms, {ratio}")


def _lists(gold: list[data.Gold]) -> list[Asked]:
    """The mentions as they stand and with abbreviations expanded, at all places and once."""
    codes = [mention.codes for mention in gold]
    expanded = [mention_forms.expand(m.text, m.document.long_forms) for m in gold]
    plain = [mention.text for mention in gold]
    found = []
    for title, mentions in (("abbreviations expanded", expanded), ("as they stand", plain)):
        found.append(Asked(f"mentions {title}", mentions, codes))
        once: dict[str, frozenset[str]] = {}
        for mention, right in zip(mentions, codes, strict=True):
            once[mention] = once.get(mention, frozenset()) | right
        found.append(Asked(f"distinct mentions {title}", list(once), list(once.values())))
    return found


def _names(store: Store) -> list[tuple[str, str, str]]:
    """What gilda is given: code, name and status of each name that the linker may link to."""
    linker = Linker(store, data.TARGETS)
    return [
        (entry.code, entry.text, "name" if entry.scope == Scope.PREFERRED else "synonym")
        for entry in store.entries()
        if linker.is_usable(store.concept(entry.code))
    ]


def _alone(file: Path, asked: Asked, near: bool) -> tuple[float, float]:
    """`_round` in a fresh process."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        return pool.submit(_round, file, asked, near).result()


def _round(file: Path, asked: Asked, near: bool) -> tuple[float, float]:
    """Accuracy and seconds of the linker on bare mentions, once it is prepared."""
    with Store(file) as store:
        linker = Linker(store, data.TARGETS, near=near)
        linker.prepare()
        began = time.process_time()
        links = [linker.link(mention) for mention in asked.mentions]
        seconds = time.process_time() - began
        return _right(store, [link and link.concept for link in links], asked), seconds


def _right(store: Store, concepts: list[str | None], asked: Asked) -> float:
    """Share of the mentions whose concept has one of their codes."""
    return float(np.mean([
        bool(concept and store.codes(concept) & codes)
        for concept, codes in zip(concepts, asked.codes, strict=True)
    ]))  # fmt: skip
