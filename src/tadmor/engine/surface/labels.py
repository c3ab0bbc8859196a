"""Which photo paints which face: candidates, exposure between photos, outliers, and a smooth choice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, prange

from tadmor.engine.scene import F32, F64, I32, I64, Bool

MOST_CANDIDATES = 10
EXPOSURE_FACES = 60_000
EXPOSURE_SIGMA = 12.0
OUTLIER_SIGMA = 25.0
SMOOTHNESS = 0.12
SWEEPS = 12
IMPOSSIBLE = np.float32(1e3)


@dataclass(frozen=True, eq=False, slots=True)
class Candidates:
    """The best views of every face: `view` (m, 10) int16, -1 where there is none; `quality` (m, 10) float32;
    `colour` (m, 10, 3) float32, what the view shows there.
    """

    view: np.typing.NDArray[np.int16]
    quality: F32
    colour: F32

    @classmethod
    def none(cls, faces: int) -> Candidates:
        """No candidates yet for so many faces."""
        shape = (faces, MOST_CANDIDATES)
        return cls(np.full(shape, -1, np.int16), np.zeros(shape, np.float32), np.zeros((*shape, 3), np.float32))

    def add(self, view: int, faces: I32, quality: F32, colour: F32) -> None:
        """Enter a view for the faces (k,) it sees, where it is among the best."""
        _enter(self.view, self.quality, self.colour, np.int16(view), faces, quality, colour)


@njit(nogil=True, cache=True)
def _enter(views, qualities, colours, view, faces, quality, colour):  # type: ignore[no-untyped-def]  # compiled by numba
    most = views.shape[1]
    for n in range(len(faces)):
        f = faces[n]
        worst = 0
        for k in range(1, most):
            if qualities[f, k] < qualities[f, worst]:
                worst = k
        if quality[n] > qualities[f, worst]:
            qualities[f, worst] = quality[n]
            views[f, worst] = view
            for c in range(3):
                colours[f, worst, c] = colour[n, c]


def solve_exposure(candidates: Candidates, views: int, *, seed: int, rounds: int = 6) -> tuple[F32, F32]:
    """Gain and offset per view and channel, each (views, 3) float32, that make the views agree on the faces they share.

    Robust alternating least squares: consensus colour per face, then a regression per view and channel, with weights
    1 / (1 + (r / 12)^2). The geometric mean of the gains is 1 and the mean of the offsets 0, so the average photo
    stays as it is.
    """
    gain, offset = np.ones((views, 3)), np.zeros((views, 3))
    shared = np.nonzero((candidates.view >= 0).sum(1) >= 2)[0]
    if len(shared) < 100:
        return gain.astype(np.float32), offset.astype(np.float32)
    if len(shared) > EXPOSURE_FACES:
        shared = np.random.default_rng(seed).choice(len(shared), EXPOSURE_FACES, replace=False)
        shared = np.nonzero((candidates.view >= 0).sum(1) >= 2)[0][np.sort(shared)]
    view = np.maximum(candidates.view[shared], 0).astype(np.int64)
    present = (candidates.view[shared] >= 0).astype(np.float64)
    colour = candidates.colour[shared].astype(np.float64)
    weight = present
    for _ in range(rounds):
        adjusted = colour * gain[view] + offset[view]
        consensus = (adjusted * weight[..., None]).sum(1) / np.maximum(weight.sum(1), 1e-9)[:, None]
        residual = np.linalg.norm(adjusted - consensus[:, None], axis=2)
        weight = present / (1 + (residual / EXPOSURE_SIGMA) ** 2)
        gain, offset = _regress(colour, consensus, weight, view, views)
    return gain.astype(np.float32), offset.astype(np.float32)


def _regress(colour: F64, consensus: F64, weight: F64, view: I64, views: int) -> tuple[F64, F64]:
    """Gain and offset (views, 3) that map colours (k, 10, 3) of views (k, 10) to the consensus (k, 3)."""
    flat, w = view.ravel(), weight.ravel()
    number = np.bincount(flat, w, views)
    gain, offset = np.ones((views, 3)), np.zeros((views, 3))
    enough = number >= 50
    safe = np.maximum(number, 1e-9)
    for channel in range(3):
        x = colour[..., channel].ravel()
        y = np.broadcast_to(consensus[:, None, channel], weight.shape).ravel()
        mean_x, mean_y = np.bincount(flat, w * x, views) / safe, np.bincount(flat, w * y, views) / safe
        dx = x - mean_x[flat]
        prior = number * 100  # holds the gain near 1 where a view's shared faces are of one colour
        slope = (np.bincount(flat, w * dx * (y - mean_y[flat]), views) + prior) / (
            np.bincount(flat, w * dx * dx, views) + prior + 1e-9
        )
        gain[:, channel] = np.where(enough, np.clip(slope, 0.5, 2), 1)
        offset[:, channel] = np.where(enough, mean_y - gain[:, channel] * mean_x, 0)
    scale = np.exp(np.log(gain[enough]).mean(0)) if enough.any() else np.ones(3)
    shift = offset[enough].mean(0) if enough.any() else np.zeros(3)
    return gain / scale, (offset - shift) / scale


def choose_labels(candidates: Candidates, neighbours: I32, gain: F32, offset: F32) -> tuple[I32, Bool]:
    """Choose for every face one of its candidates: returns the column (m,) int32 (-1: no photo sees the face) and
    which candidates (m, 10) may be blended with it, because their colour does not contradict the others'.

    Cost: 1 - root of relative quality, plus deviation from the robust mean colour where three or more views tell; a
    Potts term of 0.12 per edge between different photos; minimised by iterated conditional modes (Besag 1986).
    """
    present = candidates.view >= 0
    count = present.sum(1)
    deviation = colour_deviation(candidates, gain, offset)
    relative = candidates.quality / np.maximum(candidates.quality.max(1, keepdims=True), 1e-12)
    doubt = np.minimum(deviation / OUTLIER_SIGMA, 3) ** 2 * 0.25
    cost = (1 - np.sqrt(relative)) + np.where(count[:, None] >= 3, doubt, 0)
    cost = np.where(present, cost, IMPOSSIBLE).astype(np.float32)
    label = np.where(count > 0, cost.argmin(1), -1).astype(np.int32)
    _settle(cost, candidates.view, neighbours, label, np.float32(SMOOTHNESS), SWEEPS)
    outlier = (deviation > 2 * OUTLIER_SIGMA) & (count[:, None] >= 3)
    return label, present & ~outlier


def colour_deviation(candidates: Candidates, gain: F32, offset: F32) -> F32:
    """(m, 10) distance of every candidate's colour, after exposure, from the face's robust mean; 0 for no candidate."""
    return np.asarray(_deviation(candidates.view, candidates.quality, candidates.colour, gain, offset), np.float32)


@njit(parallel=True, cache=True, fastmath=True, error_model="numpy")
def _deviation(view, quality, colour, gain, offset):  # type: ignore[no-untyped-def]  # compiled by numba
    faces, columns = view.shape
    deviation = np.zeros((faces, columns), np.float32)
    for f in prange(faces):
        adjusted = np.zeros((columns, 3), np.float32)
        weight = np.zeros(columns, np.float32)
        for k in range(columns):
            v = view[f, k]
            if v >= 0:
                weight[k] = np.sqrt(quality[f, k])
                for c in range(3):
                    adjusted[k, c] = colour[f, k, c] * gain[v, c] + offset[v, c]
        w = weight.copy()
        for _ in range(4):
            total = max(w.sum(), np.float32(1e-9))
            m0 = (w * adjusted[:, 0]).sum() / total
            m1 = (w * adjusted[:, 1]).sum() / total
            m2 = (w * adjusted[:, 2]).sum() / total
            for k in range(columns):
                if weight[k] > 0:
                    d0, d1, d2 = adjusted[k, 0] - m0, adjusted[k, 1] - m1, adjusted[k, 2] - m2
                    squared = d0 * d0 + d1 * d1 + d2 * d2
                    deviation[f, k] = np.sqrt(squared)
                    w[k] = weight[k] / (1 + squared / np.float32(OUTLIER_SIGMA * OUTLIER_SIGMA))
    return deviation


@njit(nogil=True, cache=True)
def _settle(cost, view, neighbours, label, smoothness, sweeps):  # type: ignore[no-untyped-def]  # compiled by numba
    faces, columns = cost.shape
    for sweep in range(sweeps):
        changes = 0
        for place in range(faces):
            f = place if sweep % 2 == 0 else faces - 1 - place
            if label[f] < 0:
                continue
            best, best_cost = label[f], np.float32(1e9)
            for k in range(columns):
                if cost[f, k] > 1e2:
                    continue
                c = cost[f, k]
                for e in range(3):
                    g = neighbours[f, e]
                    if g >= 0 and (label[g] < 0 or view[g, label[g]] != view[f, k]):
                        c += smoothness
                if c < best_cost:
                    best, best_cost = k, c
            if best != label[f]:
                label[f] = best
                changes += 1
        if changes == 0:
            break
