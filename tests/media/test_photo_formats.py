"""Every format, depth and colour space that photographs come in, against pictures whose pixels are known."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import pyvips
import tifffile
from numpy.typing import NDArray
from photo_samples import FIXTURES, U8, encoded, exif, heic_picture, picture
from PIL import Image, ImageCms, ImageOps

from tadmor.media.photo import PhotoFacts, PhotoReader, photo_file
from tadmor.media.photo_pixels import is_srgb

Read = Callable[[bytes, str], tuple[PhotoFacts, U8, U8]]


@pytest.fixture(scope="module")
def reader() -> Iterator[PhotoReader]:
    with PhotoReader(workers=1) as reader:
        yield reader


@pytest.fixture
def read(reader: PhotoReader, tmp_path: Path) -> Read:
    """Read a file; return its facts, its working picture as RGB and what Pillow sees in the photo that was written."""

    def read(content: bytes, name: str) -> tuple[PhotoFacts, U8, U8]:
        (tmp_path / name).write_bytes(content)
        facts = reader.read(tmp_path / name, tmp_path / "out", name)
        with Image.open(photo_file(tmp_path / "out")) as photo:
            assert facts.normalised is (photo_file(tmp_path / "out").read_bytes() != content)
            if facts.normalised:
                assert (photo.format, photo.mode, photo.info.get("exif"), photo.info.get("icc_profile")) == (
                    "JPEG", "RGB", None, None
                )  # fmt: skip
            shown = np.asarray(photo.convert("RGB"))
        return facts, np.load(tmp_path / "out/working.npy")[:, :, ::-1], shown

    return read


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(float) - b).mean())


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(read: Read, orientation: int, kind: str) -> None:
    given = encoded(
        picture(), kind, exif=exif(orientation), **({"quality": 95, "subsampling": 0} if kind == "JPEG" else {})
    )
    with Image.open(io.BytesIO(given)) as stored:
        truth = np.asarray(ImageOps.exif_transpose(stored))
    facts, working, shown = read(given, "turned")
    assert (facts.orientation, facts.normalised) == (orientation, orientation != 1)
    assert (facts.height, facts.width) == truth.shape[:2] == ((360, 480) if orientation < 5 else (480, 360))
    assert np.array_equal(working, truth)
    assert difference(shown, truth) < 1.5


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_turned_tiff_and_webp(read: Read, orientation: int) -> None:
    for kind, options in (
        ("TIFF", {"tiffinfo": {0x0112: orientation}}),
        ("WEBP", {"lossless": True, "exif": exif(orientation)}),
    ):
        facts, working, _ = read(encoded(picture(), kind, **options), "turned")
        assert facts.orientation == orientation
        assert np.array_equal(working, np.rot90(picture(), {3: 2, 6: -1}[orientation]))


def test_a_heic_is_read_upright(read: Read) -> None:
    facts, working, shown = read((FIXTURES / "turned.heic").read_bytes(), "a.heic")
    assert (facts.width, facts.height, facts.format, facts.bits, facts.normalised) == (320, 400, "heic", 8, True)
    assert (facts.make, facts.taken_at, facts.focal_source) == ("Tadmor", "2008-04-21T09:30:00", "exif-35mm")
    assert difference(working, heic_picture()) < 1
    assert difference(shown, heic_picture()) < 1.5


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP"])
def test_lossless_formats_are_exact(read: Read, kind: str) -> None:
    facts, working, shown = read(encoded(picture(), kind, **({"lossless": True} if kind == "WEBP" else {})), "photo")
    assert (facts.format, facts.bits, facts.colour, facts.normalised) == (kind.lower(), 8, "rgb", kind != "PNG")
    assert np.array_equal(working, picture())
    assert difference(shown, picture()) < 1.5


@pytest.mark.parametrize("options", [{}, {"irot": 1}])
def test_an_avif(read: Read, options: dict[str, int]) -> None:
    tags = exif(6 if options else 1)
    facts, working, _ = read(encoded(picture(), "AVIF", quality=95, exif=tags), "photo.avif")
    assert facts.format == "avif"
    assert difference(working, np.rot90(picture(), -1) if options else picture()) < 3


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "TIFF"])
def test_of_an_animation_the_first_frame_is_read(read: Read, kind: str) -> None:
    first, second = Image.fromarray(picture(seed=1)), Image.fromarray(picture(seed=2))
    file = io.BytesIO()
    first.save(file, kind, save_all=True, append_images=[second], **({"lossless": True} if kind == "WEBP" else {}))
    _, working, _ = read(file.getvalue(), "animation")
    assert difference(working, picture(seed=1)) < 6 < difference(working, picture(seed=2))


@pytest.mark.parametrize("kind", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_scaled(read: Read, kind: str, channels: int) -> None:
    deep = np.random.default_rng(2).integers(0, 65536, (330, 350, channels), np.uint16)
    deep[:2, :4] = np.array([0, 128, 129, 65535], np.uint16)[:, None]
    stored = deep.squeeze()
    file = io.BytesIO()
    if kind == "tif":
        tifffile.imwrite(file, stored, photometric="rgb" if channels == 3 else "minisblack")
        given = file.getvalue()
    else:
        given = cv2.imencode(".png", stored[..., ::-1] if channels == 3 else stored)[1].tobytes()
    facts, working, _ = read(given, f"scan.{kind}")
    truth = np.rint(deep / 257.0).astype(np.uint8)
    assert (facts.bits, facts.colour, facts.normalised) == (16, "rgb" if channels == 3 else "grey", True)
    assert np.array_equal(working, np.broadcast_to(truth, (330, 350, 3)))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_grey_scans_get_three_channels(read: Read, kind: str) -> None:
    grey = picture()[:, :, 1]
    facts, working, shown = read(encoded(grey, kind, **({"quality": 95} if kind == "JPEG" else {})), "scan")
    assert (facts.colour, facts.bits, facts.normalised) == ("grey", 8, kind == "TIFF")
    assert difference(working, grey[:, :, None].repeat(3, 2)) < 1.5
    assert np.array_equal(working[..., 0], working[..., 2])
    assert difference(shown, working) < 1.5


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_line_drawings_of_one_bit(read: Read, kind: str) -> None:
    bits = picture()[:, :, 0] > 120
    file = io.BytesIO()
    Image.fromarray(bits).save(file, kind)
    facts, working, _ = read(file.getvalue(), "drawing")
    assert (facts.bits, facts.normalised) == (1, True)
    assert np.array_equal(working[..., 0], bits * np.uint8(255))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_transparency_becomes_white(read: Read, kind: str) -> None:
    alpha = np.linspace(0, 255, 480).astype(np.uint8)[None, :, None].repeat(360, 0)
    given = encoded(
        np.concatenate([picture(), alpha], 2), kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {})
    )
    facts, working, _ = read(given, "cut-out")
    share = alpha / 255
    assert facts.normalised
    assert np.abs(working - (picture() * share + 255 * (1 - share))).max() <= 1


def test_a_palette(read: Read) -> None:
    image = Image.fromarray(picture()).quantize(64)
    file = io.BytesIO()
    image.save(file, "PNG")
    facts, working, _ = read(file.getvalue(), "palette.png")
    assert facts.normalised
    assert np.array_equal(working, np.asarray(image.convert("RGB")))


def test_a_cmyk_jpeg_goes_through_its_profile(read: Read) -> None:
    rgb = pyvips.Image.new_from_array(picture()).copy(interpretation="srgb")
    cmyk = rgb.icc_transform("cmyk", input_profile="srgb", embedded=False, intent="relative")
    given = cmyk.jpegsave_buffer(Q=98, subsample_mode="off")
    with Image.open(io.BytesIO(given)) as image:
        assert image.mode == "CMYK"
        own = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
        shown = ImageCms.profileToProfile(
            image,
            own,
            ImageCms.createProfile("sRGB"),
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=flags,
        )
    assert shown is not None
    facts, working, written = read(given, "press.jpg")
    assert (facts.colour, facts.bits, facts.normalised) == ("cmyk", 8, True)
    assert difference(working, np.asarray(shown)) < 1
    assert difference(working, picture()) < 6  # ink shows these muted colours nearly as they were
    assert difference(written, working) < 1.5


def test_a_cmyk_jpeg_without_profile(read: Read) -> None:
    inks = np.zeros((360, 480, 4), np.uint8)
    inks[:, 160:320, 3] = 255
    inks[:, 320:, 1] = inks[:, 320:, 2] = 255
    file = io.BytesIO()
    Image.fromarray(inks, "CMYK").save(file, "JPEG", quality=95)
    _, working, _ = read(file.getvalue(), "press.jpg")
    paper, black, red = (working[180, x].astype(int) for x in (80, 240, 400))
    assert paper.min() > 240
    assert black.max() < 60
    assert red[0] > 170
    assert red[1:].max() < 80


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_other_colour_spaces_become_srgb(read: Read, kind: str) -> None:
    vivid = picture() // np.array([1, 2, 4], np.uint8)
    rgb = pyvips.Image.new_from_array(vivid).copy(interpretation="srgb")
    wide = rgb.icc_transform("p3", input_profile="srgb", embedded=False)
    assert difference(wide.numpy(), vivid) > 4
    given = wide.jpegsave_buffer(Q=98, subsample_mode="off") if kind == "jpeg" else wide.pngsave_buffer()
    facts, working, shown = read(given, f"phone.{kind}")
    assert (facts.colour, facts.normalised) == ("rgb", True)
    assert difference(working, vivid) < 1.2
    assert difference(shown, vivid) < 2


@pytest.mark.parametrize("operation", ["svgload_buffer", "csvload", "matrixload", "rawload", "vipsload"])
def test_other_loaders_cannot_be_reached(tmp_path: Path, operation: str) -> None:
    given = b'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="400"/>'
    (tmp_path / "file").write_bytes(given)
    arguments: list[object] = [given] if operation.endswith("buffer") else [str(tmp_path / "file")]
    arguments += [4, 4, 1] if operation == "rawload" else []
    with pytest.raises(pyvips.Error, match="operation is blocked"):
        pyvips.Operation.call(operation, *arguments)


def test_an_srgb_profile_changes_nothing(read: Read) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    facts, _, _ = read(encoded(picture(), "JPEG", icc_profile=profile), "a.jpg")
    assert facts.normalised is False


def test_profiles_are_judged_by_what_they_do() -> None:
    p3 = pyvips.Image.black(8, 8, bands=3).copy(interpretation="srgb").icc_transform("p3").get("icc-profile-data")
    assert is_srgb(None, 3)
    assert is_srgb(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), 3)
    assert not is_srgb(p3, 3)
    assert is_srgb(b"no profile at all", 3)  # which every program ignores
    assert is_srgb(p3, 1)  # a colour profile on a grey picture: the same
