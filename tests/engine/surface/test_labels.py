"""Exposure and choice of photos, where the photos' exposures and the best choice are known."""

from __future__ import annotations

import numpy as np
import pytest
from meshes import grid
from numpy.typing import NDArray

from tadmor.engine.scene import F32, F64
from tadmor.engine.surface.labels import MOST_CANDIDATES, Candidates, choose_labels, solve_exposure
from tadmor.engine.surface.topology import face_neighbours

VIEWS = 5


def candidates(
    true: F64, gain: F64, offset: F64, *, noise: float = 2.0, wrong: float = 0.0, seed: int = 1
) -> Candidates:
    """Faces of true colours (m, 3), each seen by two to five views that show it darker or lighter."""
    rng = np.random.default_rng(seed)
    found = Candidates.none(len(true))
    for view in range(VIEWS):
        faces = np.flatnonzero(rng.random(len(true)) < 0.7).astype(np.int32)
        colour = (true[faces] - offset[view]) / gain[view] + rng.normal(0, noise, (len(faces), 3))
        people = rng.random(len(faces)) < wrong
        colour[people] = rng.uniform(0, 255, (people.sum(), 3))
        quality = rng.uniform(1, 5, len(faces)).astype(np.float32)
        found.add(view, faces, quality, colour.astype(np.float32))
    return found


def stone(faces: int = 8000) -> F64:
    shade = np.random.default_rng(2).uniform(60, 190, (faces, 1))
    return shade * [0.8, 0.95, 1.0] + np.random.default_rng(3).normal(0, 8, (faces, 3))


GAIN = np.array([[1.0, 1, 1], [1.25, 1.2, 1.15], [0.8, 0.85, 0.9], [1.1, 1.1, 1.1], [0.9, 1.0, 1.05]])
OFFSET = np.array([[0.0, 0, 0], [-10, -8, -5], [12, 6, 3], [0, -5, 0], [4, 2, -2]])


def disagreement(found: Candidates, gain: NDArray[np.floating], offset: NDArray[np.floating]) -> float:
    """Median spread of a face's colours between the views that see it, in grey levels."""
    present = found.view >= 0
    view = np.maximum(found.view, 0)
    colour = np.where(present[..., None], found.colour * gain[view] + offset[view], np.nan)[present.sum(1) >= 2]
    return float(np.nanmedian(np.nanstd(colour, axis=1)))


@pytest.mark.parametrize("wrong", [0.0, 0.15], ids=["clean", "with people"])
def test_exposures_are_brought_into_line(wrong: float) -> None:
    found = candidates(stone(), GAIN, OFFSET, wrong=wrong)
    gain, offset = solve_exposure(found, VIEWS, seed=1)
    before = disagreement(found, np.ones((VIEWS, 3)), np.zeros((VIEWS, 3)))
    after = disagreement(found, gain, offset)
    assert before > 6
    assert after < 2.5
    # up to what all views have in common, these are the gains that were put there
    relative = gain / gain[:1]
    np.testing.assert_allclose(relative, GAIN / GAIN[:1], rtol=0.06)


def test_the_average_photo_stays_as_it_is() -> None:
    gain, offset = solve_exposure(candidates(stone(), GAIN, OFFSET), VIEWS, seed=1)
    np.testing.assert_allclose(np.exp(np.log(gain).mean(0)), 1, rtol=1e-5)
    np.testing.assert_allclose(offset.mean(0), 0, atol=1e-3)


def test_photos_alike_are_left_alone() -> None:
    gain, offset = solve_exposure(candidates(stone(), np.ones_like(GAIN), np.zeros_like(OFFSET)), VIEWS, seed=1)
    np.testing.assert_allclose(gain, 1, atol=0.02)
    np.testing.assert_allclose(offset, 0, atol=2)


def test_too_few_shared_faces_change_nothing() -> None:
    gain, offset = solve_exposure(candidates(stone(40), GAIN, OFFSET), VIEWS, seed=1)
    assert (gain == 1).all()
    assert (offset == 0).all()


