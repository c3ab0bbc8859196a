"""Printable solids: their closure by trimesh, their size, place and thickness by construction of the surfaces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from tadmor.media.printable import printable, write_printable_stl
from tadmor.media.shell_field import rim_points, sample_triangles

HEIGHT = 40.0  # mm
CELL = 0.4


def relief(columns: int, rows: int, width: float, height: float) -> trimesh.Trimesh:
    """A surface of a facade that is seen from +z, with bumps of 0.1 of the height's unit."""
    x, y = np.meshgrid(np.linspace(-width / 2, width / 2, columns), np.linspace(0, height, rows))
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return trimesh.Trimesh(np.stack([x, y, bumps(x, y)], -1).reshape(-1, 3), faces, process=False)


def bumps(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.1 * np.sin(2 * x) * np.cos(1.5 * y)


def bumpy_plane() -> trimesh.Trimesh:
    return relief(150, 120, 10, 8)


def box_facade_with_holes() -> trimesh.Trimesh:
    """Front and two side walls, seen from outside, with ragged holes and upper edge."""
    box = trimesh.creation.box([8, 8, 4]).subdivide_loop(0)
    for _ in range(5):
        box = box.subdivide()
    box.apply_translation([0, 4, 0])
    middle, normal = box.triangles_center, box.face_normals
    kept = (normal[:, 2] > -0.5) & (np.abs(normal[:, 1]) < 0.5) & (middle[:, 1] < 7 + 0.5 * np.sin(5 * middle[:, 0]))
    for x, y, radius in [(0, 3, 1), (-2, 5, 0.4), (2, 2, 0.2), (3.9, 4, 0.5)]:
        kept &= np.hypot(middle[:, 0] - x, middle[:, 1] - y) > radius
    box.update_faces(kept)
    return box


def arch() -> trimesh.Trimesh:
    """A gateway: half an annulus on two legs, 2 deep, open at the bottom and at the back."""
    angle = np.linspace(0, np.pi, 40)
    ring = [(r * np.cos(angle), 4 + r * np.sin(angle)) for r in (2.0, 3.5)]
    rim = [
        np.concatenate([[[x[0], 0]], np.stack([x, y], 1), [[x[-1], 0]]]) for x, y in ring
    ]  # the inner and the outer outline, from right to left
    inner, outer = (np.concatenate([np.c_[o, np.full(len(o), z)] for z in (1, -1)]) for o in rim)
    n = len(rim[0])
    i = np.arange(n - 1)
    vertices = np.concatenate([inner, outer])
    j = 2 * n + i  # the outer outline's front
    quads = np.concatenate(
        [
            np.stack([i, j, j + 1, i + 1], 1),  # front
            np.stack([i, i + 1, i + 1 + n, i + n], 1),  # intrados
            np.stack([j, j + n, j + n + 1, j + 1], 1),  # extrados
        ]
    )
    return trimesh.Trimesh(vertices, quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3), process=False)


def two_pieces() -> trimesh.Trimesh:
    """A closed column beside a lower one whose ragged foot hangs a little above the ground."""
    column, stump = trimesh.creation.cylinder(1, 8, sections=40), trimesh.creation.cylinder(1.5, 3, sections=40)
    for piece, x, y in ((column, -3, 4), (stump, 3, 1.7)):
        piece.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
        piece.apply_translation([x, y, 0])
    return trimesh.util.concatenate([column, stump])


SHAPES = {"box": box_facade_with_holes, "plane": bumpy_plane, "arch": arch, "two pieces": two_pieces}


def make(surface: trimesh.Trimesh, max_cells: int = 512) -> trimesh.Trimesh:
    vertices, faces = printable(surface.vertices, surface.faces.astype(np.int32), height_mm=HEIGHT, max_cells=max_cells)
    assert vertices.dtype == np.float32
    assert faces.dtype == np.int32
    return trimesh.Trimesh(vertices, faces, process=False)


