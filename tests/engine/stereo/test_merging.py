"""Depth maps become points that lie where the surface is, once each, at its finest."""

from __future__ import annotations

import numpy as np
import pytest
from planes import LENS, Plane, looking, photographed, texture

from tadmor.engine.scene import F32
from tadmor.engine.stereo.merging import (
    CELL_FOOTPRINTS,
    STRIDE,
    Cloud,
    back_project,
    depth_normals,
    join,
    near_cloud,
    thin,
    view_samples,
)

NORMAL = np.array([0.3, 0.1, 1]) / np.linalg.norm([0.3, 0.1, 1])
WALL = Plane(NORMAL, 6.0, texture(1, 64))
VIEW = looking((0, 0, 0), (0, 0, 6))
GREY = np.full((LENS.height, LENS.width, 3), 128, np.uint8)
NOTHING = np.zeros((LENS.height, LENS.width), np.bool_)


def cloud(points: np.typing.NDArray[np.float64], footprint: float | F32 = 0.01) -> Cloud:
    count = len(points)
    return Cloud(
        points,
        np.tile(np.array([0, 0, 1], np.float32), (count, 1)),
        np.broadcast_to(np.float32(footprint), count).copy(),
        np.full((count, 3), 100, np.uint8),
        np.ones(count, np.bool_),
    )


def test_back_projected_points_lie_on_the_plane_and_project_back() -> None:
    depth = photographed([WALL], VIEW)[1]
    rows, columns = np.indices(depth.shape).reshape(2, -1)
    world = back_project(depth, VIEW.lens, VIEW.rotation, VIEW.translation, rows, columns)
    np.testing.assert_allclose(world @ NORMAL, 6, atol=1e-5)
    in_camera = VIEW.camera_points(world)
    pixel = VIEW.lens.distort(in_camera[:, :2] / in_camera[:, 2:])
    np.testing.assert_allclose(pixel, np.stack([columns, rows], 1), atol=1e-6)


def normals_everywhere(depth: F32) -> F32:
    rows, columns = np.indices(depth.shape).reshape(2, -1)
    return depth_normals(depth, LENS, rows, columns).reshape(*depth.shape, 3)


def test_normals_of_a_plane_are_the_planes() -> None:
    depth = photographed([WALL], VIEW)[1]
    normals = normals_everywhere(depth) @ VIEW.rotation.astype(np.float32)
    assert not normals[0].any()
    inner = normals[3:-3, 3:-3].reshape(-1, 3)
    np.testing.assert_allclose(inner, np.tile(-NORMAL, (len(inner), 1)), atol=0.01)


def test_there_are_no_normals_across_an_edge_or_a_hole() -> None:
    depth = np.full((20, 30), 5, np.float32)
    depth[:, 15:] = 8
    depth[10, 5] = 0
    normals = normals_everywhere(depth)
    assert not normals[:, 13:17].any()
    assert not normals[8:13, 3:8].any()
    assert normals[5, 5].any()


