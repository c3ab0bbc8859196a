"""Planes found among points, the ground found by a sweep, and depth continued on planes: scenes with known truth."""

from __future__ import annotations

import numpy as np
import pytest
from planes import Plane as Painted
from planes import looking, photographed, texture

from tadmor.engine.scene import F32, Bool, View
from tadmor.engine.stereo.completion import complete
from tadmor.engine.stereo.ground import camera_height, local_ground, vertical
from tadmor.engine.stereo.homography import Pattern, Shown, plane_depth, plane_homography, warped
from tadmor.engine.stereo.planes import Plane, find_planes

UP = np.array([0.0, -1.0, 0.0])
GROUND_BELOW = 1.6


def on_plane(normal: np.typing.ArrayLike, offset: float, count: int, seed: int) -> np.typing.NDArray[np.float64]:
    normal = np.asarray(normal, float) / np.linalg.norm(normal)
    random = np.random.default_rng(seed)
    points = random.uniform(-5, 5, (count, 3))
    return points - np.outer(points @ normal - offset, normal)


def test_planes_are_found_largest_first_among_strays() -> None:
    walls = [((0, 0, 1), 2.0, 4000), ((1, 0, 0.2), -1.0, 2000)]
    parts = [on_plane(n, d, count, i) for i, (n, d, count) in enumerate(walls)]
    random = np.random.default_rng(5)
    points = np.concatenate([*parts, random.uniform(-5, 5, (1500, 3))])
    points += random.normal(0, 0.005, points.shape)
    normals = np.concatenate(
        [np.tile(np.asarray(n) / np.linalg.norm(n), (count, 1)) for n, _, count in walls]
        + [random.normal(size=(1500, 3))]
    )
    normals += random.normal(0, 0.1, normals.shape)
    found = find_planes(points, normals.astype(np.float32), np.full(len(points), 0.01, np.float32), seed=1)
    assert len(found) == 2
    for plane, (normal, offset, count) in zip(found, walls, strict=True):
        unit = np.asarray(normal) / np.linalg.norm(normal)
        assert plane.normal @ unit > np.cos(np.radians(0.1))
        assert plane.offset == pytest.approx(offset, abs=0.005)
        assert plane.share == pytest.approx(count / len(points), rel=0.1)


def test_points_without_normals_make_no_plane() -> None:
    points = on_plane((0, 0, 1), 0, 500, 1)
    assert find_planes(points, np.zeros((500, 3), np.float32), np.full(500, 0.01, np.float32), seed=1) == []


def test_walls_say_where_up_is() -> None:
    tilt = np.radians(4)
    true_up = np.array([0, np.cos(tilt), np.sin(tilt)])
    walls = [Plane(np.array([1.0, 0, 0]), 0.0, 0.2), Plane(np.cross(true_up, [1.0, 0, 0]), 0.0, 0.4)]
    roof = Plane(np.array([0, 0.7, 0.7]), 0.0, 0.3)
    assert vertical([])[1] == pytest.approx(1)
    assert vertical([*walls, roof]) @ true_up > np.cos(np.radians(0.5))


def shown(view: View, picture: np.typing.NDArray[np.uint8], depth: F32, sky: Bool | None = None) -> Shown:
    nothing = np.zeros(depth.shape, np.bool_)
    bgr = np.repeat(picture[..., None], 3, 2)
    return Shown(bgr, depth, nothing if sky is None else sky, view.lens, view.rotation, view.translation)


def courtyard(ground_below: float) -> tuple[list[View], list[np.typing.NDArray[np.uint8]], list[F32]]:
    """Photos, from a row of places at one height, of a wall and the ground before it (y down, wall at z = 6)."""
    wall = Painted(np.array([0.0, 0, -1]), -6.0, texture(3, 2048))
    ground = Painted(np.array([0.0, -1, 1e-6]), -ground_below, texture(4, 2048))
    views = [looking((x, 0, 0), (0.5 * x, 0.8, 6)) for x in (-1.2, -0.6, 0, 0.6, 1.2)]
    taken = [photographed([wall, ground], v) for v in views]
    return views, [t[0] for t in taken], [t[1] for t in taken]


