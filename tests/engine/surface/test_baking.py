"""A wall with a known picture, photographed and painted back."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from meshes import facing, grid
from numpy.typing import NDArray

from tadmor.engine.scene import F32, F64, I32, U8, Lens, View
from tadmor.engine.surface.baking import SIGMA, SIGMA_TIMES, Blend, Painter, Texels, blend_sigma, rasterise_charts
from tadmor.engine.surface.topology import face_normals, unit
from tadmor.engine.surface.visibility import edge_weight, look

LENS = Lens(400, 300, 380.0, 203.0, 148.0, -0.06, 0.01)
WORKING = LENS.pinhole
SQUARES, TEXELS = 8, 12.0
VERTICES, FACES = grid(SQUARES, SQUARES)
CHART = np.zeros(len(FACES), np.int32)
SIZE = np.array([[SQUARES * int(TEXELS) + 5] * 2], np.int32)
PLACES = ((4.0, 4.0, 13.0), (0.0, 3.0, 13.0), (9.0, 6.0, 12.0), (4.0, 8.0, 14.0))


def wall_colour(x: F64, y: F64) -> F64:
    """(..., 3) BGR of the wall at world x, y: smooth enough for photos of this size."""
    return np.stack(
        [120 + 70 * np.sin(1.9 * x), 120 + 60 * np.cos(1.5 * y + 1), 110 + 50 * np.sin(1.1 * x + 1.7 * y)], axis=-1
    )


def photograph(view: View) -> U8:
    """The wall z = 0 through a lens with distortion, 30 grey levels where there is no wall."""
    lens = view.lens
    x, y = np.meshgrid(np.arange(lens.width, dtype=np.float64), np.arange(lens.height))
    rays = np.concatenate([lens.undistort(np.stack([x, y], -1)), np.ones((*x.shape, 1))], axis=-1) @ view.rotation
    met = view.centre + rays * (-view.centre[2] / rays[..., 2])[..., None]
    on_wall = ((met[..., :2] >= 0) & (met[..., :2] <= SQUARES)).all(-1)
    picture: U8 = np.where(on_wall[..., None], wall_colour(met[..., 0], met[..., 1]), 30).round().astype(np.uint8)
    return picture


def painter(view: View, photo: U8 | None = None, gain: float = 1.0, offset: float = 0.0) -> Painter:
    sight = look(VERTICES, FACES, WORKING, view.rotation, view.translation)
    return Painter(
        photograph(view) if photo is None else photo, view.lens, view.rotation, view.translation,
        np.full(3, gain, np.float32), np.full(3, offset, np.float32), WORKING, sight.depth, sight.edge_weight,
    )  # fmt: skip


VIEWS = [facing(place, (4, 4, 0), LENS) for place in PLACES]


def texels() -> Texels:
    corners = (VERTICES[FACES][..., :2] * TEXELS + 2).astype(np.float32)
    return rasterise_charts(corners, CHART, SIZE)


def place_of(found: Texels) -> tuple[F64, F64]:
    """World x and y of every texel."""
    row, column = np.indices((SIZE[0, 1], SIZE[0, 0])).reshape(2, -1)
    return (column - 2) / TEXELS, (row - 2) / TEXELS


def painted(painters: list[Painter], label: int = 0) -> tuple[U8, Texels]:
    found = texels()
    candidates = np.full((len(FACES), 6), -1, np.int16)
    candidates[:, : len(painters)] = np.arange(len(painters), dtype=np.int16)
    normals = unit(face_normals(VERTICES, FACES)).astype(np.float32)
    labels = np.full(len(FACES), label, np.int16)
    blend = Blend(found, VERTICES[FACES].astype(np.float32), normals, candidates, labels)
    for number, one in enumerate(painters):
        blend.sample(number, one)
    return blend.mean(), found


def error(colours: U8, found: Texels) -> NDArray[np.float64]:
    """Grey levels (t,) by which texels within the wall are off."""
    x, y = place_of(found)
    inside = (x > 0.5) & (y > 0.5) & (x < SQUARES - 0.5) & (y < SQUARES - 0.5)
    off: NDArray[np.float64] = np.abs(colours.astype(float) - wall_colour(x, y)).max(1)[inside]
    return off


def test_a_wall_is_painted_as_it_is_by_one_photo() -> None:
    off = error(*painted([painter(VIEWS[0])]))
    assert off.mean() < 1.0
    assert np.percentile(off, 99) < 2.5


def test_several_photos_agree() -> None:
    off = error(*painted([painter(v) for v in VIEWS]))
    assert off.mean() < 1.0
    assert np.percentile(off, 99) < 2.5


def test_exposure_is_taken_out() -> None:
    dark = (photograph(VIEWS[1]).astype(float) - 20) / 1.25
    colours, found = painted([painter(VIEWS[0]), painter(VIEWS[1], dark.round().astype(np.uint8), 1.25, 20.0)])
    assert error(colours, found).mean() < 1.3


def test_a_person_before_the_wall_is_voted_down() -> None:
    hidden = photograph(VIEWS[2])
    cv2.rectangle(hidden, (150, 80), (250, 200), (250, 20, 240), -1)
    painters = [painter(VIEWS[0]), painter(VIEWS[1]), painter(VIEWS[2], hidden), painter(VIEWS[3])]
    off = error(*painted(painters))
    alone = error(*painted([painter(VIEWS[2], hidden)]))
    assert (alone > 50).mean() > 0.1
    assert (off > 15).mean() < 0.01
    assert off.mean() < 3


def test_what_a_photo_does_not_see_it_does_not_paint() -> None:
    blocked = painter(VIEWS[1], np.full((300, 400, 3), 255, np.uint8))
    blocked = replace(blocked, depth=blocked.depth * np.float32(0.5))  # something stands before the wall
    off = error(*painted([painter(VIEWS[0]), blocked]))
    assert off.mean() < 1.0


def test_texels_without_any_photo_are_black() -> None:
    colours, _ = painted([])
    assert not colours.any()


def test_a_texels_face_is_the_one_it_lies_in() -> None:
    found = texels()
    x, y = place_of(found)
    inside = (x > 0) & (y > 0) & (x < SQUARES) & (y < SQUARES)
    face = found.face[inside]
    assert (face >= 0).all()
    weights = np.column_stack([1 - found.weights[inside].sum(1), found.weights[inside]])
    assert weights.min() > -1e-4
    met = (weights[..., None] * VERTICES[FACES[face]]).sum(1)
    np.testing.assert_allclose(met[:, :2], np.stack([x[inside], y[inside]], 1), atol=1e-4)


def test_texels_beside_a_face_are_padded_and_no_farther() -> None:
    found = texels()
    x, y = place_of(found)
    outside = TEXELS * np.maximum(np.maximum(-x, x - SQUARES), np.maximum(-y, y - SQUARES))
    assert (found.face[outside <= 1.0] >= 0).all()
    assert (found.face[outside > 2.5] < 0).all()


def test_charts_stand_one_after_the_other() -> None:
    corners: F32 = np.array([[[2, 2], [8, 2], [2, 8]], [[2, 2], [5, 2], [2, 5]]], np.float32)
    size: I32 = np.array([[11, 11], [8, 7]], np.int32)
    found = rasterise_charts(corners, np.array([0, 1], np.int32), size)
    assert found.start.tolist() == [0, 121]
    assert len(found.face) == 121 + 56
    assert set(found.face[:121].tolist()) == {-1, 0}
    assert set(found.face[121:].tolist()) == {-1, 1}


def test_a_photos_edge_weighs_less_than_its_middle() -> None:
    depth = np.full((40, 60), 5, np.float32)
    depth[:, 30:] = 9
    weight = edge_weight(depth)
    assert weight[20, 15] == pytest.approx(1)
    assert weight[20, 29] == weight[20, 30] == 0
    assert weight[0].max() == weight[:, 0].max() == 0
    assert (np.diff(weight[20, 20:30]) <= 0).all()


def test_photos_of_different_lights_are_blended_more_widely() -> None:
    assert blend_sigma(np.full(9, 5, np.float32)) == SIGMA
    assert blend_sigma(np.full(9, 20, np.float32)) == 20 * SIGMA_TIMES
    assert blend_sigma(np.zeros(0, np.float32)) == SIGMA
