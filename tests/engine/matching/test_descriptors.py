"""Matching of descriptors against an exhaustive reference, and on descriptors whose partners are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tadmor.engine.matching.descriptors import match, reduced, unit_descriptors
from tadmor.engine.scene import F32


def unit(rows: NDArray[np.float64]) -> F32:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def some(count: int, seed: int, *, dimensions: int = 128) -> F32:
    """Directions like RootSIFT's: no component is negative."""
    return unit(np.abs(np.random.default_rng(seed).normal(size=(count, dimensions))) ** 2)


def shaken(rows: F32, noise: float, seed: int) -> F32:
    return unit(np.abs(rows + np.random.default_rng(seed).normal(0, noise, rows.shape)))


def reference(one: F32, two: F32, max_ratio: float = 0.8, max_angle: float = 0.7) -> set[tuple[int, int]]:
    """Lowe's test both ways, spelt out on the whole table of angles."""
    angle = np.arccos(np.clip(one.astype(np.float64) @ two.T.astype(np.float64), -1, 1))
    found = set()
    for i, row in enumerate(angle):
        j = int(row.argmin())
        column = angle[:, j]
        if column.argmin() != i or row[j] >= max_angle:
            continue
        if row[j] < max_ratio * np.partition(row, 1)[1] and row[j] < max_ratio * np.partition(column, 1)[1]:
            found.add((i, j))
    return found


@pytest.mark.parametrize(("n", "m"), [(1500, 997), (64, 48), (17, 1030), (2, 2)])
@pytest.mark.parametrize("noise", [0.02, 0.05])
def test_it_finds_what_an_exhaustive_search_finds(n: int, m: int, noise: float) -> None:
    world = some(max(n, m), 1)
    rng = np.random.default_rng(2)
    one = shaken(world[rng.permutation(len(world))[:n]], noise, 3)
    two = shaken(world[rng.permutation(len(world))[:m]], noise, 4)
    found = match(one, two)
    assert found.dtype == np.uint32
    expected = reference(one, two)
    # float32 sums differ in their last digits: only decisions on the very edge may differ
    assert len({(int(i), int(j)) for i, j in found} ^ expected) <= 0.002 * max(n, m)
    assert len(expected) > 0.2 * min(n, m) or min(n, m) < 20


@pytest.mark.parametrize(("max_ratio", "max_angle"), [(0.6, 0.7), (0.95, 0.3), (0.8, 0.2)])
def test_the_thresholds_are_heeded(max_ratio: float, max_angle: float) -> None:
    world = some(300, 5)
    one, two = shaken(world, 0.05, 6), shaken(world, 0.05, 7)
    found = match(one, two, max_ratio=max_ratio, max_angle=max_angle)
    assert {(int(i), int(j)) for i, j in found} == reference(one, two, max_ratio, max_angle)


def test_partners_are_found_in_any_order() -> None:
    world = some(2000, 8)
    order = np.random.default_rng(9).permutation(2000)
    found = match(world, shaken(world[order], 0.01, 10))
    assert len(found) == 2000
    assert np.array_equal(order[found[:, 1]], found[:, 0])


def test_what_is_there_twice_is_not_matched() -> None:
    world = some(100, 11)
    twice = np.concatenate([world, shaken(world[:10], 0.002, 12)])
    found = match(shaken(world, 0.01, 13), twice)
    assert set(found[:, 0].tolist()) == set(range(10, 100))


def test_too_few_descriptors_match_nothing() -> None:
    world = some(5, 14)
    for n, m in ((0, 5), (5, 0), (1, 5), (5, 1), (0, 0)):
        assert match(world[:n], world[:m]).shape == (0, 2)


def test_unit_descriptors_have_unit_length() -> None:
    rows = np.random.default_rng(15).integers(0, 256, (50, 128)).astype(np.uint8)
    rows[7] = 0
    lengths = np.linalg.norm(unit_descriptors(rows), axis=1)
    assert lengths[7] == 0
    np.testing.assert_allclose(np.delete(lengths, 7), 1, atol=1e-6)


def test_fewer_dimensions_keep_the_matches() -> None:
    rng = np.random.default_rng(16)
    mixture = np.abs(rng.normal(size=(40, 128)))  # as with real ones, few directions hold nearly all of the energy
    world = unit(np.abs(rng.normal(size=(1500, 40)) ** 3) @ mixture)
    one, two = shaken(world, 0.004, 17), shaken(world, 0.004, 18)
    small_one, small_two = reduced(one, two)
    assert small_one.shape == small_two.shape == (1500, 64)
    np.testing.assert_allclose(np.linalg.norm(small_one, axis=1), 1, atol=1e-5)
    whole, small = ({(int(i), int(j)) for i, j in match(a, b)} for a, b in ((one, two), (small_one, small_two)))
    assert len(whole) > 300
    assert len(whole & small) > 0.95 * len(whole)
    assert sum(i != j for i, j in small) <= 0.02 * len(small)
