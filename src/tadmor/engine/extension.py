"""Placing photos that came later: they join a scene without moving what stands, so that work done on it stays valid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tadmor.engine import colmap
from tadmor.engine.colmap import PhotoToMap, VerifiedPair
from tadmor.engine.scene import F64, I32, Lens, Scene, View

MIN_INLIERS = 30
"""Photos of another place reach 9 (80 tries), photos of the same place hundreds."""
MAX_ERROR_PX = 8.0
MIN_ANGLE_DEG = 2.0
MOST_NEW_SHARE = 0.25
"""With more new photos than this, all are mapped anew: what stands would be built upon too far."""


def can_extend(before: Sequence[str], now: Sequence[str]) -> bool:
    """Whether the photos `now` are those of `before` and a few more."""
    new = len(set(now) - set(before))
    return 0 < new <= max(1, int(MOST_NEW_SHARE * len(before))) and set(before) <= set(now)


def extend(
    scenes: Sequence[Scene], photos: Sequence[PhotoToMap], pairs: Sequence[VerifiedPair], *, seed: int
) -> list[Scene] | None:
    """Add the photos that no scene holds to the scene they share most points with.

    Returns the scenes, old views unchanged and first, or None where a connected photo finds no place: then all must be
    mapped anew. Photos without verified pairs stay out.
    """
    extended = list(scenes)
    placed = {v.photo for scene in scenes for v in scene.views}
    row_of = {p.photo: row for row, p in enumerate(photos)}
    waiting = [row_of[p.photo] for p in photos if p.photo not in placed and _partners(row_of[p.photo], pairs)]
    while waiting:
        choices = [
            (_known_points(row, scene, row_of, pairs), n, row) for row in waiting for n, scene in enumerate(extended)
        ]
        (features, points), number, row = max(choices, key=lambda choice: len(choice[0][0]))
        grown = _place(extended[number], photos[row], features, points, seed)
        if grown is None:
            return None
        extended[number] = _triangulate(grown, row, photos, row_of, pairs)
        waiting.remove(row)
    return extended


def _partners(row: int, pairs: Sequence[VerifiedPair]) -> list[tuple[int, I32, I32]]:
    """The photos verified with `row`: (other row, its own features, the other's features)."""
    found = []
    for pair in pairs:
        matches = pair.matches.astype(np.int32)
        if pair.first == row:
            found.append((pair.second, matches[:, 0], matches[:, 1]))
        elif pair.second == row:
            found.append((pair.first, matches[:, 1], matches[:, 0]))
    return found


def _known_points(row: int, scene: Scene, row_of: dict[str, int], pairs: Sequence[VerifiedPair]) -> tuple[I32, I32]:
    """Features of a photo and the scene's points they show, through matches with placed photos; one point a feature."""
    views = {row_of[v.photo]: v for v in scene.views if v.photo in row_of}
    votes: dict[tuple[int, int], int] = {}
    for other, mine, theirs in _partners(row, pairs):
        if other not in views:
            continue
        point_of = dict(zip(views[other].feature_index.tolist(), views[other].point_index.tolist(), strict=True))
        for feature, matched in zip(mine.tolist(), theirs.tolist(), strict=True):
            point = point_of.get(matched)
            if point is not None:
                votes[feature, point] = votes.get((feature, point), 0) + 1
    best: dict[int, tuple[int, int]] = {}
    for (feature, point), count in sorted(votes.items()):
        if count > best.get(feature, (0, -1))[0]:
            best[feature] = (count, point)
    features = np.array(list(best), np.int32)
    return features, np.array([point for _, point in best.values()], np.int32)


def _place(scene: Scene, photo: PhotoToMap, features: I32, points: I32, seed: int) -> Scene | None:
    if len(features) < MIN_INLIERS:
        return None
    lens, known = _guess_lens(scene, photo)
    image_points = photo.points[features].astype(np.float64)
    found = colmap.resect(
        lens, image_points, scene.points[points], refine_focal=not known, seed=seed, max_error_px=MAX_ERROR_PX
    )
    if found is None or found[3].sum() < MIN_INLIERS:
        return None
    lens, rotation, translation, inlier = found
    order = np.argsort(points[inlier], kind="stable")
    seen, first = np.unique(points[inlier][order], return_index=True)
    view = View(photo.photo, photo.name, lens, rotation, translation, seen, features[inlier][order][first])
    return replace(scene, views=(*scene.views, view))


def _guess_lens(scene: Scene, photo: PhotoToMap) -> tuple[Lens, bool]:
    """The lens that most placed photos of this size share, taken as known; else EXIF's focal length, to be refined."""
    same = [v.lens for v in scene.views if (v.lens.width, v.lens.height) == (photo.width, photo.height)]
    if same:
        common = max(set(same), key=same.count)
        if same.count(common) >= max(3, len(same) // 2):
            return common, True
    focal = photo.focal_px or colmap.DEFAULT_FOCAL_FACTOR * max(photo.width, photo.height)
    return Lens(photo.width, photo.height, focal, (photo.width - 1) / 2, (photo.height - 1) / 2), False


def _triangulate(
    scene: Scene, row: int, photos: Sequence[PhotoToMap], row_of: dict[str, int], pairs: Sequence[VerifiedPair]
) -> Scene:
    """Add points that the last view of the scene shares with placed photos and that were in no scene yet."""
    view = scene.views[-1]
    views = {row_of[v.photo]: v for v in scene.views[:-1] if v.photo in row_of}
    taken = set(view.feature_index.tolist())
    points, features = [scene.points], [view.feature_index]
    errors, index = [scene.point_error_px], [view.point_index]
    count = len(scene.points)
    for other, mine, theirs in _partners(row, pairs):
        if other not in views:
            continue
        free = np.array([f not in taken for f in mine.tolist()], np.bool_)
        free &= ~np.isin(theirs, views[other].feature_index)
        one, two = photos[row].points[mine[free]], photos[other].points[theirs[free]]
        world, error, good = midpoints(view, views[other], one.astype(np.float64), two.astype(np.float64))
        points.append(world[good])
        errors.append(error[good])
        features.append(mine[free][good])
        index.append(np.arange(count, count + int(good.sum()), dtype=np.int32))
        count += int(good.sum())
        taken.update(mine[free][good].tolist())
    grown = replace(
        view,
        point_index=np.concatenate(index).astype(np.int32),
        feature_index=np.concatenate(features).astype(np.int32),
    )
    return replace(
        scene, views=(*scene.views[:-1], grown), points=np.concatenate(points), point_error_px=np.concatenate(errors)
    )


def midpoints(view: View, other: View, one: F64, two: F64) -> tuple[F64, F64, np.typing.NDArray[np.bool_]]:
    """Triangulate image points (n, 2) of two views at the middle of their rays' nearest approach.

    Returns world points (n, 3), the larger of the two reprojection errors in pixels (n,), and which are good: in front
    of both, at 2 degrees or more, within 4 px.
    """
    a, b = _directions(view, one), _directions(other, two)
    base = other.centre - view.centre
    cosine = (a * b).sum(1)
    divisor = np.maximum(1 - cosine**2, 1e-12)
    along_a = (a @ base - cosine * (b @ base)) / divisor
    along_b = (cosine * (a @ base) - b @ base) / divisor
    world = 0.5 * (view.centre + along_a[:, None] * a + other.centre + along_b[:, None] * b)
    error = np.maximum(_reprojection_px(view, world, one), _reprojection_px(other, world, two))
    wide = np.degrees(np.arccos(np.clip(cosine, -1, 1))) >= MIN_ANGLE_DEG
    return world, error, wide & (along_a > 0) & (along_b > 0) & (error < 4.0)


def _directions(view: View, points: F64) -> F64:
    """Unit directions (n, 3) in the world of image points (n, 2)."""
    rays = view.lens.undistort(points)
    directions = np.concatenate([rays, np.ones((len(rays), 1))], axis=1) @ view.rotation
    unit: F64 = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return unit


def _reprojection_px(view: View, world: F64, points: F64) -> F64:
    in_camera = view.camera_points(world)
    z = np.where(np.abs(in_camera[:, 2:]) > 1e-9, in_camera[:, 2:], 1e-9)
    distance: F64 = np.linalg.norm(view.lens.distort(in_camera[:, :2] / z) - points, axis=1)
    return distance
