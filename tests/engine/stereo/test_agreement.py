"""Which depths are confirmed, where all depths are exactly known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planes import LENS, Plane, looking, photographed, texture
from scipy.ndimage import label

from tadmor.engine.scene import F32, Bool, View
from tadmor.engine.stereo.agreement import Measured, confirm, relative_pose, small_pieces
from tadmor.engine.stereo.merging import back_project

WALL = Plane(np.array([0.3, 0.1, 1]) / np.linalg.norm([0.3, 0.1, 1]), 6.0, texture(1, 64))
VIEWS = [looking(place, (0, 0, 6), LENS) for place in ((0, 0, 0), (-1, 0, 0), (1, 0.2, 0.3))]


def measured(view: View, cost: float = 0.1, factor: float = 1.0) -> Measured:
    depth = photographed([WALL], view)[1] * np.float32(factor)
    return Measured(depth, np.full(depth.shape, cost, np.float32), view.lens, view.rotation, view.translation)


def shown_by(view: View, depth: F32, other: View, margin: float = 1.0) -> Bool:
    """Which pixels of a view another view shows too, so many pixels within its border."""
    rows, columns = np.indices(depth.shape).reshape(2, -1)
    world = back_project(depth, view.lens, view.rotation, view.translation, rows, columns)
    there = other.camera_points(world)
    pixel = other.lens.distort(there[:, :2] / there[:, 2:])
    size = np.array([LENS.width - 1, LENS.height - 1])
    inside: Bool = ((pixel > margin) & (pixel < size - margin)).all(1).reshape(depth.shape)
    return inside


def test_relative_pose_takes_one_frame_to_the_other() -> None:
    one, two = VIEWS[1], VIEWS[2]
    points = np.random.default_rng(1).normal((0, 0, 6), 1, (20, 3))
    turn, shift = relative_pose(one.rotation, one.translation, two.rotation, two.translation)
    np.testing.assert_allclose(one.camera_points(points) @ turn.T + shift, two.camera_points(points), atol=1e-12)


def test_exact_depths_are_all_confirmed_and_stay() -> None:
    own, others = measured(VIEWS[0]), [measured(v) for v in VIEWS[1:]]
    depth, count = confirm(own, others)
    overlap = [shown_by(VIEWS[0], own.depth, v) for v in VIEWS[1:]]
    both = overlap[0] & overlap[1]
    neither = ~shown_by(VIEWS[0], own.depth, VIEWS[1], -1) & ~shown_by(VIEWS[0], own.depth, VIEWS[2], -1)
    assert both.mean() > 0.4
    assert (count[both] == 2).mean() > 0.999
    assert (depth[both] > 0).mean() > 0.999
    assert not count[neither].any()
    kept = depth > 0
    np.testing.assert_allclose(depth[kept], own.depth[kept], rtol=2e-3)


@pytest.mark.parametrize("factor", [0.97, 1.03])
def test_wrong_depths_are_not_confirmed(factor: float) -> None:
    depth, count = confirm(measured(VIEWS[0], factor=factor), [measured(v) for v in VIEWS[1:]])
    assert not depth.any()
    assert not count.any()


def test_a_patch_of_wrong_depths_is_cut_out() -> None:
    own = measured(VIEWS[0])
    spoilt = own.depth.copy()
    spoilt[60:120, 80:160] *= np.float32(1.1)
    depth, _ = confirm(replace(own, depth=spoilt), [measured(v) for v in VIEWS[1:]])
    assert not depth[60:120, 80:160].any()
    assert (depth[65:115, 70:78] > 0).all()


def test_of_several_views_one_agreement_suffices_only_for_the_sure() -> None:
    others = [measured(VIEWS[1]), measured(VIEWS[2], factor=1.2)]
    sure, _ = confirm(measured(VIEWS[0], cost=0.1), others)
    unsure, count = confirm(measured(VIEWS[0], cost=0.5), others)
    assert (sure > 0).mean() > 0.5
    assert not unsure.any()
    assert count.max() == 1


def test_with_one_other_view_its_word_suffices() -> None:
    depth, count = confirm(measured(VIEWS[0], cost=0.5), [measured(VIEWS[1])])
    assert (depth > 0).mean() > 0.5
    assert (count[shown_by(VIEWS[0], measured(VIEWS[0]).depth, VIEWS[1])] == 1).mean() > 0.999


def test_without_other_views_nothing_is_confirmed() -> None:
    assert not confirm(measured(VIEWS[0]), [])[0].any()


def test_depths_are_averaged_by_what_they_cost() -> None:
    own, other = measured(VIEWS[0], cost=0.35, factor=1.004), measured(VIEWS[1], cost=0.05)
    true = measured(VIEWS[0]).depth
    depth, _ = confirm(own, [other])
    kept = depth > 0
    # weights 1 / (0.05 + cost): 2.5 for the own depth, 10 for the other view's
    assert np.median(depth[kept] / true[kept] - 1) == pytest.approx(0.004 * 2.5 / 12.5, abs=2e-4)


def test_unknown_depths_stay_unknown() -> None:
    own = measured(VIEWS[0])
    holed = own.depth.copy()
    holed[50:60, 50:60] = 0
    depth, count = confirm(replace(own, depth=holed), [measured(v) for v in VIEWS[1:]])
    assert not depth[50:60, 50:60].any()
    assert not count[50:60, 50:60].any()


def test_small_pieces_are_those_that_scipy_counts() -> None:
    mask = np.random.default_rng(2).random((80, 90)) < 0.55
    pieces, _ = label(mask)
    sizes = np.bincount(pieces.ravel())
    expected = mask & (sizes[pieces] < 12)
    assert 0 < expected.sum() < mask.sum()
    assert np.array_equal(small_pieces(mask, 12), expected)
