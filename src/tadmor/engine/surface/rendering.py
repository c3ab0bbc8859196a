"""Looking at a textured model through a photo's camera, and scoring it against the photo."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tadmor.engine.scene import F32, F64, I32, U8, Bool, Lens
from tadmor.engine.surface.raster import barycentrics, rasterise

SSIM_C1, SSIM_C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
MIN_COVERAGE = 0.01


@dataclass(frozen=True, eq=False, slots=True)
class Model:
    """A textured mesh to render: vertices (n, 3), faces (m, 3), uv (n, 2) glTF, face_page (m,), pages of (h, w, 3)
    uint8 BGR; `grey` paints faces without a page.
    """

    vertices: F64
    faces: I32
    uv: F32
    face_page: NDArray[np.int16]
    pages: tuple[U8, ...]
    grey: int = 153


@dataclass(frozen=True, slots=True)
class Score:
    """A render against its photo: share of pixels covered; on those, PSNR in dB as is and after a gain and offset per
    channel, and SSIM (Wang et al. 2004) of the grey pictures.
    """

    coverage: float
    psnr_db: float
    psnr_fit_db: float
    ssim: float


def bent(in_camera: F64, lens: Lens) -> F32:
    """Move points (n, 3) in the camera frame sideways, at their depth, to where a pinhole shows them as the lens does.

    Drawing the moved mesh through the pinhole then gives the photo's own picture: triangles are small enough for their
    edges to stay straight. Beyond the photo's corners the distortion is held, where a fitted polynomial would fold the
    picture over.
    """
    z = np.where(np.abs(in_camera[:, 2:]) > 1e-9, in_camera[:, 2:], 1e-9)
    corner = max(lens.cx, lens.width - lens.cx) ** 2 + max(lens.cy, lens.height - lens.cy) ** 2
    r2 = np.minimum(((in_camera[:, :2] / z) ** 2).sum(1, keepdims=True), 1.2 * corner / lens.focal_px**2)
    moved = in_camera.copy()
    moved[:, :2] *= 1 + r2 * (lens.k1 + r2 * lens.k2)
    return moved.astype(np.float32)


def render(model: Model, lens: Lens, rotation: F64, translation: F64) -> tuple[U8, Bool, I32]:
    """Render through a (distorted) lens: picture (h, w, 3) uint8 BGR, where the model is and the face number (h, w)."""
    points = bent(model.vertices @ rotation.T + translation, lens)
    _, face = rasterise(points, model.faces, lens.focal_px, lens.cx, lens.cy, lens.width, lens.height)
    weights = barycentrics(points, model.faces, face, lens.focal_px, lens.cx, lens.cy)
    picture = np.zeros((*face.shape, 3), np.uint8)
    hit = face >= 0
    picture[hit] = model.grey
    for number, page in enumerate(model.pages):
        here = hit & (model.face_page[np.maximum(face, 0)] == number)
        if not here.any():
            continue
        corners, w = model.uv[model.faces[face[here]]], weights[here].astype(np.float64)
        uv = corners[:, 0] * (1 - w.sum(1))[:, None] + corners[:, 1] * w[:, :1] + corners[:, 2] * w[:, 1:]
        picture[here] = sample_bilinear(page, uv[:, 0] * page.shape[1] - 0.5, uv[:, 1] * page.shape[0] - 0.5)
    return picture, hit, face


def sample_bilinear(picture: U8, x: F64, y: F64) -> U8:
    """(k, 3) uint8 of a picture at image points."""
    count = len(x)
    columns = 16384  # cv2.remap takes at most 32767 a side
    rows = -(-count // columns)
    grid = np.zeros((2, rows * columns), np.float32)
    grid[0, :count], grid[1, :count] = x, y
    sampled = cv2.remap(
        picture,
        grid[0].reshape(rows, columns),
        grid[1].reshape(rows, columns),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    result: U8 = sampled.reshape(-1, 3)[:count]
    return result


def score(rendered: U8, photo: U8, covered: Bool) -> Score:
    """Compare a render with its photo (both (h, w, 3)) on the covered pixels."""
    coverage = float(covered.mean())
    if coverage < MIN_COVERAGE:
        return Score(coverage, 0.0, 0.0, 0.0)
    x, y = rendered[covered].astype(np.float64), photo[covered].astype(np.float64)
    fitted = np.zeros_like(x)
    for channel in range(3):
        slope, shift = (
            np.polyfit(x[:, channel], y[:, channel], 1) if np.ptp(x[:, channel]) > 0 else (0.0, y[:, channel].mean())
        )
        fitted[:, channel] = slope * x[:, channel] + shift
    return Score(coverage, _psnr_db(x - y), _psnr_db(fitted - y), ssim(rendered, photo, covered))


def _psnr_db(difference: F64) -> float:
    return float(10 * np.log10(255**2 / max(float((difference**2).mean()), 1e-9)))


def ssim(one: U8, two: U8, covered: Bool) -> float:
    """Mean SSIM of the grey pictures (11 px Gaussian window, sigma 1.5) where it is covered whole; 0 if nowhere."""
    a, b = (np.where(covered, cv2.cvtColor(p, cv2.COLOR_BGR2GRAY).astype(np.float32), 0) for p in (one, two))

    def blur(picture: F32) -> F32:
        blurred: F32 = cv2.GaussianBlur(picture, (11, 11), 1.5)
        return blurred

    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b, cov = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2, blur(a * b) - mean_a * mean_b
    index = ((2 * mean_a * mean_b + SSIM_C1) * (2 * cov + SSIM_C2)) / (
        (mean_a**2 + mean_b**2 + SSIM_C1) * (var_a + var_b + SSIM_C2)
    )
    inner = cv2.erode(covered.astype(np.uint8), np.ones((11, 11))) > 0
    return float(index[inner].mean()) if inner.any() else 0.0
