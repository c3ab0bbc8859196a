"""The ground that people stood on when they took the photos: lawn and gravel that stereo cannot measure.

People hold their cameras at about the same height. For each height a view's ground is a known plane, and other views
confirm or refute it by the patterns on it (plane sweep: Collins 1996).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from tadmor.engine.scene import F64, U8, Bool
from tadmor.engine.stereo.homography import Pattern, Shown, plane_depth, plane_homography, warped
from tadmor.engine.stereo.planes import Plane

WORKING_PX = 280
WINDOW_PX = 7
PATTERNED = 4.0
AGREEING = 0.6
AGREEING_VIEWS = 2
SOURCES = 3
SWEPT_VIEWS = 6
STEP = 1.06
TALLEST = 2.0
LOWEST = 0.25
PROMINENT = 1.15
MIN_SHARE = 0.15
NEAR = 1.2
MIN_PIXELS = 200
WALL = 0.3
PRIOR = 0.02
REFINED_STEPS = ((0.04, 1.5), (0.015, 0.5))
"""Relative change of the height, and degrees of slope, tried around the best so far."""


def vertical(planes: Sequence[Plane]) -> F64:
    """Upward direction (3,) of a scene whose frame is about Y up: at right angles to its walls as well as may be."""
    up = np.array([0.0, 1.0, 0.0])
    spread = PRIOR * (np.eye(3) - np.outer(up, up))
    for plane in planes:
        if abs(plane.normal @ up) < WALL:
            spread = spread + plane.share * np.outer(plane.normal, plane.normal)
    direction: F64 = np.linalg.eigh(spread)[1][:, 0]
    return direction if direction @ up > 0 else -direction


def camera_height(
    views: Sequence[Shown],
    partners: Sequence[Sequence[int]],
    up: F64,
    over: Callable[[Callable[[float], float], list[float]], list[float]],
) -> float | None:
    """Height of the cameras above the ground in world units, or None where no height stands out.

    `partners`: rows of the views that each view is compared with; `over` applies a function to many heights, if need be
    in parallel.
    """
    rows = np.unique(np.linspace(0, len(views) - 1, min(len(views), SWEPT_VIEWS)).round().astype(int))
    below = float(np.median([_drop(view, up) for view in views]))
    if below <= 0:
        return None
    number = int(np.log(TALLEST / LOWEST) / np.log(STEP))
    heights = [LOWEST * below * STEP**k for k in range(number + 1)]

    def share(height: float) -> float:
        counts = [
            _counts(views[r], [views[j] for j in partners[r][:SOURCES]], ground_below(views[r], up, height))
            for r in rows
        ]
        agreeing, patterned = np.sum(counts, axis=0)
        return float(agreeing / max(patterned, MIN_PIXELS))

    shares = np.array(over(share, heights))
    best = int(np.argmax(shares[2:-2])) + 2
    beside = max(shares[: max(best - 3, 1)].max(), shares[best + 4 :].max(initial=0))
    if shares[best] < MIN_SHARE or shares[best] < PROMINENT * beside:
        return None
    return heights[best]


def _drop(view: Shown, up: F64) -> float:
    """How far below the camera the lowest of what it measured near it lies."""
    measured = view.depth > 0
    if not measured.any():
        return 0.0
    near = measured & (view.depth <= NEAR * np.median(view.depth[measured]))
    x, y = view.rays()
    down = -(view.rotation @ up)
    drop = (x * down[0] + y * down[1] + down[2]) * view.depth
    return float(np.percentile(drop[near], 98))


def ground_below(view: Shown, up: F64, height: float) -> Plane:
    """The level plane so far below a view's camera."""
    return Plane(up, float(view.centre @ up) - height)


def local_ground(view: Shown, others: Sequence[Shown], up: F64, height: float) -> Plane | None:
    """The plane near level at about this height below a camera on which the patterns of other views agree best."""
    small, around = view.reduced(WORKING_PX), [other.reduced(WORKING_PX) for other in others[:SOURCES]]
    foot = view.centre - height * up
    best = ground_below(view, up, height)
    agreeing, patterned = _counts(small, around, best)
    ahead = view.rotation[2] - (view.rotation[2] @ up) * up
    ahead /= max(float(np.linalg.norm(ahead)), 1e-9)
    aside = np.cross(up, ahead)
    for lift, slope in REFINED_STEPS:
        for direction, size in ((up, lift * height), (ahead, np.radians(slope)), (aside, np.radians(slope))):
            for sign in (-1, 1):
                normal = best.normal if direction is up else best.normal + sign * size * direction
                normal = normal / np.linalg.norm(normal)
                point = foot + sign * size * up if direction is up else foot
                tried = Plane(normal, float(normal @ point))
                count, of = _counts(small, around, tried)
                if count > agreeing:
                    best, agreeing, patterned, foot = tried, count, of, point
    return best if agreeing >= max(MIN_SHARE * patterned, MIN_PIXELS) else None


def _counts(view: Shown, others: Sequence[Shown], plane: Plane) -> tuple[int, int]:
    """Pixels without depth whose pattern agrees with other views on the plane, and all patterned ones."""
    depth = plane_depth(view, plane)
    measured = view.depth[view.depth > 0]
    farthest = float(np.percentile(measured, 95)) if len(measured) else 0.0
    open_: Bool = (depth > 0) & (depth < farthest) & (view.depth <= 0) & ~view.sky
    own = _pattern(view.picture)
    open_ &= own.deviation > PATTERNED
    agreeing = np.zeros(depth.shape, np.uint8)
    for other in others:
        homography, factor = plane_homography(view, other, plane)
        theirs = _pattern(warped(other.picture, homography, view))
        agreeing += (theirs.deviation > PATTERNED) & (own.correlation(theirs) > AGREEING) & (factor > 0)
    return int((open_ & (agreeing >= min(AGREEING_VIEWS, len(others)))).sum()), int(open_.sum())


def _pattern(picture: U8) -> Pattern:
    return Pattern.of(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32), WINDOW_PX)
