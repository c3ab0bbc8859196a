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
    """One photo to search."""

    workspace: Workspace
    entry: Path
    photo: Photo
    feature_px: int
    max_features: int


def run(job: Job, photos: Photos) -> dict[str, Path]:
    """Return the features entry of every usable photo, by its key."""
    effort = job.options.effort
    entries = {
        p.key: job.workspace.entry("features", digest(p.key, effort.feature_px, effort.max_features, VERSION), ".npz")
        for p in photos.usable
    }
    tasks = [Task(job.workspace, entries[p.key], p, effort.feature_px, effort.max_features) for p in photos.usable]
    with job.progress.step("features", len(tasks)) as record:
        job.fill(record, detect, list(entries.values()), tasks)
    return entries


def detect(task: Task) -> None:
    """Detect and store the features of a photo, in image points of the full-size photo."""
    facts = task.photo.facts
    grey = cv2.cvtColor(working_picture(task.workspace, task.photo.key), cv2.COLOR_BGR2GRAY)
    scale = task.feature_px / max(grey.shape)
    if scale < 1:
        size = (round(grey.shape[1] * scale), round(grey.shape[0] * scale))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    small = max(facts.width, facts.height) < SMALL_PHOTO_PX
    features = colmap.extract_sift(grey, max_features=task.max_features, first_octave=-1 if small else 0)
    to_full = np.array([facts.width / grey.shape[1], facts.height / grey.shape[0]], np.float32)
    task.workspace.save_arrays(
        task.entry,
        points=((features.points + 0.5) * to_full - 0.5).astype(np.float32),
        scales=features.scales * to_full[0],
        descriptors=features.descriptors,
    )
