"""Small meshes whose properties are known."""

from __future__ import annotations

import numpy as np

from tadmor.engine.scene import F64, I32, Lens, View


def grid(columns: int, rows: int, *, cell: float = 1.0) -> tuple[F64, I32]:
    """A flat sheet of columns x rows squares, two faces each, in z = 0, seen counter-clockwise from +z.

    The faces of the square (column, row) are 2 * (row * columns + column) and the next.
    """
    x, y = np.meshgrid(np.arange(columns + 1) * cell, np.arange(rows + 1) * cell)
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    corner = (np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)).ravel()
    right, above, across = corner + 1, corner + columns + 1, corner + columns + 2
    faces = np.stack([np.stack([corner, right, across], 1), np.stack([corner, across, above], 1)], axis=1)
    return vertices, faces.reshape(-1, 3).astype(np.int32)


def squares(columns: int, *places: tuple[range, range]) -> I32:
    """Rows of the faces of the squares in ranges of columns and rows of a `grid`."""
    first = [2 * (row * columns + column) for across, down in places for row in down for column in across]
    return np.array([f + i for f in first for i in (0, 1)], np.int32)


def sphere(level: int = 3, radius: float = 1.0) -> tuple[F64, I32]:
    """An icosphere, faces counter-clockwise seen from outside."""
    import trimesh  # noqa: PLC0415  # a second to import; not all tests need it

    mesh = trimesh.creation.icosphere(level, radius)
    return np.array(mesh.vertices, np.float64), np.array(mesh.faces, np.int32)


def facing(position: tuple[float, float, float], target: tuple[float, float, float], lens: Lens) -> View:
    """A view of a world with Y up from a place towards another."""
    place = np.array(position)
    ahead = np.array(target) - place
    ahead = ahead / np.linalg.norm(ahead)
    up = np.array([0.0, 1.0, 0.0]) if abs(ahead[1]) < 0.9 else np.array([1.0, 0.0, 0.0])
    right = np.cross(ahead, up)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(ahead, right), ahead])
    return View("photo", "photo.jpg", lens, rotation, -rotation @ place)
