"""Where every photo was taken: from verified pairs to scenes, one a component, upright and scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tadmor.engine import colmap
from tadmor.engine.colmap import PhotoToMap, VerifiedPair
from tadmor.engine.scene import Scene

ENOUGH_REGISTERED = 0.8
SAME_FOCAL_SPREAD = 0.03
GROUP_FROM_PHOTOS = 3
PRINCIPAL_POINT_FROM_PHOTOS = 6
WORSE_ERROR = 1.15
MIN_COMPONENT = 3
LEAST_POINTS = 12
"""That a photo must show."""
LEAST_PARALLAX = 0.03
"""Of the cameras' spread over their distance from what they show: 1.7 degrees."""


@dataclass(frozen=True, eq=False, slots=True)
class Mapped:
    """The components found, largest first, and how: "incremental", "forward" or "global"."""

    scenes: tuple[Scene, ...]
    method: str


def map_scenes(photos: Sequence[PhotoToMap], pairs: Sequence[VerifiedPair], *, seed: int) -> Mapped:
    """Place the photos incrementally; where that reaches under 80 % of them, try as for a walk straight on, then
    globally, and keep what places most. Points that only two photos show serve where no three belong together.

    Photos without EXIF are placed with a camera each; where those then turn out alike, they share one, adjusted once
    more with its principal point free: with few photos of a plane wall, that is where the cameras' error goes.
    """
    if not pairs:
        return Mapped((), "incremental")
    found, method = _placed(photos, pairs, seed)
    scenes: list[Scene] = []
    taken: set[int] = set()
    for reconstruction in found:
        rows = colmap.registered(reconstruction)
        new = set(rows) - taken
        if len(new) < (MIN_COMPONENT if scenes else 2):
            continue
        taken |= new
        if method != "forward":  # walking straight on leaves the principal point free to follow the way
            reconstruction = _shared_cameras(reconstruction, photos)  # noqa: PLW2901  # the same, adjusted
        scene = colmap.to_scene(reconstruction, photos)
        if has_parallax(scene):
            scenes.append(scene)
    return Mapped(tuple(scenes), method)


def _placed(photos: Sequence[PhotoToMap], pairs: Sequence[VerifiedPair], seed: int) -> tuple[list[Any], str]:
    """Reconstructions, largest first, of the method that places most photos; later ones only where it pays to try."""
    ways = {"incremental": {}, "forward": {"forward": True}, "global": {"globally": True}}
    connected = len({p.first for p in pairs} | {p.second for p in pairs})
    best: list[Any] = []
    method = "incremental"
    for name, way in ways.items():
        found = colmap.map_photos(photos, pairs, seed=seed, **way)
        if _largest(found) > _largest(best):
            best, method = found, name
        if connected <= 2 or _largest(best) >= ENOUGH_REGISTERED * connected:
            break
    if not best:
        best = colmap.map_photos(photos, pairs, seed=seed, two_view_tracks=True)
    return best, method


def _largest(found: Sequence[Any]) -> int:
    return max((r.num_reg_images() for r in found), default=0)


def _shared_cameras(reconstruction: Any, photos: Sequence[PhotoToMap]) -> Any:
    """Let photos share a camera where EXIF or their estimated focal lengths say so, and adjust once more."""
    rows = colmap.registered(reconstruction)
    groups = _groups_by_focal(colmap.focal_lengths(reconstruction), photos)
    members = np.bincount(list(groups.values()))
    if members.max() < PRINCIPAL_POINT_FROM_PHOTOS or members.max() < 0.5 * len(rows):
        return reconstruction
    before = float(reconstruction.compute_mean_reprojection_error())
    shared = colmap.regrouped(reconstruction, photos, groups)
    after = colmap.adjust(shared, principal_point=True)
    return shared if after < WORSE_ERROR * before else reconstruction


def has_parallax(scene: Scene) -> bool:
    """Whether the cameras lie far enough apart, for their distance from what they show, that depth can be seen; what
    remains of photos taken from one spot is a handful of points that fit by chance.
    """
    if np.median([len(view.point_index) for view in scene.views]) < LEAST_POINTS:
        return False
    centre = np.median(scene.centres, axis=0)
    apart = 2 * float(np.linalg.norm(scene.centres - centre, axis=1).max())
    away = float(np.median(np.linalg.norm(scene.points - centre, axis=1)))
    return apart > LEAST_PARALLAX * away


def _groups_by_focal(focal_px: dict[int, float], photos: Sequence[PhotoToMap]) -> dict[int, int]:
    """Camera group of every placed row: EXIF's; photos of one size without EXIF share one if focal lengths agree."""
    groups = {row: photos[row].group for row in focal_px}
    by_size: dict[tuple[int, int], list[int]] = {}
    for row in focal_px:
        if photos[row].focal_px is None:
            by_size.setdefault((photos[row].width, photos[row].height), []).append(row)
    for rows in by_size.values():
        focal = np.array([focal_px[row] for row in rows])
        middle = float(np.median(focal))
        alike = [row for row, f in zip(rows, focal, strict=True) if abs(f - middle) < SAME_FOCAL_SPREAD * middle]
        if len(alike) >= GROUP_FROM_PHOTOS and len(alike) > 0.7 * len(rows):
            groups.update(dict.fromkeys(alike, photos[alike[0]].group))
    return groups


def camera_groups(photos: Sequence[PhotoToMap], marks: Sequence[tuple[object, ...] | None]) -> list[PhotoToMap]:
    """Number the cameras: photos with the same mark and size share one, photos without a mark have their own.

    `marks`: what EXIF says of each photo's camera (make, model, lens, focal length).
    """
    numbers: dict[object, int] = {}
    grouped = []
    for row, (photo, mark) in enumerate(zip(photos, marks, strict=True)):
        key = ("own", row) if mark is None else (mark, photo.width, photo.height)
        grouped.append(replace(photo, group=numbers.setdefault(key, len(numbers))))
    return grouped
