"""The tasks: every module here lists its own in TASKS, and is found by being here."""

import importlib
import pkgutil
from functools import cache

from medllm.errors import UsageError

from medeval.task import Task


@cache
def all_tasks() -> dict[str, Task]:
    """Every task by its name, in alphabetical order."""
    found: dict[str, Task] = {}
    for module in pkgutil.iter_modules(__path__):
        for task in importlib.import_module(f"{__name__}.{module.name}").TASKS:
            if task.name in found:
                raise RuntimeError(f"two tasks are called {task.name}")
            found[task.name] = task
    return dict(sorted(found.items()))


def named(name: str) -> Task:
    """The task of that name.

    Raises:
        UsageError: there is none; names those there are.
    """
    tasks = all_tasks()
    if name not in tasks:
        raise UsageError(f"There is no task {name}.", f"There are: {', '.join(tasks)}.")
    return tasks[name]
