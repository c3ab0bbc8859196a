"""Taking one photograph in: the task that `PhotoReader` runs in the sandbox, from checks on the header to the files."""

from __future__ import annotations

import contextlib
import hashlib
import io
import mmap
import os
import stat
import uuid
from collections.abc import Buffer, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tadmor.errors import UserError
from tadmor.media.atomic import replacing
from tadmor.media.blur import edge_width_px
from tadmor.media.fingerprint import fingerprint
from tadmor.media.photo import PHOTO_FILES, WORKING_FILE, WORKING_LONG_PX, PhotoFacts, refusals_told
from tadmor.media.photo_damage import declared_bytes, ends_early, in_short, is_harmless, zeroed_share
from tadmor.media.photo_kind import HEAD_BYTES, Kind, found_instead, photo_kind
from tadmor.media.photo_metadata import Metadata, focal_px, read_metadata
from tadmor.media.photo_pixels import (
    Opened,
    Undecodable,
    Unsupported,
    decode,
    jpeg,
    open_photo,
    readable_share,
    upright,
    working_picture,
)

MAX_MEGAPIXELS = 400
MIN_LONG_PX = 320
PANORAMA_RATIO = 2.5
PANORAMA_LONG_PX = 6000
JPEG_END = b"\xff\xd9"


def take_in(request: dict[str, Any]) -> dict[str, Any]:
    """Read the photo at `path` into the folder `out` under the display name `name`; answer its facts as JSON.

    Raises UserError with the verdict on the file, EnvironmentFailure where `out` cannot be written.
    """
    path, out, name = Path(request["path"]), Path(request["out"]), str(request["name"])
    with _opened(path, name) as (file, data):
        head = bytes(data[:HEAD_BYTES])
        kind = photo_kind(head)
        if kind is None:
            raise UserError("photo-not-an-image", name=name, found=found_instead(head))
        opened, metadata, pixels = _decoded(file, data, kind, name)
        orientation = 1 if opened.turned else metadata.orientation
        pixels = upright(pixels, orientation)
        working = working_picture(pixels, WORKING_LONG_PX)
        copied = opened.plain and orientation == 1 and kind in {Kind.JPEG, Kind.PNG}
        with refusals_told(out):
            if copied:
                _keep(path, file, data, out / PHOTO_FILES[kind is Kind.PNG])
            else:
                _write(out / PHOTO_FILES[0], jpeg(pixels))
            array = io.BytesIO()  # straight to a file, numpy would not say why a write failed
            np.save(array, working, allow_pickle=False)
            _write(out / WORKING_FILE, array.getbuffer())
        height, width = pixels.shape[:2]
        focal, source = focal_px(metadata, width, height)
        facts = PhotoFacts(
            name=name,
            sha256=hashlib.sha256(data).hexdigest(),
            size_bytes=len(data),
            width=width,
            height=height,
            format=kind,
            bits=opened.bits,
            colour=opened.colour,
            orientation=metadata.orientation,
            make=metadata.make,
            model=metadata.model,
            lens=metadata.lens,
            focal_mm=metadata.focal_mm,
            focal_35mm_mm=metadata.focal_35mm_mm,
            focal_px=focal,
            focal_source=source,
            taken_at=metadata.taken_at,
            gps=metadata.gps,
            compass_deg=metadata.compass_deg,
            normalised=not copied,
            blur=edge_width_px(working),
            fingerprint=fingerprint(working),
        )
    return {"facts": facts.to_json()}


@contextlib.contextmanager
def _opened(path: Path, name: str) -> Iterator[tuple[BinaryIO, mmap.mmap]]:
    """Open a regular file that is not empty, and map it."""
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for its other end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise UserError("input-missing", path=path) from None
    except OSError as error:
        raise UserError("input-unreadable", path=path, reason=os.strerror(error.errno or 0)) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        reason = "it is a folder" if stat.S_ISDIR(status.st_mode) else "it is not a regular file"
        raise UserError("input-unreadable", path=path, reason=reason)
    with os.fdopen(descriptor, "rb") as file:
        if status.st_size == 0:
            raise UserError("photo-empty", name=name)
        # Not closed here: libvips may still point into it, and closing it then is refused.
        yield file, mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)


