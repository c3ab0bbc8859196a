"""Depth of pictures whose depth is exactly known."""

from __future__ import annotations

import numpy as np
import pytest
from planes import LENS, Plane, looking, photographed, texture, wrong

from tadmor.engine.scene import F32, U8, Bool, View
from tadmor.engine.stereo.agreement import relative_pose
from tadmor.engine.stereo.patchmatch import HALF_WINDOW, SourceView, depth_map, pack_texels

Measured = tuple[F32, F32, F32]
PLACES = ((-1.2, 0.0, 0.0), (1.1, -0.2, 0.1), (0.1, 0.9, -0.1), (-0.6, -0.7, 0.2))
TARGET = (0.0, 0.0, 6.0)


def measure(planes: list[Plane], seed: int = 1, views: int = 4) -> tuple[Measured, F32, U8]:
    """Depth, normal and cost of the middle view against the others, and its true depth and picture."""
    middle = looking((0, 0, 0), TARGET)
    grey, truth = photographed(planes, middle)
    sources = [source(planes, middle, looking(place, TARGET)) for place in PLACES[:views]]
    return depth_map(grey, LENS, sources, (3.0, 14.0), seed=seed), truth, grey


def source(planes: list[Plane], middle: View, other: View) -> SourceView:
    turn, shift = relative_pose(middle.rotation, middle.translation, other.rotation, other.translation)
    return SourceView(photographed(planes, other)[0], other.lens, turn, shift)


def inner(margin: int = 4 * HALF_WINDOW) -> Bool:
    """All but the border, where the coarsest level, at a quarter of the size, has no whole window."""
    mask = np.zeros((LENS.height, LENS.width), np.bool_)
    mask[margin:-margin, margin:-margin] = True
    return mask


def unit(*vector: float) -> np.typing.NDArray[np.float64]:
    return np.array(vector) / np.linalg.norm(vector)


WALL = Plane(unit(0, 0, 1), 6.0, texture(1))
SLANTED = Plane(unit(0.5, 0.15, 1), 5.5, texture(2))
GROUND = Plane(unit(0, 1, 0.12), 1.6, texture(3))


@pytest.mark.parametrize("plane", [WALL, SLANTED], ids=["facing", "slanted"])
def test_a_plane_is_measured_to_two_thousandths(plane: Plane) -> None:
    (depth, normal, cost), truth, _ = measure([plane])
    assert depth.dtype == normal.dtype == cost.dtype == np.float32
    assert wrong(depth, truth)[inner()].mean() < 0.01
    assert np.median(np.abs(depth / truth - 1)[inner()]) < 0.002
    assert np.median(cost[inner()]) < 0.1
    toward = -np.sign(plane.normal[2]) * plane.normal
    assert np.degrees(np.median(np.arccos(np.clip(normal[inner()] @ toward, -1, 1)))) < 10
    np.testing.assert_allclose(np.linalg.norm(normal, axis=2), 1, atol=1e-3)


def test_ground_that_runs_away_is_measured() -> None:
    behind = Plane(unit(0, 0, 1), 12.0, texture(4))
    (depth, _, cost), truth, _ = measure([GROUND, behind])
    sure = inner() & (cost < 0.4)
    assert sure[inner()].mean() > 0.85
    assert wrong(depth, truth, 0.02)[sure].mean() < 0.05


def test_a_box_before_a_wall_keeps_its_edges() -> None:
    wall, front = Plane(unit(0, 0, 1), 8.0, texture(5)), Plane(unit(0, 0, 1), 5.0, texture(6), half=0.9)
    (depth, _, cost), truth, _ = measure([wall, front])
    assert wrong(depth, truth)[inner()].mean() < 0.06  # the rims of the box and what it hides
    sure = inner() & (cost < 0.25)
    assert sure[inner()].mean() > 0.85
    assert wrong(depth, truth)[sure].mean() < 0.02
    found, box = (depth < 6.5)[inner()], (truth < 6)[inner()]
    assert 0.05 < box.mean() < 0.3
    assert found.mean() == pytest.approx(box.mean(), rel=0.1)


def test_what_has_no_texture_costs_much() -> None:
    blank = Plane(unit(0, 0, 1), 6.0, np.full((64, 64), 128, np.uint8))
    (_, _, cost), _, _ = measure([blank])
    assert cost.min() >= 1.3


def test_what_no_source_shows_costs_much() -> None:
    middle = looking((0, 0, 0), TARGET)
    away = source([WALL], middle, looking((0, 0, 0.5), (0, 0, -6)))
    _, _, cost = depth_map(photographed([WALL], middle)[0], LENS, [away], (3.0, 14.0), seed=1)
    assert cost.min() >= 1.3


def test_one_source_suffices_for_a_plane() -> None:
    (depth, _, cost), truth, _ = measure([SLANTED], views=1)
    sure = inner() & (cost < 0.25)
    assert sure[inner()].mean() > 0.7
    assert wrong(depth, truth)[sure].mean() < 0.02


def test_the_depth_range_is_kept() -> None:
    middle = looking((0, 0, 0), TARGET)
    sources = [source([WALL], middle, looking(place, TARGET)) for place in PLACES]
    depth, _, cost = depth_map(photographed([WALL], middle)[0], LENS, sources, (7.0, 9.0), seed=1)
    measured = inner() & (cost < 1.3)
    assert depth[measured].min() > 0.9 * 7  # finer levels follow a plane a little beyond
    assert depth[measured].max() < 1.1 * 9
    assert np.median(cost[measured]) > 0.3  # the wall stands at 6


def test_the_same_seed_gives_the_same_depth() -> None:
    first, second, other = measure([SLANTED]), measure([SLANTED]), measure([SLANTED], seed=2)
    for one, two in zip(first[0], second[0], strict=True):
        assert np.array_equal(one, two)
    assert not np.array_equal(first[0][0], other[0][0])


def test_texels_are_packed_as_they_lie() -> None:
    grey = np.random.default_rng(1).integers(0, 256, (5, 7)).astype(np.uint8)
    packed = pack_texels(grey)
    assert packed.dtype == np.uint32
    for y, x in ((0, 0), (3, 5), (2, 4)):
        corners = [int(packed[y, x]) >> shift & 255 for shift in (0, 8, 16, 24)]
        assert corners == [grey[y, x], grey[y, x + 1], grey[y + 1, x], grey[y + 1, x + 1]]
    assert int(packed[4, 6]) == int(grey[4, 6]) * 0x01010101
