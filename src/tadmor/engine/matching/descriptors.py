"""Mutual nearest neighbours with Lowe's ratio test between two photos' descriptors, exhaustively, on one core."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tadmor.engine.scene import F32, I32, U8

BLOCK_ROWS = 512
LANES = 16


def unit_descriptors(descriptors: U8) -> F32:
    """Return (n, 128) float32 rows of unit length from (n, 128) uint8 RootSIFT descriptors."""
    rows = descriptors.astype(np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return rows


def reduced(one: F32, two: F32, dimensions: int = 64) -> tuple[F32, F32]:
    """Project unit descriptors (n, 128) and (m, 128) onto the axes that hold most of both, unit length again.

    64 axes hold 98 % of RootSIFT's energy; over 24 pairs each of lund_street and sacre_coeur the verified matches
    changed by about 1 % and no verified pair was lost, for two thirds of the time.
    """
    moment = one.T @ one + two.T @ two
    axes = np.ascontiguousarray(np.linalg.eigh(moment)[1][:, -dimensions:])
    projected = []
    for rows in (one, two):
        shadow = rows @ axes
        projected.append(shadow / np.maximum(np.linalg.norm(shadow, axis=1, keepdims=True), np.float32(1e-6)))
    return projected[0], projected[1]


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")  # type: ignore[untyped-decorator]  # numba ships no types
def _update_best(
    similarity: F32,
    first_row: int,
    floor: np.float32,
    row_best: F32,
    row_second: F32,
    row_where: I32,
    col_best: F32,
    col_second: F32,
    col_where: I32,
) -> None:
    """Fold a block (rows, n) of similarities into the best two of every row and of every column.

    Values up to `floor` cannot change a decision; nearly all are, so runs of 16 are skipped by one vectorised maximum.
    n is a multiple of 16.
    """
    rows, cols = similarity.shape
    for i in range(rows):
        line = similarity[i]
        best = second = np.float32(-2)
        where = 0
        for start in range(0, cols, LANES):
            highest = line[start]
            for lane in range(1, LANES):
                highest = max(highest, line[start + lane])
            if highest <= floor:
                continue
            for j in range(start, start + LANES):
                value = line[j]
                if value > second:
                    if value > best:
                        second = best
                        best = value
                        where = j
                    else:
                        second = value
                if value > col_second[j]:
                    if value > col_best[j]:
                        col_second[j] = col_best[j]
                        col_best[j] = value
                        col_where[j] = first_row + i
                    else:
                        col_second[j] = value
        row_best[first_row + i] = best
        row_second[first_row + i] = second
        row_where[first_row + i] = where


def match(one: F32, two: F32, *, max_ratio: float = 0.8, max_angle: float = 0.7) -> NDArray[np.uint32]:
    """Match unit descriptors `one` (n, d) to `two` (m, d): returns (k, 2) uint32 rows.

    A match is the nearest neighbour both ways, within `max_angle` radians, and in both directions nearer than
    `max_ratio` times the second nearest (Lowe 2004, section 7.1; angles as in COLMAP).
    """
    if len(one) < 2 or len(two) < 2:
        return np.zeros((0, 2), np.uint32)
    row_best, row_second = np.full((2, len(one)), -2, np.float32)
    padded = -(-len(two) // LANES) * LANES
    col_best, col_second = np.full((2, padded), -2, np.float32)
    row_where, col_where = np.zeros(len(one), np.int32), np.zeros(padded, np.int32)
    transposed = np.zeros((two.shape[1], padded), np.float32)  # padding has similarity 0
    transposed[:, : len(two)] = two.T
    block = np.zeros((min(BLOCK_ROWS, len(one)), padded), np.float32)
    floor = np.float32(np.cos(min(np.pi, max_angle / max_ratio)))  # a second best beyond this angle fails no ratio test
    for start in range(0, len(one), BLOCK_ROWS):
        rows = one[start : start + BLOCK_ROWS]
        similarity = np.matmul(rows, transposed, out=block[: len(rows)])
        _update_best(similarity, start, floor, row_best, row_second, row_where, col_best, col_second, col_where)
    angle = _angle(row_best)
    index = np.arange(len(one))
    keep = (
        (col_where[row_where] == index)
        & (angle < max_angle)
        & (angle < max_ratio * _angle(row_second))
        & (angle < max_ratio * _angle(col_second[row_where]))
    )
    return np.stack([index[keep], row_where[keep]], axis=1).astype(np.uint32)


def _angle(cosine: F32) -> F32:
    angle: F32 = np.arccos(np.clip(cosine, -1, 1)).astype(np.float32)
    return angle
