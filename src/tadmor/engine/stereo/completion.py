"""Depth where stereo found none: on planes found elsewhere, where the views agree in colour and nothing objects.

Lawn, gravel, plaster and paving defeat stereo: too smooth, or seen at a grazing angle. They are flat, and they continue
flat surface that was measured. (Planar priors for weak texture: Xu & Tao, "Planar Prior Assisted PatchMatch Multi-View
Stereo", AAAI 2020; here the planes are global and checked by homographies.)
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from tadmor.engine.scene import F32, U8, Bool, project_into
from tadmor.engine.stereo.homography import Pattern, Shown, plane_depth, plane_homography, warped
from tadmor.engine.stereo.merging import back_project
from tadmor.engine.stereo.planes import Plane

WORKING_PX = 440
MOST_VIEWS = 4
SAME_DEPTH = 0.015
BEHIND = 0.03
WINDOW_PX = 7
MOST_COLOUR_DIFFERENCE = 12.0
TEXTURED = 3.0
"""Standard deviation in grey levels above which the pattern in a window must agree, not only its mean."""
MIN_CORRELATION = 0.4
SURE_CORRELATION = 0.6
FARTHEST = 1.5
MIN_SEED_PX = 100
MIN_OPEN_SHARE = 0.003
"""Of a picture that a plane must be able to fill, to be worth the while."""
CALIBRATION_STRIDE = 3
MIN_CALIBRATION_PX = 50
AGREEING_VIEWS = 2
AGREEING_SHARE = 0.6


def complete(view: Shown, others: Sequence[Shown], planes: Sequence[Plane], ground: Plane | None = None) -> F32:
    """Depth (h, w) float32 on planes where `view` holds none; 0 elsewhere.

    A pixel is accepted where two other views, warped by the plane's homography, look the same there, none of them
    measured anything behind it, and accepted pixels connect it to pixels that were measured on the plane. Where the
    ground was never measured, a pattern on which the views clearly agree does as well.
    """
    small, around = view.reduced(WORKING_PX), [other.reduced(WORKING_PX) for other in others[:MOST_VIEWS]]
    best = np.zeros(small.depth.shape, np.float32)
    chosen = np.zeros(small.depth.shape, np.int32)
    limit = FARTHEST * float(small.depth.max(initial=0))
    tried = [*planes, *([ground] if ground is not None else [])]
    gains = [_gain(small, other) for other in around]
    own = (
        Pattern.of(_grey(small.picture), WINDOW_PX),
        cv2.blur(small.picture, (WINDOW_PX, WINDOW_PX)).astype(np.float32),
    )
    for number, plane in enumerate(tried, 1):
        depth = plane_depth(small, plane)
        open_ = (depth > 0) & (depth < limit) & (small.depth <= 0) & ~small.sky
        on = (small.depth > 0) & (np.abs(depth - small.depth) < SAME_DEPTH * small.depth)
        if open_.sum() < MIN_OPEN_SHARE * open_.size or (on.sum() < MIN_SEED_PX and plane is not ground):
            continue
        score, sure = _agreement(small, own, depth, plane, list(zip(around, gains, strict=True)))
        accepted = _connected(open_ & (score > 0), on | (sure & open_) if plane is ground else on)
        better = accepted & (score > best)
        best[better], chosen[better] = score[better], number
    return _full_size(view, chosen, tried)


def _full_size(view: Shown, chosen: np.typing.NDArray[np.int32], planes: Sequence[Plane]) -> F32:
    """Depths of the chosen planes (numbers from 1) where the view, at its own size, has none."""
    full = np.zeros(view.depth.shape, np.float32)
    size = (view.lens.width, view.lens.height)
    where = cv2.resize(chosen.astype(np.float32), size, interpolation=cv2.INTER_NEAREST)
    where[(view.depth > 0) | view.sky] = 0
    for number in np.unique(where[where > 0]):
        chosen_here = np.nonzero(where == number)
        full[chosen_here] = plane_depth(view, planes[int(number) - 1], chosen_here)
    return full


def _grey(picture: U8) -> F32:
    grey: F32 = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return grey


def _agreement(
    view: Shown, own: tuple[Pattern, F32], depth: F32, plane: Plane, others: Sequence[tuple[Shown, F32]]
) -> tuple[F32, Bool]:
    """Score (h, w): above 0 where enough other views agree with the plane and none contradicts it; and where two agree
    in a clear pattern.
    """
    pattern, mean = own
    agreeing, looking, clear = (np.zeros(depth.shape, np.float32) for _ in range(3))
    against = np.zeros(depth.shape, np.bool_)
    for other, gain in others:
        homography, factor = plane_homography(view, other, plane)
        picture: U8 = warped(other.picture, homography, view)
        there = warped(other.depth, homography, view, smooth=False)
        sky = warped(other.sky.astype(np.uint8), homography, view, smooth=False) > 0
        grey = _grey(picture)
        valid = (depth > 0) & (factor > 0) & (grey > 0)
        expected = depth * factor
        against |= valid & (sky | (there > expected * (1 + BEHIND)))
        valid &= ~((there > 0) & (there < expected * (1 - BEHIND)))
        blurred = cv2.blur(picture, (WINDOW_PX, WINDOW_PX)).astype(np.float32) * gain
        difference = cv2.absdiff(mean, blurred)
        difference = cv2.max(difference[..., 0], cv2.max(difference[..., 1], difference[..., 2]))
        theirs = Pattern.of(grey, WINDOW_PX)
        correlation = pattern.correlation(theirs)
        patterned = (pattern.deviation > TEXTURED) & (theirs.deviation > TEXTURED)
        alike = valid & (difference < MOST_COLOUR_DIFFERENCE)
        agreeing += alike & (~patterned | (correlation > MIN_CORRELATION))
        clear += alike & patterned & (correlation > SURE_CORRELATION)
        looking += valid
    least = min(AGREEING_VIEWS, len(others))
    enough = (agreeing >= least) & (agreeing >= AGREEING_SHARE * looking) & ~against
    score: F32 = np.where(enough, agreeing, 0).astype(np.float32)
    return score, (clear >= least) & enough


def _gain(view: Shown, other: Shown) -> F32:
    """Factor a channel (3,) that makes the other picture as bright as this one, from the surface that both measured."""
    rows, columns = np.nonzero(view.depth[::CALIBRATION_STRIDE, ::CALIBRATION_STRIDE])
    rows, columns = rows * CALIBRATION_STRIDE, columns * CALIBRATION_STRIDE
    points = back_project(view.depth, view.lens, view.rotation, view.translation, rows, columns)
    y, x, z, which = project_into(points, other.lens, other.rotation, other.translation)
    same = np.abs(other.depth[y, x] - z) < SAME_DEPTH * z
    if same.sum() < MIN_CALIBRATION_PX:
        return np.ones(3, np.float32)
    mine, theirs = view.picture[rows, columns][which[same]], other.picture[y[same], x[same]]
    gain: F32 = np.clip(np.median(mine, 0) / np.maximum(np.median(theirs, 0), 1), 0.4, 2.5).astype(np.float32)
    return gain


def _connected(accepted: Bool, on: Bool) -> Bool:
    """The accepted pixels that hang together with enough pixels known to be on the plane."""
    accepted = cv2.morphologyEx(accepted.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3))) > 0
    joined = cv2.dilate((accepted | on).astype(np.uint8), np.ones((5, 5)))
    _, labels = cv2.connectedComponents(joined, connectivity=4)
    seeds = np.bincount(labels[on], minlength=int(labels.max()) + 1)
    result: Bool = accepted & (seeds[labels] >= MIN_SEED_PX) & (labels > 0)
    return result
