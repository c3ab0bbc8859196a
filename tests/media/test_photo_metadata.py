"""What EXIF and XMP say, from tags written by Pillow, and what is made of nonsense in them."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from photo_samples import exif
from PIL.TiffImagePlugin import IFDRational

from tadmor.media.photo_metadata import Metadata, focal_px, read_metadata

MAPILLARY = {
    "MAPLatitude": "55.698265",
    "MAPLongitude": 13.195139,
    "MAPAltitude": "38.5",
    "MAPCompassHeading": {"TrueHeading": 181.033, "MagneticHeading": 87.8},
    "MAPCaptureTime": "2014_06_07_10_24_19_381",
}


def read(gps: dict[int, Any] | None = None, description: str | None = None, /, **camera: Any) -> Metadata:
    tags = exif(1, **camera)
    tags.get_ifd(0x8825).update(gps or {})
    if description is not None:
        tags[0x010E] = description
    return read_metadata(tags.tobytes(), None)


def palmyra(**changes: Any) -> dict[int, Any]:
    return {1: "N", 2: (34.0, 33.0, 4.5), 3: "E", 4: (38.0, 16.0, 7.25), 5: b"\0", 6: 402.5} | {
        int(name.removeprefix("tag_"), 16): value for name, value in changes.items()
    }


def test_position_and_heading() -> None:
    told = read(palmyra(tag_11=IFDRational(2705, 10)))
    assert told.gps == pytest.approx((34 + 33 / 60 + 4.5 / 3600, 38 + 16 / 60 + 7.25 / 3600, 402.5))
    assert told.compass_deg == 270.5
    south_west = read(palmyra(tag_1="S", tag_3="W", tag_5=b"\1"))
    assert south_west.gps == pytest.approx((-34.5512500, -38.2686806, -402.5))


@pytest.mark.parametrize(
    "gps",
    [
        {},
        {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)},
        palmyra(tag_2=(95.0, 0.0, 0.0)),
        palmyra(tag_2=(IFDRational(1, 0), 0.0, 0.0)),
        palmyra(tag_2=(34.0, 33.0)),
        palmyra(tag_1=""),
        palmyra(tag_3="X"),
    ],
)
def test_positions_that_cannot_be_are_none(gps: dict[int, Any]) -> None:
    assert read(gps).gps is None


def test_an_altitude_that_cannot_be_does_not_cost_the_position() -> None:
    position = read(palmyra(tag_6=IFDRational(0, 0))).gps
    assert position is not None
    assert position[2] is None


def test_what_mapillary_wrote_is_used_where_exif_is_silent() -> None:
    told = read(None, json.dumps(MAPILLARY))
    assert told.gps == (55.698265, 13.195139, 38.5)
    assert told.compass_deg == 181.033
    assert told.taken_at == "2014-06-07T10:24:19+00:00"
    both = read(palmyra(tag_11=90.0), json.dumps(MAPILLARY), tag_9003="2008:04:21 09:30:00")
    assert both.gps is not None
    assert both.gps[0] == pytest.approx(34.55125)
    assert (both.compass_deg, both.taken_at) == (90.0, "2008-04-21T09:30:00")


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"MAPCompassHeading": 7, "MAPLatitude": "x"}', "{" * 100_000, "قوس النصر", "{}"]
)
def test_other_descriptions_say_nothing(text: str) -> None:
    told = read(None, text)
    assert (told.gps, told.compass_deg, told.taken_at) == (None, None, None)


@pytest.mark.parametrize(
    ("camera", "taken_at"),
    [
        ({"tag_9003": "2008:04:21 09:30:00"}, "2008-04-21T09:30:00"),
        ({"tag_9003": "2008:04:21 09:30:00", "tag_9011": "+03:00"}, "2008-04-21T09:30:00+03:00"),
        ({"tag_9003": "0000:00:00 00:00:00", "tag_9004": "1998:01:02 03:04:05"}, "1998-01-02T03:04:05"),
        ({"tag_9003": "    :  :     :  :  "}, None),
        ({"tag_9003": "2008:13:41 09:30:00"}, None),
    ],
)
def test_when_it_was_taken(camera: dict[str, str], taken_at: str | None) -> None:
    assert read(**camera).taken_at == taken_at


def test_when_the_file_was_changed_is_not_when_it_was_taken() -> None:
    tags = exif()
    tags[0x0132] = "2020:01:01 00:00:00"
    assert read_metadata(tags.tobytes(), None).taken_at is None


def test_focal_length_from_the_35_mm_equivalent() -> None:
    # 35 mm film has a diagonal of 43.27 mm: on a 4:3 sensor 26 mm equivalent is 26 / 43.27 of the diagonal (DCG-001).
    focal, source = focal_px(read(tag_A405=26, tag_920A=4.2), 4000, 3000)
    assert focal == pytest.approx(26 / math.hypot(36, 24) * 5000)
    assert source == "exif-35mm"
    assert focal_px(read(tag_A405=26), 3000, 4000)[0] == focal


@pytest.mark.parametrize(("unit", "resolution"), [(2, 2000 * 25.4), (3, 20000.0), (4, 2000.0)])
def test_focal_length_from_the_focal_plane(unit: int, resolution: float) -> None:
    # A sensor of 2 mm by 1.5 mm in 4000 x 3000 pixels behind a lens of 2 mm: 4000 px, and half for half the size.
    camera = {"tag_920A": 2.0, "tag_A20E": resolution, "tag_A210": unit, "tag_A002": 4000, "tag_A003": 3000}
    told = read(**camera)
    assert focal_px(told, 4000, 3000)[0] == pytest.approx(4000)
    assert focal_px(told, 1500, 2000)[0] == pytest.approx(2000)
    assert focal_px(told, 1500, 2000)[1] == "exif-focal-plane"


@pytest.mark.parametrize(
    "camera",
    [
        {},
        {"tag_A405": 0},
        {"tag_920A": 5.0},
        {"tag_920A": IFDRational(0, 0), "tag_A20E": 5000.0},
        {"tag_920A": 5.0, "tag_A20E": IFDRational(0, 0)},
        {"tag_920A": 5.0, "tag_A20E": 72.0, "tag_A210": 2},
    ],
)
def test_nonsense_gives_no_focal_length(camera: dict[str, Any]) -> None:
    assert focal_px(read(**camera), 4000, 3000) == (None, None)


def test_texts_are_cleaned() -> None:
    tags = exif(1, tag_A434="EF24mm\0\0rest")
    tags[0x010F], tags[0x0110] = "  Canon\n\x07 ", "\0"
    told = read_metadata(tags.tobytes(), None)
    assert (told.make, told.model, told.lens) == ("Canon", None, "EF24mm")


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientations_that_do_not_exist_are_upright(orientation: int) -> None:
    assert read_metadata(exif(orientation).tobytes(), None).orientation == 1


@pytest.mark.parametrize(
    "blob", [None, b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"\x89garbage" * 99, b"MM\0*\0\0\0\x08\xff\xff"]
)
def test_broken_exif_is_no_exif(blob: bytes | None) -> None:
    assert read_metadata(blob, None) == Metadata()


def test_exif_that_breaks_off_anywhere_is_survived() -> None:
    tags = exif(6, tag_A405=26, tag_920A=4.2, tag_9003="2008:04:21 09:30:00")
    tags.get_ifd(0x8825).update(palmyra())
    whole = tags.tobytes()
    assert read_metadata(whole, None).gps is not None
    for cut in range(len(whole)):
        assert read_metadata(whole[:cut], None).orientation in {1, 6}


def test_a_panorama_is_told_by_its_xmp() -> None:
    for xmp, is_panorama in (
        (b'<rdf:Description GPano:ProjectionType="equirectangular"/>', True),
        (b"<GPano:ProjectionType>cylindrical</GPano:ProjectionType>", True),
        (b"<GPano:UsePanoramaViewer>False</GPano:UsePanoramaViewer>", False),
        (None, False),
    ):
        assert read_metadata(None, xmp).panorama is is_panorama
