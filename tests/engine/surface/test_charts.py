"""Texture layouts: nothing overlaps, nothing is stretched, nothing lies outside."""

from __future__ import annotations

import numpy as np
import pytest
from meshes import facing, grid
from numpy.typing import NDArray

from tadmor.engine.scene import F32, I32, Lens
from tadmor.engine.surface.charts import (
    MARGIN_PX,
    Atlas,
    lay_out,
    project_faces,
    split_vertices,
    texture_coordinates,
)
from tadmor.engine.surface.topology import face_neighbours

SIDE = 40


def patchwork(seed: int = 1, views: int = 6, unseen: float = 0.1) -> tuple[I32, I32, F32]:
    """A sheet painted by several photos in blocks of 5 x 5 squares, some by none; image points of 7 px a square."""
    rng = np.random.default_rng(seed)
    vertices, faces = grid(SIDE, SIDE)
    blocks = np.where(rng.random((8, 8)) < unseen, -1, rng.integers(0, views, (8, 8)))
    squares = np.repeat(np.repeat(blocks, 5, 0), 5, 1).ravel()
    painter = np.repeat(squares, 2).astype(np.int32)
    corners = (7.3 * vertices[faces][..., :2] + 11.7).astype(np.float32)
    corners[painter < 0] = 0
    return faces, painter, corners


def laid_out(page_px: int = 512, pages: int = 1, **more: int) -> tuple[I32, I32, F32, Atlas]:
    faces, painter, projected = patchwork(**more)
    atlas = lay_out(faces, face_neighbours(faces), painter, projected, page_px=page_px, pages=pages)
    return faces, painter, projected, atlas


@pytest.mark.parametrize(("page_px", "pages"), [(2048, 1), (512, 1), (128, 1), (128, 4), (256, 2)])
def test_charts_do_not_overlap(page_px: int, pages: int) -> None:
    _, _, _, atlas = laid_out(page_px, pages)
    assert len(atlas.page_size) <= pages
    taken = [np.zeros((h, w), np.int32) for w, h in atlas.page_size]
    for (width, height), (left, top), page in zip(atlas.size, atlas.place, atlas.page, strict=True):
        assert left >= 0
        assert top >= 0
        assert left + width <= atlas.page_size[page, 0] <= page_px
        assert top + height <= atlas.page_size[page, 1]
        taken[page][top : top + height, left : left + width] += 1
    assert max(page.max() for page in taken) == 1


def test_a_chart_is_a_connected_piece_painted_by_one_photo() -> None:
    faces, painter, _, atlas = laid_out()
    assert np.array_equal(atlas.chart < 0, painter < 0)
    seen = atlas.chart >= 0
    assert np.array_equal(atlas.view[atlas.chart[seen]], painter[seen])
    neighbours = face_neighbours(faces)
    for k in range(3):
        across = neighbours[:, k]
        alike = (across >= 0) & seen & (painter[np.maximum(across, 0)] == painter)
        assert np.array_equal(atlas.chart[alike], atlas.chart[across[alike]])


def test_distances_are_those_of_the_photo_times_the_scale() -> None:
    for page_px, smaller in ((2048, False), (128, True)):
        _, painter, projected, atlas = laid_out(page_px)
        assert (atlas.scale < 1) == smaller
        seen = painter >= 0
        apart, before = (a[seen] - np.roll(a[seen], 1, axis=1) for a in (atlas.corner, projected))
        np.testing.assert_allclose(apart, before * atlas.scale, atol=1e-3)


def test_the_pages_are_used_well() -> None:
    _, _, _, atlas = laid_out(256, 1)
    assert (atlas.size.prod(1).sum()) / atlas.page_size.prod(1).sum() > 0.6


def test_corners_keep_their_distance_from_the_edge_of_their_chart() -> None:
    _, _, _, atlas = laid_out()
    seen = atlas.chart >= 0
    size = atlas.size[atlas.chart[seen]][:, None]
    assert (atlas.corner[seen] >= MARGIN_PX - 1e-3).all()
    assert (atlas.corner[seen] <= size - 1 - MARGIN_PX + 1e-3).all()


def test_texture_coordinates_lie_on_the_chart_that_they_name() -> None:
    _, _, _, atlas = laid_out(128, 4)
    uv = texture_coordinates(atlas)
    assert uv.min() >= 0
    assert uv.max() <= 1
    seen = atlas.chart >= 0
    assert not uv[~seen].any()
    page_size = atlas.page_size[atlas.page[atlas.chart[seen]]][:, None]
    texel = uv[seen] * page_size - 0.5
    np.testing.assert_allclose(texel, atlas.corner[seen] + atlas.place[atlas.chart[seen]][:, None], atol=1e-3)


def test_nothing_seen_needs_no_page() -> None:
    faces, _, projected = patchwork()
    painter = np.full(len(faces), -1, np.int32)
    atlas = lay_out(faces, face_neighbours(faces), painter, projected, page_px=512, pages=1)
    assert len(atlas.page_size) == len(atlas.size) == 0
    assert (atlas.chart == -1).all()


def test_seams_get_vertices_of_their_own() -> None:
    faces, _, _, atlas = laid_out()
    old, new_faces, corner = split_vertices(faces, atlas.chart)
    assert np.array_equal(old[new_faces], faces)
    assert np.array_equal(faces.ravel()[corner], old)
    group = np.full(len(old), -9)
    for k in range(3):
        group[new_faces[:, k]] = atlas.chart
    for k in range(3):
        assert np.array_equal(group[new_faces[:, k]], atlas.chart)  # no vertex belongs to two charts
    pairs = {(int(v), int(c)) for v, c in zip(faces.ravel(), np.repeat(atlas.chart, 3), strict=True)}
    assert len(old) == len(pairs)


def test_faces_are_projected_as_their_painter_saw_them() -> None:
    lens = Lens(640, 480, 500.0, 321.0, 238.0, -0.08, 0.01)
    vertices, faces = grid(4, 4)
    views = [facing((2, 2, 6), (2, 2, 0), lens), facing((5, 3, 7), (2, 2, 0), lens)]
    painter: NDArray[np.int32] = (np.arange(len(faces)) % 3 - 1).astype(np.int32)
    found = project_faces(vertices, faces, painter, views, [1.0, 0.5])
    assert not found[painter < 0].any()
    for f in np.flatnonzero(painter >= 0):
        view, scale = views[painter[f]], (1.0, 0.5)[painter[f]]
        for k in range(3):
            x, y, z = view.rotation @ vertices[faces[f, k]] + view.translation
            r2 = (x / z) ** 2 + (y / z) ** 2
            bend = 1 + lens.k1 * r2 + lens.k2 * r2**2
            pixel = np.array([lens.focal_px * bend * x / z + lens.cx, lens.focal_px * bend * y / z + lens.cy])
            np.testing.assert_allclose(found[f, k], (pixel + 0.5) * scale - 0.5, atol=1e-3)