def _decoded(file: BinaryIO, data: mmap.mmap, kind: Kind, name: str) -> tuple[Opened, Metadata, NDArray[np.uint8]]:
    """Check the header, then decode the whole picture, as stored.

    A JPEG decoder's complaint about a mere oddity is passed over. A JPEG that lacks only its end marker has its whole
    picture; it is read, and taken for not plain, so that a sound copy is written. Any other complaint is the verdict.
    """
    lost = zeroed_share(data, kind)
    if lost:
        raise UserError(
            "photo-truncated", name=name, reason=f"the last {_percent(lost)} of the file are nothing but zeros"
        )

    def attempt(content: mmap.mmap | bytes, *, strict: bool = True) -> tuple[Opened, Metadata, NDArray[np.uint8]]:
        opened = open_photo(content, kind, strict=strict)
        metadata = read_metadata(file if kind is Kind.TIFF else opened.exif, opened.xmp)
        _check_shape(opened, metadata, name)
        return opened, metadata, decode(opened)

    try:
        try:
            return attempt(data)
        except Undecodable as complaint:
            if is_harmless(kind, str(complaint)):
                return attempt(data, strict=False)
            if kind is not Kind.JPEG or not ends_early(data, kind, str(complaint)):
                raise
            with contextlib.suppress(Undecodable):
                opened, metadata, pixels = attempt(bytes(data) + JPEG_END)
                return replace(opened, plain=False), metadata, pixels
            raise
    except Undecodable as complaint:
        raise _verdict(data, kind, name, str(complaint)) from complaint
    except Unsupported as other:
        raise UserError("photo-not-an-image", name=name, found=str(other)) from other


def _check_shape(opened: Opened, metadata: Metadata, name: str) -> None:
    """Raise the verdict on a photo whose size alone rules it out, before anything is decoded."""
    long_px, short_px = max(opened.width, opened.height), min(opened.width, opened.height)
    if opened.width * opened.height > MAX_MEGAPIXELS * 1e6:
        megapixels = round(opened.width * opened.height / 1e6)
        raise UserError("photo-too-large", name=name, megapixels=megapixels, limit=MAX_MEGAPIXELS)
    if metadata.panorama or (long_px >= PANORAMA_LONG_PX and long_px >= PANORAMA_RATIO * short_px):
        raise UserError("photo-panorama", name=name, width=opened.width, height=opened.height)
    if long_px < MIN_LONG_PX:
        raise UserError("photo-too-small", name=name, width=opened.width, height=opened.height, limit=MIN_LONG_PX)


def _verdict(data: mmap.mmap, kind: Kind, name: str, complaint: str) -> UserError:
    """Say what is wrong with a file that could not be decoded."""
    share = readable_share(data, kind)
    read = f"only the first {_percent(share)} of the picture can be read" if share > 0 else ""
    if not ends_early(data, kind, complaint):
        return UserError("photo-damaged", name=name, reason=read or in_short(complaint))
    declared = declared_bytes(data, kind)
    if not read and declared and declared > len(data):
        read = f"only {len(data):,} of its {declared:,} bytes are there"
    return UserError("photo-truncated", name=name, reason=read or f"the data end too early, after {len(data):,} bytes")


def _percent(share: float) -> str:
    """Put a share in whole percent, never rounded up to everything or down to nothing."""
    return f"{min(99, max(1, round(100 * share)))} %"


def _keep(path: Path, file: BinaryIO, data: mmap.mmap, target: Path) -> None:
    """Put the given file under another name: a hard link where possible, if it is still the same file, else a copy."""
    scratch = target.with_name(f".{uuid.uuid4().hex}.part")
    read = os.fstat(file.fileno())
    try:
        os.link(path.resolve(), scratch)
        linked = scratch.stat()
        if (linked.st_ino, linked.st_dev, linked.st_mtime_ns, linked.st_size) == (
            read.st_ino, read.st_dev, read.st_mtime_ns, read.st_size
        ):  # fmt: skip
            scratch.replace(target)
            return
    except OSError:  # another file system, or none with links, or not allowed: a copy does as well
        pass
    finally:
        scratch.unlink(missing_ok=True)
    _write(target, data)


def _write(path: Path, content: Buffer) -> None:
    with replacing(path) as file:
        file.write(content)