def test_samples_of_one_view_are_its_surface() -> None:
    depth = photographed([WALL], VIEW)[1]
    found = view_samples(depth, LENS, VIEW.rotation, VIEW.translation, GREY, NOTHING, [], 0)
    assert len(found.points) == (LENS.height // STRIDE) * (LENS.width // STRIDE)
    np.testing.assert_allclose(found.points @ NORMAL, 6, atol=1e-5)
    expected = np.linalg.norm(found.points, axis=1) / LENS.focal_px
    assert (found.footprints < expected * 1.001).all()
    np.testing.assert_allclose(found.footprints, VIEW.camera_points(found.points)[:, 2] / LENS.focal_px, rtol=1e-5)
    sure = np.linalg.norm(found.normals, axis=1) > 0.9
    assert sure.mean() > 0.9
    assert (found.normals[~sure] @ NORMAL < 0).all()  # at the border: short, towards the camera


def test_what_another_view_shows_finer_is_left_to_it() -> None:
    near = looking((0, 0, 3), (0, 0, 6))
    depths = [photographed([WALL], v)[1] for v in (VIEW, near)]
    views = [(i, d, LENS, v.rotation, v.translation) for i, (d, v) in enumerate(zip(depths, (VIEW, near), strict=True))]
    far_samples = view_samples(depths[0], LENS, VIEW.rotation, VIEW.translation, GREY, NOTHING, [views[1]], 0)
    near_samples = view_samples(depths[1], LENS, near.rotation, near.translation, GREY, NOTHING, [views[0]], 1)
    assert len(near_samples.points) == (LENS.height // STRIDE) * (LENS.width // STRIDE)
    in_near = near.camera_points(far_samples.points)
    pixel = near.lens.distort(in_near[:, :2] / in_near[:, 2:])
    shown = ((pixel > 2) & (pixel < [LENS.width - 3, LENS.height - 3])).all(1)
    finer = in_near[:, 2] < VIEW.camera_points(far_samples.points)[:, 2]
    assert not (shown & finer).any()
    assert len(far_samples.points) > 1000


def test_of_two_views_alike_each_place_is_sampled_once() -> None:
    depth = photographed([WALL], VIEW)[1]
    views = [(i, depth, LENS, VIEW.rotation, VIEW.translation) for i in (0, 1)]
    first = view_samples(depth, LENS, VIEW.rotation, VIEW.translation, GREY, NOTHING, [views[1]], 0)
    second = view_samples(depth, LENS, VIEW.rotation, VIEW.translation, GREY, NOTHING, [views[0]], 1)
    assert len(first.points) == (LENS.height // STRIDE) * (LENS.width // STRIDE)
    in_camera = VIEW.camera_points(second.points)
    pixel = LENS.distort(in_camera[:, :2] / in_camera[:, 2:])
    border = ((pixel < 2) | (pixel > [LENS.width - 3, LENS.height - 3])).any(1)
    assert border.all()


def test_a_different_surface_in_the_other_view_takes_nothing_away() -> None:
    depth = photographed([WALL], VIEW)[1]
    other = (1, depth * np.float32(0.9), LENS, VIEW.rotation, VIEW.translation)
    found = view_samples(depth, LENS, VIEW.rotation, VIEW.translation, GREY, NOTHING, [other], 0)
    assert len(found.points) == (LENS.height // STRIDE) * (LENS.width // STRIDE)


def test_thinning_leaves_one_point_a_cell_at_the_mean() -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 1, (20_000, 3)) * [1, 1, 0.001]
    found = thin(cloud(points))
    cell = CELL_FOOTPRINTS * 0.01
    place = np.floor((points - points.min(0)) / cell).astype(int)
    expected = {tuple(key): points[(place == key).all(1)].mean(0) for key in np.unique(place, axis=0)[::500]}
    assert len(found.points) == len(np.unique(place, axis=0))
    for mean in expected.values():
        assert np.linalg.norm(found.points - mean, axis=1).min() < 1e-9
    np.testing.assert_allclose(found.normals / np.linalg.norm(found.normals, axis=1, keepdims=True), [[0, 0, 1]] * len(found.points))  # fmt: skip  # noqa: E501  # one comparison
    assert set(np.unique(found.colours)) == {100}
    assert found.footprints == pytest.approx(np.full(len(found.points), 0.01))


def test_coarse_points_are_thinned_more_coarsely_and_do_not_blur_fine_ones() -> None:
    rng = np.random.default_rng(2)
    fine, coarse = rng.uniform(0, 1, (5000, 3)) * [1, 1, 0], rng.uniform(0, 1, (5000, 3)) * [1, 1, 0] + [0, 0, 0.001]
    both = thin(join([cloud(fine, 0.01), cloud(coarse, 0.04)]))
    assert set(np.round(both.footprints.astype(float), 4).tolist()) == {0.01, 0.04}
    for kind, footprint in ((fine, 0.01), (coarse, 0.04)):
        mine = both.points[np.isclose(both.footprints, footprint)]
        np.testing.assert_allclose(mine[:, 2], kind[0, 2], atol=1e-12)
        assert 0.4 < len(mine) * (CELL_FOOTPRINTS * footprint) ** 2 < 2.1  # cells go in steps of two


def test_points_far_apart_are_never_merged() -> None:
    cell = CELL_FOOTPRINTS * 0.01
    lattice = cell * (np.array([[0, 0, 0], [1, 0, 0], [0, 2**19, 0], [0, 1, 0], [0, 0, 2**19]]) + 0.5)
    assert len(thin(cloud(lattice)).points) == len(lattice)


def test_joined_clouds_hold_all_points() -> None:
    a, b = cloud(np.zeros((3, 3)), 0.1), cloud(np.ones((2, 3)), 0.2)
    both = join([a, b])
    assert both.points[:, 0].tolist() == [0, 0, 0, 1, 1]
    assert both.footprints == pytest.approx([0.1] * 3 + [0.2] * 2)


def test_strays_are_told_from_the_cloud() -> None:
    rng = np.random.default_rng(3)
    points = np.concatenate([rng.normal(size=(1000, 3)), [[200, 0, 0], [0, -300, 50]]])
    near = near_cloud(points)
    assert near[:1000].all()
    assert not near[1000:].any()
