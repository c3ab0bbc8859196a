"""What a view sees of walls that stand before and behind each other."""

from __future__ import annotations

import numpy as np
from meshes import facing, grid

from tadmor.engine.scene import F64, I32, Lens
from tadmor.engine.surface.visibility import look

LENS = Lens(240, 180, 200.0, 119.5, 89.5)


def walls() -> tuple[F64, I32, I32]:
    """A wall of 8 x 6 at z = 0, and half a wall before its left half at z = 1; and which faces are the second."""
    back, back_faces = grid(8, 6)
    front, front_faces = grid(4, 6)
    faces = np.concatenate([back_faces, front_faces + len(back)]).astype(np.int32)
    return (
        np.concatenate([back, front + np.array([0, 0, 1.0])]),
        faces,
        np.arange(len(back_faces), len(faces), dtype=np.int32),
    )


def test_the_front_is_seen_and_what_it_hides_is_not() -> None:
    vertices, faces, front = walls()
    view = facing((4, 3, 12), (4, 3, 0), LENS)
    sight = look(vertices, faces, LENS, view.rotation, view.translation)
    assert set(front.tolist()) <= set(sight.faces.tolist())
    middle = vertices[faces].mean(1)
    hidden = np.flatnonzero((middle[:, 2] == 0) & (middle[:, 0] < 3.4))
    beside = np.flatnonzero((middle[:, 2] == 0) & (middle[:, 0] > 4.2))
    assert not set(hidden.tolist()) & set(sight.faces.tolist())
    assert set(beside.tolist()) <= set(sight.faces.tolist())


def test_from_behind_nothing_is_seen() -> None:
    vertices, faces, _ = walls()
    view = facing((4, 3, -12), (4, 3, 0), LENS)
    assert len(look(vertices, faces, LENS, view.rotation, view.translation).faces) == 0


def test_depth_and_image_points_are_the_views() -> None:
    vertices, faces = grid(8, 6)
    view = facing((6, 2, 11), (4, 3, 0), LENS)
    sight = look(vertices, faces, LENS, view.rotation, view.translation)
    corners = view.camera_points(vertices[faces[sight.faces]].reshape(-1, 3))
    pixels = LENS.distort(corners[:, :2] / corners[:, 2:]).reshape(-1, 3, 2)
    np.testing.assert_allclose(sight.image_points, pixels.mean(1), atol=1e-2)
    column, row = np.rint(sight.image_points).astype(int).T
    np.testing.assert_allclose(sight.depth[row, column], corners[:, 2].reshape(-1, 3).mean(1), rtol=0.01)


def test_nearer_and_straighter_is_better() -> None:
    vertices, faces = grid(8, 6)
    inner = 2 * (3 * 8 + 4)  # a face in the middle, far from edges

    def quality(position: tuple[float, float, float]) -> float:
        view = facing(position, (4.3, 3.3, 0), LENS)
        sight = look(vertices, faces, LENS, view.rotation, view.translation)
        return float(sight.quality[sight.faces == inner][0])

    straight, far, slanted = quality((4.3, 3.3, 8)), quality((4.3, 3.3, 16)), quality((4.3 + 8 * 0.866, 3.3, 4))
    np.testing.assert_allclose(straight / far, 4, rtol=0.1)  # area in pixels
    np.testing.assert_allclose(straight / slanted, 4, rtol=0.2)  # half the area, half the cosine


def test_faces_at_the_picture_border_are_not_seen() -> None:
    vertices, faces = grid(8, 6)
    view = facing((4, 3, 4), (4, 3, 0), LENS)
    sight = look(vertices, faces, LENS, view.rotation, view.translation)
    corners = view.camera_points(vertices[faces[sight.faces]].reshape(-1, 3))
    pixels = LENS.distort(corners[:, :2] / corners[:, 2:])
    assert (pixels >= 1).all()
    assert (pixels <= [LENS.width - 2, LENS.height - 2]).all()
    assert 10 < len(sight.faces) < len(faces)
