"""The workspace: the one place that knows where a run keeps its work on disk, and how it survives being killed.

    WORKSPACE/
        lock               held by the running process
        CACHEDIR.TAG       tells backup programs, and the search for photographs, to pass by
        inputs.json        the files that were given last, by the folder OUT they were remodelled into
        photos/<photo>/    photo.jpg, working.npy, facts.json; <photo> is from the file's SHA-256
        <kind>/<key>       one file or folder an entry; <key> is from the inputs, options and version of its step
        scratch/           half-written entries; emptied at the start

An entry is written under scratch/ and renamed into place, so what stands under its key is whole. A step whose key
exists is not run again. Nothing here is needed once OUT is written: between runs the workspace may be deleted.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tadmor.errors import EnvironmentFailure
from tadmor.media.photo_search import CACHE_TAG, CACHE_TAG_SIGNATURE

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSALS = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG}
)


@contextlib.contextmanager
def told_apart(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write `path` into errors a person can act on."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise EnvironmentFailure("disk-full", path=path) from error
        if error.errno in _REFUSALS:
            raise EnvironmentFailure("not-writable", path=path, reason=os.strerror(error.errno)) from error
        raise


def digest(*parts: object) -> str:
    """Return a short stable key of JSON-like values (20 hex digits of SHA-256)."""
    text = json.dumps(parts, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:20]


def array_digest(*arrays: NDArray[Any]) -> str:
    """Return a short stable key of arrays' bytes."""
    state = hashlib.sha256()
    for array in arrays:
        state.update(np.ascontiguousarray(array).tobytes())
    return state.hexdigest()[:20]


class Workspace:
    """A folder of finished, keyed work. Cheap to pickle: only the path travels to other processes."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Create the folder and hold it for one run.

        Raises EnvironmentFailure `workspace-in-use`, `not-writable` or `disk-full`.
        """
        with told_apart(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            lock = (self.root / "lock").open("a+")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                raise EnvironmentFailure("workspace-in-use", path=self.root, pid=lock.read().strip() or "?") from error
            with told_apart(self.root):
                lock.truncate(0)
                lock.write(str(os.getpid()))
                lock.flush()
                shutil.rmtree(self.root / "scratch", ignore_errors=True)
                (self.root / "scratch").mkdir()
                if not (self.root / CACHE_TAG).exists():
                    (self.root / CACHE_TAG).write_text(f"{CACHE_TAG_SIGNATURE}\n# Made by Tadmor; may be deleted.\n")
            yield

    def entry(self, step: str, key: str, suffix: str = "") -> Path:
        """Where the entry of `step` under `key` stands or will stand."""
        return self.root / step / f"{key}{suffix}"

    def photo(self, photo: str) -> Path:
        """Folder of one photograph."""
        return self.root / "photos" / photo

    @contextlib.contextmanager
    def creating(self, entry: Path, *, folder: bool = False) -> Iterator[Path]:
        """Give a scratch path to write to; put it in place as `entry` when the block ends well."""
        with told_apart(entry):
            scratch = self.root / "scratch" / f"{uuid.uuid4().hex}{entry.suffix}"
            if folder:
                scratch.mkdir(parents=True)
            else:
                scratch.parent.mkdir(exist_ok=True)
            try:
                yield scratch
                entry.parent.mkdir(parents=True, exist_ok=True)
                if folder and entry.exists():
                    shutil.rmtree(entry)
                scratch.replace(entry)
            finally:
                if scratch.is_dir():
                    shutil.rmtree(scratch, ignore_errors=True)
                else:
                    scratch.unlink(missing_ok=True)

    def save_arrays(self, entry: Path, **arrays: NDArray[Any]) -> None:
        """Write an uncompressed .npz entry: these files are read back soon and often."""
        with self.creating(entry) as scratch, scratch.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    @staticmethod
    def load_arrays(entry: Path) -> dict[str, NDArray[Any]]:
        """Read an .npz entry whole."""
        with np.load(entry, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}

    def save_json(self, entry: Path, value: object) -> None:
        """Write a JSON entry; one that says the same already is left alone."""
        data = json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "surrogateescape")
        if entry.is_file() and entry.read_bytes() == data:
            return
        with self.creating(entry) as scratch:
            scratch.write_bytes(data)

    @staticmethod
    def load_json(entry: Path) -> Any:
        """Read a JSON entry."""
        return json.loads(entry.read_text(encoding="utf-8", errors="surrogateescape"))

    def prune(self, step: str, keep: set[str]) -> None:
        """Remove entries of `step` whose file names are not in `keep`: what the last finished run did not use."""
        folder = self.root / step
        if not folder.is_dir():
            return
        for entry in folder.iterdir():
            if entry.name not in keep:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink(missing_ok=True)
