"""A surface that was smoothed away from the depth maps comes back to them."""

from __future__ import annotations

import numpy as np
from meshes import facing, grid

from tadmor.engine.scene import F64, Lens, View
from tadmor.engine.surface.cleaning import SeenFrom
from tadmor.engine.surface.refinement import MAX_DIFFERENCE, refine_once
from tadmor.engine.surface.topology import neighbour_mean

LENS = Lens(240, 180, 220.0, 119.5, 89.5)
VERTICES, FACES = grid(60, 40, cell=0.1)
MEAN = neighbour_mean(len(VERTICES), FACES)
VIEWS = [facing(place, (3, 2, 0), LENS) for place in ((3.0, 2.0, 8.0), (0.0, 2.5, 7.5), (6.0, 1.0, 7.5))]


def seen(view: View, relief: F64) -> SeenFrom:
    """What a view measures of a surface z = relief(x, y), given on its vertices, by casting rays."""
    x, y = np.meshgrid(np.arange(LENS.width), np.arange(LENS.height))
    rays = (
        np.stack([(x - LENS.cx) / LENS.focal_px, (y - LENS.cy) / LENS.focal_px, np.ones(x.shape)], -1) @ view.rotation
    )
    depth = -view.centre[2] / rays[..., 2]
    for _ in range(8):
        met = view.centre + rays * depth[..., None]
        column, row = np.rint(met[..., 0] * 10).astype(int), np.rint(met[..., 1] * 10).astype(int)
        inside = (column >= 0) & (row >= 0) & (column <= 60) & (row <= 40)
        height = np.where(inside, relief.reshape(41, 61)[np.clip(row, 0, 40), np.clip(column, 0, 60)], 0)
        depth = (height - view.centre[2]) / rays[..., 2]
    measured = np.where(inside, depth, 0).astype(np.float32)
    return SeenFrom(measured, np.zeros(measured.shape, np.bool_), LENS, view.rotation, view.translation)


def refined(vertices: F64, views: list[SeenFrom], rounds: int = 6) -> F64:
    for _ in range(rounds):
        vertices = refine_once(vertices, FACES, MEAN, views)
    return vertices


INNER = (np.abs(VERTICES[:, 0] - 3) < 2.4) & (np.abs(VERTICES[:, 1] - 2) < 1.5)


def test_a_sheet_that_stands_off_moves_onto_the_depths() -> None:
    views = [seen(v, np.zeros(len(VERTICES))) for v in VIEWS]
    off = refined(VERTICES + np.array([0, 0, 0.05]), views)
    assert np.abs(off[INNER, 2]).max() < 0.004
    np.testing.assert_allclose(off[INNER, :2], VERTICES[INNER, :2], atol=0.02)


def test_relief_that_was_smoothed_away_comes_back() -> None:
    relief = 0.04 * np.cos(4 * VERTICES[:, 0]) * np.cos(4 * VERTICES[:, 1])
    views = [seen(v, relief) for v in VIEWS]
    found = refined(VERTICES, views)
    before, after = np.abs(relief[INNER]).mean(), np.abs(found[INNER, 2] - relief[INNER]).mean()
    assert after < 0.35 * before


def test_depths_that_are_too_far_off_do_not_speak() -> None:
    far = seen(VIEWS[0], np.full(len(VERTICES), 8 * 3 * MAX_DIFFERENCE))
    moved = refine_once(VERTICES, FACES, MEAN, [far])
    np.testing.assert_allclose(moved[INNER], VERTICES[INNER], atol=1e-9)


def test_without_views_a_bumpy_sheet_is_smoothed() -> None:
    rng = np.random.default_rng(1)
    bumpy = VERTICES + np.stack([np.zeros(len(VERTICES))] * 2 + [rng.normal(0, 0.01, len(VERTICES))], axis=1)
    smooth = refined(bumpy, [], rounds=3)
    assert smooth[INNER, 2].std() < 0.5 * bumpy[INNER, 2].std()