@pytest.fixture(scope="module")
def solids() -> dict[str, trimesh.Trimesh]:
    return {name: make(shape()) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("name", SHAPES)
def test_it_is_one_closed_solid_of_the_height_standing_flat(solids: dict[str, trimesh.Trimesh], name: str) -> None:
    solid = solids[name]
    assert solid.is_watertight
    assert solid.is_winding_consistent
    assert solid.volume > 0
    assert solid.body_count == 1
    assert solid.bounds[1, 2] == HEIGHT
    assert solid.bounds[0, 2] == 0
    # The plate's lower side is flat and as large as the whole seen from above, up to its rounded rim.
    flat = (solid.triangles[:, :, 2] == 0).all(1)
    assert (solid.face_normals[flat] @ [0, 0, -1]).min() > 0.999
    extent = solid.extents
    assert solid.area_faces[flat].sum() > (extent[0] - 3 * CELL) * (extent[1] - 3 * CELL)


def test_the_seen_side_stays_where_it_was_and_the_wall_lies_behind(solids: dict[str, trimesh.Trimesh]) -> None:
    # The surface starts at three quarters of the plate of 2 mm, and a voxel is left for the growth of the upper rim. At
    # the end the whole is scaled to the exact height; the plate's width, known before, tells by how much.
    whole = (HEIGHT - 1.5) / 8
    scale = whole * (1 - CELL / HEIGHT)
    final = solids["plane"].extents[0] / (10 * whole + 2 * 2.2)
    assert 0.99 < final < 1.01
    x, z = (part.ravel() for part in np.meshgrid(np.linspace(-20, 20, 30), np.linspace(5, 35, 30)))
    depth_mm = -bumps(x / scale / final, (z / final - 1.5) / scale) * scale * final
    front = np.stack([x, np.full_like(x, -50), z], 1)
    hits, rays, _ = solids["plane"].ray.intersects_location(front, np.tile([0.0, 1, 0], (len(front), 1)))
    order = np.lexsort((hits[:, 1], rays))
    hits, rays = hits[order], rays[order]
    assert np.array_equal(rays, np.repeat(np.arange(len(front)), 2))  # in and out again, each time
    assert np.abs(hits[::2, 1] - depth_mm).max() < 0.25 * CELL
    assert np.sqrt(((hits[::2, 1] - depth_mm) ** 2).mean()) < 0.05 * CELL
    thickness = hits[1::2, 1] - hits[::2, 1]  # along y, where the surface is up to 11 degrees oblique
    assert thickness.min() > 1.2
    assert thickness.max() < 1.2 / np.cos(np.radians(12)) + 0.4 * CELL


def test_holes_and_openings_stay_open(solids: dict[str, trimesh.Trimesh]) -> None:
    scale = (HEIGHT - 1.5) / 7.5
    through = {"box": [(0, 3), (0.5, 3), (0, 3.5)], "arch": [(0, 1), (0, 5), (1.6, 2), (0, 5.7)]}
    for name, points in through.items():
        origins = [[x * scale, -50, 1.5 + y * scale] for x, y in points]
        assert not solids[name].ray.intersects_any(origins, [[0, 1, 0]] * len(origins)).any()


def test_a_closed_body_is_filled_to_its_volume() -> None:
    ball = trimesh.creation.icosphere(4, radius=5)
    solid = make(ball)
    radius = (HEIGHT - 1.5) / 2
    cap = np.pi * 0.5**2 * (radius - 0.5 / 3)  # what the plate holds of it
    base = solid.extents[0] * solid.extents[1] * 2.0
    assert solid.volume == pytest.approx(4 / 3 * np.pi * radius**3 + base - cap, rel=0.01)


def test_a_room_with_a_small_hole_is_filled_and_one_with_a_door_is_not() -> None:
    volumes = []
    for hole in (0.0, 0.3, 2.0):  # radius; 40 mm stand for 10 units
        room = trimesh.creation.icosphere(5, radius=5)
        away = np.hypot(room.triangles_center[:, 0], room.triangles_center[:, 1])
        room.update_faces((away >= hole) | (room.triangles_center[:, 2] < 0))
        volumes.append(make(room).volume)
    assert volumes[1] == pytest.approx(volumes[0], rel=0.01)
    assert volumes[2] < volumes[0] / 2


@pytest.mark.parametrize("thickness_mm", [0.05, 0.3, 0.6, 0.9, 2.5])
def test_thin_walls_are_brought_to_the_least_thickness_and_thick_ones_kept(thickness_mm: float) -> None:
    slab = trimesh.creation.box([8, 8, thickness_mm / ((HEIGHT - 1.5) / 8)])
    solid = make(slab)
    x, z = (part.ravel() for part in np.meshgrid(np.linspace(-15, 15, 20), np.linspace(8, 35, 20)))
    hits, rays, _ = solid.ray.intersects_location(np.stack([x, np.full_like(x, -50), z], 1), [[0.0, 1, 0]] * len(x))
    inwards = np.full(len(x), np.inf)
    np.minimum.at(inwards, rays, hits[:, 1])
    outwards = np.full(len(x), -np.inf)
    np.maximum.at(outwards, rays, hits[:, 1])
    assert (outwards - inwards).min() > max(1.2, thickness_mm - 0.1 * CELL)
    assert (outwards - inwards).max() < max(1.2, thickness_mm) + 0.75 * CELL


def test_noise_around_changes_neither_the_size_nor_the_number_of_bodies(solids: dict[str, trimesh.Trimesh]) -> None:
    rng = np.random.default_rng(0)
    noise = [
        trimesh.creation.icosphere(1, radius=0.05).apply_translation(rng.uniform([-20, -15, -9], [20, 30, 9]))
        for _ in range(30)
    ]
    clean, noisy = solids["plane"], make(trimesh.util.concatenate([bumpy_plane(), *noise]))
    assert noisy.body_count == 1
    assert np.allclose(noisy.bounds, clean.bounds, atol=0.05)
    assert noisy.volume == pytest.approx(clean.volume, rel=0.02)


def test_what_floats_is_dropped_and_what_stands_is_kept(solids: dict[str, trimesh.Trimesh]) -> None:
    floating = trimesh.creation.box([2, 2, 2]).apply_translation([3, 6, 0])
    solid = make(trimesh.util.concatenate([two_pieces(), floating]))
    assert solid.volume == pytest.approx(solids["two pieces"].volume, rel=0.01)
    column, stump = ((-3, 7), (3, 2.5))
    scale = (HEIGHT - 1.5) / 8
    inside = [[x * scale, 0, 1.5 + y * scale] for x, y in (column, stump)]
    assert solid.contains(inside).all()


def test_faces_turned_at_random_still_give_a_closed_solid() -> None:
    surface = box_facade_with_holes()
    turned = np.random.default_rng(0).random(len(surface.faces)) < 0.5
    surface.faces = np.where(turned[:, None], surface.faces[:, ::-1], surface.faces)
    solid = make(surface)
    assert solid.is_watertight
    assert solid.is_winding_consistent
    assert solid.bounds[:, 2].tolist() == [0, HEIGHT]


def test_y_up_becomes_z_up_without_mirroring() -> None:
    """A wall seen from +z with a high post nearer at +x: the post ends up at +x, and the seen side looks to -y."""
    wall = relief(60, 30, 8, 2)
    post = relief(10, 60, 1, 8).apply_translation([3.5, 0, 1])
    solid = make(trimesh.util.concatenate([wall, post]))
    top = solid.vertices[solid.vertices[:, 2] > 0.9 * HEIGHT]
    assert top[:, 0].min() > 0
    assert top[:, 1].max() < 0


def test_large_models_get_larger_voxels(solids: dict[str, trimesh.Trimesh]) -> None:
    coarse = make(bumpy_plane(), max_cells=40)
    assert coarse.is_watertight
    assert len(coarse.faces) < len(solids["plane"].faces) / 4


def test_the_stl_holds_it(tmp_path: Path, solids: dict[str, trimesh.Trimesh]) -> None:
    shape = arch()
    write_printable_stl(tmp_path / "a.stl", shape.vertices, shape.faces.astype(np.int32), height_mm=HEIGHT)
    read = trimesh.load_mesh(tmp_path / "a.stl")
    assert read.is_watertight
    assert np.array_equal(read.bounds, solids["arch"].bounds)


@pytest.mark.parametrize(
    ("vertices", "faces", "height_mm", "message"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3)), 40.0, "there is no surface"),
        (np.zeros((3, 3)), [[0, 1, 2]], 40.0, "there is no surface"),
        (np.array([[0.0, 0, 0], [1, 0, 0], [0, 0, 1]]), [[0, 1, 2]], 40.0, "the surface has no height"),
        (np.eye(3), [[0, 1, 2]], 5.0, "5.0 mm are too low for a plate of 2.0 mm and walls of 1.2 mm"),
    ],
)
def test_what_cannot_be_printed_is_refused(
    vertices: NDArray[np.float64], faces: object, height_mm: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        printable(vertices, np.array(faces, np.int32), height_mm=height_mm)


def test_rims_are_the_edges_of_one_triangle() -> None:
    ball = trimesh.creation.icosphere(3, radius=20)
    assert len(rim_points(ball.triangles.astype(np.float32))) == 0
    sheet = bumpy_plane()
    rim = rim_points((sheet.triangles * 5).astype(np.float32)) / 5  # 50 x 40 voxels
    x, y = rim[:, 0], rim[:, 1]
    assert np.minimum(5 - np.abs(x), np.minimum(np.abs(y), np.abs(y - 8))).max() < 1e-5
    for side in (x > 4.9, x < -4.9, y < 0.1, y > 7.9):
        ends = (y if np.ptp(x[side]) < 0.2 else x)[side]
        assert np.diff(np.sort(ends)).max() < 0.3
    quad = np.array([[[0, 0, 0], [1, 0, 0], [1, 1, 0]], [[0.001, 0, 0], [1, 1, 0.001], [0, 1, 0]]]) * 8.9
    assert len(rim_points(quad.astype(np.float32))) == 4 * 9  # not the diagonal, whose ends differ by less than 1/32


def test_samples_are_dense_and_few_on_slivers() -> None:
    triangles = np.array([[[0, 0, 0], [30, 0, 0], [0, 20, 0]], [[0, 0, 5], [100, 0, 5], [50, 0.01, 5]]], np.float32)
    samples = sample_triangles(triangles, 0.7)
    large, sliver = samples.face == 0, samples.face == 1
    assert samples.areas[large].sum() == pytest.approx(300, rel=1e-4)
    assert np.allclose(samples.normals, [0, 0, 1])
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 500, 1))
    inside = np.where(a + b > 1, 1 - a, a) * triangles[0, 1] + np.where(a + b > 1, 1 - b, b) * triangles[0, 2]
    distance = np.linalg.norm(inside[:, None] - samples.points[large][None], axis=2).min(1)
    assert distance.max() < 0.7
    assert large.sum() < 2 * 300 / 0.7**2
    assert 100 / 0.7 / 2 < sliver.sum() < 2 * 100 / 0.7
    assert samples.areas[sliver].sum() == pytest.approx(0.5, rel=1e-3)
    for face in (0, 1):
        mean = np.average(samples.points[samples.face == face], axis=0, weights=samples.areas[samples.face == face])
        assert np.allclose(mean, triangles[face].mean(0), atol=1e-3)
