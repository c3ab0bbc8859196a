"""Photos made ready for stereo: geometry that is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tadmor.engine.scene import F64, Lens, Scene, View
from tadmor.engine.stereo.views import (
    angles_deg,
    choose_sources,
    depth_range,
    undistort,
    undistortion_map,
    visibility,
    working_lens,
)

BENT = Lens(600, 400, 500.0, 303.0, 195.0, -0.12, 0.03)


def pattern(ray: F64) -> NDArray[np.float64]:
    """Grey levels in every direction (..., 2) of normalised coordinates: smooth, so that resampling costs little."""
    levels: NDArray[np.float64] = 127 + 60 * np.sin(14 * ray[..., 0] + 3) + 50 * np.cos(17 * ray[..., 1] - 1)
    return levels


def rays_of_pixels(lens: Lens) -> F64:
    """Normalised coordinates (h, w, 2) that a lens with distortion shows at its pixels, by Newton's method."""
    x, y = np.meshgrid(np.arange(lens.width), np.arange(lens.height))
    bent = np.stack([(x - lens.cx) / lens.focal_px, (y - lens.cy) / lens.focal_px], -1)
    r_bent = np.linalg.norm(bent, axis=-1, keepdims=True)
    r = r_bent.copy()
    for _ in range(20):
        r -= (r * (1 + lens.k1 * r**2 + lens.k2 * r**4) - r_bent) / (1 + 3 * lens.k1 * r**2 + 5 * lens.k2 * r**4)
    rays: F64 = bent * r / np.maximum(r_bent, 1e-12)
    return rays


def photo(lens: Lens) -> NDArray[np.uint8]:
    levels = np.round(pattern(rays_of_pixels(lens))).astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=2)


@pytest.mark.parametrize("long_side_px", [600, 300, 240])
def test_an_undistorted_photo_is_what_a_pinhole_shows(long_side_px: int) -> None:
    lens = working_lens(BENT, long_side_px)
    assert max(lens.width, lens.height) == long_side_px
    assert (lens.k1, lens.k2) == (0, 0)
    picture, inside = undistort(photo(BENT), BENT, lens)
    x, y = np.meshgrid(np.arange(lens.width), np.arange(lens.height))
    rays = np.stack([(x - lens.cx) / lens.focal_px, (y - lens.cy) / lens.focal_px], -1)
    off = np.abs(picture[..., 0] - pattern(rays))[inside]
    assert inside.mean() > 0.95
    assert off.mean() < 0.7
    assert np.percentile(off, 99.9) < 4


def test_beyond_the_photo_nothing_is_inside() -> None:
    barrel = Lens(300, 200, 250.0, 149.5, 99.5, 0.2)  # a pincushion's corners lie beyond the photo
    _, inside = undistort(photo(barrel), barrel, barrel.pinhole)
    where = undistortion_map(barrel, barrel.pinhole, 300, 200)
    assert np.array_equal(inside, (where >= 0).all(-1) & (where <= [299, 199]).all(-1))
    assert not inside[0, 0]
    assert inside[100, 150]
    assert 0.7 < inside.mean() < 1


def test_a_photo_that_is_stored_smaller_gives_the_same_picture() -> None:
    small = BENT.scaled_to(300, 200)
    lens = working_lens(BENT, 240)
    one, two = undistort(photo(BENT), BENT, lens)[0], undistort(photo(small), BENT, lens)[0]
    assert np.abs(one.astype(float) - two)[5:-5, 5:-5].mean() < 0.7


def test_a_working_lens_never_grows() -> None:
    assert working_lens(BENT, 4000) == BENT.pinhole


def arc_scene(angles: list[float], points: int = 400) -> Scene:
    """Views at so many degrees on a circle about the points, which all see."""
    world = np.random.default_rng(1).normal(0, 0.3, (points, 3))
    views = []
    for n, angle in enumerate(np.radians(angles)):
        centre = 10 * np.array([np.sin(angle), 0, -np.cos(angle)])
        ahead = -centre / 10
        right = np.cross([0, 1, 0], ahead)
        rotation = np.stack([right, np.cross(ahead, right), ahead])
        lens = Lens(600, 400, 500.0, 299.5, 199.5)
        index = np.arange(points, dtype=np.int32)
        views.append(View(str(n), f"{n}.jpg", lens, rotation, -rotation @ centre, index))
    return Scene(tuple(views), world, np.zeros(points))


def test_sources_are_those_at_useful_angles_best_first() -> None:
    scene = arc_scene([0, 0.5, 6, 12, 20, 70])
    sources = choose_sources(scene, 3)
    assert sources[0][0] == 3  # 12 degrees
    assert set(sources[0]) == {2, 3, 4}
    assert 1 not in sources[0]  # half a degree tells no depth
    assert sources[5] == []  # 50 degrees and more show things too differently


def test_views_that_share_few_points_are_no_sources() -> None:
    scene = arc_scene([0, 12])
    few = View(**{**{n: getattr(scene.views[1], n) for n in ("photo", "name", "lens", "rotation", "translation")},
                  "point_index": np.arange(5, dtype=np.int32)})  # fmt: skip
    assert choose_sources(Scene((scene.views[0], few), scene.points, scene.point_error_px), 5) == [[], []]


def test_visibility_is_the_index_as_a_matrix() -> None:
    scene = arc_scene([0, 12], points=20)
    assert visibility(scene).toarray().tolist() == [[1] * 20] * 2


def test_angles_are_those_of_the_triangle() -> None:
    points = np.array([[0.0, 0, 0], [0, 0, 3]])
    one, two = np.array([4.0, 0, 0]), np.array([0, 4.0, 0])
    expected = [90, np.degrees(np.arccos(9 / 25))]
    np.testing.assert_allclose(angles_deg(points, one, two), expected)


def test_the_depth_range_holds_the_points() -> None:
    scene = arc_scene([0])
    near, far = depth_range(scene.views[0], scene.points)
    depths = scene.views[0].camera_points(scene.points)[:, 2]
    assert 0 < near < np.percentile(depths, 1)
    assert np.percentile(depths, 99) < far < 2 * depths.max()
