"""Taking photographs in: one named file for every way in which it can be bad, and the files that are good."""

from __future__ import annotations

import json
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from photo_samples import FIXTURES, encoded, exif, picture

from tadmor.errors import EnvironmentFailure, UserError
from tadmor.media.photo import PhotoFacts, PhotoReader, photo_file
from tadmor.media.sandbox import Limits

JPEG = encoded(picture(), "JPEG", quality=92)
PROGRESSIVE = encoded(picture(), "JPEG", quality=92, progressive=True)
PNG = encoded(picture(), "PNG")
HEIC = (FIXTURES / "turned.heic").read_bytes()


@pytest.fixture(scope="module")
def reader() -> Iterator[PhotoReader]:
    with PhotoReader(workers=1) as reader:
        yield reader


@pytest.fixture
def read(reader: PhotoReader, tmp_path: Path) -> Callable[..., PhotoFacts]:
    def read(content: bytes, name: str = "photo.jpg") -> PhotoFacts:
        path = tmp_path / "given" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return reader.read(path, tmp_path / "out", name)

    return read


def png_of_header(width: int, height: int, bits: int = 8) -> bytes:
    """A PNG that says how large it is and holds one row, as decompression bombs do."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    row = zlib.compress(bytes(1 + width * bits // 8))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", row) + chunk(b"IEND", b"")


def jpeg_of_size(width: int, height: int) -> bytes:
    """A JPEG whose frame header says so, without the data to go with it: whoever decodes it fails."""
    at = JPEG.index(b"\xff\xc0")
    return JPEG[: at + 5] + struct.pack(">HH", height, width) + JPEG[at + 9 :]


def with_gpano(kind: str) -> bytes:
    xmp = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description GPano:ProjectionType="equirectangular"/></x:xmpmeta>'
    return encoded(picture(), kind, xmp=xmp.encode())


HALF = len(JPEG) // 2

BAD = {
    "zero bytes": (b"", "photo-empty", ""),
    "text named jpg": ("هذه ليست صورة\n".encode() * 400, "photo-not-an-image", "a text"),
    "web page named jpg": (b"\n<!DOCTYPE html><html><body>404</body></html>", "photo-not-an-image", "a web page"),
    "SVG named jpg": (b'<svg xmlns="http://www.w3.org/2000/svg" width="999"/>', "photo-not-an-image", "an SVG drawing"),
    "PDF named jpg": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "photo-not-an-image", "a PDF document"),
    "PostScript named jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "photo-not-an-image", "a PostScript document"),
    "ZIP named jpg": (b"PK\x03\x04" + bytes(100), "photo-not-an-image", "a ZIP archive or office document"),
    "video named jpg": (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "photo-not-an-image", "a video"),
    "raw photo": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(60), "photo-not-an-image", "a camera's raw file"),
    "zeros": (bytes(5000), "photo-not-an-image", "its first bytes are all zero, as after a copy that failed"),
    "noise": (b"\x8b\x01\xff\xfe\0\x10\x80\x90" * 8, "photo-not-an-image", "its first bytes are 8b 01 .*"),
    "floating-point TIFF": (
        encoded(np.zeros((400, 400), np.float32), "TIFF"),
        "photo-not-an-image",
        "a TIFF file with 1 channels of the kind float, b-w",
    ),
    "truncated JPEG": (JPEG[:HALF], "photo-truncated", "only the first [45]. % of the picture can be read"),
    "JPEG truncated by a byte of its data": (JPEG[:-3], "photo-truncated", "only the first 9. % .*"),
    "JPEG truncated in its header": (JPEG[:300], "photo-truncated", "the data end too early, after 300 bytes"),
    "truncated progressive JPEG": (PROGRESSIVE[: len(PROGRESSIVE) // 2], "photo-truncated", "the data end too early.*"),
    "truncated JPEG with an end marker": (JPEG[:HALF] + b"\xff\xd9", "photo-truncated", "only the first .*"),
    "JPEG whose end became zeros": (
        JPEG[:HALF] + bytes(3 * HALF), "photo-truncated", "the last 75 % of the file are nothing but zeros"
    ),
    "truncated PNG": (PNG[: len(PNG) // 2], "photo-truncated", "only the first [45]. % of the picture can be read"),
    "damaged PNG": (
        PNG[: len(PNG) // 2] + bytes(64) + PNG[len(PNG) // 2 + 64 :], "photo-damaged", "only the first .*"
    ),
    "truncated TIFF": (encoded(picture(), "TIFF")[:-200_000], "photo-truncated", "only the first (5[5-9]|6.) % .*"),
    "truncated compressed TIFF": (encoded(picture(), "TIFF", compression="tiff_lzw")[:-900], "photo-truncated", ".*"),
    "truncated WebP": (encoded(picture(), "WEBP")[:-900], "photo-truncated", r"only [\d,]+ of its [\d,]+ bytes .*"),
    "truncated GIF": (encoded(picture(), "GIF")[:-900], "photo-truncated", "the data end too early, after .*"),
    "truncated BMP": (encoded(picture(), "BMP")[:-900], "photo-truncated", "only 517,554 of its 518,454 .*"),
    "truncated AVIF": (encoded(picture(), "AVIF")[:-900], "photo-truncated", r"only [\d,]+ of its [\d,]+ bytes .*"),
    "truncated HEIC": (HEIC[:-900], "photo-truncated", "only 13,092 of its 13,992 bytes are there"),
    "bomb PNG": (png_of_header(60_000, 60_000, bits=1), "photo-too-large", ""),
    "20,000 px panorama": (jpeg_of_size(20_000, 4_000), "photo-panorama", ""),
    "panorama by its XMP (JPEG)": (with_gpano("JPEG"), "photo-panorama", ""),
    "panorama by its XMP (WebP)": (with_gpano("WEBP"), "photo-panorama", ""),
    "thumbnail": (encoded(picture(319, 200), "JPEG"), "photo-too-small", ""),
}  # fmt: skip


@pytest.mark.parametrize(("content", "code", "reason"), BAD.values(), ids=BAD.keys())
def test_bad_file(read: Callable[..., PhotoFacts], tmp_path: Path, content: bytes, code: str, reason: str) -> None:
    with pytest.raises(UserError) as caught:
        read(content, "مدخل المعبد.jpg")
    assert caught.value.code == code
    assert caught.value.params["name"] == "مدخل المعبد.jpg"
    told = caught.value.params.get("found") or caught.value.params.get("reason") or ""
    assert re.fullmatch(reason, str(told)), told
    assert list((tmp_path / "out").iterdir()) == []


def test_sizes_are_told(read: Callable[..., PhotoFacts]) -> None:
    with pytest.raises(UserError, match=re.escape("has 3600 megapixels; at most 400 can be read")):
        read(BAD["bomb PNG"][0])
    with pytest.raises(UserError, match="measures 319 x 200 pixels; at least 320"):
        read(BAD["thumbnail"][0])
    with pytest.raises(UserError, match=re.escape("stitched panorama (20000 x 4000)")):
        read(BAD["20,000 px panorama"][0])


@pytest.mark.parametrize(
    ("content", "copied"),
    [
        pytest.param(JPEG[:-2], False, id="without end marker"),
        pytest.param(JPEG + bytes(4096), True, id="padded with zeros"),
        pytest.param(JPEG + b"trailer" * 100, True, id="with a trailer"),
        pytest.param(JPEG[:-2] + b"\x12\x34\x56" + JPEG[-2:], True, id="with bytes before its end marker"),
        pytest.param(PROGRESSIVE, True, id="progressive"),
    ],
)
def test_odd_but_whole_jpeg(read: Callable[..., PhotoFacts], tmp_path: Path, content: bytes, *, copied: bool) -> None:
    facts = read(content)
    assert facts.normalised is not copied
    assert (photo_file(tmp_path / "out").read_bytes() == content) is copied
    assert _difference(_working(tmp_path), picture()) < 3


def test_a_plain_photo_is_linked_not_touched(read: Callable[..., PhotoFacts], tmp_path: Path) -> None:
    facts = read(JPEG)
    assert os.path.samefile(tmp_path / "given/photo.jpg", tmp_path / "out/photo.jpg")  # noqa: PTH121, TID251 - inodes
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["facts.json", "photo.jpg", "working.npy"]
    assert facts.normalised is False
    assert (facts.sha256, facts.size_bytes) == (sha256(JPEG).hexdigest(), len(JPEG))
    assert (facts.width, facts.height, facts.format, facts.bits, facts.colour) == (480, 360, "jpeg", 8, "rgb")
    assert PhotoFacts.from_json((tmp_path / "out/facts.json").read_bytes()) == facts


def test_a_plain_photo_is_copied_where_links_are_refused(
    read: Callable[..., PhotoFacts], reader: PhotoReader, tmp_path: Path
) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system here")
    read(JPEG)
    out = memory / f"tadmor-test-{os.getpid()}"
    try:
        reader.read(tmp_path / "given/photo.jpg", out, "photo.jpg")
        assert (out / "photo.jpg").read_bytes() == JPEG
        assert (out / "photo.jpg").stat().st_nlink == 1
    finally:
        for file in out.iterdir():
            file.unlink()
        out.rmdir()


def test_a_new_photo_takes_the_place_of_an_old_one(read: Callable[..., PhotoFacts], tmp_path: Path) -> None:
    read(PNG, "a.png")
    assert photo_file(tmp_path / "out").name == "photo.png"
    (tmp_path / "out" / ".0123.part").write_bytes(b"left by a child that was killed")
    read(JPEG)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["facts.json", "photo.jpg", "working.npy"]
    with pytest.raises(UserError):
        read(b"")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "قوس النصر.jpg",
        "a  b.jpg",
        "new\nline.jpg",
        "arch[page=1].jpg",
        "%d{name}.jpg",
        "-rf.jpg",
        os.fsdecode(b"\xff\xfe.jpg"),
    ],
)
def test_any_name(read: Callable[..., PhotoFacts], tmp_path: Path, name: str) -> None:
    facts = read(JPEG, name)
    assert facts.name == name
    assert PhotoFacts.from_json((tmp_path / "out/facts.json").read_text()) == facts


def test_paths_that_are_no_files(reader: PhotoReader, tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    for name, code, reason in (
        ("missing.jpg", "input-missing", None),
        ("folder.jpg", "input-unreadable", "it is a folder"),
        ("pipe.jpg", "input-unreadable", "it is not a regular file"),
        ("loop.jpg", "input-unreadable", "Too many levels of symbolic links"),
    ):
        with pytest.raises(UserError) as caught:
            reader.read(tmp_path / name, tmp_path / "out", name)
        assert (caught.value.code, caught.value.params.get("reason")) == (code, reason)
        assert caught.value.params["path"] == str(tmp_path / name)


def test_an_output_that_cannot_be_written_is_the_machines_matter(reader: PhotoReader, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(JPEG)
    with pytest.raises(EnvironmentFailure) as caught:
        reader.read(tmp_path / "photo.jpg", tmp_path / "photo.jpg" / "out", "photo.jpg")
    assert caught.value.code == "not-writable"


def test_a_photo_that_kills_the_decoder_harms_nobody_else(tmp_path: Path) -> None:
    (tmp_path / "small.jpg").write_bytes(JPEG)
    (tmp_path / "large.png").write_bytes(encoded(np.zeros((6000, 6000, 3), np.uint8), "PNG", compress_level=1))
    names = ["small.jpg", "large.png", "small.jpg", "large.png", "small.jpg", "small.jpg"]
    with PhotoReader(limits=Limits(memory_bytes=96 * 2**20)) as reader, ThreadPoolExecutor(3) as pool:

        def verdict(i: int) -> str:
            try:
                return reader.read(tmp_path / names[i], tmp_path / str(i), names[i]).sha256
            except UserError as error:
                assert list((tmp_path / str(i)).iterdir()) == []
                return f"{error.code}: {error.params['reason']}"

        expected = {
            "small.jpg": sha256(JPEG).hexdigest(),
            "large.png": "photo-decoder-died: it needed more than 96 MiB of memory",
        }
        assert list(pool.map(verdict, range(6))) == [expected[name] for name in names]


@pytest.mark.parametrize("change", [{"width": "480"}, {"width": True}, {"gps": [1.0]}, {"blur": None}, {"name": None}])
def test_facts_of_wrong_types_are_refused(read: Callable[..., PhotoFacts], change: dict[str, object]) -> None:
    told = json.loads(read(JPEG).to_json())
    with pytest.raises(ValueError, match=f"facts: {next(iter(change))} is"):
        PhotoFacts.from_json(json.dumps(told | change))
    del told["sha256"]
    with pytest.raises(ValueError, match="facts: sha256 is 'missing'"):
        PhotoFacts.from_json(json.dumps(told))


def test_what_exif_says_arrives(read: Callable[..., PhotoFacts]) -> None:
    tags = exif(6, tag_A405=28, tag_920A=4.25, tag_9003="2008:04:21 09:30:00")
    tags[0x010F], tags[0x0110] = "Canon", "PowerShot"
    facts = read(encoded(picture(), "JPEG", exif=tags))
    assert (facts.width, facts.height, facts.orientation, facts.normalised) == (360, 480, 6, True)
    assert (facts.make, facts.model, facts.taken_at, facts.focal_mm) == (
        "Canon", "PowerShot", "2008-04-21T09:30:00", 4.25
    )  # fmt: skip
    assert facts.focal_px == pytest.approx(28 * 600 / 43.2666)
    assert facts.focal_source == "exif-35mm"


def test_the_working_picture_is_the_area_average(read: Callable[..., PhotoFacts], tmp_path: Path) -> None:
    large = np.random.default_rng(5).integers(0, 256, (1200, 3200, 1), np.uint8).repeat(3, axis=2)
    large[..., 1] //= 2
    facts = read(encoded(large, "PNG", compress_level=1), "large.png")
    assert (facts.width, facts.height) == (3200, 1200)
    truth = large.astype(float).reshape(600, 2, 1600, 2, 3).mean((1, 3))[:, :, ::-1]
    assert np.abs(np.load(tmp_path / "out/working.npy").astype(float) - truth).max() <= 0.5


def _working(tmp_path: Path) -> NDArray[np.uint8]:
    """The working picture as RGB."""
    working: NDArray[np.uint8] = np.load(tmp_path / "out/working.npy")[:, :, ::-1]
    assert working.dtype == np.uint8
    return working


def _difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(float) - b).mean())
