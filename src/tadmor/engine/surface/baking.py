"""Painting the charts: every texel is a robust mean of what the photos show there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tadmor.engine.scene import F32, F64, I32, U8, Lens

MOST_BLENDED = 6
SIGMA = 40.0
SIGMA_TIMES = 5.0
ROUNDS = 2
PADDING_PX = 1.6
COLOUR_SCALE = 64  # sampled colours are kept as 16-bit integers of 1/64 grey level


@dataclass(frozen=True, eq=False, slots=True)
class Texels:
    """The texels of several charts in one row.

    `face` (t,) int32 owns each, -1 for none; `weights` (t, 2) float32 are the barycentric weights of its second and
    third corner; `start` (c,) is where each chart begins.
    """

    face: I32
    weights: F32
    start: NDArray[np.int64]


def rasterise_charts(corners: F32, chart: I32, size: I32) -> Texels:
    """Find the face that owns each texel: corners (m, 3, 2) in chart coordinates, chart (m,), size (c, 2).

    Texels within 1.6 of a face but in none are given to it, so that filtering at the seams meets no background.
    """
    area = size[:, 0].astype(np.int64) * size[:, 1]
    start = np.concatenate([[0], np.cumsum(area)[:-1]]).astype(np.int64)
    total = int(area.sum())
    face, weights = np.full(total, -1, np.int32), np.zeros((total, 2), np.float32)
    nearest = np.full(total, -np.inf, np.float32)
    _own(corners, chart, start, size, face, weights, nearest)
    return Texels(face, weights, start)


@njit(nogil=True, fastmath=True, cache=True, error_model="numpy")
def _own(corners, chart, start, size, face, weights, nearest):  # type: ignore[no-untyped-def]  # compiled by numba
    for f in range(len(corners)):
        c = chart[f]
        width, height = size[c, 0], size[c, 1]
        x0, y0 = corners[f, 0, 0], corners[f, 0, 1]
        x1, y1 = corners[f, 1, 0], corners[f, 1, 1]
        x2, y2 = corners[f, 2, 0], corners[f, 2, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        left, right = max(int(min(x0, x1, x2)) - 1, 0), min(int(max(x0, x1, x2)) + 2, width - 1)
        top, bottom = max(int(min(y0, y1, y2)) - 1, 0), min(int(max(y0, y1, y2)) + 2, height - 1)
        # heights of the triangle over its edges turn weights into distances in texels
        h0 = abs(area) / np.sqrt((x2 - x1) ** 2 + (y2 - y1) ** 2)
        h1 = abs(area) / np.sqrt((x2 - x0) ** 2 + (y2 - y0) ** 2)
        h2 = abs(area) / np.sqrt((x1 - x0) ** 2 + (y1 - y0) ** 2)
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                w1 = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / area
                w2 = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / area
                w0 = 1 - w1 - w2
                distance = min(w0 * h0, w1 * h1, w2 * h2, np.float32(0))
                if distance < -1.6:
                    continue
                t = start[c] + y * width + x
                if distance > nearest[t]:
                    nearest[t] = distance
                    face[t] = f
                    weights[t, 0] = w1
                    weights[t, 1] = w2


@dataclass(frozen=True, eq=False, slots=True)
class Painter:
    """A photo to sample, and what it sees of the mesh.

    `photo` (h, w, 3) uint8 as taken (distorted), its `lens` scaled to that size, cam_from_world, exposure `gain` and
    `offset` (3,); `depth` and `edge_weight` (h, w) float32 of the mesh through the pinhole `working_lens`.
    """

    photo: U8
    lens: Lens
    rotation: F64
    translation: F64
    gain: F32
    offset: F32
    working_lens: Lens
    depth: F32
    edge_weight: F32


def blend_sigma(disagreement: F32) -> float:
    """Distance from the mean at which a sample counts half, from how far photos lie apart (m,) on the faces.

    Photos of different days and lights differ everywhere; there only what differs more than usual is an intruder.
    """
    usual = float(np.median(disagreement)) if len(disagreement) else 0.0
    return max(SIGMA, SIGMA_TIMES * usual)


class Blend:
    """Collects up to six photos' samples for every texel, then takes their robust mean."""

    def __init__(
        self, texels: Texels, triangles: F32, normals: F32, candidates: NDArray[np.int16], labels: NDArray[np.int16]
    ) -> None:
        """Take the faces' `triangles` (m, 3, 3) float32 world and unit `normals` (m, 3).

        `candidates` (m, 6) are the photos that may show each, by number; `labels` (m,) the one that paints it.
        """
        self.texels = texels
        self.triangles = triangles
        self.normals = normals
        self.candidates = candidates
        self.labels = labels
        self.colours = np.zeros((len(texels.face), candidates.shape[1], 3), np.int16)
        self.weights = np.zeros((len(texels.face), candidates.shape[1]), np.float32)

    def sample(self, number: int, painter: Painter) -> None:
        """Sample photo `number` at the texels of the faces that have it as a candidate."""
        lens, working = painter.lens, painter.working_lens
        centre = -painter.rotation.T @ painter.translation
        _sample(
            self.texels.face,
            self.texels.weights,
            self.triangles,
            self.normals,
            self.candidates,
            self.labels,
            np.int16(number),
            painter.photo,
            np.array([lens.focal_px, lens.cx, lens.cy, lens.k1, lens.k2], np.float32),
            painter.rotation.astype(np.float32),
            painter.translation.astype(np.float32),
            centre.astype(np.float32),
            np.array([working.focal_px, working.cx, working.cy], np.float32),
            painter.depth,
            painter.edge_weight,
            painter.gain.astype(np.float32),
            painter.offset.astype(np.float32),
            self.colours,
            self.weights,
        )

    def mean(self, sigma: float = SIGMA) -> U8:
        """(t, 3) uint8 colours; texels without a sample take the value 0. `sigma`, in grey levels, is the distance from
        the mean at which a sample counts half.
        """
        result = np.zeros((len(self.texels.face), 3), np.uint8)
        _robust_mean(self.colours, self.weights, np.float32(sigma), ROUNDS, result)
        return result


