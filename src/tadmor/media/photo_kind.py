"""What a file is, from its first bytes. Names are never believed: a text called arch.jpg is a text.

Signatures follow the formats' specifications: JPEG ITU-T T.81 B.1.1.3 (SOI), PNG ISO/IEC 15948 5.2, TIFF 6.0 section 2
and BigTIFF, WebP RFC 9649 2.4, GIF89a section 17, ISO/IEC 14496-12 4.3 and 23008-12 annex B (HEIF's `ftyp` brands).
"""

from __future__ import annotations

import struct
from enum import StrEnum

HEAD_BYTES = 4096


class Kind(StrEnum):
    """The formats that are read as photographs; nothing else is ever given to a decoder."""

    JPEG = "jpeg"
    PNG = "png"
    TIFF = "tiff"
    WEBP = "webp"
    GIF = "gif"
    BMP = "bmp"
    AVIF = "avif"
    HEIC = "heic"


_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SIGNATURES = (
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"\x89PNG\r\n\x1a\n", Kind.PNG),
    (b"GIF87a", Kind.GIF),
    (b"GIF89a", Kind.GIF),
)
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"}
_BMP_HEADER_SIZES = {12, 40, 52, 56, 64, 108, 124}

_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or office document"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"8BPS", "a Photoshop document"),
    (b"%!PS", "a PostScript document"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (b"IIRO", "a camera's raw file"),
    (b"IIU\0", "a camera's raw file"),
    (b"FOVb", "a camera's raw file"),
    (b"\x1aE\xdf\xa3", "a Matroska video"),
    (b"ID3", "a sound file"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a Windows program"),
    (b"\xd0\xcf\x11\xe0", "an old office document or Thumbs.db"),
    (b"\0\x05\x16\x07", "the macOS companion of a file, not the file itself"),
    (b"glTF", "a 3D model"),
)


def photo_kind(head: bytes) -> Kind | None:
    """Return the format of a photograph from the first HEAD_BYTES bytes of its file, None where it is not one."""
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head.startswith(_TIFF_SIGNATURES):
        return None if _is_raw(head) else Kind.TIFF
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Kind.WEBP
    if head[:2] == b"BM" and len(head) >= 18 and struct.unpack("<I", head[14:18])[0] in _BMP_HEADER_SIZES:
        return Kind.BMP
    brands = _brands(head)
    if brands & _AVIF_BRANDS:
        return Kind.AVIF
    return Kind.HEIC if brands & _HEIC_BRANDS else None


def found_instead(head: bytes) -> str:
    """Say in words what a file is that is not a photograph, from its first HEAD_BYTES bytes."""
    if not head.strip(b"\0"):
        return "its first bytes are all zero, as after a copy that failed"
    for signature, words in _OTHERS:
        if head.startswith(signature):
            return words
    if head.startswith(_TIFF_SIGNATURES) or head[4:12] == b"ftypcrx ":
        return "a camera's raw file"
    if _brands(head):
        return "a video" if head[8:12] not in {b"mif1", b"msf1"} else "an HEIF image of an unusual kind"
    if head[:4] == b"RIFF":
        return "a sound or video file"
    return _text_kind(head) or f"its first bytes are {head[:8].hex(' ')}"


def _text_kind(head: bytes) -> str | None:
    """Say which kind of text this is, None for binary data."""
    try:
        text = head.decode("utf-8-sig") if not head.startswith((b"\xff\xfe", b"\xfe\xff")) else head.decode("utf-16")
    except UnicodeDecodeError as error:
        # A character cut by the end of the sample is no evidence against a text.
        if error.start < len(head) - 3 or len(head) < HEAD_BYTES:
            return None
        text = head[: error.start].decode("utf-8-sig")
    if any(ord(c) < 32 and c not in "\t\n\r\f\x1b" for c in text):
        return None
    start = text.lstrip().lower()
    if "<svg" in start:
        return "an SVG drawing"
    if start.startswith(("<!doctype html", "<html")) or "<html" in start[:1000]:
        return "a web page"
    return "an XML text" if start.startswith("<?xml") else "a text"


def _brands(head: bytes) -> set[bytes]:
    """Return the brands of an ISO base media file: major and compatible ones; empty for anything else."""
    if head[4:8] != b"ftyp" or len(head) < 16:
        return set()
    end = min(struct.unpack(">I", head[:4])[0], len(head))
    return {head[8:12], *(head[i : i + 4] for i in range(16, end - 3, 4))}


def _is_raw(head: bytes) -> bool:
    """Whether a TIFF is a camera's raw file, whose first image would be a mere thumbnail.

    Told by Canon's mark, the DNGVersion tag (50706), or a NewSubfileType (254) calling the first image reduced.
    """
    if head[8:10] == b"CR":
        return True
    if head[2:4] not in {b"*\0", b"\0*"}:
        return False
    order = "<" if head[:2] == b"II" else ">"
    start = struct.unpack(order + "I", head[4:8])[0]
    if start + 2 > len(head):
        return False
    count = struct.unpack(order + "H", head[start : start + 2])[0]
    for at in range(start + 2, min(start + 2 + 12 * count, len(head) - 11), 12):
        tag, _, _, value = struct.unpack(order + "HHII", head[at : at + 12])
        if tag == 50706 or (tag == 254 and value & 1):
            return True
    return False
