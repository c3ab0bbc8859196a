"""What is cut off a surface and what stays, on sheets where every face's fate is known."""

from __future__ import annotations

import numpy as np
from meshes import facing, grid, squares

from tadmor.engine.scene import Lens, project_into
from tadmor.engine.surface.cleaning import (
    CLOSED_RINGS,
    GUESSED_FOOTPRINTS,
    LARGEST_HOLE,
    PINHOLE_FACES,
    REFILLED_FACES,
    SMALLEST_PIECE_FACES,
    SeenFrom,
    peel_unseen,
    refill_small_holes,
    supported,
    without_small_pieces,
)

WIDE = 60
NEAR = np.full(400 * 400 * 2, 1, np.float32)
"""Every face is near what was measured."""


def test_unseen_surface_that_hangs_on_the_border_is_cut_off() -> None:
    _, faces = grid(WIDE, WIDE)
    seen = np.ones(len(faces), np.bool_)
    flap = squares(WIDE, (range(40, 60), range(60)))
    seen[flap] = False
    keep = peel_unseen(faces, seen, NEAR[: len(faces)])
    assert keep[seen].all()
    assert not keep[squares(WIDE, (range(40 + CLOSED_RINGS, 60), range(60)))].any()
    assert keep[flap].mean() < 0.5


def test_an_unseen_hole_within_seen_surface_stays_unless_it_is_large() -> None:
    _, faces = grid(400, 400)
    seen = np.ones(len(faces), np.bool_)
    small, large = squares(400, (range(50, 70), range(50, 70))), squares(400, (range(200, 240), range(200, 240)))
    assert len(small) < LARGEST_HOLE * len(faces) < len(large)
    seen[small] = seen[large] = False
    keep = peel_unseen(faces, seen, NEAR[: len(faces)])
    assert keep[small].all()
    assert not keep[squares(400, (range(210, 230), range(210, 230)))].any()
    assert keep[seen].all()


def test_a_narrow_gap_that_opens_to_the_border_stays_and_a_wide_one_goes() -> None:
    _, faces = grid(WIDE, WIDE)
    seen = np.ones(len(faces), np.bool_)
    narrow, wide = squares(WIDE, (range(10, 12), range(60))), squares(WIDE, (range(25, 50), range(60)))
    seen[narrow] = seen[wide] = False
    keep = peel_unseen(faces, seen, NEAR[: len(faces)])
    inside = squares(WIDE, (range(10, 12), range(CLOSED_RINGS, 60 - CLOSED_RINGS)))
    assert keep[inside].all()
    assert not keep[squares(WIDE, (range(25 + CLOSED_RINGS, 50 - CLOSED_RINGS), range(60)))].any()
    assert keep[seen].all()


def test_an_unseen_hole_far_from_measurements_goes() -> None:
    _, faces = grid(400, 400)
    seen, far = np.ones(len(faces), np.bool_), np.ones(len(faces), np.float32)
    near_hole, far_hole = squares(400, (range(50, 60), range(50, 60))), squares(400, (range(80, 90), range(80, 90)))
    pinhole = squares(400, (range(120, 122), range(120, 122)))
    for hole in (near_hole, far_hole, pinhole):
        seen[hole] = False
    far[far_hole] = far[pinhole] = 2 * GUESSED_FOOTPRINTS
    keep = peel_unseen(faces, seen, far)
    assert len(pinhole) <= PINHOLE_FACES
    assert keep[near_hole].all()
    assert keep[pinhole].all()
    assert not keep[far_hole].any()


def test_what_nobody_sees_goes_and_what_all_see_stays() -> None:
    _, faces = grid(WIDE, WIDE)
    assert not peel_unseen(faces, np.zeros(len(faces), np.bool_), NEAR[: len(faces)]).any()
    assert peel_unseen(faces, np.ones(len(faces), np.bool_), NEAR[: len(faces)]).all()