def measured_wall(view: View, depth: F32) -> tuple[F32, Bool]:
    """The depth where the wall is, and where the ground is."""
    y, x = np.indices(depth.shape)
    rays = np.stack([(x - view.lens.cx) / view.lens.focal_px, (y - view.lens.cy) / view.lens.focal_px, 0 * x + 1], -1)
    world = (rays * depth[..., None] - view.translation) @ view.rotation
    ground = (np.abs(world[..., 1] - GROUND_BELOW) < 1e-3) & (depth > 0)
    return np.where(ground, np.float32(0), depth), ground


@pytest.fixture(scope="module")
def yard() -> tuple[list[Shown], list[F32], list[Bool]]:
    views, pictures, depths = courtyard(GROUND_BELOW)
    parts = [measured_wall(v, d) for v, d in zip(views, depths, strict=True)]
    return (
        [shown(v, p, wall) for v, p, (wall, _) in zip(views, pictures, parts, strict=True)],
        depths,
        [ground for _, ground in parts],
    )


def test_a_homography_shows_the_plane_as_the_other_view_sees_it(
    yard: tuple[list[Shown], list[F32], list[Bool]],
) -> None:
    views, depths, ground = yard
    plane = Plane(UP, -GROUND_BELOW)
    matrix, factor = plane_homography(views[2], views[3], plane)
    picture = warped(views[3].picture, matrix, views[2])[..., 0].astype(np.float32)
    inside = ground[2] & (picture > 0)
    assert inside.sum() > 500
    own = Pattern.of(views[2].picture[..., 0].astype(np.float32), 7)
    assert np.median(own.correlation(Pattern.of(picture, 7))[inside]) > 0.9
    np.testing.assert_allclose(plane_depth(views[2], plane)[ground[2]], depths[2][ground[2]], rtol=1e-3)
    there = warped(depths[3], matrix, views[2], smooth=False)
    expected = depths[2] * factor
    assert np.median(np.abs(there / expected - 1)[inside & (there > 0)]) < 0.01


def test_the_height_of_the_cameras_above_unmeasured_ground_is_found(
    yard: tuple[list[Shown], list[F32], list[Bool]],
) -> None:
    views, _, _ = yard
    partners = [[j for j in range(5) if j != i] for i in range(5)]
    height = camera_height(views, partners, UP, lambda share, tried: [share(h) for h in tried])
    assert height == pytest.approx(GROUND_BELOW, rel=0.07)


def test_the_ground_is_completed_where_it_is_and_the_rest_left_alone(
    yard: tuple[list[Shown], list[F32], list[Bool]],
) -> None:
    views, depths, ground = yard
    others = [views[j] for j in (1, 3, 0, 4)]
    level = local_ground(views[2], others, UP, 1.03 * GROUND_BELOW)
    assert level is not None
    added = complete(views[2], others, [], level)
    assert not added[views[2].depth > 0].any()
    found = added > 0
    assert (found & ground[2]).sum() > 0.5 * ground[2].sum()
    assert (found & ~ground[2]).sum() < 0.02 * found.sum()
    assert np.median(np.abs(added / depths[2] - 1)[found & ground[2]]) < 0.02


def test_nothing_is_completed_where_the_pictures_disagree(yard: tuple[list[Shown], list[F32], list[Bool]]) -> None:
    views, _depths, ground = yard
    wrong = Plane(UP, -0.6 * GROUND_BELOW)
    with_seeds = views[2].depth.copy()
    with_seeds[:30] = plane_depth(views[2], wrong)[:30]
    own = Shown(
        views[2].picture, with_seeds, *(getattr(views[2], n) for n in ("sky", "lens", "rotation", "translation"))
    )
    added = complete(own, [views[j] for j in (1, 3, 0, 4)], [wrong])
    assert (added > 0).sum() < 0.05 * ground[2].sum()


def test_measurements_behind_a_plane_refute_it(yard: tuple[list[Shown], list[F32], list[Bool]]) -> None:
    views, depths, ground = yard
    plane = Plane(UP, -GROUND_BELOW)
    half = views[2].depth.copy()
    half[ground[2]] = np.where(np.indices(half.shape)[1] < half.shape[1] // 2, depths[2], 0)[ground[2]]
    own = Shown(views[2].picture, half, views[2].sky, views[2].lens, views[2].rotation, views[2].translation)
    others = [views[j] for j in (1, 3)]
    assert (complete(own, others, [plane]) > 0).sum() > 0.2 * ground[2].sum()
    far = [Shown(o.picture, np.full_like(o.depth, 50), o.sky, o.lens, o.rotation, o.translation) for o in others]
    assert not complete(own, far, [plane]).any()
