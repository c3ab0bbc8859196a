"""The width of edges, against pictures that were blurred by a known amount."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from photo_samples import picture
from skimage import data

from tadmor.media.blur import BLURRED_ABOVE, edge_width_px

REAL = Path(__file__).parents[3] / "shared" / "data"
U8 = NDArray[np.uint8]


def photographs() -> dict[str, U8]:
    """Photographs that scikit-image brings along."""
    return {
        "astronaut": data.astronaut()[:, :, ::-1],
        "coffee": data.coffee()[:, :, ::-1],
        "chelsea": data.chelsea()[:, :, ::-1],
    }


def steps(sigma: float) -> U8:
    """(768, 1024) grey discs, which have edges in every direction, blurred by a Gaussian of `sigma` px."""
    discs = np.full((768, 1024), 60, np.uint8)
    for x in range(100, 1024, 200):
        for y in range(84, 768, 200):
            cv2.circle(discs, (x, y), 70, 180, -1, cv2.LINE_AA)
    return gaussian(discs, sigma)


def moved(image: U8, length: int, angle_deg: float) -> U8:
    kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
    kernel[length, length - length // 2 : length + length // 2 + 1] = 1
    turn = cv2.getRotationMatrix2D((length, length), angle_deg, 1)
    kernel = cv2.warpAffine(kernel, turn, kernel.shape)
    result: U8 = cv2.filter2D(image, -1, kernel / kernel.sum())
    return result


def gaussian(image: U8, sigma: float) -> U8:
    blurred: U8 = cv2.GaussianBlur(image, (0, 0), sigma)
    return blurred


@pytest.mark.parametrize("sigma", [2.0, 3.0, 4.0, 6.0])
def test_the_width_of_ideal_edges_is_their_blur(sigma: float) -> None:
    assert edge_width_px(steps(sigma)) == pytest.approx(sigma, rel=0.07)


def test_the_figure_does_not_depend_on_the_size_of_the_photo() -> None:
    blurred = steps(3)
    large = cv2.resize(blurred, None, fx=1.5625, fy=1.5625, interpolation=cv2.INTER_CUBIC)
    assert large.shape[1] == 1600
    assert edge_width_px(large) == pytest.approx(edge_width_px(blurred), rel=0.05)


@pytest.mark.parametrize("angle_deg", [0, 30, 45, 90, 135])
def test_movement_in_any_direction_is_seen(angle_deg: float) -> None:
    assert edge_width_px(moved(steps(0.7), 20, angle_deg)) > BLURRED_ABOVE
    assert edge_width_px(steps(0.7)) < BLURRED_ABOVE / 1.5


@pytest.mark.parametrize("name", photographs())
def test_photographs_are_not_blurred_until_they_are(name: str) -> None:
    photo = photographs()[name]
    assert edge_width_px(photo) < BLURRED_ABOVE
    assert edge_width_px(gaussian(photo, 4)) > BLURRED_ABOVE


def test_noise_and_jpeg_do_not_hide_blur() -> None:
    blurred = gaussian(photographs()["astronaut"], 4)
    noise = np.random.default_rng(1).normal(0, 8, blurred.shape)
    assert edge_width_px(np.clip(blurred + noise, 0, 255).astype(np.uint8)) > BLURRED_ABOVE
    coded = cv2.imdecode(cv2.imencode(".jpg", blurred, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)
    assert coded is not None
    assert edge_width_px(coded) > BLURRED_ABOVE


def test_haze_and_night_are_not_blur() -> None:
    photo = photographs()["coffee"]
    assert edge_width_px((photo * 0.3 + 150).astype(np.uint8)) < BLURRED_ABOVE
    assert edge_width_px((photo * 0.15).astype(np.uint8)) < BLURRED_ABOVE


def test_drawn_masonry_is_sharp() -> None:
    assert edge_width_px(picture()[:, :, ::-1]) < BLURRED_ABOVE


@pytest.mark.parametrize("level", [0, 128, 255])
def test_nothing_says_that_an_empty_picture_is_blurred(level: int) -> None:
    assert edge_width_px(np.full((300, 400, 3), level, np.uint8)) == 0


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the real photographs are not here")
def test_no_real_photograph_is_called_blurred() -> None:
    folders = ("fountain_p11/images", "sceaux_castle", "sacre_coeur", "lund_street")
    paths = [path for folder in folders for path in sorted((REAL / folder).glob("*.[jJ]*"))][::3]
    for path in paths:
        # Halving while decoding leaves 6 MP at 1536 px, near enough to the working size and five times as fast.
        size = cv2.IMREAD_COLOR if path.stat().st_size < 600_000 else cv2.IMREAD_REDUCED_COLOR_2
        photo = cv2.imread(str(path), size)
        assert photo is not None
        assert edge_width_px(photo) < BLURRED_ABOVE / 1.5, path.name
        assert edge_width_px(gaussian(photo, 4 * max(photo.shape) / 1600)) > BLURRED_ABOVE, path.name
