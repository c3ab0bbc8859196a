"""Photographs of a synthetic monument: metered, noisy JPEG files that say that they are synthetic."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from tadmor.engine.scene import F32, F64, U8, Lens
from tadmor.engine.synthetic.cameras import Stand
from tadmor.engine.synthetic.light import daylight
from tadmor.engine.synthetic.monument import Monument
from tadmor.engine.synthetic.noise import jit
from tadmor.engine.synthetic.shading import linear_picture
from tadmor.engine.synthetic.truth import Truth

LABEL = "Synthetic image computed by Tadmor from a procedural model; not a photograph"
_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"/>'
    "</rdf:RDF></x:xmpmeta>"
)


_FIRST_TAKEN = datetime(2009, 4, 11, 9, 20, tzinfo=UTC)
_THREADS = 2


@dataclass(frozen=True, slots=True)
class Optics:
    """`focal_35mm`: focal length in mm on a frame 36 mm wide; `k1`: radial distortion as in `Lens`."""

    focal_35mm: int = 28
    k1: float = -0.03


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the world's origin lies on earth (WGS84): x points east, -z north.

    `gps_noise_m` is the deviation on each axis of the positions that photos carry.
    """

    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    gps_noise_m: float = 0.0

    def locate(self, position: F64) -> tuple[float, float, float]:
        """Latitude and longitude in degrees and altitude in metres of a world point (3,) within a few kilometres."""
        semi_major, flattening = 6378137.0, 1 / 298.257223563
        e2 = flattening * (2 - flattening)
        sine = np.sin(np.radians(self.latitude_deg))
        w2 = 1 - e2 * sine**2
        meridian, normal = semi_major * (1 - e2) / w2**1.5, semi_major / np.sqrt(w2)
        latitude = self.latitude_deg + np.degrees(-position[2] / (meridian + self.altitude_m))
        east = (normal + self.altitude_m) * np.cos(np.radians(self.latitude_deg))
        return (
            float(latitude),
            self.longitude_deg + float(np.degrees(position[0] / east)),
            self.altitude_m + float(position[1]),
        )


