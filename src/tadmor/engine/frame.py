"""The world frame: Y up, and metres where GPS or a given scale allows. Applied once, right after mapping."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tadmor.engine.scene import F64, Scene, View

EARTH_RADIUS_M = 6_378_137.0
MIN_GPS_PHOTOS = 3
MIN_GPS_SPREAD_M = 4.0
MAX_GPS_MISFIT = 0.25
TYPICAL_ROLL_DEG, TYPICAL_PITCH_DEG, TYPICAL_SLOPE_DEG = 2.0, 20.0, 6.0
TURNED_ROLL_DEG = 6.0
UPRIGHT_ROUNDS = 20
TYPICAL_DISTANCE = 10.0
"""Without a known scale the median distance of a point from a camera that sees it becomes this many units."""


@dataclass(frozen=True, eq=False, slots=True)
class Similarity:
    """x -> scale * rotation x + shift."""

    scale: float
    rotation: F64
    shift: F64

    def points(self, points: F64) -> F64:
        """Transform points (n, 3)."""
        moved: F64 = self.scale * points @ self.rotation.T + self.shift
        return moved

    def view(self, view: View) -> View:
        """Move a camera along: it sees the moved points where it saw the old ones, at depths times the scale."""
        rotation = view.rotation @ self.rotation.T
        return replace(view, rotation=rotation, translation=self.scale * view.translation - rotation @ self.shift)

    def scene(self, scene: Scene, metric: str | None) -> Scene:
        """Move a whole scene."""
        return replace(
            scene, views=tuple(self.view(v) for v in scene.views), points=self.points(scene.points), metric=metric
        )


def upright_direction(scene: Scene) -> F64:
    """(3,) unit vector that points up, from how people hold cameras: level, and at the same height above the ground.

    The x axes of level cameras lie in the horizontal plane, so up is the direction least along them. The ways between
    cameras, which rise and fall with the ground, and how far cameras look up or down differ more; they count with the
    inverse ratios of the variances, and so decide only where all face one way. Reweighted least squares (Cauchy
    weights), since some photos are turned on their side, and some taken from upstairs.
    """
    right = np.array([v.rotation[0] for v in scene.views])
    ahead = np.array([v.rotation[2] for v in scene.views])
    ways = _ways(scene.centres)
    above = -np.array([v.rotation[1] for v in scene.views]).mean(0)
    up: F64 = above / (np.linalg.norm(above) + 1e-12)
    pitch = (TYPICAL_ROLL_DEG / TYPICAL_PITCH_DEG) ** 2
    slope = (TYPICAL_ROLL_DEG / TYPICAL_SLOPE_DEG) ** 2 * len(right) / max(len(ways), 1)
    for _ in range(UPRIGHT_ROUNDS):
        weight = 1 / (1 + (right @ up / np.sin(np.radians(TURNED_ROLL_DEG))) ** 2)
        level = 1 / (1 + (ways @ up / np.sin(np.radians(TYPICAL_SLOPE_DEG))) ** 2)
        spread = (weight[:, None] * right).T @ right + pitch * (weight[:, None] * ahead).T @ ahead
        spread += slope * (level[:, None] * ways).T @ ways
        up = np.linalg.eigh(spread)[1][:, 0]
        up = up if up @ above > 0 else -up
    return up


def _ways(centres: F64) -> F64:
    """Unit vectors (n, 3) from each camera to every other, or to a hundred of them."""
    few = centres[:: max(1, len(centres) // 100)]
    between = (centres[:, None] - few[None]).reshape(-1, 3)
    length = np.linalg.norm(between, axis=1)
    far = length > 0.1 * length.max(initial=0)
    ways: F64 = between[far] / length[far, None]
    return ways


def turn_upright(scene: Scene) -> Similarity:
    """Rotation that makes Y up and lets the cameras look, on average, along -Z."""
    up = upright_direction(scene)
    back = -np.mean([v.rotation[2] for v in scene.views], axis=0)
    back -= up * (back @ up)
    if np.linalg.norm(back) < 1e-3:  # photos all round: any heading will do
        back = np.cross(up, scene.views[0].rotation[1])
        back -= up * (back @ up)
    back /= np.linalg.norm(back)
    return Similarity(1.0, np.stack([np.cross(up, back), up, back]), np.zeros(3))


def local_metres(positions_deg: F64) -> F64:
    """East and south in metres (n, 2) of latitudes and longitudes in degrees (n, 2), around their median."""
    latitude = np.median(positions_deg[:, 0])
    beyond_first = (positions_deg[:, 1] - positions_deg[0, 1] + 180) % 360 - 180  # across the 180th meridian too
    north = np.radians(positions_deg[:, 0] - latitude) * EARTH_RADIUS_M
    east = np.radians(beyond_first - np.median(beyond_first)) * EARTH_RADIUS_M * np.cos(np.radians(latitude))
    return np.stack([east, -north], axis=1)


def fit_plan(scene_xz: F64, east_south_m: F64) -> tuple[float, float, float] | None:
    """Fit metres to an upright scene in plan: scale, heading in radians and median misfit in metres.

    None where GPS does not tell. A 2D similarity by iteratively reweighted least squares (Cauchy weights), since
    phones' positions are metres off and some wildly.
    """
    a = scene_xz[:, 0] + 1j * scene_xz[:, 1]
    b = east_south_m[:, 0] + 1j * east_south_m[:, 1]
    spread = float(np.median(np.abs(b - np.median(b.real) - 1j * np.median(b.imag))))
    if len(a) < MIN_GPS_PHOTOS or spread < MIN_GPS_SPREAD_M:
        return None
    weight = np.ones(len(a))
    turn, misfit = 0j, np.inf
    for _ in range(30):
        mean_a, mean_b = (weight * a).sum() / weight.sum(), (weight * b).sum() / weight.sum()
        turn = (weight * np.conj(a - mean_a) * (b - mean_b)).sum() / ((weight * np.abs(a - mean_a) ** 2).sum() + 1e-12)
        residual = np.abs(turn * (a - mean_a) + mean_b - b)
        misfit = float(np.median(residual))
        weight = 1 / (1 + (residual / max(misfit, 0.1)) ** 2)
    if misfit > MAX_GPS_MISFIT * spread or abs(turn) < 1e-9:
        return None
    return float(abs(turn)), float(np.angle(turn)), misfit


def settle(scene: Scene, gps_deg: dict[str, tuple[float, float]], metres_per_unit: float | None) -> Scene:
    """Bring a scene into its final frame: upright, and scaled as given or by GPS (photo -> latitude, longitude).

    `metres_per_unit` is as people measure it, on the model that they get without it. Y = 0 is at the lowest points and
    the middle of the points is at X = Z = 0. With GPS, -Z is north. No absolute position is kept.
    """
    upright = turn_upright(scene).scene(scene, None)
    scale, metric = TYPICAL_DISTANCE / _typical_distance(upright), None
    heading = 0.0
    rows = [i for i, v in enumerate(upright.views) if v.photo in gps_deg]
    if rows:
        positions = local_metres(np.array([gps_deg[upright.views[i].photo] for i in rows]))
        fit = fit_plan(upright.centres[rows][:, [0, 2]], positions)
        if fit is not None:
            scale, heading, metric = fit[0], fit[1], "gps"
    if metres_per_unit is not None:
        scale, metric = scale * metres_per_unit, "given"
    c, s = np.cos(heading), np.sin(heading)
    rotation = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    turned = scale * upright.points @ rotation.T
    middle = np.median(turned, axis=0)
    shift = -np.array([middle[0], np.percentile(turned[:, 1], 1), middle[2]])
    return Similarity(scale, rotation, shift).scene(upright, metric)


def _typical_distance(scene: Scene) -> float:
    distances = [
        np.median(np.linalg.norm(scene.points[v.point_index] - v.centre, axis=1))
        for v in scene.views
        if len(v.point_index)
    ]
    return float(np.median(distances)) if distances else 1.0
