"""Finding the photographs among the files and folders that were given."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tadmor.errors import UserError

PHOTO_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".webp", ".heic", ".heif", ".avif", ".bmp", ".gif"}
)

# What network drives and archives keep beside photos: thumbnails and other systems' attributes, under photos' names.
_COMPANION_FOLDERS = frozenset({"@eaDir", "__MACOSX"})

CACHE_TAG = "CACHEDIR.TAG"
"""Marks a folder that some program can fill again (bford.info/cachedir), such as an earlier run's workspace."""
CACHE_TAG_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55"
_REPORT, _REPORT_FORMAT = "report.json", b'"tadmor-report"'


@dataclass(frozen=True, slots=True)
class FoundPhoto:
    """A file to be read as a photograph, and its name as people are shown it: printable, unique among those found."""

    path: Path
    name: str


def find_photos(paths: Sequence[Path]) -> list[FoundPhoto]:
    """Find the photographs: every file that is named, and in folders, at any depth, those whose suffix is a photo's.

    The order given is kept; folders are read in natural order (2 before 10), files before their sister folders. Links
    are followed, and a file that is reached twice is found once. Inside a folder, hidden files and folders are left
    out, and so are caches and earlier results of Tadmor: pictures there are copies, renders and textures.

    Raises UserError `input-missing` or `input-unreadable` for the first path of which that is true, and `no-photos`.
    """
    found: dict[Path, Path] = {}
    seen_folders: set[tuple[int, int]] = set()
    for path in paths:
        status = _status(path)
        files = _files_in(path, seen_folders) if stat.S_ISDIR(status.st_mode) else iter([path])
        for file in files:
            found.setdefault(file.resolve(), file)
    if not found:
        raise UserError("no-photos", where=", ".join(printable(os.fspath(path)) for path in paths) or "the files given")
    files_found = list(found.values())
    return [FoundPhoto(file, name) for file, name in zip(files_found, _names(files_found), strict=True)]


def printable(text: str) -> str:
    """Return a text that can be printed on one line: bytes that are no UTF-8 and control characters as escapes."""
    escaped = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in escaped)


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key by which IMG_2 comes before IMG_10, whatever the case."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return (*((0, int(p), "") if p.isascii() and p.isdigit() else (1, 0, p) for p in parts if p), (2, 0, name))


def _files_in(root: Path, seen_folders: set[tuple[int, int]]) -> Iterator[Path]:
    """Yield the photographs in a folder and below it; each folder is entered once, so that links may form loops."""
    folders = [root]
    while folders:
        folder = folders.pop()
        status = _status(folder)
        if (status.st_dev, status.st_ino) in seen_folders:
            continue
        seen_folders.add((status.st_dev, status.st_ino))
        if folder != root and _is_derived(folder):
            continue
        inner: list[Path] = []
        for entry in _entries(folder):
            try:
                mode = entry.stat().st_mode
            except OSError as error:
                if error.errno in {errno.ENOENT, errno.ELOOP}:  # a link that leads nowhere
                    continue
                raise _unreadable(entry, error) from error
            if stat.S_ISDIR(mode):
                inner.append(entry)
            elif stat.S_ISREG(mode) and entry.suffix.lower() in PHOTO_SUFFIXES:
                yield entry
        folders.extend(reversed(inner))


def _is_derived(folder: Path) -> bool:
    """Whether a folder holds what a program made: a cache, or the result of an earlier run."""
    for name, mark in ((CACHE_TAG, CACHE_TAG_SIGNATURE.encode()), (_REPORT, _REPORT_FORMAT)):
        with contextlib.suppress(OSError), (folder / name).open("rb") as file:
            if mark in file.read(200):
                return True
    return False


def _entries(folder: Path) -> list[Path]:
    """List what is in a folder and not hidden, in natural order."""
    try:
        entries = [e for e in folder.iterdir() if not e.name.startswith(".") and e.name not in _COMPANION_FOLDERS]
    except OSError as error:
        raise _unreadable(folder, error) from error
    return sorted(entries, key=lambda entry: natural_key(entry.name))


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError:
        raise UserError("input-missing", path=printable(os.fspath(path))) from None
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError("input-unreadable", path=printable(os.fspath(path)), reason=os.strerror(error.errno or 0))


def _names(files: Sequence[Path]) -> list[str]:
    """Name each file: by its file name where only one has it, else from the folder that all have in common."""
    short = [printable(file.name) for file in files]
    counts = Counter(short)
    absolute = [file.absolute() for file in files]
    common = _common_folder(absolute)
    names = [
        name if counts[name] == 1 else printable(path.relative_to(common).as_posix())
        for name, path in zip(short, absolute, strict=True)
    ]
    # Escapes can make different names look alike.
    taken: Counter[str] = Counter()
    for i, name in enumerate(names):
        taken[name] += 1
        if taken[name] > 1:
            names[i] = f"{name} ({taken[name]})"
    return names


def _common_folder(files: Sequence[Path]) -> Path:
    """Return the deepest folder that holds all of the files."""
    common = files[0].parent
    while not all(file.is_relative_to(common) for file in files):
        common = common.parent
    return common
