"""cameras: where every photo was taken; one scene a component, in its final frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tadmor.engine import colmap, extension, frame, mapping
from tadmor.engine.job import Job
from tadmor.engine.scene import Scene
from tadmor.engine.scene_file import load_scenes, save_scenes
from tadmor.engine.steps.matches import to_map
from tadmor.engine.steps.photos import Photo, Photos
from tadmor.engine.workspace import array_digest, digest

VERSION = 2


@dataclass(frozen=True, eq=False, slots=True)
class Cameras:
    """The components, largest first, and how they were found."""

    scenes: tuple[Scene, ...]
    method: str


def run(job: Job, photos: Photos, features: dict[str, Path], pairs: Sequence[colmap.VerifiedPair]) -> Cameras:
    """Map the photos, settle each component's frame, and keep the result."""
    usable = photos.usable
    content = [(p.first, p.second, array_digest(p.matches)) for p in pairs]
    inputs = [(p.key, features[p.key].name) for p in usable]
    key = digest(inputs, content, job.options.metres_per_unit, job.options.seed, VERSION)
    entry = job.workspace.entry("cameras", key, ".npz")
    with job.progress.step("cameras", 1) as record:
        if entry.exists():
            record.reused = 1
        else:
            points = [job.workspace.load_arrays(features[p.key])["points"] for p in usable]
            to_place = [to_map(p, 0, q) for p, q in zip(usable, points, strict=True)]
            to_place = mapping.camera_groups(to_place, [_mark(p) for p in usable])
            scenes, method = _extended(job, to_place, pairs) or _mapped(job, usable, to_place, pairs)
            save_scenes(job.workspace, entry, scenes, method)
        job.workspace.save_json(_latest(job), {"entry": entry.name, "photos": [p.key for p in usable]})
        job.progress.advance()
        scenes, method = load_scenes(entry)
        names = {p.key: p.name for p in usable}
        return Cameras(tuple(_renamed(s, names) for s in scenes), method)


def _mapped(
    job: Job, usable: Sequence[Photo], to_place: list[colmap.PhotoToMap], pairs: Sequence[colmap.VerifiedPair]
) -> tuple[list[Scene], str]:
    """Map all photos anew and settle every component's frame."""
    mapped = mapping.map_scenes(to_place, pairs, seed=job.options.seed)
    gps = {p.key: p.facts.gps[:2] for p in usable if p.facts.gps is not None}
    given = [job.options.metres_per_unit, *[None] * len(mapped.scenes)]  # components share no unit
    return [frame.settle(s, gps, unit) for s, unit in zip(mapped.scenes, given, strict=False)], mapped.method


def _latest(job: Job) -> Path:
    """Note on the last cameras found with these options, which more photos may join."""
    return job.workspace.entry("cameras", digest("latest", job.options.metres_per_unit, job.options.seed), ".json")


def _extended(
    job: Job, to_place: list[colmap.PhotoToMap], pairs: Sequence[colmap.VerifiedPair]
) -> tuple[list[Scene], str] | None:
    """Place only the photos that came since the last run, if they are few; None where all must be mapped anew."""
    note = _latest(job)
    if not note.exists():
        return None
    latest = job.workspace.load_json(note)
    entry = note.with_name(latest["entry"])
    if not entry.exists() or not extension.can_extend(latest["photos"], [p.photo for p in to_place]):
        return None
    before, method = load_scenes(entry)
    scenes = extension.extend(before, to_place, pairs, seed=job.options.seed)
    return None if scenes is None else (scenes, method)


def _mark(photo: Photo) -> tuple[object, ...] | None:
    """What EXIF says of the camera; None where it says too little to share it between photos.

    Phones' own apps name no model, but the focal length of the lens: photos of one size that agree in it, in its
    equivalent and in the model, were it unnamed, come from lenses of one build.
    """
    facts = photo.facts
    if not (facts.focal_px and (facts.model or facts.focal_mm)):
        return None
    return (facts.make, facts.model, facts.lens, facts.focal_mm, round(facts.focal_px, 1))


def _renamed(scene: Scene, names: dict[str, str]) -> Scene:
    """The same file may have come under another name since."""
    return replace(scene, views=tuple(replace(v, name=names.get(v.photo, v.name)) for v in scene.views))
