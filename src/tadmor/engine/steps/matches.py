"""matches: compare the pairs and keep the matches that one camera geometry explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from tadmor.engine import colmap
from tadmor.engine.job import Job
from tadmor.engine.matching.descriptors import match, reduced, unit_descriptors
from tadmor.engine.scene import F32
from tadmor.engine.steps.photos import Photo, Photos
from tadmor.engine.workspace import Workspace, digest

VERSION = 2
MIN_INLIERS = 15
PROBE_FEATURES = 1500
PROBE_MATCHES = 8
PROBE_FROM_PHOTOS = 41
REDUCE_FROM = 3000 * 3000
"""Fewer comparisons than these are quick in all dimensions, and few features need every match they can get."""
FEATURES_AMONG_MANY = 4096
"""Many photos make up for fewer features each, and comparing costs the square of them."""


@dataclass(frozen=True, slots=True)
class Task:
    """One pair to compare: two photos and their features."""

    workspace: Workspace
    entry: Path
    photos: tuple[Photo, Photo]
    features: tuple[Path, Path]
    probe: bool
    seed: int


def run(
    job: Job, photos: Photos, features: dict[str, Path], pairs: Sequence[tuple[int, int]]
) -> list[colmap.VerifiedPair]:
    """Return the verified pairs; `first` and `second` are rows of `photos.usable`."""
    usable = photos.usable
    probe = len(usable) >= PROBE_FROM_PHOTOS
    inputs = [(features[p.key].name, p.facts.focal_px) for p in usable]

    def entry_of(i: int, j: int, *, probed: bool) -> Path:
        key = digest(inputs[i][0], inputs[j][0], inputs[i][1], inputs[j][1], probed, job.options.seed, VERSION)
        return job.workspace.entry("matches", key, ".npz")

    entries = [entry_of(i, j, probed=False) for i, j in pairs]
    if probe:  # what was compared in full while the photos were few stays good
        entries = [e if e.exists() else entry_of(*p, probed=True) for e, p in zip(entries, pairs, strict=True)]
    tasks = [
        Task(
            job.workspace,
            entry,
            (usable[i], usable[j]),
            (features[usable[i].key], features[usable[j].key]),
            probe,
            job.options.seed,
        )
        for entry, (i, j) in zip(entries, pairs, strict=True)
    ]
    with job.progress.step("matches", len(pairs)) as record:
        job.fill(record, compare, entries, tasks)
        verified = []
        for entry, (i, j) in zip(entries, pairs, strict=True):
            stored = job.workspace.load_arrays(entry)
            if len(stored["matches"]):
                verified.append(
                    colmap.VerifiedPair(i, j, stored["matches"], int(stored["configuration"]), stored["geometry"])
                )
    return verified


def compare(task: Task) -> None:
    """Match two photos and verify the matches; a pair without agreement is stored as no matches.

    Among many photos most pairs share nothing: the largest features alone tell that for a twentieth of the cost.
    """
    (points_1, rows_1), (points_2, rows_2) = (_descriptors(str(path)) for path in task.features)
    if task.probe:
        rows_1, rows_2 = rows_1[:FEATURES_AMONG_MANY], rows_2[:FEATURES_AMONG_MANY]
    matches = np.zeros((0, 2), np.uint32)
    if not task.probe or len(match(rows_1[:PROBE_FEATURES], rows_2[:PROBE_FEATURES])) >= PROBE_MATCHES:
        if len(rows_1) * len(rows_2) > REDUCE_FROM:
            rows_1, rows_2 = reduced(rows_1, rows_2)
        matches = match(rows_1, rows_2)
    one, two = (to_map(photo, 0, points) for photo, points in zip(task.photos, (points_1, points_2), strict=True))
    pair = colmap.verify_pair(one, two, matches, (0, 1), seed=task.seed, min_inliers=MIN_INLIERS)
    task.workspace.save_arrays(
        task.entry,
        matches=pair.matches if pair else np.zeros((0, 2), np.uint32),
        configuration=np.array(pair.configuration if pair else 0),
        geometry=pair.geometry if pair else np.zeros((3, 3, 3)),
    )


def to_map(photo: Photo, group: int, points: F32) -> colmap.PhotoToMap:
    """What mapping needs of a photo with these feature points."""
    facts = photo.facts
    return colmap.PhotoToMap(photo.key, photo.name, facts.width, facts.height, facts.focal_px, group, points)


@lru_cache(maxsize=64)
def _descriptors(path: str) -> tuple[F32, F32]:
    """Points and unit descriptors of a photo; at most 64 photos (4 MB each) are held."""
    stored = Workspace.load_arrays(Path(path))
    return stored["points"], unit_descriptors(stored["descriptors"])