@njit(nogil=True, fastmath=True, cache=True, error_model="numpy")
def _sample(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917  # compiled by numba: flat arrays, no structs
    owner,
    barycentric,
    triangles,
    normals,
    candidates,
    labels,
    number,
    photo,
    k,
    rotation,
    translation,
    centre,
    wk,
    depth,
    edge,
    gain,
    offset,
    colours,
    weights,
):
    height, width = photo.shape[:2]
    working_height, working_width = depth.shape
    slots = candidates.shape[1]
    for t in range(len(owner)):
        f = owner[t]
        if f < 0:
            continue
        slot = -1
        for s in range(slots):
            if candidates[f, s] == number:
                slot = s
        if slot < 0:
            continue
        w1, w2 = barycentric[t, 0], barycentric[t, 1]
        w0 = np.float32(1) - w1 - w2
        x = w0 * triangles[f, 0, 0] + w1 * triangles[f, 1, 0] + w2 * triangles[f, 2, 0]
        y = w0 * triangles[f, 0, 1] + w1 * triangles[f, 1, 1] + w2 * triangles[f, 2, 1]
        z = w0 * triangles[f, 0, 2] + w1 * triangles[f, 1, 2] + w2 * triangles[f, 2, 2]
        d = rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z + translation[2]
        if d <= 1e-6:
            continue
        px = (rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z + translation[0]) / d
        py = (rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z + translation[1]) / d
        wu = wk[0] * px + wk[1] + np.float32(0.5)
        wv = wk[0] * py + wk[2] + np.float32(0.5)
        inside = wu >= 1 and wv >= 1 and wu < working_width - 1 and wv < working_height - 1
        is_label = labels[f] == number
        e = np.float32(0)
        if inside:
            drawn = depth[int(wv), int(wu)]
            if not is_label and not (drawn > 0 and abs(drawn - d) < np.float32(0.01) * d):
                continue
            e = edge[int(wv), int(wu)]
        elif not is_label:
            continue
        r2 = px * px + py * py
        bend = np.float32(1) + r2 * (k[3] + r2 * k[4])
        u = min(max(k[0] * px * bend + k[1], np.float32(0)), np.float32(width - 1.001))
        v = min(max(k[0] * py * bend + k[2], np.float32(0)), np.float32(height - 1.001))
        vx, vy, vz = centre[0] - x, centre[1] - y, centre[2] - z
        cosine = (normals[f, 0] * vx + normals[f, 1] * vy + normals[f, 2] * vz) / np.sqrt(vx * vx + vy * vy + vz * vz)
        sharpness = max(cosine, np.float32(0.02)) * k[0] / d
        weights[t, slot] = sharpness * sharpness * (np.float32(0.02) + e)
        ui, vi = int(u), int(v)
        fu, fv = u - ui, v - vi
        for c in range(3):
            upper = photo[vi, ui, c] + fu * (np.float32(photo[vi, ui + 1, c]) - photo[vi, ui, c])
            lower = photo[vi + 1, ui, c] + fu * (np.float32(photo[vi + 1, ui + 1, c]) - photo[vi + 1, ui, c])
            value = (upper + fv * (lower - upper)) * gain[c] + offset[c]
            colours[t, slot, c] = np.int16(min(max(value, np.float32(-255)), np.float32(510)) * 64)


@njit(nogil=True, fastmath=True, cache=True, error_model="numpy")
def _robust_mean(colours, weights, sigma, rounds, result):  # type: ignore[no-untyped-def]  # compiled by numba
    """Weighted mean, then down-weight by a Cauchy kernel what disagrees with it, twice."""
    texels, slots = weights.shape
    unit = np.float32(1) / 64
    for t in range(texels):
        total = np.float32(0)
        r = g = b = np.float32(0)
        for s in range(slots):
            w = weights[t, s]
            total += w
            r += w * colours[t, s, 0]
            g += w * colours[t, s, 1]
            b += w * colours[t, s, 2]
        if total <= 0:
            continue
        r, g, b = r * unit / total, g * unit / total, b * unit / total
        for _ in range(rounds):
            total = sr = sg = sb = np.float32(0)
            for s in range(slots):
                if weights[t, s] <= 0:
                    continue
                cr, cg, cb = colours[t, s, 0] * unit, colours[t, s, 1] * unit, colours[t, s, 2] * unit
                distance = (cr - r) ** 2 + (cg - g) ** 2 + (cb - b) ** 2
                w = weights[t, s] / (np.float32(1) + distance / (sigma * sigma))
                total += w
                sr += w * cr
                sg += w * cg
                sb += w * cb
            r, g, b = sr / total, sg / total, sb / total
        result[t, 0] = np.uint8(min(max(r + np.float32(0.5), np.float32(0)), np.float32(255)))
        result[t, 1] = np.uint8(min(max(g + np.float32(0.5), np.float32(0)), np.float32(255)))
        result[t, 2] = np.uint8(min(max(b + np.float32(0.5), np.float32(0)), np.float32(255)))
