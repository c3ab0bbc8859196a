"""Renders of known pictures, and scores against scikit-image's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from meshes import facing, grid
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tadmor.engine.scene import F32, U8, Lens
from tadmor.engine.surface.rendering import Model, render, sample_bilinear, score, ssim

PINHOLE = Lens(320, 240, 300.0, 161.0, 118.0)
BENT = Lens(320, 240, 300.0, 161.0, 118.0, -0.1, 0.02)
SQUARES = 40
PAGE = 512


def pictures(seed: int = 1, noise: float = 12.0) -> tuple[U8, U8]:
    """A picture (h, w, 3) and one that is like it."""
    rng = np.random.default_rng(seed)
    one = cv2.GaussianBlur(rng.uniform(0, 255, (120, 160, 3)), (0, 0), 2)
    one = (one - one.min()) / np.ptp(one) * 255
    two = one * 0.9 + 10 + rng.normal(0, noise, one.shape)
    return one.round().astype(np.uint8), np.clip(two, 0, 255).round().astype(np.uint8)


def grey(picture: U8) -> U8:
    levels: U8 = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return levels


def masks() -> list[NDArray[np.bool_]]:
    whole = np.ones((120, 160), np.bool_)
    left = whole.copy()
    left[:, 90:] = False
    ragged = cv2.GaussianBlur(np.random.default_rng(7).normal(size=(120, 160)), (0, 0), 18) > 0
    return [whole, left, ragged]


@pytest.mark.parametrize("covered", masks(), ids=["whole", "left", "ragged"])
def test_ssim_is_scikit_images_where_the_window_is_covered(covered: NDArray[np.bool_]) -> None:
    one, two = pictures()
    _, expected = structural_similarity(
        grey(one), grey(two), gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, full=True
    )
    inner = cv2.erode(covered.astype(np.uint8), np.ones((11, 11)), borderValue=0) > 0
    inner[:5] = inner[-5:] = False
    inner[:, :5] = inner[:, -5:] = False
    assert ssim(one, two, covered) == pytest.approx(expected[inner].mean(), abs=0.004)


@pytest.mark.parametrize("covered", masks(), ids=["whole", "left", "ragged"])
def test_psnr_and_coverage(covered: NDArray[np.bool_]) -> None:
    one, two = pictures()
    found = score(one, two, covered)
    assert found.coverage == pytest.approx(covered.mean())
    assert found.psnr_db == pytest.approx(peak_signal_noise_ratio(two[covered], one[covered], data_range=255), abs=1e-6)


def test_a_gain_and_offset_do_not_count_in_the_fit() -> None:
    one, _ = pictures()
    changed = (one.astype(float) * [0.7, 0.8, 0.9] + [30, 20, 10]).round().astype(np.uint8)
    covered = np.ones(one.shape[:2], np.bool_)
    found = score(one, changed, covered)
    assert found.psnr_db < 35
    assert found.psnr_fit_db > 55  # what rounding leaves
    _, noisy = pictures(noise=20)
    same = score(one, noisy, covered)
    assert same.psnr_db <= same.psnr_fit_db == pytest.approx(10 * np.log10(255**2 / 19.5**2), abs=0.5)


def test_a_picture_is_like_itself() -> None:
    one, _ = pictures()
    found = score(one, one, np.ones(one.shape[:2], np.bool_))
    assert found.ssim == pytest.approx(1)
    assert found.psnr_db > 100


def test_next_to_nothing_covered_is_no_likeness() -> None:
    one, two = pictures()
    covered = np.zeros(one.shape[:2], np.bool_)
    covered[0, :5] = True
    found = score(one, two, covered)
    assert (found.psnr_db, found.ssim) == (0, 0)
    assert ssim(one, two, covered) == 0


def page_colour(u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([120 + 90 * np.sin(9 * u), 120 + 80 * np.cos(7 * v), 130 + 60 * np.sin(5 * u + 6 * v)], axis=-1)


def wall() -> Model:
    """A wall of 4 x 4 whose page shows `page_colour` of its texture coordinates."""
    vertices, faces = grid(SQUARES, SQUARES, cell=4 / SQUARES)
    uv: F32 = (vertices[:, :2] / 4).astype(np.float32)
    u, v = np.meshgrid((np.arange(PAGE) + 0.5) / PAGE, (np.arange(PAGE) + 0.5) / PAGE)
    page: U8 = page_colour(u, v).round().astype(np.uint8)
    return Model(vertices, faces, uv, np.zeros(len(faces), np.int16), (page,))


@pytest.mark.parametrize("lens", [PINHOLE, BENT], ids=["pinhole", "distorted"])
def test_a_wall_is_rendered_as_the_lens_shows_it(lens: Lens) -> None:
    model, view = wall(), facing((3.0, 1.2, 5.0), (2.0, 2.0, 0.0), lens)
    picture, covered, face = render(model, lens, view.rotation, view.translation)
    x, y = np.meshgrid(np.arange(lens.width, dtype=np.float64), np.arange(lens.height))
    rays = np.concatenate([lens.undistort(np.stack([x, y], -1)), np.ones((*x.shape, 1))], -1) @ view.rotation
    met = view.centre + rays * (-view.centre[2] / rays[..., 2])[..., None]
    on_wall = ((met[..., :2] >= 0) & (met[..., :2] <= 4)).all(-1)
    assert (covered != on_wall).mean() < 0.003  # the rim of a pixel
    both = covered & on_wall
    off = np.abs(picture.astype(float) - page_colour(met[..., 0] / 4, met[..., 1] / 4))[both]
    assert off.mean() < 1.0
    assert np.percentile(off, 99.5) < 3
    column, row = (met[..., :2] / 4 * SQUARES).astype(int)[both].T
    assert (face[both] // 2 == row * SQUARES + column).mean() > 0.97
    assert (face[~covered] == -1).all()


def test_faces_without_a_page_are_grey_and_pages_are_told_apart() -> None:
    model = wall()
    view = facing((2.0, 2.0, 6.0), (2.0, 2.0, 0.0), PINHOLE)
    pages = (np.full((8, 8, 3), 40, np.uint8), np.full((8, 8, 3), 90, np.uint8))
    which = (np.arange(len(model.faces)) % 3 - 1).astype(np.int16)
    picture, covered, face = render(
        Model(model.vertices, model.faces, model.uv, which, pages), PINHOLE, view.rotation, view.translation
    )
    expected = np.array([model.grey, 40, 90])[which[np.maximum(face, 0)] + 1]
    assert (picture == expected[..., None])[covered].all()
    assert not picture[~covered].any()


def test_sampling_is_bilinear() -> None:
    rng = np.random.default_rng(3)
    picture = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    x, y = rng.uniform(0, 28.9, 20_000), rng.uniform(0, 18.9, 20_000)
    xi, yi = x.astype(int), y.astype(int)
    fx, fy = (x - xi)[:, None], (y - yi)[:, None]
    expected = (1 - fy) * ((1 - fx) * picture[yi, xi] + fx * picture[yi, xi + 1]) + fy * (
        (1 - fx) * picture[yi + 1, xi] + fx * picture[yi + 1, xi + 1]
    )
    found = sample_bilinear(picture, x, y)
    assert found.shape == (20_000, 3)
    assert np.abs(found - expected).max() < 9  # OpenCV rounds places to 1/32 of a pixel
    assert np.abs(found - expected).mean() < 1.5
