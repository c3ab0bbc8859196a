"""Unwrapping: faces painted by one photo form charts, which are laid out as the photo shows them and packed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tadmor.engine.scene import F32, F64, I32, I64, View
from tadmor.engine.surface.topology import face_pieces

MARGIN_PX = 2


@dataclass(frozen=True, eq=False, slots=True)
class Atlas:
    """The layout of a texture.

    `chart` (m,) int32 of each face, -1 where no photo sees it; `corner` (m, 3, 2) float32 texel coordinates of the
    faces' corners within their chart (texel centres at integers); `view` (c,) int32 the photo that painted the chart;
    `size` (c, 2) int32 width and height; `place` (c, 2) int32 left and top on its page; `page` (c,) int32; `page_size`
    (p, 2) int32; `scale` texels per photo pixel.
    """

    chart: I32
    corner: F32
    view: I32
    size: I32
    place: I32
    page: I32
    page_size: I32
    scale: float


def project_faces(vertices: F64, faces: I32, painter: I32, views: list[View], pixels: list[float]) -> F32:
    """(m, 3, 2) float32: image points of each face's corners in the photo `painter` (m,) that paints it, 0 where -1.

    They are in the photo's pixels times `pixels` of that photo, its texture resolution.
    """
    projected = np.zeros((len(faces), 3, 2), np.float32)
    for index, (view, scale) in enumerate(zip(views, pixels, strict=True)):
        mine = np.nonzero(painter == index)[0]
        if not len(mine):
            continue
        in_camera = view.camera_points(vertices[faces[mine]].reshape(-1, 3))
        points = view.lens.distort(in_camera[:, :2] / in_camera[:, 2:])
        projected[mine] = ((points + 0.5) * scale - 0.5).reshape(-1, 3, 2)
    return projected


def lay_out(faces: I32, neighbours: I32, painter: I32, projected: F32, *, page_px: int, pages: int) -> Atlas:
    """Cut charts where the painting photo (m,) changes and pack them; scale the texture down to what pages hold."""
    seen = painter >= 0
    same = painter[np.maximum(neighbours, 0)] == painter[:, None]
    _, piece = face_pieces(faces, neighbours, same & seen[:, None])
    used, chart = np.unique(piece[seen], return_inverse=True)
    charts = len(used)
    low, high = np.full((charts, 2), np.inf), np.full((charts, 2), -np.inf)
    np.minimum.at(low, chart, projected[seen].min(1))
    np.maximum.at(high, chart, projected[seen].max(1))
    view = np.zeros(charts, np.int32)
    view[chart] = painter[seen]
    scale = 1.0
    while True:
        size = (np.ceil((high - low) * scale) + 1 + 2 * MARGIN_PX).astype(np.int32)
        fitted = _pack(size, page_px, pages)
        if fitted is not None:
            break
        scale *= 0.95
    place, page, page_size = fitted
    all_charts = np.full(len(faces), -1, np.int32)
    all_charts[seen] = chart
    corner = np.zeros_like(projected)
    corner[seen] = (projected[seen] - low[chart][:, None]) * scale + MARGIN_PX
    return Atlas(all_charts, corner, view, size, place, page, page_size, scale)


def _pack(size: I32, page_px: int, pages: int) -> tuple[I32, I32, I32] | None:
    """Shelf packing of boxes (c, 2), tallest first; None where they do not fit into so many pages."""
    if not len(size):
        return np.zeros((0, 2), np.int32), np.zeros(0, np.int32), np.zeros((0, 2), np.int32)
    if size.max() > page_px:
        return None
    area = float((size[:, 0].astype(np.float64) * size[:, 1]).sum())
    width = min(page_px, max(int(2 ** np.ceil(np.log2(np.sqrt(area * 1.1)))), int(size[:, 0].max())))
    place, page = np.zeros((len(size), 2), np.int32), np.zeros(len(size), np.int32)
    x = y = row = current = 0
    heights = [0]
    for index in np.argsort(-size[:, 1], kind="stable"):
        w, h = int(size[index, 0]), int(size[index, 1])
        if x + w > width:
            x, y, row = 0, y + row, 0
        if row == 0:
            row = h
            if y + h > page_px:
                current, y = current + 1, 0
                heights.append(0)
                if current >= pages:
                    return None
        place[index], page[index] = (x, y), current
        heights[current] = max(heights[current], y + h)
        x += w
    return place, page, np.array([(width, -(-h // 16) * 16) for h in heights], np.int32)


def texture_coordinates(atlas: Atlas) -> F32:
    """(m, 3, 2) float32 glTF texture coordinates of the faces' corners (0, 0 for faces without a chart)."""
    uv = np.zeros_like(atlas.corner)
    seen = atlas.chart >= 0
    chart = atlas.chart[seen]
    texel = atlas.corner[seen] + atlas.place[chart][:, None]
    uv[seen] = (texel + 0.5) / atlas.page_size[atlas.page[chart]][:, None]
    return uv


def split_vertices(faces: I32, group: I32) -> tuple[I32, I32, I64]:
    """Give faces of different groups (charts) vertices of their own.

    Returns the old row of each new vertex (k,), the new faces (m, 3), and the corner (of the 3 m) that each new vertex
    stands for.
    """
    key = (faces.astype(np.int64) * (int(group.max(initial=0)) + 2) + (group[:, None] + 1)).ravel()
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    return faces.ravel()[first].astype(np.int32), inverse.reshape(-1, 3).astype(np.int32), first.astype(np.int64)
