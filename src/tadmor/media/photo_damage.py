"""What is wrong with a photograph's file that a decoder stumbled over, in words for the one who sent it.

Damage that leaves a decodable file is looked for as well: a card or a copy that failed often leaves a file of the right
length whose end is nothing but zeros, which decoders show as grey without complaint.
"""

from __future__ import annotations

import mmap
import re
import struct

from tadmor.media.photo_kind import Kind

Content = bytes | mmap.mmap

_ZEROS_BYTES = 512

# What libjpeg warns about although the picture is whole: odd encoders' marks and paddings (libjpeg-turbo's jerror.h).
_HARMLESS_IN_JPEG = re.compile(
    r"extraneous bytes before marker 0x(?!d[0-7])|Adobe color transform|progression sequence|JFIF major|Invalid SOS"
)
_ENDS_EARLY = re.compile(
    r"premature end|end of file|unexpected end|bad seek|got \d+ bytes, expected|truncated",
    re.IGNORECASE,
)


def zeroed_share(data: Content, kind: Kind) -> float:
    """Share of a JPEG's bytes that were lost to zeros at its end, 0 where the picture ends before them."""
    if kind is not Kind.JPEG or len(data) < 2 * _ZEROS_BYTES or any(data[-_ZEROS_BYTES:]):
        return 0.0
    whole = bytes(data)
    if jpeg_end(whole) is not None:
        return 0.0
    return 1 - len(whole.rstrip(b"\0")) / len(whole)


def jpeg_end(data: bytes) -> int | None:
    """Return the offset behind the end marker of a JPEG file's first picture (ITU-T T.81 B.1.1), None without one."""
    at = 2
    while 0 <= at < len(data) - 3:
        if data[at] != 0xFF:
            at = data.find(b"\xff", at)
            continue
        marker = data[at + 1]
        if marker == 0xD9:
            return at + 2
        if marker in {0x00, 0x01, 0xFF} or 0xD0 <= marker <= 0xD8:  # stuffing, fill, restarts: no length follows
            at = data.find(b"\xff", at + (1 if marker == 0xFF else 2))
            continue
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return len(data) if data.endswith(b"\xff\xd9") and at == len(data) - 2 else None


def is_harmless(kind: Kind, complaint: str) -> bool:
    """Whether the decoder only complained of an oddity."""
    return kind is Kind.JPEG and bool(_HARMLESS_IN_JPEG.search(complaint))


def in_short(complaint: str) -> str:
    """Return the part of a decoder's complaint that says what is wrong, without the names of libvips' functions."""
    words = re.sub(r"unable to (call \w+|write to memory|fetch from region)|source: bad seek to \d+", "", complaint)
    return " ".join(words.split())[:120] or "the decoder does not say why"


def ends_early(data: Content, kind: Kind, complaint: str) -> bool:
    """Whether the file breaks off, rather than being wrong inside."""
    length = declared_bytes(data, kind)
    if length is not None:
        return length > len(data)
    if kind is Kind.PNG:
        return b"IEND" not in bytes(data[-64:])
    return bool(_ENDS_EARLY.search(complaint))


def declared_bytes(data: Content, kind: Kind) -> int | None:
    """How long a file says that it is, where its format says so: WebP, BMP, and the boxes of AVIF and HEIC."""
    head = bytes(data[:12])
    if kind is Kind.WEBP:
        return int(struct.unpack("<I", head[4:8])[0]) + 8
    if kind is Kind.BMP:
        return int(struct.unpack("<I", head[2:6])[0]) or None
    if kind not in {Kind.AVIF, Kind.HEIC}:
        return None
    at = 0
    while at + 16 <= len(data):
        size, _, large = struct.unpack(">I4sQ", bytes(data[at : at + 16]))
        size = large if size == 1 else size
        if size < 8:  # the last box may say 0: up to the end
            return max(at, len(data))
        at += size
    return max(at, len(data))
