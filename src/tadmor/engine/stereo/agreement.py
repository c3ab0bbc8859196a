"""Which measured depths do other views confirm: geometric consistency of depth maps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from tadmor.engine.scene import F32, F64, U8, Bool, Lens

MAX_COST = 0.6
SURE_COST = 0.25
MAX_DEPTH_DIFFERENCE = 0.01
MAX_REPROJECTION_PX = 1.5
MIN_PIECE_PX = 60


@dataclass(frozen=True, eq=False, slots=True)
class Measured:
    """A depth map (h, w) float32 (0: unknown) with its cost (h, w) float32, its pinhole lens and cam_from_world."""

    depth: F32
    cost: F32
    lens: Lens
    rotation: F64
    translation: F64


def relative_pose(rotation: F64, translation: F64, other_rotation: F64, other_translation: F64) -> tuple[F64, F64]:
    """Rotation (3, 3) and translation (3,) from one camera's frame to another's, of both cam_from_world."""
    turn = other_rotation @ rotation.T
    return turn, other_translation - turn @ translation


def calibration(lens: Lens) -> F32:
    """(4,) float32: focal length twice, principal point; what the kernels take."""
    return np.array([lens.focal_px, lens.focal_px, lens.cx, lens.cy], np.float32)


def confirm(view: Measured, others: Iterable[Measured]) -> tuple[F32, U8]:
    """Keep the depths of `view` that other views agree with, averaged with theirs.

    Another view agrees where its depth, projected back, lands within 1.5 px and 1 % in depth. A depth needs two
    agreeing views, or one if its own cost is below 0.25 (or if there is only one other view). Depths are averaged with
    weights 1 / (0.05 + cost); pieces under 60 px are dropped. Returns depth (h, w) float32, 0 where unconfirmed, and
    the number of agreeing views (h, w) uint8.
    """
    total_weight = 1 / (np.float32(0.05) + view.cost)
    total = total_weight * view.depth
    count = np.zeros(view.depth.shape, np.uint8)
    available = 0
    for other in others:
        available += 1
        turn, shift = relative_pose(view.rotation, view.translation, other.rotation, other.translation)
        _agree(
            view.depth,
            calibration(view.lens),
            turn.astype(np.float32),
            shift.astype(np.float32),
            other.depth,
            other.cost,
            calibration(other.lens),
            np.float32(MAX_DEPTH_DIFFERENCE),
            np.float32(MAX_REPROJECTION_PX),
            total,
            total_weight,
            count,
        )
    sure = count >= 1
    if available > 1:
        sure &= (count >= 2) | (view.cost < SURE_COST)
    depth = np.where(sure & (view.depth > 0), total / total_weight, 0).astype(np.float32)
    depth[small_pieces(depth > 0, MIN_PIECE_PX)] = 0
    return depth, count


def small_pieces(mask: Bool, min_px: int) -> Bool:
    """Where the 4-connected pieces of a mask (h, w) with fewer than `min_px` pixels are."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    small: NDArray[np.bool_] = (stats[:, cv2.CC_STAT_AREA] < min_px)[labels] & mask
    return small


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _agree(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917  # compiled by numba: flat arrays, no structs
    depth, k, turn, shift, other_depth, other_cost, other_k, max_difference, max_px, total, total_weight, count
):
    """Add one other view's agreeing depths to the weighted sums, in place."""
    height, width = depth.shape
    other_height, other_width = other_depth.shape
    for y in range(height):
        for x in range(width):
            d = depth[y, x]
            if d <= 0:
                continue
            x0 = (x - k[2]) / k[0] * d
            x1 = (y - k[3]) / k[1] * d
            z = turn[2, 0] * x0 + turn[2, 1] * x1 + turn[2, 2] * d + shift[2]
            if z <= 0:
                continue
            u = other_k[0] * (turn[0, 0] * x0 + turn[0, 1] * x1 + turn[0, 2] * d + shift[0]) / z + other_k[2]
            v = other_k[1] * (turn[1, 0] * x0 + turn[1, 1] * x1 + turn[1, 2] * d + shift[1]) / z + other_k[3]
            if u < 0 or v < 0:
                continue
            ui = int(u + np.float32(0.5))
            vi = int(v + np.float32(0.5))
            if ui >= other_width or vi >= other_height:
                continue
            e = other_depth[vi, ui]
            if e <= 0 or abs(e - z) > 2 * max_difference * z:
                continue
            # Back into this view, with the other view's depth at the exact image point.
            y0 = (u - other_k[2]) / other_k[0] * e - shift[0]
            y1 = (v - other_k[3]) / other_k[1] * e - shift[1]
            y2 = e - shift[2]
            back = turn[0, 2] * y0 + turn[1, 2] * y1 + turn[2, 2] * y2
            if abs(back - d) > max_difference * d:
                continue
            du = k[0] * (turn[0, 0] * y0 + turn[1, 0] * y1 + turn[2, 0] * y2) / back + k[2] - x
            dv = k[1] * (turn[0, 1] * y0 + turn[1, 1] * y1 + turn[2, 1] * y2) / back + k[3] - y
            if du * du + dv * dv > max_px * max_px:
                continue
            w = np.float32(1) / (np.float32(0.05) + other_cost[vi, ui])
            total[y, x] += w * back
            total_weight[y, x] += w
            count[y, x] += 1
