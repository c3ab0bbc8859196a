"""Telling files by their first bytes, and what is wrong with those that break off."""

from __future__ import annotations

import struct

import pytest
from photo_samples import FIXTURES, encoded, picture

from tadmor.media.photo_damage import declared_bytes, ends_early, in_short, is_harmless, jpeg_end, zeroed_share
from tadmor.media.photo_kind import HEAD_BYTES, Kind, found_instead, photo_kind

FORMATS = {
    Kind.JPEG: "JPEG",
    Kind.PNG: "PNG",
    Kind.TIFF: "TIFF",
    Kind.WEBP: "WEBP",
    Kind.GIF: "GIF",
    Kind.BMP: "BMP",
    Kind.AVIF: "AVIF",
}


@pytest.mark.parametrize(("kind", "pillow"), FORMATS.items())
def test_photographs_are_known(kind: Kind, pillow: str) -> None:
    content = encoded(picture(64, 48), pillow)
    assert photo_kind(content[:HEAD_BYTES]) is kind
    assert declared_bytes(content, kind) in {None, len(content)}
    for length in range(4):
        assert photo_kind(content[:length]) is None or length == 3


def test_a_heic_is_known() -> None:
    content = (FIXTURES / "turned.heic").read_bytes()
    assert photo_kind(content[:HEAD_BYTES]) is Kind.HEIC
    assert declared_bytes(content, Kind.HEIC) == len(content)
    assert photo_kind(b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf") is Kind.HEIC
    assert photo_kind(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf") is Kind.AVIF
    assert photo_kind(b"\0\0\0\x14ftypmif1\0\0\0\0heic") is Kind.HEIC
    assert photo_kind(b"\0\0\0\x10ftypmif1\0\0\0\0heic") is None  # the brand lies outside the box


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("صور تدمر القديمة".encode() * 300, "a text"),
        ("صور".encode("utf-16"), "a text"),
        (b"BM is how this text begins", "a text"),
        (b"<?xml version='1.0'?><kml/>", "an XML text"),
        (b"<?xml version='1.0'?><!-- x --><svg/>", "an SVG drawing"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "a camera's raw file"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a video"),
        (b"RIFF\x10\0\0\0AVI LIST", "a sound or video file"),
        (b"\0\x05\x16\x07\0\x02\0\0Mac OS X", "the macOS companion of a file, not the file itself"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old office document or Thumbs.db"),
        (bytes(4096), "its first bytes are all zero, as after a copy that failed"),
        (b"\x80\x81", "its first bytes are 80 81"),
    ],
)
def test_other_files_are_named(head: bytes, words: str) -> None:
    assert photo_kind(head[:HEAD_BYTES]) is None
    assert found_instead(head[:HEAD_BYTES]) == words


@pytest.mark.parametrize("order", ["<", ">"])
def test_raw_files_are_told_from_tiffs(order: str) -> None:
    def tiff(*tags: tuple[int, int]) -> bytes:
        entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags)
        start = b"II*\0\x08\0\0\0" if order == "<" else b"MM\0*\0\0\0\x08"
        return start + struct.pack(order + "H", len(tags)) + entries + bytes(4)

    assert photo_kind(tiff((254, 0), (256, 4000))) is Kind.TIFF
    assert photo_kind(tiff((254, 2), (256, 4000))) is Kind.TIFF  # a page of several
    assert photo_kind(tiff((254, 1), (256, 160))) is None  # the thumbnail of an NEF or ARW
    assert photo_kind(tiff((256, 4000), (50706, 0x01040000))) is None  # a DNG
    assert found_instead(tiff((254, 1))) == "a camera's raw file"


@pytest.mark.parametrize("progressive", [False, True])
def test_the_end_of_a_jpeg_is_found(*, progressive: bool) -> None:
    thumbnail = b"\xff\xe1" + struct.pack(">H", 8) + b"\xff\xd8\xff\xd9zz"  # end markers inside a segment do not count
    content = encoded(picture(), "JPEG", progressive=progressive, restart_marker_rows=2)
    content = content[:2] + thumbnail + content[2:]
    assert jpeg_end(content) == len(content)
    assert jpeg_end(content + b"more" * 50) == len(content)
    assert jpeg_end(content[:-2]) is None
    assert jpeg_end(content[: len(content) // 2]) is None


def test_zeros_at_the_end_of_a_jpeg() -> None:
    content = encoded(picture(), "JPEG")
    half = content[: len(content) // 2]
    assert zeroed_share(half + bytes(len(half)), Kind.JPEG) == pytest.approx(0.5, abs=0.01)
    assert zeroed_share(content + bytes(10_000), Kind.JPEG) == 0
    assert zeroed_share(content, Kind.JPEG) == 0
    assert zeroed_share(half + bytes(100), Kind.JPEG) == 0  # too few to tell; the decoder will


@pytest.mark.parametrize(
    ("complaint", "harmless"),
    [
        ("VipsJpeg: Corrupt JPEG data: 3 extraneous bytes before marker 0xd9", True),
        (
            "VipsJpeg: Corrupt JPEG data: 3 extraneous bytes before marker 0xd4",
            False,
        ),  # lost in the middle of the picture
        ("VipsJpeg: Unknown Adobe color transform code 7", True),
        ("VipsJpeg: Corrupt JPEG data: bad Huffman code", False),
        ("VipsJpeg: Corrupt JPEG data: premature end of data segment", False),
        ("VipsJpeg: Corrupt JPEG data: found marker 0xd2 instead of RST0", False),
    ],
)
def test_oddities_are_told_from_damage(complaint: str, *, harmless: bool) -> None:
    assert is_harmless(Kind.JPEG, complaint) is harmless


def test_complaints_are_put_in_short() -> None:
    assert in_short("unable to call jpegload_source VipsJpeg: Bogus DQT index 11") == "VipsJpeg: Bogus DQT index 11"
    assert in_short("unable to write to memory source: bad seek to 7 source: bad seek to 9 heif: No") == "heif: No"
    assert in_short("unable to call pngload_source") == "the decoder does not say why"


def test_damage_inside_is_not_a_break() -> None:
    webp = encoded(picture(), "WEBP")
    assert ends_early(webp[:-10], Kind.WEBP, "unable to parse image")
    assert not ends_early(webp, Kind.WEBP, "unable to parse image")
    png = encoded(picture(), "PNG")
    assert ends_early(png[:-100], Kind.PNG, "libpng read error")
    assert not ends_early(png, Kind.PNG, "libpng read error")
    assert not ends_early(b"\xff\xd8", Kind.JPEG, "bad Huffman code")
