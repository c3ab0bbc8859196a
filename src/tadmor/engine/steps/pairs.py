"""pairs: which photos to compare: all with all while they are few, otherwise those that retrieval finds alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tadmor.engine.job import Job
from tadmor.engine.matching.descriptors import unit_descriptors
from tadmor.engine.matching.retrieval import Vocabulary, learn_vocabulary, most_similar, successive, vlad
from tadmor.engine.scene import F32
from tadmor.engine.steps.photos import Photo, Photos
from tadmor.engine.workspace import digest

VERSION = 1
EXHAUSTIVE_UP_TO = 40
NEIGHBOURS = 20
IN_ORDER = 3
DESCRIPTORS_A_PHOTO = 1500
SAMPLES_A_PHOTO = 400


def run(job: Job, photos: Photos, features: dict[str, Path]) -> list[tuple[int, int]]:
    """Return pairs (i, j), i < j, of rows of `photos.usable`."""
    usable = photos.usable
    with job.progress.step("pairs", 1) as record:
        if len(usable) <= EXHAUSTIVE_UP_TO:
            job.progress.advance()
            return [(i, j) for j in range(len(usable)) for i in range(j)]
        entry = job.workspace.entry(
            "pairs", digest([str(features[p.key]) for p in usable], NEIGHBOURS, IN_ORDER, VERSION), ".npz"
        )
        if entry.exists():
            record.reused = 1
        else:
            vocabulary = _vocabulary(job, usable, features)
            vectors = np.stack([vlad(_large_descriptors(job, features[p.key]), vocabulary) for p in usable])
            pairs = most_similar(vectors, NEIGHBOURS) | successive(_order_taken(usable), IN_ORDER)
            job.workspace.save_arrays(entry, pairs=np.array(sorted(pairs, key=lambda p: (p[1], p[0])), np.int32))
        job.progress.advance()
        return [(int(i), int(j)) for i, j in job.workspace.load_arrays(entry)["pairs"]]


def _vocabulary(job: Job, usable: tuple[Photo, ...], features: dict[str, Path]) -> Vocabulary:
    """The workspace's vocabulary: kept while photos come, so that old pairs stay; learnt anew once they doubled."""
    entry = job.workspace.entry("vocabulary", "vocabulary", ".npz")
    if entry.exists():
        stored = job.workspace.load_arrays(entry)
        if len(usable) <= 2 * int(stored["photos"]):
            return Vocabulary(stored["mean"], stored["axes"], stored["words"])
    rng = np.random.default_rng(job.options.seed)
    samples = []
    for photo in usable:
        rows = _large_descriptors(job, features[photo.key])
        samples.append(rows[rng.permutation(len(rows))[:SAMPLES_A_PHOTO]])
    vocabulary = learn_vocabulary(np.concatenate(samples), seed=job.options.seed)
    job.workspace.save_arrays(
        entry, mean=vocabulary.mean, axes=vocabulary.axes, words=vocabulary.words, photos=np.array(len(usable))
    )
    return vocabulary


def _large_descriptors(job: Job, entry: Path) -> F32:
    """Unit descriptors of a photo's largest features: they survive changes of distance."""
    return unit_descriptors(job.workspace.load_arrays(entry)["descriptors"][:DESCRIPTORS_A_PHOTO])


def _order_taken(usable: tuple[Photo, ...]) -> list[int]:
    """Rows in the order in which the photos were taken; by name where the time is unknown."""
    return sorted(range(len(usable)), key=lambda i: (usable[i].facts.taken_at or "", usable[i].name))
