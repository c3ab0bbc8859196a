"""Photographs: what is known of one, and the reader that takes one in.

`PhotoReader.read` leaves in the folder it is given:

    photo.jpg or photo.png   upright 8-bit sRGB: the given file itself where it is that already, else a converted copy
    working.npy              (h, w, 3) uint8 BGR, upright, long side at most WORKING_LONG_PX
    facts.json               the PhotoFacts; written last, so where it stands the rest is whole
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tadmor.errors import EnvironmentFailure, UserError
from tadmor.media.atomic import replacing
from tadmor.media.sandbox import Limits, Sandbox, TaskDied

WORKING_LONG_PX = 1600
PHOTO_FILES = ("photo.jpg", "photo.png")
WORKING_FILE = "working.npy"
FACTS_FILE = "facts.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class PhotoFacts:
    """What is known of a photograph from its file.

    `name` as it is shown to people; `sha256` and `size_bytes` of the given file; `width` and `height` in pixels of the
    upright photo; `format` and `colour` ("rgb", "grey", "cmyk") and `bits` a channel as given; `orientation` as
    EXIF had it, 1..8 (the pixels that were written are upright).

    `focal_px` is estimated for the upright photo at full size; `focal_source` says from what ("exif-35mm",
    "exif-focal-plane"). `taken_at` is ISO 8601, with an offset from UTC only where the camera knew it. `gps` is
    latitude and longitude in degrees and altitude in m or None; `compass_deg` is clockwise from north.

    `normalised` says that the photo was converted, so that its pixels are not bit for bit those of the given file.
    `blur` is the figure behind the verdict "blurred" (see `blur.py`); `fingerprint` finds copies (`fingerprint.py`).
    """

    name: str
    sha256: str
    size_bytes: int
    width: int
    height: int
    format: str
    bits: int
    colour: str
    orientation: int
    make: str | None
    model: str | None
    lens: str | None
    focal_mm: float | None
    focal_35mm_mm: float | None
    focal_px: float | None
    focal_source: str | None
    taken_at: str | None
    gps: tuple[float, float, float | None] | None
    compass_deg: float | None
    normalised: bool
    blur: float
    fingerprint: str

    def to_json(self) -> str:
        """Return the facts as JSON; ASCII only, so that names with undecodable bytes survive."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> PhotoFacts:
        """Read what `to_json` wrote. Raises ValueError naming the fact that is missing or of the wrong type."""
        told = json.loads(text)
        if not isinstance(told, dict):
            raise ValueError("facts: not a JSON object")
        facts: dict[str, Any] = {}
        for field in fields(cls):
            try:
                facts[field.name] = _CHECKS[str(field.type)](told[field.name])
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"facts: {field.name} is {told.get(field.name, 'missing')!r}") from error
        return cls(**facts)


class PhotoReader:
    """Takes photographs in, several at once if called from several threads. Owns processes: use it with `with`."""

    def __init__(self, workers: int = 2, limits: Limits | None = None) -> None:
        self._sandbox = Sandbox("tadmor.media.photo_intake:take_in", workers=workers, limits=limits)

    def read(self, path: Path, out: Path, name: str) -> PhotoFacts:
        """Read the photograph at `path` into the folder `out`, which is created; see the module for what is written.

        Raises UserError with the file's verdict (codes `photo-...`, `input-missing`, `input-unreadable`), after which
        nothing of this photo is left in `out`; EnvironmentFailure where `out` cannot be written.
        """
        with refusals_told(out):
            out.mkdir(parents=True, exist_ok=True)
            _clear(out)
        request = {"path": os.fspath(path.absolute()), "out": os.fspath(out.absolute()), "name": name}
        try:
            answer = self._sandbox.call(request)
            facts = PhotoFacts.from_json(str(answer.get("facts")))
        except TaskDied as death:
            raise UserError("photo-decoder-died", name=name, reason=death.reason) from None
        except ValueError as error:
            raise UserError("photo-decoder-died", name=name, reason=f"it answered nonsense: {error}") from None
        else:
            with refusals_told(out), replacing(out / FACTS_FILE) as file:
                file.write(facts.to_json().encode())
            return facts
        finally:
            if not (out / FACTS_FILE).exists():
                with contextlib.suppress(OSError):
                    _clear(out)

    def close(self) -> None:
        """End the processes."""
        self._sandbox.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def photo_file(out: Path) -> Path:
    """Return the photo in a folder that `PhotoReader.read` has filled. Raises FileNotFoundError where there is none."""
    for name in PHOTO_FILES:
        if (out / name).exists():
            return out / name
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(out / PHOTO_FILES[0]))


@contextlib.contextmanager
def refusals_told(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write to `path` into errors a person can act on."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise EnvironmentFailure("disk-full", path=path) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}:
            raise EnvironmentFailure("not-writable", path=path, reason=os.strerror(error.errno)) from error
        raise


def _clear(out: Path) -> None:
    """Remove what an earlier photo, or a child that was killed, left; the facts first, for they vouch for the rest."""
    for name in (FACTS_FILE, *PHOTO_FILES, WORKING_FILE):
        (out / name).unlink(missing_ok=True)
    for part in out.glob(".*.part"):
        part.unlink(missing_ok=True)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError
    return value


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise TypeError
    return float(value)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _position(value: Any) -> tuple[float, float, float | None]:
    latitude, longitude, altitude = value
    return _number(latitude), _number(longitude), None if altitude is None else _number(altitude)


def _or_none(check: Callable[[Any], object]) -> Callable[[Any], object]:
    return lambda value: None if value is None else check(value)


_CHECKS: dict[str, Callable[[Any], object]] = {
    "str": _text,
    "int": _whole,
    "float": _number,
    "bool": _truth,
    "str | None": _or_none(_text),
    "float | None": _or_none(_number),
    "tuple[float, float, float | None] | None": _or_none(_position),
}
