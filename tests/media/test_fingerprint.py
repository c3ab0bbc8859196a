"""Copies of a photograph are found, and photographs taken a step aside are not taken for copies."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from tadmor.media.fingerprint import CANDIDATE_BITS, find_duplicates, fingerprint, is_same_picture
from tadmor.media.photo import PhotoFacts

REAL = Path(__file__).parents[3] / "shared" / "data"
U8 = NDArray[np.uint8]


def distance(a: str, b: str) -> int:
    return (int(a, 16) ^ int(b, 16)).bit_count()


def resized(photo: U8, scale: float) -> U8:
    result: U8 = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return result


def recoded(photo: U8, quality: int) -> U8:
    coded = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    result: U8 | None = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    assert result is not None
    return result


def photographs() -> list[U8]:
    """Photographs that scikit-image brings along, brought to 1600 px as a large photo's working picture is."""
    photos = [data.astronaut(), data.coffee(), data.chelsea()]
    return [enlarged(photo[:, :, ::-1], 1600 / max(photo.shape)) for photo in photos]


def enlarged(photo: U8, scale: float) -> U8:
    result: U8 = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return result


def two_views(shift_px: int, *, size: int = 1600) -> tuple[U8, U8]:
    """A textured wall and a nearer column before it, from two places a step apart: only the column moves."""
    rng = np.random.default_rng(4)
    wall = cv2.resize(
        rng.integers(0, 255, (size // 16, size // 12, 3), np.uint8),
        (size, size * 3 // 4),
        interpolation=cv2.INTER_CUBIC,
    )
    column = cv2.resize(rng.integers(0, 255, (size // 16, size // 40, 3), np.uint8), (size // 3, size * 3 // 4))
    views = []
    for x in (size // 3, size // 3 + shift_px):
        view = wall.copy()
        view[:, x : x + size // 3] = column
        views.append(view)
    return views[0], views[1]


COPIES = {
    "re-encoded at quality 20": lambda p: recoded(p, 20),
    "a quarter of the size": lambda p: resized(p, 0.25),
    "a quarter of the size at quality 20": lambda p: recoded(resized(p, 0.25), 20),
    "an odd size": lambda p: resized(p, 0.3137),
    "lightened": lambda p: cv2.convertScaleAbs(p, alpha=1.15, beta=10),
    "in grey": lambda p: np.repeat(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY)[:, :, None], 3, axis=2),
    "sharpened": lambda p: cv2.addWeighted(p, 2, cv2.GaussianBlur(p, (0, 0), 1.5), -1, 0),
}


@pytest.mark.parametrize("change", COPIES.values(), ids=COPIES.keys())
def test_copies_are_the_same_picture(change) -> None:  # type: ignore[no-untyped-def]  # lambdas above
    for photo in photographs():
        copy = change(photo)
        assert distance(fingerprint(photo), fingerprint(copy)) <= CANDIDATE_BITS
        assert is_same_picture(photo, copy)
        assert is_same_picture(copy, photo)


def test_other_pictures_are_not() -> None:
    photos = photographs()
    prints = [fingerprint(photo) for photo in photos]
    for i, a in enumerate(photos):
        for j, b in enumerate(photos[:i]):
            assert distance(prints[i], prints[j]) > CANDIDATE_BITS
            assert not is_same_picture(a, b)
        assert not is_same_picture(a, a[:, ::-1])
        assert not is_same_picture(a, np.rot90(a))
        assert not is_same_picture(a, np.full_like(a, 128))


@pytest.mark.parametrize("shift_px", [16, 48, 160])
def test_a_step_aside_is_another_picture(shift_px: int) -> None:
    a, b = two_views(shift_px)
    assert not is_same_picture(a, b)
    assert is_same_picture(a, recoded(resized(a, 0.25), 30))


def test_a_frame_shifted_by_less_than_a_percent_is_another_picture() -> None:
    for photo in photographs():
        shift = round(0.008 * photo.shape[1])
        assert not is_same_picture(photo[:, shift:], photo[:, :-shift])


def test_without_texture_nothing_is_the_same() -> None:
    fog = np.full((300, 400, 3), 200, np.uint8)
    assert not is_same_picture(fog, fog)


def facts_of(photos: list[U8]) -> list[PhotoFacts]:
    base = PhotoFacts(
        name="", sha256="", size_bytes=1, width=1, height=1, format="jpeg", bits=8, colour="rgb", orientation=1,
        make=None, model=None, lens=None, focal_mm=None, focal_35mm_mm=None, focal_px=None, focal_source=None,
        taken_at=None, gps=None, compass_deg=None, normalised=False, blur=0.0, fingerprint="",
    )  # fmt: skip
    return [
        replace(base, sha256=f"{i}", width=photo.shape[1], height=photo.shape[0], fingerprint=fingerprint(photo))
        for i, photo in enumerate(photos)
    ]


def test_the_copy_with_most_pixels_is_kept() -> None:
    a, b, c = photographs()
    photos = [resized(a, 0.3), b, a, recoded(a, 30), resized(c, 0.5), c, b]
    facts = facts_of(photos)
    facts[6] = replace(facts[6], sha256=facts[1].sha256)
    found = find_duplicates(facts, lambda index: photos[index])
    assert {index: kept for index, (kept, _) in found.items()} == {0: 2, 3: 2, 4: 5, 6: 1}
    assert found[6] == (1, 0)
    assert all(0 <= bits <= 16 for _, bits in found.values())


def test_the_same_bytes_are_the_same_without_looking() -> None:
    def never(index: int) -> U8:
        raise AssertionError(index)

    facts = [replace(f, sha256="same") for f in facts_of([photographs()[0]]) * 3]
    assert find_duplicates(facts, never) == {1: (0, 0), 2: (0, 0)}
    assert find_duplicates([], never) == {}


def test_a_byte_copy_of_a_copy_leads_to_the_photo_that_is_kept() -> None:
    photo = photographs()[0]
    small = resized(photo, 0.3)
    facts = facts_of([small, small, photo])
    facts[1] = replace(facts[1], sha256=facts[0].sha256)
    kept = {
        index: kept for index, (kept, _) in find_duplicates(facts, lambda index: [small, small, photo][index]).items()
    }
    assert kept == {0: 2, 1: 2}


def test_hundreds_of_photos_are_compared_by_fingerprint_alone() -> None:
    rng = np.random.default_rng(8)
    base = facts_of([np.full((320, 320, 3), 9, np.uint8)])[0]
    facts = [replace(base, sha256=str(i), fingerprint=rng.bytes(32).hex()) for i in range(500)]
    truth = [[distance(a.fingerprint, b.fingerprint) for b in facts[:40]] for a in facts[:40]]
    assert min(min(row[:i], default=256) for i, row in enumerate(truth)) > CANDIDATE_BITS

    def never(index: int) -> U8:
        raise AssertionError(index)

    assert find_duplicates(facts, never) == {}


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the real photographs are not here")
def test_neighbouring_real_photographs_are_no_duplicates() -> None:
    paths = [
        p
        for f in ("fountain_p11/images", "sceaux_castle", "lund_street", "sacre_coeur")
        for p in sorted((REAL / f).glob("*.[jJ]*"))
    ]
    photos: list[U8] = []
    for path in paths:
        photo = cv2.imread(str(path), cv2.IMREAD_REDUCED_COLOR_2 if path.stat().st_size > 600_000 else cv2.IMREAD_COLOR)
        assert photo is not None
        photos.append(photo)
    assert find_duplicates(facts_of(photos), lambda index: photos[index]) == {}
    for i, (a, b) in enumerate(pairwise(photos)):
        assert not is_same_picture(a, b), paths[i].name
    copies = [recoded(resized(photo, max(0.25, 320 / max(photo.shape))), 20) for photo in photos]
    found = find_duplicates(facts_of(photos + copies), lambda index: (photos + copies)[index])
    assert {index: kept for index, (kept, _) in found.items()} == {len(photos) + i: i for i in range(len(photos))}
