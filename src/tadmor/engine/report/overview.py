"""A good place to look at a model from: outside and a little above the photo that sees the most, nothing in between."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tadmor.engine.scene import F64, I32, U8, Lens, Scene, View
from tadmor.engine.surface.evidence import EvidenceClass
from tadmor.engine.surface.raster import rasterise

FOCAL_WIDTHS, ASPECT = 1.15, 4 / 3
NARROWEST, WIDEST = 1.0, 1.6
TURNS_DEG = (16.0, -16.0, 0.0)
MIN_ELEVATION_DEG, MAX_ELEVATION_DEG = 11.0, 50.0
IN_FRAME, FRAME = 0.93, 0.9
FARTHEST, STEP_BACK = 4.0, 1.12
TRIAL_WIDTH_PX = 240
MOST_BACK_FACES, LEAST_FILLED = 0.06, 0.25
SAMPLES = 20_000
OUTSIDE_PERCENT, PADDING = 1.0, 1.14


@dataclass(frozen=True, eq=False, slots=True)
class Overview:
    """A camera (cam_from_world) without a photo; `row` is the view beside which it stands. `frame` is what it shows of
    its picture plane at depth 1: left, top, width, height.
    """

    row: int
    rotation: F64
    translation: F64
    frame: tuple[float, float, float, float] = (-0.5 / FOCAL_WIDTHS, -0.5 / FOCAL_WIDTHS / ASPECT,
                                                1 / FOCAL_WIDTHS, 1 / FOCAL_WIDTHS / ASPECT)  # fmt: skip

    def lens(self, width: int) -> Lens:
        """The pinhole for a picture of this width."""
        left, top, across, down = self.frame
        focal_px = width / across
        return Lens(width, round(down * focal_px), focal_px, -left * focal_px - 0.5, -top * focal_px - 0.5)


def choose_overview(scene: Scene, vertices: F64, faces: I32, classes: U8) -> Overview:
    """Choose where to look from.

    The view that sees the most points sets the direction; the camera is turned a little, raised and moved back until
    93 % of the observed `vertices` (by `classes`, uint8 of EvidenceClass per vertex) lie in the frame, which is then
    drawn closely around them. A place from which more than 6 % of what is drawn shows its back (there is a wall
    between) is passed over; the photo's own place comes last, since it is always open.
    """
    row = int(np.argmax([len(v.point_index) for v in scene.views]))
    view = scene.views[row]
    sample = _sample(vertices, classes)
    target = _target(scene, view, sample)
    best, best_merit = Overview(row, *look_at(view.centre, target)), -np.inf
    for camera in _candidates(view, target, sample):
        tried = Overview(row, *look_at(camera, target))
        filled, back = _trial(vertices, faces, tried)
        if back <= MOST_BACK_FACES and filled >= LEAST_FILLED:
            best = tried
            break
        if filled - 3 * back > best_merit:
            best, best_merit = tried, filled - 3 * back
    return replace(best, frame=_close_frame(best, sample))


def look_at(centre: F64, target: F64) -> tuple[F64, F64]:
    """Rotation (3, 3) and translation (3,), cam_from_world, of a level camera at `centre` that looks at `target`."""
    forward = (target - centre) / np.linalg.norm(target - centre)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    if np.linalg.norm(right) < 1e-6:  # straight down: any heading will do
        right = np.array([1.0, 0.0, 0.0])
    right /= np.linalg.norm(right)
    rotation: F64 = np.stack([right, np.cross(forward, right), forward])
    return rotation, -rotation @ centre


def _sample(vertices: F64, classes: U8) -> F64:
    observed = vertices[classes == EvidenceClass.OBSERVED]
    points = observed if len(observed) >= 100 else vertices
    return points[:: max(1, len(points) // SAMPLES)]


def _target(scene: Scene, view: View, sample: F64) -> F64:
    seen = scene.points[view.point_index] if len(view.point_index) else sample
    target: F64 = np.median(seen, axis=0)
    if np.linalg.norm(target - view.centre) < 1e-6:
        target = view.centre + view.rotation[2]
    return target


def _candidates(view: View, target: F64, sample: F64) -> list[F64]:
    """Camera places (3,), the best first."""
    offset = view.centre - target
    distance = float(np.linalg.norm(offset))
    heading = np.arctan2(offset[0], offset[2])
    own = np.degrees(np.arcsin(offset[1] / distance))
    elevation = np.radians(np.clip(own, MIN_ELEVATION_DEG, MAX_ELEVATION_DEG))
    places = []
    for nearer in (1.0, 0.6):
        for turn in np.radians(TURNS_DEG):
            direction = np.array(
                [
                    np.cos(elevation) * np.sin(heading + turn),
                    np.sin(elevation),
                    np.cos(elevation) * np.cos(heading + turn),
                ]
            )
            places.append(target + direction * nearer * _fitting_distance(direction, target, sample, distance))
    return [*places, view.centre]


def _fitting_distance(direction: F64, target: F64, sample: F64, start: float) -> float:
    """The distance from `target` at which enough of the sample lies in the frame."""
    half = FRAME / (2 * FOCAL_WIDTHS)
    distance = 0.7 * start
    while distance < FARTHEST * start:
        rotation, translation = look_at(target + direction * distance, target)
        x, y, z = (sample @ rotation.T + translation).T
        inside = (z > 0) & (np.abs(x) < half * z) & (np.abs(y) < half / ASPECT * z)
        if inside.mean() >= IN_FRAME:
            break
        distance *= STEP_BACK
    return distance


def _trial(vertices: F64, faces: I32, overview: Overview) -> tuple[float, float]:
    """Share of a small picture that the model fills, and the share of that which shows the backs of faces."""
    lens = overview.lens(TRIAL_WIDTH_PX)
    in_camera = (vertices @ overview.rotation.T + overview.translation).astype(np.float32)
    _, face = rasterise(in_camera, faces, lens.focal_px, lens.cx, lens.cy, lens.width, lens.height)
    drawn = face[face >= 0]
    if not len(drawn):
        return 0.0, 1.0
    corner = in_camera[faces[drawn]].astype(np.float64)
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    return len(drawn) / face.size, float(((normal * corner[:, 0]).sum(1) > 0).mean())


def _close_frame(overview: Overview, sample: F64) -> tuple[float, float, float, float]:
    """The frame around nearly all of the sample, no larger than the camera's own and neither very tall nor wide."""
    in_camera = sample @ overview.rotation.T + overview.translation
    left, top, across, down = overview.frame
    seen = in_camera[in_camera[:, 2] > 0]
    plane = seen[:, :2] / seen[:, 2:]
    plane = plane[((plane >= (left, top)) & (plane <= (left + across, top + down))).all(axis=1)]
    if len(plane) < 10:
        return overview.frame
    low, high = np.percentile(plane, [OUTSIDE_PERCENT, 100 - OUTSIDE_PERCENT], axis=0)
    middle, (x, y) = (low + high) / 2, (high - low) * PADDING
    x, y = max(x, NARROWEST * y, 1e-3), max(y, x / WIDEST, 1e-3)
    return float(middle[0] - x / 2), float(middle[1] - y / 2), float(x), float(y)
