"""The rasteriser against an independent ray caster (Embree), and its fill rule against counting."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from trimesh.ray.ray_pyembree import RayMeshIntersector

from tadmor.engine.scene import F32, F64, I32, Bool
from tadmor.engine.surface.raster import barycentrics, rasterise

WIDTH, HEIGHT, FOCAL, CX, CY = 320, 213, 260.0, 161.3, 104.2


def draw(points: F32, faces: I32, *, near: float = 1e-3) -> tuple[F32, I32]:
    return rasterise(points, faces, FOCAL, CX, CY, WIDTH, HEIGHT, near=near)


def rays() -> F64:
    column, row = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    return np.stack([(column - CX) / FOCAL, (row - CY) / FOCAL, np.ones(column.shape)], -1)


def cast(points: F32, faces: I32) -> tuple[F64, I32]:
    """Depth and face images by casting a ray through every pixel centre."""
    caster = RayMeshIntersector(trimesh.Trimesh(points, faces, process=False))
    direction = rays().reshape(-1, 3)
    hit, ray, where = caster.intersects_id(
        np.zeros_like(direction), direction, return_locations=True, multiple_hits=False
    )
    face = np.full(len(direction), -1, np.int32)
    depth = np.zeros(len(direction))
    face[ray], depth[ray] = hit, where[:, 2]
    return depth.reshape(HEIGHT, WIDTH), face.reshape(HEIGHT, WIDTH)


def grid(n: int, *, seed: int, relief: float) -> tuple[F32, I32]:
    """A wavy wall of 2 (n - 1)^2 triangles across the whole view, about 8 away."""
    x, y = np.meshgrid(np.linspace(-6, 6, n), np.linspace(-5, 5, n))
    z = 8 + relief * (np.sin(3 * x) + np.cos(4 * y) + np.random.default_rng(seed).normal(0, 0.3, x.shape))
    i = np.arange(n * n).reshape(n, n)
    a, b, c, d = i[:-1, :-1].ravel(), i[:-1, 1:].ravel(), i[1:, 1:].ravel(), i[1:, :-1].ravel()
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, d, c], 1)])  # the two halves wind differently
    return np.stack([x, y, z], -1).reshape(-1, 3).astype(np.float32), faces.astype(np.int32)


def soup(n: int, *, seed: int) -> tuple[F32, I32]:
    rng = np.random.default_rng(seed)
    middle = np.stack([rng.uniform(-6, 6, n), rng.uniform(-4, 4, n), rng.uniform(2, 12, n)], 1)
    points = middle[:, None] + rng.normal(0, 0.4, (n, 3, 3))
    return points.reshape(-1, 3).astype(np.float32), np.arange(3 * n, dtype=np.int32).reshape(n, 3)


def around_the_camera() -> tuple[F32, I32]:
    """A ground of two triangles that reach far behind the camera, a wall beside it and a slanted roof over it."""
    points = [[-90, 1.6, -80], [90, 1.6, -80], [90, 1.6, 95], [-90, 1.6, 95]]
    points += [[0.9, -3, -5], [0.9, 1.6, -5], [1.1, 1.6, 30], [1.1, -3, 30]]
    points += [[-9, -1, -4], [3, -2, -4], [-1, -4, 40]]
    faces = [[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7], [8, 9, 10]]
    return np.array(points, np.float32), np.array(faces, np.int32)


def grazing() -> tuple[F32, I32]:
    """Floors seen under angles down to a hundredth of a degree, and needles."""
    points, faces = [], []
    for i, drop in enumerate((0.002, 0.02, 0.2)):
        points += [[-4 + 3 * i, drop, 1], [-2 + 3 * i, drop, 1], [-3 + 3 * i, drop, 50]]
        faces.append([3 * i, 3 * i + 1, 3 * i + 2])
    for i in range(40):
        x = -2 + 0.1 * i
        points += [[x, -2, 4], [x + 0.004, -2, 4], [x + 1, 1, 9]]
        faces.append([9 + 3 * i, 10 + 3 * i, 11 + 3 * i])
    return np.array(points, np.float32), np.array(faces, np.int32)


def away_from_outlines(face: I32) -> Bool:
    """Pixels whose eight neighbours see the same face."""
    same = np.zeros(face.shape, bool)
    middle = face[1:-1, 1:-1]
    same[1:-1, 1:-1] = True
    for dy in range(3):
        for dx in range(3):
            same[1:-1, 1:-1] &= face[dy : dy + HEIGHT - 2, dx : dx + WIDTH - 2] == middle
    return same


SCENES = {
    "wall": grid(60, seed=1, relief=0.2),
    "folded wall": grid(40, seed=2, relief=1.5),
    "fine wall": grid(250, seed=3, relief=0.05),
    "soup": soup(3000, seed=4),
    "around the camera": around_the_camera(),
    "grazing": grazing(),
}


@pytest.mark.parametrize("name", SCENES)
def test_agrees_with_a_ray_caster(name: str) -> None:
    points, faces = SCENES[name]
    depth, face = draw(points, faces)
    true_depth, true_face = cast(points, faces)
    assert (true_face >= 0).mean() > 0.01
    assert (face == true_face).mean() > 0.999
    agree = (face == true_face) & (face >= 0)
    assert np.abs(depth[agree] / true_depth[agree] - 1).max() < 2e-4  # Embree's single precision under grazing angles
    inside = away_from_outlines(true_face)
    assert np.array_equal(face[inside], true_face[inside])
    assert np.array_equal(depth > 0, face >= 0)


@pytest.mark.parametrize("name", SCENES)
def test_depth_lies_on_the_plane_of_the_face(name: str) -> None:
    points, faces = SCENES[name]
    depth, face = draw(points, faces)
    seen = face >= 0
    corner = points[faces[face[seen]]].astype(float)
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    expected = (normal * corner[:, 0]).sum(1) / (normal * rays()[seen]).sum(1)
    np.testing.assert_allclose(depth[seen], expected, rtol=1e-6)


@pytest.mark.parametrize("name", SCENES)
def test_weights_rebuild_the_point_that_the_pixel_sees(name: str) -> None:
    points, faces = SCENES[name]
    depth, face = draw(points, faces)
    weights = barycentrics(points, faces, face, FOCAL, CX, CY)
    seen = face >= 0
    assert weights.shape == (HEIGHT, WIDTH, 2)
    assert not weights[~seen].any()
    u, v = weights[seen].astype(float).T
    assert min(u.min(), v.min(), (1 - u - v).min()) > -1e-6
    corner = points[faces[face[seen]]].astype(float)
    rebuilt = corner[:, 0] * (1 - u - v)[:, None] + corner[:, 1] * u[:, None] + corner[:, 2] * v[:, None]
    size = np.abs(corner).max((1, 2))[:, None]
    assert np.abs((rebuilt - rays()[seen] * depth[seen, None]) / size).max() < 1e-6


def closed_fan(corners: NDArray[np.float64]) -> tuple[F32, I32]:
    """Triangles from a middle point to a polygon, all on one plane."""
    n = len(corners)
    points = np.concatenate([corners.mean(0, keepdims=True), corners])
    faces = np.stack([np.zeros(n), 1 + np.arange(n), 1 + (np.arange(n) + 1) % n], 1)
    return points.astype(np.float32), faces.astype(np.int32)


def test_every_pixel_of_a_tiling_is_drawn_by_exactly_one_triangle() -> None:
    # corners and edges lie exactly on pixel centres: focal 64 and depth 64 make image points integers
    x, y = np.meshgrid(np.arange(-32.0, 33.0, 8), np.arange(-24.0, 25.0, 8))
    n, m = x.shape
    points = np.stack([x, y, np.full(x.shape, 64.0)], -1).reshape(-1, 3).astype(np.float32)
    i = np.arange(n * m).reshape(n, m)
    a, b, c, d = i[:-1, :-1].ravel(), i[:-1, 1:].ravel(), i[1:, 1:].ravel(), i[1:, :-1].ravel()
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, d, c], 1)]).astype(np.int32)
    drawn = np.zeros((48, 64), int)
    for one in faces:
        drawn += rasterise(points, one[None], 64.0, 32.0, 24.0, 64, 48)[1] >= 0
    assert (drawn[1:-1, 1:-1] == 1).all()
    assert drawn.max() == 1


@pytest.mark.parametrize("seed", range(4))
def test_no_cracks_between_slivers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * np.pi, 4000))
    rim = np.stack([5 * np.cos(angle), 5 * np.sin(angle), 4 + rng.normal(0, 0.2, angle.size)], 1)
    points, faces = closed_fan(rim)
    _, face = draw(points, faces)
    assert (face >= 0).all()


def test_near_plane_hides_what_is_too_close() -> None:
    points, faces = around_the_camera()
    depth, _ = draw(points, faces, near=6.0)
    assert depth[depth > 0].min() >= 6.0 * (1 - 1e-6)
    whole, _ = draw(points, faces)
    ground = whole >= 6.0 * (1 + 1e-6)
    assert np.array_equal(depth[ground], whole[ground])


def test_nothing_behind_the_camera_is_drawn() -> None:
    points, faces = grid(20, seed=0, relief=0.2)
    depth, face = draw(-points, faces)
    assert not depth.any()
    assert (face == -1).all()


def test_an_empty_mesh_gives_an_empty_picture() -> None:
    depth, face = draw(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    assert depth.shape == face.shape == (HEIGHT, WIDTH)
    assert (face == -1).all()


def test_degenerate_faces_are_skipped() -> None:
    points = np.array([[0, 0, 3], [1, 1, 3], [2, 2, 3], [0, 0, 3]], np.float32)
    _, face = draw(points, np.array([[0, 1, 2], [0, 0, 1], [0, 3, 2], [1, 1, 1]], np.int32))
    assert (face == -1).all()


def test_threads_give_the_same_answer() -> None:
    points, faces = SCENES["soup"]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: draw(points, faces), range(4)))
    for depth, face in answers[1:]:
        assert np.array_equal(depth, answers[0][0])
        assert np.array_equal(face, answers[0][1])
