"""Who does the work: this process, several of them, or a Ray cluster. The results are the same.

`--engine ray` joins the cluster that RAY_ADDRESS names, or starts one on this machine. Shards
are files, so all nodes must see the same folder.
"""

import ctypes
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, Literal, Protocol, TypeVar

from medllm import guard
from medllm.errors import MissingExtraError, TrainingError

Name = Literal["auto", "serial", "processes", "ray"]
_PR_SET_PDEATHSIG = 1
_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Engine(Protocol):
    """Calls a function on items, few at a time, and gives the results in their order."""

    def map(self, function: Callable[[_In], _Out], items: Iterable[_In]) -> Iterator[_Out]:
        """Results in the order of the items; no more items are taken than are worked on."""
        ...


class Serial:
    """This process."""

    def map(self, function: Callable[[_In], _Out], items: Iterable[_In]) -> Iterator[_Out]:
        """One after the other."""
        return map(function, items)


class Processes:
    """Several processes of this machine."""

    def __init__(self, pool: ProcessPoolExecutor, workers: int) -> None:
        self._pool, self._workers = pool, workers

    def map(self, function: Callable[[_In], _Out], items: Iterable[_In]) -> Iterator[_Out]:
        """As many at once as there are processes, and one more for each in waiting."""
        under_way: deque[Future[_Out]] = deque()
        for item in items:
            under_way.append(self._pool.submit(function, item))
            if len(under_way) > 2 * self._workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


class Ray:
    """A Ray cluster."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self.nodes: set[str] = set()
        """Ids of the nodes that did some of the work."""

    def map(self, function: Callable[[_In], _Out], items: Iterable[_In]) -> Iterator[_Out]:
        """Twice as many at once as the cluster has processors."""
        remote = self._ray.remote(num_cpus=1, max_retries=2, scheduling_strategy="SPREAD")(_noting)
        limit = 2 * int(self._ray.cluster_resources().get("CPU", 1))
        shared = self._ray.put(function)
        under_way: deque[Any] = deque()
        for item in items:
            under_way.append(remote.remote(shared, item))
            if len(under_way) > limit:
                yield self._take(under_way.popleft())
        while under_way:
            yield self._take(under_way.popleft())

    def _take(self, result: Any) -> Any:
        try:
            node, made = self._ray.get(result)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if error.cause is not None else error from None
        except self._ray.exceptions.RayError as error:
            told = str(error).splitlines()[0]
            raise TrainingError(f"The Ray cluster failed: {told}", "Try it again.") from error
        self.nodes.add(node)
        return made


@contextmanager
def open_engine(name: Name, workers: int) -> Iterator[Engine]:
    """The engine of that name; it ends with the block.

    Args:
        name: auto: processes where there are several workers.
        workers: processes; of no meaning for ray.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    if name == "ray":
        with _ray() as ray:
            yield Ray(ray)
    elif name == "serial" or (name == "auto" and workers == 1):
        yield Serial()
    else:
        pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (os.getpid(),))
        try:
            yield Processes(pool, workers)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _ray() -> Iterator[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("ray", "ray") from error
    joined = ray.is_initialized()
    if not joined:
        address = os.environ.get("RAY_ADDRESS")
        own = {} if address else {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **own)
    try:
        yield ray
    finally:
        if not joined:
            ray.shutdown()


def _noting(function: Callable[[Any], Any], item: Any) -> tuple[str, Any]:
    """Runs on a node; says which one."""
    import ray

    return ray.get_runtime_context().get_node_id(), function(item)


def _begin(parent: int) -> None:
    """A worker leaves Ctrl-C to its parent and ends with it, even where that one is killed.

    Rows come from the parent, so a worker never needs the network.
    """
    guard.install()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
