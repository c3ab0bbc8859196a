"""photos: read what was given in a sandbox, tell apart photographs, duplicates and what cannot be used."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tadmor.engine.job import Job
from tadmor.engine.scene import U8
from tadmor.engine.verdicts import Outcome, Verdict
from tadmor.engine.workspace import Workspace, digest
from tadmor.errors import UserError
from tadmor.media.blur import BLURRED_ABOVE
from tadmor.media.fingerprint import find_duplicates
from tadmor.media.photo import PhotoFacts, PhotoReader, photo_file
from tadmor.media.photo_search import FoundPhoto

VERSION = 1


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph that can be worked with: its folder in the workspace is named by `key`."""

    key: str
    name: str
    facts: PhotoFacts


@dataclass(frozen=True, slots=True)
class Photos:
    """The usable photographs in the order given, and verdicts on the others."""

    usable: tuple[Photo, ...]
    verdicts: tuple[Verdict, ...]


def run(job: Job, found: Sequence[FoundPhoto]) -> Photos:
    """Read every file once; what was read before (same path, size and time) is taken over."""
    with job.progress.step("photos", len(found)) as record:
        # on this machine: the photographs may be on no disk that a cluster can read
        with PhotoReader(workers=job.compute.threads) as reader:
            read = job.compute.map(partial(_read, job.workspace, reader), found, job.progress.advance, here=True)
        record.reused = sum(reused for _, reused in read)
        verdicts = [outcome for outcome, _ in read if isinstance(outcome, Verdict)]
        readable = [outcome for outcome, _ in read if isinstance(outcome, Photo)]
        # before duplicates, or an enlarged copy, being the largest, would displace the sharp original
        photos = [photo for photo in readable if photo.facts.blur <= BLURRED_ABOVE]
        verdicts += [_blurred(photo) for photo in readable if photo.facts.blur > BLURRED_ABOVE]
        duplicates = find_duplicates([p.facts for p in photos], lambda i: working_picture(job.workspace, photos[i].key))
        usable = []
        for index, photo in enumerate(photos):
            if index in duplicates:
                kept, distance = duplicates[index]
                measure = f"of {photos[kept].name}; bits that differ between the fingerprints"
                verdicts.append(Verdict(photo.name, Outcome.DUPLICATE, distance, measure))
            else:
                usable.append(photo)
    return Photos(tuple(usable), tuple(verdicts))


def _blurred(photo: Photo) -> Verdict:
    measure = f"px, the width of edges; at most {BLURRED_ABOVE} is usable"
    return Verdict(photo.name, Outcome.BLURRED, photo.facts.blur, measure)


def _read(workspace: Workspace, reader: PhotoReader, found: FoundPhoto) -> tuple[Photo | Verdict, bool]:
    """Read one file into the workspace: a Photo, or the verdict why not; and whether it stood there already."""
    note = None
    try:
        status = found.path.stat()
        stamp = (str(found.path.absolute()), status.st_size, status.st_mtime_ns, VERSION)
        note = workspace.entry("intake", digest(*stamp), ".json")
        if note.exists():
            key = workspace.load_json(note)
            folder = workspace.photo(key)
            if (folder / "facts.json").exists():
                return Photo(key, found.name, PhotoFacts.from_json((folder / "facts.json").read_text())), True
        with workspace.creating(workspace.entry("intake", digest(*stamp), ".photo"), folder=True) as scratch:
            facts = reader.read(found.path, scratch, found.name)
            key = facts.sha256[:24]
            _put(scratch, workspace.photo(key))
        shutil.rmtree(workspace.entry("intake", digest(*stamp), ".photo"), ignore_errors=True)
        workspace.save_json(note, key)
        return Photo(key, found.name, facts), False
    except UserError as error:
        reason = f"{error.what} {error.advice}"
        return Verdict(found.name, Outcome.UNREADABLE, None, error.code, reason), False
    except OSError as error:
        return Verdict(found.name, Outcome.UNREADABLE, None, "input-unreadable", str(error)), False


def _put(scratch: Path, folder: Path) -> None:
    """Move the files of a photo into its folder, facts.json last: a folder with facts.json is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(scratch.iterdir(), key=lambda path: path.name == "facts.json"):
        file.replace(folder / file.name)


def working_picture(workspace: Workspace, key: str) -> U8:
    """The photo upright at working size: (h, w, 3) uint8 BGR."""
    picture: U8 = np.load(workspace.photo(key) / "working.npy")
    return picture


def full_picture_path(workspace: Workspace, key: str) -> Path:
    """The photo upright at full size, as JPEG or PNG."""
    return photo_file(workspace.photo(key))
