"""Where a photo shows sky: depths measured there are clouds or noise and must not become geometry."""

from __future__ import annotations

import cv2
import numpy as np

from tadmor.engine.scene import F32, F64, U8, Bool, Lens

LONG_SIDE_PX = 320
MAX_GRADIENT = 16
MAX_SUPPORT = 0.25
MIN_SHARE = 0.004
MAX_HIT_SHARE = 0.06
LOWEST = 0.7
BELOW_HORIZON_DEG = 2.0
LIKE_ITS_SURROUNDINGS = 26
SHARPEN_REACH_PX = 6


def sky_mask(picture: U8, depth: F32, lens: Lens, rotation: F64, translation: F64, points: F64) -> Bool:
    """Find the sky (h, w) in a picture (h, w, 3) BGR with confirmed depth (h, w) float32.

    `points` (n, 3) world, with Y up, are what all views measured. Sky is a smooth region, blue or bright, that touches
    the upper border, reaches neither the ground nor below the horizon, holds little depth, and onto which hardly any
    measured point projects. Islands
    of its colour (between towers) join it; the edge is sharpened by the local sky colour.
    """
    height, width = picture.shape[:2]
    scale = LONG_SIDE_PX / max(width, height)
    small = cv2.resize(picture, (int(width * scale), int(height * scale)), interpolation=cv2.INTER_AREA)
    hit = _projected(points, lens, rotation, translation, scale, small.shape[:2])
    sky = _coarse_sky(small, depth, hit, _elevation_deg(lens.scaled_to(small.shape[1], small.shape[0]), rotation))
    if sky.mean() < 0.01:
        return np.zeros((height, width), np.bool_)
    return _sharpened(sky, picture)


def _projected(points: F64, lens: Lens, rotation: F64, translation: F64, scale: float, shape: tuple[int, int]) -> Bool:
    """Cells of the small picture onto which points project."""
    in_camera = points @ rotation.T + translation
    in_camera = in_camera[in_camera[:, 2] > 0]
    x = ((in_camera[:, 0] / in_camera[:, 2] * lens.focal_px + lens.cx) * scale).astype(np.int64)
    y = ((in_camera[:, 1] / in_camera[:, 2] * lens.focal_px + lens.cy) * scale).astype(np.int64)
    inside = (x >= 0) & (y >= 0) & (x < shape[1]) & (y < shape[0])
    hit = np.zeros(shape, np.bool_)
    hit[y[inside], x[inside]] = True
    return hit


def _elevation_deg(lens: Lens, rotation: F64) -> F32:
    """Angle (h, w) of every pixel's ray above the horizon, in a world with Y up."""
    x = (np.arange(lens.width, dtype=np.float32) - lens.cx) / lens.focal_px
    y = (np.arange(lens.height, dtype=np.float32)[:, None] - lens.cy) / lens.focal_px
    rise = (rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1]) / np.sqrt(1 + x**2 + y**2)
    elevation: F32 = np.degrees(np.arcsin(np.clip(rise, -1, 1))).astype(np.float32)
    return elevation


def _coarse_sky(small: U8, depth: F32, hit: Bool, elevation_deg: F32) -> Bool:
    height, width = small.shape[:2]
    colour = small.astype(np.float32)
    brightness = colour.mean(2)
    gradient = cv2.morphologyEx(cv2.GaussianBlur(small, (0, 0), 1).max(2), cv2.MORPH_GRADIENT, np.ones((3, 3))).astype(
        np.float32
    )
    support = cv2.resize((depth > 0).astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    bluish = (colour[..., 0] >= colour[..., 2] - 6) & (brightness > 90)
    candidate = (gradient < MAX_GRADIENT) & (support < MAX_SUPPORT) & (bluish | (brightness > 215))
    _, labels = cv2.connectedComponents(candidate.astype(np.uint8), connectivity=4)
    area = np.bincount(labels.ravel())
    inner = cv2.erode(candidate.astype(np.uint8), np.ones((5, 5))) > 0
    sky = np.zeros((height, width), np.bool_)
    for label in np.unique(labels[: max(2, height // 50)]):
        region = labels == label
        if label == 0 or area[label] <= MIN_SHARE * width * height:
            continue
        core = inner & region
        if (hit & core).sum() >= MAX_HIT_SHARE * max(core.sum(), 1):
            continue
        if np.percentile(np.nonzero(region)[0], 98) >= LOWEST * height:  # a pale wall reaches down to the ground
            continue
        if np.percentile(elevation_deg[region], 2) < -BELOW_HORIZON_DEG:
            continue
        sky |= region
    if sky.any():
        sky |= _islands(colour, candidate, sky, hit)
        sky = cv2.morphologyEx(sky.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3))) > 0
    return sky


def _islands(colour: F32, candidate: Bool, sky: Bool, hit: Bool) -> Bool:
    """Regions of the sky's colour, no lower than the sky, onto which no point projects."""
    mean, spread = colour[sky].mean(0), colour[sky].std(0) + 6
    alike = (np.abs(colour - mean) / spread).max(2) < 2
    alike[int(np.percentile(np.nonzero(sky)[0], 98)) :] = False
    near_hit = cv2.dilate(hit.astype(np.uint8), np.ones((3, 3))) > 0
    _, labels = cv2.connectedComponents((alike & candidate & ~sky & ~near_hit).astype(np.uint8))
    large: Bool = (labels > 0) & (np.bincount(labels.ravel())[labels] >= 12)
    return large


def _sharpened(sky: Bool, picture: U8) -> Bool:
    """Bring the mask to the picture's size; near its edge, sky is what looks like the sky next to it."""
    height, width = picture.shape[:2]
    mask = cv2.resize(sky.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    core = cv2.erode(mask, np.ones((7, 7))).astype(np.float32)
    weight = cv2.GaussianBlur(core, (0, 0), 12) + 1e-4
    local = cv2.GaussianBlur(picture.astype(np.float32) * core[..., None], (0, 0), 12) / weight[..., None]
    band = cv2.dilate(mask, np.ones((2 * SHARPEN_REACH_PX + 1, 2 * SHARPEN_REACH_PX + 1))) > 0
    like = np.abs(picture.astype(np.float32) - local).max(2) < LIKE_ITS_SURROUNDINGS
    sharp = ((core > 0) | (band & like & (weight > 0.01))).astype(np.uint8)
    opened: Bool = cv2.morphologyEx(sharp, cv2.MORPH_OPEN, np.ones((3, 3))) > 0
    return opened
