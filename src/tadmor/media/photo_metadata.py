"""What a photograph's file says about how, when and where it was taken: EXIF, Mapillary's JSON, the panorama's XMP.

Tag numbers are those of Exif 3.0 (CIPA DC-008) and of Google's Photo Sphere XMP. Nothing here is trusted to be sane:
cameras write zeros, 65535 and garbage, and every value is checked for plausibility before it is believed.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from PIL import Image

_FULL_FRAME_DIAGONAL_MM = math.hypot(36, 24)
_PLANE_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
_TEXT_LIMIT = 200

Tags = dict[int, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Metadata:
    """What could be believed. Angles in degrees, lengths in mm; None where nothing plausible is said.

    `orientation` is EXIF's 1..8; `plane_px_per_mm` counts pixels of a photo whose long side has `plane_long_px`;
    `taken_at` is ISO 8601, with the offset from UTC where the camera knew it; `gps` is (latitude, longitude, altitude
    in m or None), WGS 84; `compass_deg` is clockwise from north, true or magnetic as the camera had it.
    """

    orientation: int = 1
    make: str | None = None
    model: str | None = None
    lens: str | None = None
    focal_mm: float | None = None
    focal_35mm_mm: float | None = None
    plane_px_per_mm: float | None = None
    plane_long_px: int | None = None
    taken_at: str | None = None
    gps: tuple[float, float, float | None] | None = None
    compass_deg: float | None = None
    panorama: bool = False


def read_metadata(exif: bytes | BinaryIO | None, xmp: bytes | None) -> Metadata:
    """Read an EXIF block, with or without its "Exif" header, or the tags of an open TIFF file; and an XMP packet.

    Never raises: what cannot be read is as good as absent.
    """
    panorama = bool(xmp and re.search(rb"GPano:ProjectionType\s*[=>]", xmp))
    try:
        root, camera, gps = _directories(exif)
    except (
        Exception
    ):  # Pillow meets garbage with a dozen kinds of exception; unreadable EXIF only means that there is none
        return Metadata(panorama=panorama)
    mapillary = _mapillary(root.get(0x010E))
    orientation = root.get(0x0112)
    return Metadata(
        orientation=orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1,
        make=_text(root.get(0x010F)),
        model=_text(root.get(0x0110)),
        lens=_text(camera.get(0xA434)),
        focal_mm=_number(camera.get(0x920A), 0.1, 5000),
        focal_35mm_mm=_number(camera.get(0xA405), 1, 5000),
        plane_px_per_mm=_plane_px_per_mm(camera),
        plane_long_px=_long_side(camera),
        taken_at=_taken_at(camera) or _mapillary_time(mapillary),
        gps=_position(gps) or _mapillary_position(mapillary),
        compass_deg=_compass(gps, mapillary),
        panorama=panorama,
    )


def focal_px(metadata: Metadata, width: int, height: int) -> tuple[float | None, str | None]:
    """Estimate the focal length in pixels of a photo of `width` x `height`, and say what it comes from.

    "exif-35mm": the 35 mm equivalent, which CIPA DCG-001 defines by the diagonal. "exif-focal-plane": the focal length
    times the focal plane's resolution, scaled if the photo was resized since. (None, None) where EXIF says neither.
    """
    if metadata.focal_35mm_mm:
        return metadata.focal_35mm_mm * math.hypot(width, height) / _FULL_FRAME_DIAGONAL_MM, "exif-35mm"
    if metadata.focal_mm and metadata.plane_px_per_mm:
        long_px = max(width, height)
        focal = metadata.focal_mm * metadata.plane_px_per_mm * long_px / (metadata.plane_long_px or long_px)
        if 0.2 * long_px < focal < 60 * long_px:  # 136 to 1 degrees of view
            return focal, "exif-focal-plane"
    return None, None


def _directories(exif: bytes | BinaryIO | None) -> tuple[Tags, Tags, Tags]:
    """Return IFD0, the Exif IFD and the GPS IFD."""
    tags = Image.Exif()
    if isinstance(exif, bytes):
        tags.load(exif)
    elif exif is not None:
        tags = Image.open(exif, formats=["TIFF"]).getexif()
    return dict(tags), dict(tags.get_ifd(0x8769)), dict(tags.get_ifd(0x8825))


def _number(value: Any, low: float, high: float) -> float | None:
    """Return a finite number within bounds, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) and low <= number <= high else None


