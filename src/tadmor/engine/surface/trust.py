"""Which faces to believe where no depth was measured: the photos that see them must agree in colour."""

from __future__ import annotations

import numpy as np

from tadmor.engine.scene import F32, I32, Bool
from tadmor.engine.surface.labels import Candidates, colour_deviation
from tadmor.engine.surface.topology import face_pieces

MEASURED_FOOTPRINTS = 25.0
MOST_DEVIATION = 18.0
SMOOTHED_RINGS = 6
SMALL_PIECE = 0.01
CRUMB_FACES = 12
ODD_TIMES = 3.0
ODD_DEVIATION = 40.0


def disagreement(candidates: Candidates, gain: F32, offset: F32) -> F32:
    """How far (m,), in grey levels, the colours in which photos show a face lie from their robust mean."""
    deviation = colour_deviation(candidates, gain, offset)
    weight = np.where(candidates.view >= 0, np.sqrt(candidates.quality), 0)
    mean: F32 = ((deviation * weight).sum(1) / np.maximum(weight.sum(1), 1e-9)).astype(np.float32)
    return mean


def blobs(keep: Bool, neighbours: I32, disagreement: F32) -> Bool:
    """Which kept faces (m,) make up crumbs, or small pieces that the photos show in far more different colours than the
    rest: what moved, or what lies before another piece of sky in every photo.
    """
    count, piece = face_pieces(neighbours, neighbours, keep[:, None] & keep[np.maximum(neighbours, 0)])
    size = np.bincount(piece, keep, count)
    mean = np.bincount(piece, np.where(keep, disagreement, 0), count) / np.maximum(size, 1)
    usual = float(np.median(disagreement[keep])) if keep.any() else 0.0
    odd = (size < SMALL_PIECE * keep.sum()) & (mean > max(ODD_TIMES * usual, ODD_DEVIATION))
    result: Bool = keep & (odd | (size < CRUMB_FACES))[piece]
    return result


def contradicted(candidates: Candidates, disagreement: F32, neighbours: I32, far_footprints: F32, in_sky: I32) -> Bool:
    """Which faces (m,) the photos speak against.

    `disagreement` (m,) is that of the function of this name; `far_footprints` (m,) is the distance of each face from
    the nearest measured point, in footprints; `in_sky` (m,) the number of photos in whose sky the face stands. A face
    far from measurements must be seen by two photos that agree in colour (their deviation, averaged over a few rings of
    faces, stays small): the ground between a wall and the camera does, a web between a roof and the sky does not. A
    face in the sky of as many photos as otherwise see it goes too.
    """
    seen = (candidates.view >= 0).sum(1)
    mean = np.where(seen >= 2, disagreement, 2 * MOST_DEVIATION).astype(np.float32)
    for _ in range(SMOOTHED_RINGS):
        around = np.where(neighbours >= 0, mean[np.maximum(neighbours, 0)], mean[:, None])
        mean = (0.4 * mean + 0.2 * around.sum(1)).astype(np.float32)
    unmeasured = (far_footprints > MEASURED_FOOTPRINTS) & (mean > MOST_DEVIATION) & (seen > 0)
    skyward = (in_sky > 0) & (seen <= in_sky)
    result: Bool = unmeasured | skyward
    return result