def test_a_view_that_shares_nothing_stays_as_it_is() -> None:
    found = candidates(stone(), GAIN, OFFSET)
    gain, offset = solve_exposure(found, VIEWS + 1, seed=1)
    assert gain[VIEWS] == pytest.approx(np.ones(3), abs=0.25)
    assert np.isfinite(gain).all()
    assert np.isfinite(offset).all()


def test_the_same_seed_gives_the_same_exposure() -> None:
    found = candidates(stone(100_000), GAIN, OFFSET)  # more faces than are used: some are drawn
    one, two = (solve_exposure(found, VIEWS, seed=4) for _ in range(2))
    assert np.array_equal(one[0], two[0])
    assert np.array_equal(one[1], two[1])


ONES, ZEROS = np.ones((VIEWS, 3), np.float32), np.zeros((VIEWS, 3), np.float32)


def chosen(found: Candidates, neighbours: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    label, blendable = choose_labels(found, neighbours, ONES, ZEROS)
    view = np.where(label >= 0, found.view[np.arange(len(label)), np.maximum(label, 0)], -1)
    return view.astype(np.int64), blendable


def enter(found: Candidates, view: int, quality: float, colour: float, faces: int) -> None:
    rows = np.arange(faces, dtype=np.int32)
    grey: F32 = np.full((faces, 3), colour, np.float32)
    found.add(view, rows, np.full(faces, quality, np.float32), grey)


def test_the_best_view_paints() -> None:
    _, faces = grid(6, 6)
    found = Candidates.none(len(faces))
    for view, quality in ((0, 1.0), (1, 9.0), (2, 4.0)):
        enter(found, view, quality, 100, len(faces))
    painter, blendable = chosen(found, face_neighbours(faces))
    assert (painter == 1).all()
    assert blendable.sum(1).tolist() == [3] * len(faces)


def test_a_view_that_shows_something_else_does_not_paint() -> None:
    _, faces = grid(6, 6)
    found = Candidates.none(len(faces))
    for view, quality, colour in ((0, 3.0, 100), (1, 9.0, 220), (2, 3.5, 104), (3, 3.0, 97)):
        enter(found, view, quality, colour, len(faces))
    painter, blendable = chosen(found, face_neighbours(faces))
    assert set(painter.tolist()) <= {0, 2, 3}
    assert not blendable[found.view == 1].any()
    assert blendable[np.isin(found.view, (0, 2, 3))].all()


def test_what_no_photo_sees_is_painted_by_none() -> None:
    _, faces = grid(6, 6)
    found = Candidates.none(len(faces))
    half = np.arange(0, len(faces) // 2, dtype=np.int32)
    found.add(3, half, np.ones(len(half), np.float32), np.zeros((len(half), 3), np.float32))
    painter, blendable = chosen(found, face_neighbours(faces))
    assert (painter[: len(half)] == 3).all()
    assert (painter[len(half) :] == -1).all()
    assert not blendable[len(half) :].any()


def test_views_that_are_nearly_as_good_do_not_alternate() -> None:
    rng = np.random.default_rng(5)
    _, faces = grid(30, 30)
    found = Candidates.none(len(faces))
    rows = np.arange(len(faces), dtype=np.int32)
    for view in (0, 1):
        found.add(view, rows, rng.uniform(4, 5, len(faces)).astype(np.float32), np.zeros((len(faces), 3), np.float32))
    neighbours = face_neighbours(faces)
    painter, _ = chosen(found, neighbours)
    best = found.view[np.arange(len(faces)), found.quality.argmax(1)]

    def seams(views: NDArray[np.integer]) -> float:
        inside = neighbours >= 0
        return float((views[np.maximum(neighbours, 0)] != views[:, None])[inside].mean())

    assert seams(best) > 0.45
    assert seams(painter) < 0.2


def test_the_ten_best_views_of_a_face_are_kept() -> None:
    found = Candidates.none(1)
    qualities = np.random.default_rng(6).permutation(np.arange(1, 31))
    for view, quality in enumerate(qualities):
        found.add(view, np.zeros(1, np.int32), np.array([quality], np.float32), np.zeros((1, 3), np.float32))
    assert set(found.quality[0].tolist()) == set(range(31 - MOST_CANDIDATES, 31))
    assert all(qualities[view] == quality for view, quality in zip(found.view[0], found.quality[0], strict=True))
