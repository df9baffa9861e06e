"""Prepares a file on a Ray cluster of two nodes of this machine, and says how many worked.

python -m tests.trainer.prepare.ray_trial FILE OUT

In a process of its own: Ray opens sockets on this machine's address, which the guard of the tests
refuses.
"""

import os
import sys
import time
from pathlib import Path


def main(file: Path, out: Path) -> None:
    """Prints the nodes that worked on a map, after preparing."""
    # Read when the cluster starts: nothing is to be reported to anybody.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from medllm import command
    from medtrain.prepare import engines, prepare, shards
    from ray.cluster_utils import Cluster

    from tests.trainer.prepare.test_preparation import recipe

    node = {"num_cpus": 1, "object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    cluster.add_node(**node)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    shards.MOST_CHARACTERS = 60_000
    try:
        command.run(lambda: prepare(recipe(file), out, engine="ray"))
        with engines.open_engine("ray", 1) as engine:
            assert isinstance(engine, engines.Ray)
            assert list(engine.map(slow_square, range(12))) == [n * n for n in range(12)]
            print(len(engine.nodes))
    finally:
        ray.shutdown()
        cluster.shutdown()


def slow_square(number: int) -> int:
    """Slow enough that one node can't do all the work."""
    time.sleep(0.2)
    return number * number


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
