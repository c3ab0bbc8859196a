"""Finds, for every photo, the photos most likely to show the same things, without matching all pairs.

A photo's descriptors are summed up as one vector, VLAD (Jégou et al. 2010) over PCA-reduced RootSIFT with signed
square root and intra-normalisation (Arandjelović & Zisserman 2013). Vocabulary and PCA are learnt from the very photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from tadmor.engine.scene import F32

WORDS = 64
REDUCED = 64
SAMPLES = 60_000


@dataclass(frozen=True, eq=False, slots=True)
class Vocabulary:
    """`mean` (128,), `axes` (128, 64): PCA of unit descriptors; `words` (64, 64): centres in it. All float32."""

    mean: F32
    axes: F32
    words: F32


def learn_vocabulary(samples: F32, *, seed: int) -> Vocabulary:
    """Learn PCA and k-means from unit descriptors (n, 128) of all photos, n in the ten thousands."""
    rng = np.random.default_rng(seed)
    if len(samples) > SAMPLES:
        samples = samples[rng.choice(len(samples), SAMPLES, replace=False)]
    mean = samples.mean(0)
    _, vectors = np.linalg.eigh(np.cov((samples - mean).T))
    axes = np.ascontiguousarray(vectors[:, ::-1][:, :REDUCED]).astype(np.float32)
    reduced = (samples - mean) @ axes
    cv2.setRNGSeed(seed)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 25, 1e-4)
    _, _, words = cv2.kmeans(reduced, min(WORDS, len(reduced)), None, criteria, 1, cv2.KMEANS_PP_CENTERS)
    return Vocabulary(mean.astype(np.float32), axes, np.asarray(words, np.float32))


def vlad(descriptors: F32, vocabulary: Vocabulary) -> F32:
    """Sum up unit descriptors (n, 128) as one unit vector (words * 64,) float32."""
    words = vocabulary.words
    residuals = np.zeros_like(words)
    if len(descriptors):
        reduced = (descriptors - vocabulary.mean) @ vocabulary.axes
        nearest = np.argmax(reduced @ words.T - 0.5 * (words**2).sum(1), axis=1)
        np.add.at(residuals, nearest, reduced - words[nearest])
    residuals /= np.maximum(np.linalg.norm(residuals, axis=1, keepdims=True), 1e-9)
    vector = (np.sign(residuals) * np.sqrt(np.abs(residuals))).ravel()
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)


def most_similar(vectors: F32, neighbours: int) -> set[tuple[int, int]]:
    """Pairs (i, j), i < j, where either photo is among the other's `neighbours` nearest by VLAD vectors (n, d)."""
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    count = min(neighbours, len(vectors) - 1)
    nearest = (
        np.argpartition(-similarity, count - 1, axis=1)[:, :count] if count > 0 else np.zeros((len(vectors), 0), int)
    )
    return {(min(i, int(j)), max(i, int(j))) for i, row in enumerate(nearest) for j in row}


def successive(order: Sequence[int], reach: int) -> set[tuple[int, int]]:
    """Pairs of photos at most `reach` apart in an order in which they were taken (or named)."""
    return {
        (min(a, b), max(a, b)) for place, a in enumerate(order) for b in order[place + 1 : place + 1 + reach] if a != b
    }