def test_pinholes_are_refilled_and_openings_are_not() -> None:
    _, faces = grid(WIDE, WIDE)
    keep = np.ones(len(faces), np.bool_)
    pinhole, opening = squares(WIDE, (range(5, 8), range(5, 8))), squares(WIDE, (range(20, 40), range(20, 40)))
    assert len(pinhole) <= REFILLED_FACES < len(opening)
    keep[pinhole] = keep[opening] = False
    filled = refill_small_holes(faces, keep)
    assert filled[pinhole].all()
    assert not filled[opening].any()
    assert filled[keep].all()


def test_small_pieces_go() -> None:
    vertices, faces = grid(WIDE, WIDE)
    crumbs, crumb_faces = grid(3, 3)
    together = np.concatenate([faces, crumb_faces + len(vertices)]).astype(np.int32)
    left, kept = without_small_pieces(np.concatenate([vertices, crumbs + np.array([100.0, 0, 0])]), together)
    assert len(crumb_faces) < SMALLEST_PIECE_FACES < len(faces)
    assert len(kept) == len(faces)
    np.testing.assert_allclose(left, vertices)


LENS = Lens(80, 60, 60.0, 39.5, 29.5)
FRONT = facing((0, 0, 10), (0, 0, 0), LENS)
SIDE = facing((5, 0, 9), (0, 0, 0), LENS)


def seen(view_depth: float | np.typing.NDArray[np.float32], sky: np.typing.NDArray[np.bool_] | None = None) -> SeenFrom:
    depth = np.broadcast_to(np.float32(view_depth), (LENS.height, LENS.width)).copy()
    nothing = np.zeros(depth.shape, np.bool_)
    return SeenFrom(depth, nothing if sky is None else sky, LENS, FRONT.rotation, FRONT.translation)


WALL = np.stack(
    [*(g.ravel() for g in np.meshgrid(np.linspace(-3, 3, 41), np.linspace(-2, 2, 31))), np.zeros(41 * 31)], 1
)
FOOTPRINTS = np.full(len(WALL), 0.05, np.float32)


def test_surface_on_measurements_is_supported() -> None:
    near = WALL + np.array([0.01, 0.01, 0.02])
    assert supported(near, WALL, FOOTPRINTS, [seen(10.0), seen(10.0)], workers=1).all()


def test_surface_far_from_any_measurement_is_not() -> None:
    far = WALL - [0, 0, 3.0]  # behind the wall, where no view looks
    assert not supported(far, WALL, FOOTPRINTS, [seen(10.0)], workers=1).any()


def test_surface_in_front_of_what_two_views_measured_is_not() -> None:
    floating = WALL[(np.abs(WALL[:, 0]) < 2) & (np.abs(WALL[:, 1]) < 1.5)] + [0, 0, 1.0]
    assert supported(floating, WALL, FOOTPRINTS, [seen(10.0)], workers=1).all()  # one view may err
    assert not supported(floating, WALL, FOOTPRINTS, [seen(10.0), seen(10.0)], workers=1).any()


def test_surface_in_the_sky_is_not_unless_measured_there() -> None:
    sky = np.ones((LENS.height, LENS.width), np.bool_)
    away = WALL[np.abs(WALL[:, 0]) < 2] + [0, 0, 0.5]
    assert not supported(away, WALL, FOOTPRINTS, [seen(0.0, sky)], workers=1).any()
    assert supported(WALL, WALL, FOOTPRINTS, [seen(0.0, sky)], workers=1).all()


def test_points_are_projected_as_the_lens_does() -> None:
    points = np.array([[0.0, 0, 0], [1, 0.5, 0], [0, 0, 20], [50, 0, 0]])
    rows, columns, depths, index = project_into(points, LENS, FRONT.rotation, FRONT.translation)
    assert index.tolist() == [0, 1]  # the others lie behind and beside
    np.testing.assert_allclose(depths, [10, 10])
    expected = LENS.distort(FRONT.camera_points(points[:2])[:, :2] / 10)
    np.testing.assert_allclose(np.stack([columns, rows], 1), expected, atol=0.51)
