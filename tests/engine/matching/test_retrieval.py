"""Retrieval on descriptors of made-up places: photos of one place must find each other."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tadmor.engine.matching.retrieval import WORDS, Vocabulary, learn_vocabulary, most_similar, successive, vlad
from tadmor.engine.scene import F32

PLACES, PHOTOS = 6, 5


def unit(rows: NDArray[np.float64]) -> F32:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def photos() -> list[F32]:
    """Descriptors of 5 photos each of 6 places, one place after the other; half of them are common to all places."""
    rng = np.random.default_rng(1)
    common = rng.exponential(size=(300, 128)) ** 2
    places = rng.exponential(size=(PLACES, 300, 128)) ** 2
    found = []
    for place in places:
        for _ in range(PHOTOS):
            shown = np.concatenate([rng.permutation(place)[:200], rng.permutation(common)[:200]])
            found.append(unit(np.abs(unit(shown) + rng.normal(0, 0.03, shown.shape))))
    return found


@pytest.fixture(scope="module")
def vocabulary(photos: list[F32]) -> Vocabulary:
    return learn_vocabulary(np.concatenate(photos), seed=1)


@pytest.fixture(scope="module")
def vectors(photos: list[F32], vocabulary: Vocabulary) -> F32:
    return np.stack([vlad(rows, vocabulary) for rows in photos])


def test_photos_of_a_place_find_each_other(vectors: F32) -> None:
    pairs = most_similar(vectors, PHOTOS - 1)
    within = {(i, j) for i in range(len(vectors)) for j in range(i + 1, len(vectors)) if i // PHOTOS == j // PHOTOS}
    assert len(pairs & within) == len(within)
    assert len(pairs) < 1.3 * len(within)


def test_vectors_have_unit_length_and_nothing_gives_zero(vectors: F32, vocabulary: Vocabulary) -> None:
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors.shape == (PLACES * PHOTOS, WORDS * 64)
    assert not vlad(np.zeros((0, 128), np.float32), vocabulary).any()


def test_the_order_of_the_features_does_not_matter(photos: list[F32], vocabulary: Vocabulary) -> None:
    np.testing.assert_allclose(vlad(photos[0][::-1], vocabulary), vlad(photos[0], vocabulary), atol=1e-4)


def test_the_axes_are_those_of_most_variance(photos: list[F32], vocabulary: Vocabulary) -> None:
    rows = np.concatenate(photos).astype(np.float64)
    np.testing.assert_allclose(vocabulary.axes.T @ vocabulary.axes, np.eye(64), atol=1e-5)
    values = np.linalg.svd(rows - rows.mean(0), compute_uv=False) ** 2
    kept = (((rows - vocabulary.mean) @ vocabulary.axes) ** 2).sum()
    assert kept == pytest.approx(values[:64].sum(), rel=1e-4)


def test_the_same_seed_gives_the_same_vocabulary(photos: list[F32], vocabulary: Vocabulary) -> None:
    again = learn_vocabulary(np.concatenate(photos), seed=1)
    assert np.array_equal(again.words, vocabulary.words)
    assert np.array_equal(again.axes, vocabulary.axes)


def test_most_similar_is_what_sorting_gives() -> None:
    rows = unit(np.random.default_rng(3).normal(size=(30, 16)))
    expected = set()
    for i in range(30):
        for j in [j for j in np.argsort(-(rows @ rows[i])).tolist() if j != i][:4]:
            expected.add((min(i, j), max(i, j)))
    assert most_similar(rows, 4) == expected


def test_more_neighbours_than_photos_are_all_pairs() -> None:
    rows = unit(np.random.default_rng(4).normal(size=(5, 16)))
    assert most_similar(rows, 20) == {(i, j) for j in range(5) for i in range(j)}
    assert most_similar(rows[:1], 20) == set()


def test_successive() -> None:
    assert successive([3, 0, 2], 1) == {(0, 3), (0, 2)}
    assert successive([3, 0, 2], 5) == {(0, 3), (0, 2), (2, 3)}
    assert successive([], 3) == successive([1], 3) == set()
