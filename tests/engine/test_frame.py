"""Upright, north and metres, from cameras that stand in a frame turned at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tadmor.engine.frame import (
    TYPICAL_DISTANCE,
    Similarity,
    fit_plan,
    local_metres,
    settle,
    turn_upright,
    upright_direction,
)
from tadmor.engine.scene import F64, Lens, Scene, View
from tadmor.engine.synthetic import PALMYRA, align
from tadmor.engine.synthetic.cameras import Stand, arc, street, turn
from tadmor.engine.synthetic.photographs import Origin

LENS = Lens(800, 533, 620.0, 399.5, 266.0)


def scene_of(stands: tuple[Stand, ...], *, points: int = 500) -> Scene:
    """Views of a building of 8 x 8 x 6 m that stands on the ground, all points seen by all."""
    rng = np.random.default_rng(1)
    world = rng.uniform([-4, 0, -3], [4, 8, 3], (points, 3))
    index = np.arange(points, dtype=np.int32)
    views = tuple(replace(s.view(f"{n:03d}.jpg", LENS), point_index=index) for n, s in enumerate(stands))
    return Scene(views, world, np.zeros(points))


def shaken(scene: Scene, seed: int = 0) -> Scene:
    """The same scene in some frame, as mapping leaves it."""
    rng = np.random.default_rng([7, seed])
    rotation = Rotation.random(random_state=seed).as_matrix()
    return Similarity(float(rng.uniform(0.02, 3)), rotation, rng.normal(0, 5, 3)).scene(scene, None)


ARC = arc(14, radius=20.0, degrees=120.0, height=1.7, target=(0.0, 5.0, 0.0))
RING = arc(24, radius=20.0, degrees=345.0, height=1.7, target=(0.0, 5.0, 0.0))
WALK = street(24, start=(0.0, 21.0), end=(0.0, -11.0))
ROOM = turn(12, centre=(0.0, 0.0), radius=3.0, height=1.7, aim_height=3.5)


def tilt_deg(found: F64, seed: int) -> float:
    return float(np.degrees(np.arccos(np.clip(found @ Rotation.random(random_state=seed).as_matrix()[:, 1], -1, 1))))


@pytest.mark.parametrize(
    ("stands", "most_deg"), [(ARC, 2.0), (RING, 1.5), (WALK, 5.0), (ROOM, 2.0)], ids=["arc", "ring", "street", "room"]
)
def test_up_is_found_from_how_people_hold_cameras(stands: tuple[Stand, ...], most_deg: float) -> None:
    for seed in range(5):
        assert tilt_deg(upright_direction(shaken(scene_of(stands), seed)), seed) < most_deg


def test_photos_turned_on_their_side_do_not_tilt_the_world() -> None:
    scene = scene_of(ARC)
    quarter = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    views = [
        replace(v, rotation=quarter @ v.rotation, translation=quarter @ v.translation) if n in (3, 9, 11) else v
        for n, v in enumerate(scene.views)
    ]
    for seed in range(5):
        assert tilt_deg(upright_direction(shaken(replace(scene, views=tuple(views)), seed)), seed) < 2.5


def test_turning_upright_lets_the_cameras_look_along_minus_z() -> None:
    turned = turn_upright(shaken(scene_of(ARC))).scene(shaken(scene_of(ARC)), None)
    assert np.mean([v.rotation[1] for v in turned.views], axis=0)[1] < -0.95  # image down is world down
    ahead = np.mean([v.rotation[2] for v in turned.views], axis=0)
    assert ahead[2] < -0.7
    assert abs(ahead[0]) < 1e-9
    assert np.linalg.det(turn_upright(shaken(scene_of(ARC))).rotation) == pytest.approx(1)


def test_photos_all_round_get_some_heading() -> None:
    views = scene_of(RING).views
    opposed = Scene(
        tuple(replace(v, rotation=np.diag([-1.0, 1, -1]) @ v.rotation) for v in views) + views,
        np.zeros((0, 3)),
        np.zeros(0),
    )
    rotation = turn_upright(opposed).rotation
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1)


def test_a_similarity_moves_points_and_cameras_together() -> None:
    before, after = scene_of(ARC), shaken(scene_of(ARC), 3)
    for old, new in zip(before.views, after.views, strict=True):
        one, two = old.camera_points(before.points), new.camera_points(after.points)
        np.testing.assert_allclose(one[:, :2] / one[:, 2:], two[:, :2] / two[:, 2:], atol=1e-9)


def gps_of(scene: Scene, origin: Origin, noise_m: float = 0.0, seed: int = 0) -> dict[str, tuple[float, float]]:
    rng = np.random.default_rng(seed)
    return {v.photo: origin.locate(v.centre + rng.normal(0, noise_m, 3) * [1, 0, 1])[:2] for v in scene.views}


@pytest.mark.parametrize("stands", [ARC, RING, WALK], ids=["arc", "ring", "street"])
def test_gps_gives_metres_and_north(stands: tuple[Stand, ...]) -> None:
    true = scene_of(stands)
    found = settle(shaken(true, 2), gps_of(true, PALMYRA), None)
    assert found.metric == "gps"
    back = align(found.centres, true.centres)
    assert back.scale == pytest.approx(1, abs=0.01)
    north = back.rotation @ [0, 0, -1]
    assert np.degrees(np.arctan2(north[0], -north[2])) == pytest.approx(0, abs=0.5)
    assert np.percentile(found.points[:, 1], 1) == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(np.median(found.points[:, [0, 2]], axis=0), 0, atol=1e-6)


def test_gps_that_is_metres_off_still_gives_the_scale() -> None:
    true = scene_of(RING)
    for seed in range(5):
        found = settle(shaken(true, seed), gps_of(true, PALMYRA, noise_m=2.0, seed=seed), None)
        assert found.metric == "gps"
        assert align(found.centres, true.centres).scale == pytest.approx(1, abs=0.06)


def test_a_position_that_is_wildly_wrong_does_not_count() -> None:
    true = scene_of(RING)
    gps = gps_of(true, PALMYRA)
    gps["004"] = (gps["004"][0] + 0.02, gps["004"][1])  # two kilometres
    gps["017"] = (33.5, 36.3)  # Damascus
    found = settle(shaken(true), gps, None)
    assert align(found.centres, true.centres).scale == pytest.approx(1, abs=0.02)


def test_gps_that_does_not_fit_is_no_gps() -> None:
    true = scene_of(RING)
    rng = np.random.default_rng(3)
    gps = {v.photo: (34.55 + rng.normal(0, 3e-4), 38.27 + rng.normal(0, 3e-4)) for v in true.views}
    assert settle(shaken(true), gps, None).metric is None


def test_gps_of_one_spot_or_two_photos_is_no_gps() -> None:
    true = scene_of(RING)
    assert settle(shaken(true), {v.photo: (34.55, 38.27) for v in true.views}, None).metric is None
    few = dict(list(gps_of(true, PALMYRA).items())[:2])
    assert settle(shaken(true), few, None).metric is None


def test_without_a_scale_the_typical_distance_is_ten() -> None:
    found = settle(shaken(scene_of(ARC)), {}, None)
    distance = np.median([np.median(np.linalg.norm(found.points - v.centre, axis=1)) for v in found.views])
    assert found.metric is None
    assert distance == pytest.approx(TYPICAL_DISTANCE)


@pytest.mark.parametrize("with_gps", [False, True])
def test_a_given_scale_is_that_of_the_model_without_it(*, with_gps: bool) -> None:
    true = scene_of(ARC)
    gps = gps_of(true, PALMYRA) if with_gps else {}
    before, after = settle(shaken(true), gps, None), settle(shaken(true), gps, 2.5)
    assert after.metric == "given"
    np.testing.assert_allclose(after.points, 2.5 * before.points, atol=1e-9)
    np.testing.assert_allclose(after.centres, 2.5 * before.centres, atol=1e-9)


def test_metres_around_a_place_are_those_of_the_ellipsoid() -> None:
    places = np.array([[0.0, 0, 0], [100, 0, 0], [0, 0, 100], [-50, 0, -80]])
    for origin in (PALMYRA, Origin(-17.8, 179.9997, 0.0), Origin(64.1, -21.9, 0.0)):
        degrees = np.array([origin.locate(p)[:2] for p in places])
        wrapped = np.column_stack([degrees[:, 0], (degrees[:, 1] + 180) % 360 - 180])
        found = local_metres(wrapped)
        np.testing.assert_allclose(found - found[0], places[:, [0, 2]], atol=0.7)


def test_a_plan_is_fitted() -> None:
    rng = np.random.default_rng(5)
    plan = rng.uniform(-20, 20, (12, 2))
    scale, heading = 3.7, np.radians(130)
    c, s = np.cos(heading), np.sin(heading)
    found = fit_plan(plan, scale * plan @ np.array([[c, s], [-s, c]]) + [500, -300])
    assert found is not None
    assert found[0] == pytest.approx(scale)
    assert found[1] == pytest.approx(heading)
    assert found[2] == pytest.approx(0, abs=1e-6)


def test_views_keep_what_they_see() -> None:
    scene = shaken(scene_of(ARC))
    found = settle(scene, {}, None)
    for one, two in zip(scene.views, found.views, strict=True):
        assert isinstance(two, View)
        assert (one.photo, one.lens) == (two.photo, two.lens)
        assert np.array_equal(one.point_index, two.point_index)
