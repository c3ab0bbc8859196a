"""Comparisons with the truth, on reconstructions whose errors are known because they were put there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from tadmor.engine.scene import F64, I32, Lens, View
from tadmor.engine.synthetic.cameras import arc
from tadmor.engine.synthetic.distance import distance_to_mesh
from tadmor.engine.synthetic.monument import Monument, built
from tadmor.engine.synthetic.solids import Material, box, join
from tadmor.engine.synthetic.truth import (
    Similarity,
    Truth,
    align,
    compare_cameras,
    compare_surface,
    seen_count,
)

TURN = Rotation.from_euler("xyz", [20, -35, 110], degrees=True).as_matrix()
SHIFT = np.array([3.0, -7.0, 40.0])
SCALE = 0.037
UNCHANGED = Similarity(1.0, np.eye(3), np.zeros(3))


@pytest.fixture(scope="module")
def truth() -> Truth:
    tower = box((-1, 0, -1), (1, 4, 1), Material.ASHLAR)
    ground = box((-30, -1, -30), (30, 0, 30), Material.SAND)
    monument = built("tower", join(tower, ground), np.array([[-1.5, 0.1, -1.5], [1.5, 5, 1.5]]), 0)
    lens = Lens(300, 200, 240.0, 149.5, 99.5)
    stands = arc(12, radius=9.0, degrees=330.0, height=2.5, target=(0.0, 2.0, 0.0))
    return Truth(monument, Path(), tuple(s.view(f"{i}.jpg", lens) for i, s in enumerate(stands)))


def in_another_frame(view: View) -> View:
    """The same camera where the world is turned, shifted and scaled: x_new = SCALE TURN x + SHIFT."""
    rotation = view.rotation @ TURN.T
    return replace(view, rotation=rotation, translation=-rotation @ (SCALE * TURN @ view.centre + SHIFT))


def test_alignment_undoes_a_known_similarity() -> None:
    points = np.random.default_rng(0).normal(size=(7, 3)) * [5, 1, 3]
    found = align(SCALE * points @ TURN.T + SHIFT, points)
    assert found.scale == pytest.approx(1 / SCALE)
    np.testing.assert_allclose(found.rotation, TURN.T, atol=1e-12)
    np.testing.assert_allclose(found.apply(SCALE * points @ TURN.T + SHIFT), points, atol=1e-9)


def test_alignment_never_mirrors() -> None:
    points = np.random.default_rng(1).normal(size=(9, 3))
    assert np.linalg.det(align(points * [1, 1, -1], points).rotation) == pytest.approx(1)


def test_a_perfect_reconstruction_has_no_error(truth: Truth) -> None:
    errors = compare_cameras(truth, [in_another_frame(v) for v in truth.views[2:]])
    assert errors.centre_m.max() < 1e-9
    assert errors.rotation_deg.max() < 1e-7
    assert errors.missing == ("0.jpg", "1.jpg")
    assert errors.names == tuple(v.name for v in truth.views[2:])


def test_a_camera_that_was_turned_shows_by_how_much(truth: Truth) -> None:
    views = [in_another_frame(v) for v in truth.views]
    nudge = Rotation.from_rotvec(np.radians([0, 0.25, 0])).as_matrix()
    far = Rotation.from_rotvec(np.radians([0, 0, 170])).as_matrix()
    for i, turn in ((4, nudge), (6, far)):
        centre = views[i].centre
        rotation = turn @ views[i].rotation
        views[i] = replace(views[i], rotation=rotation, translation=-rotation @ centre)
    errors = compare_cameras(truth, views)
    expected = np.zeros(len(views))
    expected[[4, 6]] = 0.25, 170
    np.testing.assert_allclose(errors.rotation_deg, expected, atol=1e-6)
    assert errors.centre_m.max() < 1e-9


def test_centres_that_were_moved_show_by_how_much(truth: Truth) -> None:
    rng = np.random.default_rng(2)
    offset = rng.normal(0, 0.02, (len(truth.views), 3))
    moved = [replace(v, translation=-v.rotation @ (v.centre + o)) for v, o in zip(truth.views, offset, strict=True)]
    errors = compare_cameras(truth, [in_another_frame(v) for v in moved])
    size = np.linalg.norm(offset, axis=1)
    # the alignment takes up seven of the 36 degrees of freedom
    assert 0.7 * np.sqrt((size**2).mean()) < np.sqrt((errors.centre_m**2).mean()) < np.sqrt((size**2).mean())


def test_two_views_are_too_few(truth: Truth) -> None:
    with pytest.raises(ValueError, match="three views"):
        compare_cameras(truth, truth.views[:2])


def test_unknown_photos_are_refused(truth: Truth) -> None:
    with pytest.raises(KeyError):
        compare_cameras(truth, [replace(v, name="else.jpg") for v in truth.views])


@pytest.mark.parametrize(("count", "size", "reach"), [(300, 1.0, 5.0), (3000, 0.05, 0.4), (300, 30.0, 1.0)])
def test_distance_to_a_mesh_agrees_with_trimesh(count: int, size: float, reach: float) -> None:
    rng = np.random.default_rng(3)
    corners = rng.uniform(-2, 2, (count, 1, 3)) + size * rng.normal(size=(count, 3, 3))
    corners[:30, 2] = corners[:30, 1]  # faces without an area are lines
    points = rng.uniform(-2, 2, (150, 3))
    faces = np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
    found = distance_to_mesh(points, corners.reshape(-1, 3), faces, reach=reach)
    corners[:30, 2] += 1e-8 * rng.normal(size=(30, 3))  # trimesh divides by the area
    nearest = [trimesh.triangles.closest_point(corners, np.tile(p, (count, 1))) - p for p in points]
    expected = np.array([np.linalg.norm(offset, axis=1).min() for offset in nearest])
    assert (expected < reach).sum() > 20
    np.testing.assert_allclose(found, np.minimum(expected, reach), atol=1e-6)


def test_distance_to_nothing_is_the_reach() -> None:
    none = np.zeros((0, 3))
    assert distance_to_mesh(np.zeros((2, 3)), none, none.astype(np.int32), reach=0.5).tolist() == [0.5, 0.5]
    assert len(distance_to_mesh(none, np.eye(3), np.array([[0, 1, 2]], np.int32), reach=0.5)) == 0


def shell(monument: Monument, *, grown_m: float = 0.0, without: F64 | None = None) -> tuple[F64, I32]:
    """The tower alone, its walls moved outwards, one wall left out if its normal is `without`."""
    size = 1 + grown_m
    mesh = trimesh.creation.box(bounds=[[-size, 0, -size], [size, 4 + grown_m, size]])
    mesh = mesh.subdivide().subdivide()
    faces = mesh.faces if without is None else mesh.faces[mesh.face_normals @ without < 0.9]
    assert monument.name == "tower"
    return np.array(mesh.vertices, float), np.array(faces, np.int32)


def test_the_true_surface_is_complete_and_accurate(truth: Truth) -> None:
    vertices, faces = shell(truth.monument)
    errors = compare_surface(truth, vertices, faces, UNCHANGED, samples=20000)
    assert errors.accuracy_m.max() < 1e-6
    assert errors.completeness_m.max() < 1e-6
    assert errors.f_score(0.001) == 1.0


def test_a_surface_in_another_frame_is_brought_back(truth: Truth) -> None:
    vertices, faces = shell(truth.monument)
    similarity = compare_cameras(truth, [in_another_frame(v) for v in truth.views]).similarity
    errors = compare_surface(truth, SCALE * vertices @ TURN.T + SHIFT, faces, similarity, samples=5000)
    assert errors.accuracy_m.max() < 1e-6


def test_walls_five_centimetres_out_are_five_centimetres_out(truth: Truth) -> None:
    vertices, faces = shell(truth.monument, grown_m=0.05)
    errors = compare_surface(truth, vertices, faces, UNCHANGED, samples=20000)
    assert np.median(errors.accuracy_m) == pytest.approx(0.05, abs=1e-4)
    assert np.median(errors.completeness_m) == pytest.approx(0.05, abs=1e-4)
    assert errors.accuracy(0.04) < 0.01
    assert errors.accuracy(0.08) > 0.99
    assert errors.f_score(0.08) > 0.99


def test_a_missing_wall_costs_completeness_not_accuracy(truth: Truth) -> None:
    vertices, faces = shell(truth.monument, without=np.array([0.0, 0, 1]))
    errors = compare_surface(truth, vertices, faces, UNCHANGED, samples=20000)
    assert errors.accuracy(0.01) == 1.0
    assert 0.6 < errors.completeness(0.01) < 0.85  # one of four walls that the photographs show


def test_what_no_photo_shows_is_not_asked_for(truth: Truth) -> None:
    lit, hidden = np.array([[0.0, 2.0, 1.0]]), np.array([[0.0, -1.0, 0.0]])
    one = replace(truth, views=tuple(v for v in truth.views if v.centre[2] > 5))
    assert seen_count(one, lit, np.array([[0.0, 0, 1]]))[0] == len(one.views) > 0
    assert seen_count(one, hidden, np.array([[0.0, -1, 0]]))[0] == 0
    assert seen_count(one, np.array([[0.0, 2.0, -1.0]]), np.array([[0.0, 0, -1]]))[0] == 0


def test_a_model_somewhere_else_is_refused(truth: Truth) -> None:
    vertices, faces = shell(truth.monument)
    with pytest.raises(ValueError, match="no part of the model"):
        compare_surface(truth, vertices + 100, faces, UNCHANGED, samples=1000)
