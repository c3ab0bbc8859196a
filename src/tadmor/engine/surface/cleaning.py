"""Cutting away what the mesher made up: far from measurements, before the sky, in free space, in small pieces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree

from tadmor.engine.scene import F32, F64, I32, Bool, Lens, project_into
from tadmor.engine.surface.topology import face_neighbours, face_pieces, keep_faces

FAR_FOOTPRINTS = 60.0
NEAR_FOOTPRINTS = 2.0
IN_FRONT = 0.97
FREE_SPACE_VIEWS = 2
CLOSED_RINGS = 3
LARGEST_HOLE = 0.003
SKY_VIEWS_NEAR = 2
REFILLED_FACES = 60
GUESSED_FOOTPRINTS = 4.0
PINHOLE_FACES = 10
SMALLEST_PIECE = 0.0008
SMALLEST_PIECE_FACES = 200


@dataclass(frozen=True, eq=False, slots=True)
class SeenFrom:
    """What a view says about space: confirmed depth (h, w) and sky (h, w), its pinhole lens and cam_from_world."""

    depth: F32
    sky: Bool
    lens: Lens
    rotation: F64
    translation: F64


def supported(vertices: F64, points: F64, footprints: F32, views: Iterable[SeenFrom], *, workers: int) -> Bool:
    """Which vertices (n, 3) the measurements support.

    A vertex goes when it is more than 60 footprints from any measured point; or, beyond two footprints, when it stands
    in the sky of a view or more than 3 % in front of what two views measured behind it.
    """
    distance, nearest = cKDTree(points).query(vertices, workers=workers)
    footprint = footprints[nearest]
    in_front = np.zeros(len(vertices), np.int32)
    in_sky = np.zeros(len(vertices), np.int32)
    kernel = np.ones((3, 3))
    for view in views:
        rows, columns, depths, index = project_into(vertices, view.lens, view.rotation, view.translation)
        measured = cv2.erode(np.where(view.depth > 0, view.depth, np.float32(1e9)), kernel)[rows, columns]
        in_front[index] += (measured < 1e8) & (depths < measured * IN_FRONT)
        if view.sky.any():
            in_sky[index] += cv2.erode(view.sky.astype(np.uint8), kernel)[rows, columns]
    near = distance < NEAR_FOOTPRINTS * footprint
    contradicted = np.where(near, in_sky >= SKY_VIEWS_NEAR, (in_front >= FREE_SPACE_VIEWS) | (in_sky >= 1))
    kept: Bool = (distance < FAR_FOOTPRINTS * footprint) & ~contradicted
    return kept


def refill_small_holes(faces: I32, keep: Bool, most_faces: int = REFILLED_FACES) -> Bool:
    """Take back cuts of at most so many faces that lie inside kept surface: pinholes, not openings."""
    neighbours = face_neighbours(faces)
    both_cut = ~keep[:, None] & ~keep[np.maximum(neighbours, 0)]
    count, piece = face_pieces(faces, neighbours, both_cut)
    size = np.bincount(piece, minlength=count)
    refilled: Bool = keep | (size[piece] <= most_faces)
    return refilled


def without_small_pieces(vertices: F64, faces: I32) -> tuple[F64, I32]:
    """Drop connected pieces under 200 faces or 0.08 % of all faces."""
    _, piece = face_pieces(faces, face_neighbours(faces))
    size = np.bincount(piece)
    least = max(SMALLEST_PIECE_FACES, SMALLEST_PIECE * len(faces))
    vertices, faces, _ = keep_faces(vertices, faces, size[piece] >= least)
    return vertices, faces


def peel_unseen(faces: I32, seen: Bool, far_footprints: F32, reach: int = CLOSED_RINGS) -> Bool:
    """Which faces (m,) to keep when unseen surface is cut back to what closes small holes.

    Narrow strips of unseen faces between seen ones stay (a morphological closing over `reach` rings of faces), and so
    do unseen pieces that seen faces enclose, up to 0.3 % of all faces: they are shown as inferred. What hangs on an
    open border, is larger, or lies on average more than 4 footprints from measured points (`far_footprints` (m,)) is
    extrapolation by the mesher.
    """
    neighbours = face_neighbours(faces)
    open_edge = neighbours < 0
    grown = _grown(seen, neighbours, reach)
    closed = seen | ~_grown(~grown | open_edge.any(1), neighbours, reach)
    both_unseen = ~closed[:, None] & ~closed[np.maximum(neighbours, 0)]
    count, piece = face_pieces(faces, neighbours, both_unseen)
    cut = np.bincount(piece, minlength=count) > LARGEST_HOLE * len(faces)
    cut[piece[open_edge.any(1) & ~closed]] = True
    _, hole = face_pieces(faces, neighbours, ~seen[:, None] & ~seen[np.maximum(neighbours, 0)])
    size = np.bincount(hole)
    beyond = np.bincount(hole, far_footprints) > GUESSED_FOOTPRINTS * size
    keep: Bool = seen | ((closed | ~cut[piece]) & ~(beyond & (size > PINHOLE_FACES))[hole])
    return keep


def _grown(faces: Bool, neighbours: I32, rings: int) -> Bool:
    """Add so many rings of neighbouring faces."""
    grown = faces.copy()
    for _ in range(rings):
        grown |= (grown[np.maximum(neighbours, 0)] & (neighbours >= 0)).any(1)
    return grown
