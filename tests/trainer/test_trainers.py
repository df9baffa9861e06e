"""The order of the examples: like lengths together, the same for any number of processes."""

import pytest
from medtrain.trainers import LengthGroups

LENGTHS = [(7 * i) % 97 + 3 for i in range(403)]


def steps(order: list[int], size: int) -> list[list[int]]:
    return [order[i : i + size] for i in range(0, len(order), size)]


@pytest.mark.parametrize("size", [1, 4, 8, 500])
def test_each_example_comes_once_an_epoch(size: int) -> None:
    groups = LengthGroups(LENGTHS, size, seed=3)
    assert sorted(groups) == list(range(len(LENGTHS))) and len(groups) == len(LENGTHS)


def test_little_is_padded() -> None:
    def padding(order: list[int]) -> float:
        padded = sum(len(s) * max(LENGTHS[i] for i in s) for s in steps(order, 8))
        return padded / sum(LENGTHS)

    assert padding(list(LengthGroups(LENGTHS, 8, seed=3))) < 1.1
    assert padding(list(range(len(LENGTHS)))) > 1.3


def test_epochs_and_seeds_have_orders_of_their_own_and_no_chance() -> None:
    groups = LengthGroups(LENGTHS, 8, seed=3)
    first = list(groups)
    assert list(groups) == first
    groups.epoch = 1
    second = list(groups)
    assert second != first
    assert list(LengthGroups(LENGTHS, 8, seed=4)) not in (first, second)


def test_the_longest_comes_first_so_that_memory_runs_out_at_once_or_never() -> None:
    assert LENGTHS[next(iter(LengthGroups(LENGTHS, 8, seed=3)))] == max(LENGTHS)
