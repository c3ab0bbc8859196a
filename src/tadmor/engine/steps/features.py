"""features: SIFT on every photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tadmor.engine import colmap
from tadmor.engine.job import Job
from tadmor.engine.steps.photos import Photo, Photos, working_picture
from tadmor.engine.workspace import Workspace, digest

VERSION = 1
SMALL_PHOTO_PX = 1300
"""Photos with a shorter long side are searched from double size on (first octave -1), or too few features come."""


@dataclass(frozen=True, slots=True)
class Task:
    """Photos to search in one go, on so many threads."""

    workspace: Workspace
    photos: tuple[Photo, ...]
    entries: tuple[Path, ...]
    feature_px: int
    max_features: int
    threads: int


def run(job: Job, photos: Photos) -> dict[str, Path]:
    """Return the features entry of every usable photo, by its key."""
    effort = job.options.effort
    entries = {
        p.key: job.workspace.entry("features", digest(p.key, effort.feature_px, effort.max_features, VERSION), ".npz")
        for p in photos.usable
    }
    with job.progress.step("features", len(photos.usable)) as record:
        missing = [p for p in photos.usable if not entries[p.key].exists()]
        record.reused = len(photos.usable) - len(missing)
        job.progress.advance(record.reused)
        if job.compute.scheduler is not None:
            tasks = _tasks(job, missing, entries, batch=1, threads=1)
            job.compute.map(detect, tasks, job.progress.advance)
        else:
            # pycolmap spreads a batch over its own threads, so batches run one after the other; sorted by size, they
            # are of one octave
            missing.sort(key=lambda p: max(p.facts.width, p.facts.height) < SMALL_PHOTO_PX)
            threads = job.compute.threads
            for task in _tasks(job, missing, entries, batch=4 * threads, threads=threads):
                job.compute.map(detect, [task])
                job.progress.advance(len(task.photos))
    return entries


def _tasks(job: Job, missing: list[Photo], entries: dict[str, Path], *, batch: int, threads: int) -> list[Task]:
    effort = job.options.effort
    batches = [tuple(missing[first : first + batch]) for first in range(0, len(missing), batch)]
    return [
        Task(
            job.workspace,
            photos,
            tuple(entries[p.key] for p in photos),
            effort.feature_px,
            effort.max_features,
            threads,
        )
        for photos in batches
    ]


def detect(task: Task) -> None:
    """Detect and store the features of a batch of photos, in image points of the full-size photos."""
    for small in (False, True):
        chosen = [
            i for i, p in enumerate(task.photos) if (max(p.facts.width, p.facts.height) < SMALL_PHOTO_PX) == small
        ]
        if not chosen:
            continue
        greys = []
        for i in chosen:
            grey = cv2.cvtColor(working_picture(task.workspace, task.photos[i].key), cv2.COLOR_BGR2GRAY)
            scale = task.feature_px / max(grey.shape)
            if scale < 1:
                size = (round(grey.shape[1] * scale), round(grey.shape[0] * scale))
                grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
            greys.append(grey)
        found = colmap.extract_sift(
            greys, max_features=task.max_features, first_octave=-1 if small else 0, threads=task.threads
        )
        for i, grey, features in zip(chosen, greys, found, strict=True):
            facts = task.photos[i].facts
            scale = np.array([facts.width / grey.shape[1], facts.height / grey.shape[0]], np.float32)
            points = (features.points + 0.5) * scale - 0.5
            task.workspace.save_arrays(
                task.entries[i],
                points=points.astype(np.float32),
                scales=features.scales * scale[0],
                descriptors=features.descriptors,
            )
