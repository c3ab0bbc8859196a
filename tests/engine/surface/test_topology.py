"""Neighbours, pieces and normals of meshes, against trimesh."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from meshes import grid, sphere
from scipy.spatial import Delaunay

from tadmor.engine.scene import F64, I32
from tadmor.engine.surface.topology import (
    edges,
    face_neighbours,
    face_normals,
    face_pieces,
    keep_faces,
    neighbour_mean,
    unit,
    vertex_normals,
)


def sheet(seed: int = 1) -> tuple[F64, I32]:
    """A bumpy open sheet with holes, in several pieces, one vertex out of use."""
    rng = np.random.default_rng(seed)
    flat = rng.random((400, 2))
    faces = Delaunay(flat).simplices.astype(np.int32)
    a, b, c = (flat[faces[:, k]] for k in range(3))
    turned = (b - a)[:, 0] * (c - a)[:, 1] < (b - a)[:, 1] * (c - a)[:, 0]
    faces[turned] = faces[turned][:, ::-1]
    middle = flat[faces].mean(1)
    kept = (np.abs(middle[:, 0] - 0.5) > 0.06) & (np.linalg.norm(middle - [0.2, 0.5], axis=1) > 0.1)
    vertices = np.concatenate([np.column_stack([flat, 0.1 * rng.random(400)]), [[9, 9, 9]]])
    return vertices, faces[kept]


def mesh(vertices: F64, faces: I32) -> trimesh.Trimesh:
    return trimesh.Trimesh(vertices, faces, process=False)


@pytest.mark.parametrize("made", [sheet(), sphere(), grid(7, 5)], ids=["sheet", "sphere", "grid"])
def test_neighbours_are_trimeshs(made: tuple[F64, I32]) -> None:
    vertices, faces = made
    neighbours = face_neighbours(faces)
    found = {(min(f, int(g)), max(f, int(g))) for f, row in enumerate(neighbours) for g in row if g >= 0}
    assert found == {(int(f), int(g)) for f, g in np.sort(mesh(vertices, faces).face_adjacency, axis=1)}
    for f, row in enumerate(neighbours):
        for k, g in enumerate(row):
            edge = {int(faces[f, k]), int(faces[f, (k + 1) % 3])}
            if g >= 0:
                assert edge <= set(faces[g].tolist())
    open_edges = trimesh.grouping.group_rows(np.sort(mesh(vertices, faces).edges, axis=1), require_count=1)
    assert (neighbours < 0).sum() == len(open_edges)


def test_no_face_is_no_mesh() -> None:
    none = np.zeros((0, 3), np.int32)
    assert face_neighbours(none).shape == (0, 3)
    assert face_pieces(none, face_neighbours(none))[0] == 0


def test_pieces_are_trimeshs() -> None:
    vertices, faces = sheet()
    count, piece = face_pieces(faces, face_neighbours(faces))
    expected = trimesh.graph.connected_components(mesh(vertices, faces).face_adjacency, nodes=np.arange(len(faces)))
    assert count == len(expected) >= 2
    assert {frozenset(np.flatnonzero(piece == p).tolist()) for p in range(count)} == {
        frozenset(c.tolist()) for c in expected
    }


def test_pieces_end_where_edges_do_not_hold() -> None:
    _, faces = grid(6, 1)
    neighbours = face_neighbours(faces)
    colour = np.arange(len(faces)) // 6
    count, piece = face_pieces(faces, neighbours, colour[np.maximum(neighbours, 0)] == colour[:, None])
    assert count == 2
    assert len(set(piece[:6])) == len(set(piece[6:])) == 1


def test_face_normals_are_twice_the_area_by_the_right_hand_rule() -> None:
    vertices, faces = sphere()
    normals = face_normals(vertices, faces)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1) / 2, mesh(vertices, faces).area_faces)
    np.testing.assert_allclose(unit(normals), mesh(vertices, faces).face_normals, atol=1e-9)


def test_vertex_normals_of_a_sphere_point_outwards() -> None:
    vertices, faces = sphere(radius=3)
    normals = vertex_normals(vertices, faces)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-9)
    assert ((normals * vertices / 3).sum(1) > 0.9999).all()


def test_vertex_normals_weigh_by_area() -> None:
    vertices = np.array([[0.0, 0, 0], [4, 0, 0], [0, 4, 0], [0, 0, 1], [0, 1, 0]])
    faces = np.array([[0, 1, 2], [0, 3, 4]], np.int32)  # areas 8 along z and 0.5 along -x
    np.testing.assert_allclose(vertex_normals(vertices, faces)[0], unit(np.array([[-0.5, 0, 8]]))[0], atol=1e-9)


def test_a_vertex_out_of_use_has_no_normal() -> None:
    vertices, faces = sheet()
    assert vertex_normals(vertices, faces)[-1].tolist() == [0, 0, 0]


def test_neighbour_mean_is_the_mean_of_trimeshs_neighbours() -> None:
    vertices, faces = sheet()
    mean = neighbour_mean(len(vertices), faces) @ vertices
    expected = np.array(
        [vertices[list(n)].mean(0) if n else np.zeros(3) for n in mesh(vertices, faces).vertex_neighbors]
    )
    np.testing.assert_allclose(mean, expected, atol=1e-6)


def test_kept_faces_are_the_same_triangles() -> None:
    vertices, faces = sheet()
    keep = np.random.default_rng(2).random(len(faces)) < 0.5
    fewer, kept, old = keep_faces(vertices, faces, keep)
    np.testing.assert_array_equal(fewer[kept], vertices[faces[keep]])
    np.testing.assert_array_equal(vertices[old], fewer)
    assert len(np.unique(kept)) == len(fewer)


def test_edges_are_all_edges() -> None:
    _, faces = grid(2, 1)
    assert sorted(map(tuple, edges(faces).tolist())) == sorted(
        (int(f[k]), int(f[(k + 1) % 3])) for f in faces for k in range(3)
    )