def _text(value: Any) -> str | None:
    """Return a readable text of bounded length, or None. EXIF says ASCII; cameras write UTF-8."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str):
        return None
    with contextlib.suppress(UnicodeError):
        value = value.encode("latin-1").decode()
    value = "".join(c for c in value.split("\0")[0] if c.isprintable()).strip()
    return value[:_TEXT_LIMIT] or None


def _plane_px_per_mm(camera: Tags) -> float | None:
    pixels_per_unit = _number(camera.get(0xA20E), 0, 1e9) or math.nan
    return _number(pixels_per_unit / _PLANE_UNIT_MM.get(camera.get(0xA210, 2), 25.4), 1, 5000)


def _long_side(camera: Tags) -> int | None:
    sides = [_number(camera.get(tag), 1, 10**6) for tag in (0xA002, 0xA003)]
    return int(max(side for side in sides if side)) if all(sides) else None


def _taken_at(camera: Tags) -> str | None:
    """When the picture was taken. IFD0's DateTime is not asked: it is when the file was last changed."""
    for tag, offset_tag in ((0x9003, 0x9011), (0x9004, 0x9012)):
        try:
            taken = datetime.strptime(str(camera.get(tag)).strip("\0 "), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - see below
        except ValueError:
            continue
        # Most cameras know no time zone, and none is made up for them.
        offset = str(camera.get(offset_tag, "")).strip("\0 ")
        return taken.isoformat() + (offset if re.fullmatch(r"[+-]\d\d:\d\d", offset) else "")
    return None


def _position(gps: Tags) -> tuple[float, float, float | None] | None:
    latitude, longitude = _angle(gps.get(2), gps.get(1), "NS", 90), _angle(gps.get(4), gps.get(3), "EW", 180)
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):  # zeros: a receiver without a fix
        return None
    altitude = _number(gps.get(6), -20000, 20000)
    if altitude is not None and gps.get(5) in (1, b"\x01", b"\x01\0"):
        altitude = -altitude
    return latitude, longitude, altitude


def _angle(parts: Any, reference: Any, letters: str, limit: float) -> float | None:
    """Degrees, minutes and seconds with N/S or E/W as signed degrees."""
    sign = {letters[0]: 1, letters[1]: -1}.get((_text(reference) or "")[:1].upper())
    if sign is None or not isinstance(parts, tuple) or len(parts) != 3:
        return None
    numbers = [_number(part, 0, 1e6) for part in parts]
    degrees, minutes, seconds = (n if n is not None else math.nan for n in numbers)
    return _number(sign * (degrees + minutes / 60 + seconds / 3600), -limit, limit)


def _compass(gps: Tags, mapillary: dict[str, Any]) -> float | None:
    heading = _number(gps.get(0x11), 0, 360)
    if heading is None:
        told = mapillary.get("MAPCompassHeading")
        heading = _number(told.get("TrueHeading") if isinstance(told, dict) else None, 0, 360)
    return heading if heading is None else heading % 360


def _mapillary(description: Any) -> dict[str, Any]:
    """Read what Mapillary's app writes as JSON into ImageDescription."""
    if not isinstance(description, str) or not description.lstrip().startswith("{"):
        return {}
    try:
        told = json.loads(description.strip("\0 "))
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _mapillary_position(told: dict[str, Any]) -> tuple[float, float, float | None] | None:
    latitude, longitude = _number(told.get("MAPLatitude"), -90, 90), _number(told.get("MAPLongitude"), -180, 180)
    if latitude is None or longitude is None:
        return None
    return latitude, longitude, _number(told.get("MAPAltitude"), -20000, 20000)


def _mapillary_time(told: dict[str, Any]) -> str | None:
    """MAPCaptureTime, which is in UTC."""
    try:
        taken = datetime.strptime(str(told.get("MAPCaptureTime"))[:19], "%Y_%m_%d_%H_%M_%S")  # noqa: DTZ007 - zone added
    except ValueError:
        return None
    return taken.isoformat() + "+00:00"
