"""Photos made ready for stereo: without distortion at working size, with their source views and depth ranges."""

from __future__ import annotations

import cv2
import numpy as np
import scipy.sparse as sp

from tadmor.engine.scene import F32, F64, U8, Bool, Lens, Scene, View

MIN_SHARED_POINTS = 12
BEST_ANGLE_DEG = 12.0
ANGLE_RANGE_DEG = (1.5, 50.0)
NEAR_MARGIN = 0.4
"""The ground between the camera and the monument is nearer than most points, which lie on the monument."""
FAR_MARGIN = 1.35


def working_lens(lens: Lens, long_side_px: int) -> Lens:
    """Return the distortion-free lens of the photo scaled down to at most `long_side_px`."""
    scale = min(1.0, long_side_px / max(lens.width, lens.height))
    return lens.scaled_to(round(lens.width * scale), round(lens.height * scale)).pinhole


def undistortion_map(lens: Lens, pinhole: Lens, photo_width: int, photo_height: int) -> F32:
    """(h, w, 2) float32: where in the photo, scaled to the size given, each pixel of the pinhole's image lies."""
    x, y = np.meshgrid(np.arange(pinhole.width, dtype=np.float64), np.arange(pinhole.height, dtype=np.float64))
    normalised = np.stack([(x - pinhole.cx) / pinhole.focal_px, (y - pinhole.cy) / pinhole.focal_px], axis=-1)
    scaled = lens.scaled_to(photo_width, photo_height)
    return scaled.distort(normalised).astype(np.float32)


def undistort(photo: U8, lens: Lens, pinhole: Lens) -> tuple[U8, Bool]:
    """Resample a photo (any size, BGR) as the pinhole sees it; returns (h, w, 3) uint8 and where the photo reaches."""
    width, height = max(pinhole.width, 1), max(pinhole.height, 1)
    small = photo
    if photo.shape[1] > width:
        small = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
    where = undistortion_map(lens, pinhole, small.shape[1], small.shape[0])
    picture = cv2.remap(small, where, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    inside = (where >= 0).all(-1) & (where[..., 0] <= small.shape[1] - 1) & (where[..., 1] <= small.shape[0] - 1)
    return picture, inside


def visibility(scene: Scene) -> sp.csr_matrix:
    """(n_views, n_points) matrix of ones where a view saw a point when it was placed."""
    rows = np.repeat(np.arange(len(scene.views)), [len(v.point_index) for v in scene.views])
    columns = np.concatenate([v.point_index for v in scene.views]) if scene.views else np.zeros(0, int)
    shape = (len(scene.views), len(scene.points))
    return sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)


def choose_sources(scene: Scene, count: int) -> list[list[int]]:
    """For every view the `count` views that show the same points from usefully different places, best first.

    The score is the number of shared points times how useful their median triangulation angle is; where that is narrow,
    how useful their angles are on average, if that is more: photos taken while walking straight on share mostly what is
    far away, and what is near at the best angles.
    """
    seen = visibility(scene)
    shared = (seen @ seen.T).tocoo()
    scores: list[list[tuple[float, int]]] = [[] for _ in scene.views]
    centres = scene.centres
    for i, j, number in zip(shared.row, shared.col, shared.data, strict=True):
        if i >= j or number < MIN_SHARED_POINTS:
            continue
        common = np.intersect1d(scene.views[i].point_index, scene.views[j].point_index, assume_unique=True)
        angles = angles_deg(scene.points[common[:: max(1, len(common) // 300)]], centres[i], centres[j])
        median = np.median(angles, keepdims=True)
        useful = float(usefulness(median)[0])
        if median[0] < BEST_ANGLE_DEG:
            useful = max(useful, float(usefulness(angles).mean()))
        score = float(number) * useful
        if score <= 0:
            continue
        scores[i].append((score, int(j)))
        scores[j].append((score, int(i)))
    return [[j for _, j in sorted(row, reverse=True)[:count]] for row in scores]


def usefulness(angles: F64) -> F64:
    """How useful triangulation angles in degrees are for stereo: a Gaussian around 12, 0 below 1.5 and above 50."""
    usable = (angles > ANGLE_RANGE_DEG[0]) & (angles < ANGLE_RANGE_DEG[1])
    spread = np.where(angles < BEST_ANGLE_DEG, 5.0, 15.0)
    value: F64 = np.where(usable, np.exp(-0.5 * ((angles - BEST_ANGLE_DEG) / spread) ** 2), 0.0)
    return value


def angles_deg(points: F64, one: F64, two: F64) -> F64:
    """Angle in degrees (n,) at each point (n, 3) between the directions to two places (3,)."""
    a, b = one - points, two - points
    cosine = (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-12)
    degrees: F64 = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return degrees


def depth_range(view: View, points: F64) -> tuple[float, float]:
    """Nearest and farthest depth to search in a view, from the points (n, 3) it saw, with a margin."""
    depths = view.camera_points(points[view.point_index])[:, 2]
    depths = depths[depths > 0]
    near, far = np.percentile(depths, [1, 99])
    return float(near) * NEAR_MARGIN, float(far) * FAR_MARGIN
