"""The same bytes by a Ray cluster of two nodes as by one process."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from medllm.errors import DataError, MissingExtraError
from medtrain.prepare import engines, prepare, shards

from tests.trainer.prepare import abstracts
from tests.trainer.prepare.test_preparation import bytes_of, recipe

HAS_RAY = find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed (extra `ray`)")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes on this machine, with one processor each."""
    import ray
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args={**node, "node_ip_address": "127.0.0.1"})
    made.add_node(num_cpus=1, object_store_memory=100 << 20, node_ip_address="127.0.0.1")
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR",
             _node_ip_address="127.0.0.1")  # fmt: skip
    made.wait_for_nodes()
    yield ray
    ray.shutdown()
    made.shutdown()


@needs_ray
@pytest.mark.slow
def test_two_nodes_give_the_same_bytes_as_one_process(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "MOST_CHARACTERS", 60_000)
    file = abstracts.write(tmp_path / "a.jsonl", 300, copies=30)
    prepare(recipe(file), tmp_path / "alone")
    prepare(recipe(file), tmp_path / "ray", engine="ray")
    assert bytes_of(tmp_path / "ray") == bytes_of(tmp_path / "alone")
    assert len(cluster.nodes()) == 2
    with engines.open_engine("ray", 1) as engine:
        assert isinstance(engine, engines.Ray)
        assert list(engine.map(_slow_square, range(12))) == [n * n for n in range(12)]
        assert len(engine.nodes) == 2, "one node did all the work"


@needs_ray
@pytest.mark.slow
def test_a_broken_row_is_told_as_elsewhere(cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"prompt": "a", "completion": "b"}\n{"prompt": \n')
    with pytest.raises(DataError, match=r"x\.jsonl, line 2: this is not JSON"):
        prepare(recipe(tmp_path / "x.jsonl"), tmp_path / "out", engine="ray")


def _slow_square(number: int) -> int:
    import time

    time.sleep(0.2)
    return number * number


@pytest.mark.skipif(HAS_RAY, reason="Ray is installed")
def test_without_ray_its_install_line_is_told(tmp_path: Path) -> None:
    file = abstracts.write(tmp_path / "a.jsonl", 5)
    with pytest.raises(MissingExtraError) as caught:
        prepare(recipe(file), tmp_path / "out", engine="ray")
    assert "medical-llm[ray]" in caught.value.line()
