"""The offline guard in training: off only while something is fetched that a recipe names.

Where nothing is to be fetched it is on from the beginning of a command; else it is switched on
when base and data are here, before the first step. A recipe that reports to a server
(`extra.report_to`) runs without it.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path

from medllm import guard

from medtrain.readers import rows
from medtrain.settings import Recipe, TuningRecipe

_STAYS_HERE = frozenset({"none", "tensorboard"})
"""Values of `extra.report_to` that send nothing."""


def is_off() -> bool:
    """Whether the user has switched the Hub off; then what was fetched before is all there is."""
    return os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0")


def close_unless_needed(recipe: Recipe, named: Path | None = None) -> None:
    """Switches the guard on, unless base or data must be fetched.

    Args:
        recipe: what is run or checked.
        named: the data, where it is not the recipe's own.
    """
    if isinstance(recipe, TuningRecipe):
        base_is_here = Path(recipe.base).expanduser().is_dir()
        if not base_is_here and not is_off():
            return
    if named is not None or not _data_is_on_hub(recipe):
        close(recipe)


def close_for_preparation(
    recipe: Recipe, named: Path | None = None, *, on_cluster: bool = False
) -> None:
    """Switches the guard on, unless data must be fetched; a preparation needs no base.

    Args:
        recipe: what is prepared.
        named: the data, where it is not the recipe's own.
        on_cluster: lets this machine's own addresses and that of RAY_ADDRESS pass.
    """
    if named is None and _data_is_on_hub(recipe):
        return
    if on_cluster:
        _close_but_for_cluster()
    else:
        close()


def close(recipe: Recipe | None = None) -> None:
    """Switches the guard on, unless the recipe reports to a server; once it is on, it stays."""
    if not guard.installed() and not (recipe and _reports(recipe)):
        guard.install()


def _data_is_on_hub(recipe: Recipe) -> bool:
    if not isinstance(recipe, TuningRecipe) or is_off():
        return False
    return any(rows.is_on_hub(source.path) for source in (recipe.data, *recipe.data.also))


def _reports(recipe: Recipe) -> bool:
    asked = recipe.extra.get("report_to") if isinstance(recipe, TuningRecipe) else None
    names = [asked] if isinstance(asked, str) else asked or []
    return not _STAYS_HERE.issuperset(names)


def _close_but_for_cluster() -> None:
    if guard.installed():
        return
    hosts = _hosts_of_cluster()
    guard.install(allow_loopback=True, hosts=hosts)
    for host in hosts:
        with suppress(OSError):
            socket.getaddrinfo(host, None)  # the guard remembers what it resolves to


def _hosts_of_cluster() -> frozenset[str]:
    import psutil

    own = {socket.gethostname().lower()}
    for addresses in psutil.net_if_addrs().values():
        own |= {a.address for a in addresses if a.family in (socket.AF_INET, socket.AF_INET6)}
    cluster = os.environ.get("RAY_ADDRESS", "").rpartition(":")[0].rpartition("/")[2]
    return frozenset(own | {cluster.lower()} - {""})