def photograph(
    monument: Monument,
    stands: Sequence[Stand],
    folder: Path,
    *,
    width: int,
    height: int,
    seed: int = 0,
    optics: Optics = Optics(),  # frozen
    prefix: str = "photo",
    origin: Origin | None = None,
) -> Truth:
    """Photograph a monument from every stand and write the photos to `folder` as prefix_001.jpg and so on.

    `width` and `height` in pixels. Photos carry no GPS position unless `origin` is given. The same arguments write the
    same files. Raises OSError where the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    focal_px = optics.focal_35mm * width / 36.0
    lens = Lens(width, height, focal_px, (width - 1) / 2, (height - 1) / 2, optics.k1)
    light = daylight(monument)
    views = tuple(stand.view(f"{prefix}_{i:03d}.jpg", lens) for i, stand in enumerate(stands, 1))

    def take(i: int) -> None:
        rng = np.random.default_rng([seed, i])
        photo, gain = develop(linear_picture(monument, light, views[i]), rng)
        place = None
        if origin is not None:
            place = origin.locate(views[i].centre + rng.normal(0, 1, 3) * origin.gps_noise_m)
        exif = labelled(lens, optics.focal_35mm, _FIRST_TAKEN + timedelta(seconds=23 * i), gain, place)
        Image.fromarray(photo).save(folder / views[i].name, quality=92, exif=exif, xmp=_XMP.encode())

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(take, range(len(views))))
    return Truth(monument, folder, views)


def develop(picture: F32, rng: Generator) -> tuple[U8, float]:
    """Turn linear light (h, w, 3) into an 8-bit sRGB photo as a camera would: metered, white-balanced, noisy.

    Returns the photo and the exposure's gain. Tone curve: Narkowicz, "ACES filmic tone mapping curve", 2015.
    """
    luminance = picture @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    metered = float(np.exp(np.log(luminance[::4, ::4] + 0.02).mean()))
    gain = (0.44 / metered) ** 0.75 * 0.62 * 2.0 ** float(rng.normal(0, 0.14))
    balance = np.exp(rng.normal(0, 0.02, 3))
    noise = rng.standard_normal(picture.shape, np.float32)
    photo = np.zeros(picture.shape, np.uint8)
    _develop(picture, noise, (balance * gain).astype(np.float32), np.float32(gain), _TONE, photo)
    return photo, gain


def _tone_curve(steps: int = 8192, brightest: float = 4.0) -> F32:
    """8-bit level (not rounded) for linear light from 0 to `brightest`."""
    x = np.linspace(0, brightest, steps)
    film = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)
    film = np.clip(film, 0, 1)
    srgb = np.where(film <= 0.0031308, 12.92 * film, 1.055 * film ** (1 / 2.4) - 0.055)
    return (255 * srgb).astype(np.float32)


_TONE = _tone_curve()


@jit
def _develop(picture, noise, gains, gain, tone, photo):  # type: ignore[no-untyped-def]  # compiled by numba
    shot, read = np.float32(gain / 26000.0), np.float32((0.0016 * gain) ** 2)
    steps = np.float32((len(tone) - 1) / 4.0)
    for row in range(photo.shape[0]):
        for column in range(photo.shape[1]):
            for channel in range(3):
                light = picture[row, column, channel] * gains[channel]
                light += noise[row, column, channel] * np.sqrt(light * shot + read)
                step = int(min(max(light * steps, np.float32(0)), np.float32(len(tone) - 1)))
                photo[row, column, channel] = int(tone[step] + np.float32(0.5))


def labelled(
    lens: Lens, focal_35mm: int, taken: datetime, gain: float, place: tuple[float, float, float] | None
) -> Image.Exif:
    """Exif data of a photo, which say that it is synthetic. `place` is latitude, longitude, altitude."""
    exif = Image.Exif()
    moment = taken.strftime("%Y:%m:%d %H:%M:%S")
    base = ExifTags.Base
    exif[base.ImageDescription] = LABEL
    exif[base.Make] = "Tadmor"
    exif[base.Model] = "synthetic"
    exif[base.Software] = "Tadmor"
    exif[base.Orientation] = 1
    exif[base.DateTime] = moment
    exif[base.Copyright] = f"{LABEL}. CC0 1.0"
    detail = exif.get_ifd(ExifTags.IFD.Exif)
    detail[base.ExifVersion] = b"0232"
    detail[base.DateTimeOriginal] = moment
    detail[base.ExposureTime] = IFDRational(1, max(1, round(400 / gain)))
    detail[base.FNumber] = IFDRational(8, 1)
    detail[base.ISOSpeedRatings] = 100
    detail[base.FocalLength] = IFDRational(focal_35mm, 1)  # the frame is 36 mm wide, so both lengths are one
    detail[base.FocalLengthIn35mmFilm] = focal_35mm
    detail[base.ExifImageWidth] = lens.width
    detail[base.ExifImageHeight] = lens.height
    if place is not None:
        exif.get_ifd(ExifTags.IFD.GPSInfo).update(_gps(*place))
    return exif


def _gps(latitude_deg: float, longitude_deg: float, altitude_m: float) -> dict[int, object]:
    gps = ExifTags.GPS
    return {
        gps.GPSVersionID: b"\x02\x03\x00\x00",
        gps.GPSLatitudeRef: "N" if latitude_deg >= 0 else "S",
        gps.GPSLatitude: _sexagesimal(abs(latitude_deg)),
        gps.GPSLongitudeRef: "E" if longitude_deg >= 0 else "W",
        gps.GPSLongitude: _sexagesimal(abs(longitude_deg)),
        gps.GPSAltitudeRef: b"\x00" if altitude_m >= 0 else b"\x01",
        gps.GPSAltitude: IFDRational(round(abs(altitude_m) * 1000), 1000),
        gps.GPSMapDatum: "WGS-84",
    }


def _sexagesimal(degrees: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    """Degrees, minutes and seconds to 0.00001 of a second (0.3 mm)."""
    units = round(degrees * 3600 * 100000)
    minutes, seconds = divmod(units, 60 * 100000)
    return IFDRational(minutes // 60, 1), IFDRational(minutes % 60, 1), IFDRational(seconds, 100000)
