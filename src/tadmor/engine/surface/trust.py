"""Which faces to believe where no depth was measured: the photos that see them must agree in colour."""

from __future__ import annotations

import numpy as np

from tadmor.engine.scene import F32, I32, Bool
from tadmor.engine.surface.labels import Candidates, colour_deviation

MEASURED_FOOTPRINTS = 25.0
MOST_DEVIATION = 14.0
SMOOTHED_RINGS = 6


def contradicted(
    candidates: Candidates, gain: F32, offset: F32, neighbours: I32, far_footprints: F32, in_sky: I32
) -> Bool:
    """Which faces (m,) the photos speak against.

    `far_footprints` (m,) is the distance of each face from the nearest measured point, in footprints; `in_sky` (m,) the
    number of photos in whose sky the face stands. A face far from measurements must be seen by two photos that agree
    in colour (their deviation, averaged over a few rings of faces, stays small): the ground between a wall and the
    camera does, a web between a roof and the sky does not. A face in the sky of as many photos as otherwise see it goes
    too.
    """
    seen = (candidates.view >= 0).sum(1)
    deviation = colour_deviation(candidates, gain, offset)
    weight = np.where(candidates.view >= 0, np.sqrt(candidates.quality), 0)
    mean = (deviation * weight).sum(1) / np.maximum(weight.sum(1), 1e-9)
    mean = np.where(seen >= 2, mean, 2 * MOST_DEVIATION).astype(np.float32)
    for _ in range(SMOOTHED_RINGS):
        around = np.where(neighbours >= 0, mean[np.maximum(neighbours, 0)], mean[:, None])
        mean = 0.4 * mean + 0.2 * around.sum(1)
    unmeasured = (far_footprints > MEASURED_FOOTPRINTS) & (mean > MOST_DEVIATION) & (seen > 0)
    skyward = (in_sky > 0) & (seen <= in_sky)
    result: Bool = unmeasured | skyward
    return result
