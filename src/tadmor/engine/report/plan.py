"""The cameras drawn from above, on the shadow of the model's points: what a site plan of the photographs looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from tadmor.engine.scene import F64, U8, Scene, View
from tadmor.media.photo_search import printable

WIDTH, LOWEST, HIGHEST = 760.0, 280.0, 620.0
MARGIN = 44.0
FOOT = 30.0
MANY, CROWDED = 40, 26.0
DOT = 4.0
SHADOW_STEP = 2.0
SHADOW_BGR = (0x55, 0x73, 0x85)
LEVEL_ENOUGH = 0.15


@dataclass(frozen=True, slots=True)
class Lettering:
    """Sizes on the drawing: how far a wedge reaches, how far behind the camera its number is, and a digit's size."""

    wedge: float
    label_at: float
    digit_width: float
    digit_height: float


LARGE, SMALL = Lettering(34.0, 19.0, 9.0, 18.0), Lettering(18.0, 11.0, 5.5, 9.0)


@dataclass(frozen=True, slots=True)
class Box:
    """A place on the drawing that is taken: its middle and half its size."""

    x: float
    y: float
    half_width: float
    half_height: float

    def meets(self, other: Box) -> bool:
        """Whether the two overlap."""
        return (
            abs(self.x - other.x) < self.half_width + other.half_width
            and abs(self.y - other.y) < self.half_height + other.half_height
        )


@dataclass(frozen=True, slots=True)
class Wedge:
    """A camera on the plan, in the drawing's units: where it stands, what it sees, and where its number has room."""

    number: int
    name: str
    held_out: bool
    x: float
    y: float
    outline: str | None
    label: tuple[float, float] | None


@dataclass(frozen=True, eq=False, slots=True)
class Plan:
    """The drawing: `height` of a picture WIDTH wide; `shadow` (h, w, 4) uint8 BGRA is stretched over all of it.
    `scale_length` in world units measures `scale_width` on the drawing; `north_up` where the model knows north; `small`
    where there are so many cameras that all is drawn smaller.
    """

    height: float
    wedges: tuple[Wedge, ...]
    shadow: U8
    scale_length: float
    scale_width: float
    north_up: bool
    small: bool


def draw_plan(scene: Scene, vertices: F64, held_out: Sequence[int], numbers: Sequence[int]) -> Plan:
    """Draw the views of a scene; `vertices` (n, 3) of its model cast the shadow; `numbers` name the views' photos.

    Right on the plan is world X, down is world Z: seen from above with Y up, not mirrored.
    """
    ground = scene.points[:, [0, 2]] if len(scene.points) else vertices[:, [0, 2]]
    centres = scene.centres[:, [0, 2]]
    corners = np.concatenate([np.percentile(ground, [3, 97], axis=0), centres])
    low, high = corners.min(0), corners.max(0)
    size = np.maximum(high - low, 1e-6 + 0.02 * np.ptp(corners))
    scale = float(min((WIDTH - 2 * MARGIN) / size[0], (HIGHEST - 2 * MARGIN - FOOT) / size[1]))
    height = float(np.clip(size[1] * scale + 2 * MARGIN + FOOT, LOWEST, HIGHEST))
    origin = np.array([WIDTH, height - FOOT]) / 2 - scale * (low + high) / 2

    length = _round_length(0.22 * WIDTH / scale)
    places = [(float(x), float(y)) for x, y in centres * scale + origin]
    size_of = SMALL if _crowded(places) else LARGE
    taken = [Box(x, y, DOT, DOT) for x, y in places]
    wedges = []
    for row, (view, (x, y)) in enumerate(zip(scene.views, places, strict=True)):
        direction = _heading(view)
        outline = None if direction is None else _outline(x, y, direction, view, size_of.wedge)
        label = _label(x, y, direction, len(str(numbers[row])), size_of, taken, height)
        if label is not None:
            taken.append(label)
        at = None if label is None else (round(label.x, 1), round(label.y, 1))
        wedges.append(Wedge(numbers[row], printable(view.name), row in held_out, round(x, 1), round(y, 1), outline, at))
    shadow = _shadow(vertices[:, [0, 2]] * scale + origin, height)
    return Plan(
        round(height, 1),
        tuple(wedges),
        shadow,
        length,
        round(length * scale, 1),
        scene.metric == "gps",
        size_of is SMALL,
    )


def _crowded(places: Sequence[tuple[float, float]]) -> bool:
    """Whether cameras are many, or most stand close to another on the drawing."""
    if len(places) > MANY:
        return True
    if len(places) < 2:
        return False
    at = np.array(places)
    apart = np.linalg.norm(at[:, None] - at[None], axis=-1) + np.diag(np.full(len(at), np.inf))
    return bool(np.median(apart.min(axis=1)) < CROWDED)


def _heading(view: View) -> F64 | None:
    """Unit vector on the plan along which a camera looks, or None where it looks up or down."""
    direction: F64 = view.rotation[2][[0, 2]]
    level = float(np.linalg.norm(direction))
    return direction / level if level > LEVEL_ENOUGH else None


def _outline(x: float, y: float, direction: F64, view: View, length: float) -> str:
    """SVG points of the triangle that a camera sees."""
    half = min(view.lens.width / 2 / view.lens.focal_px, 1.2)
    side = np.array([-direction[1], direction[0]]) * half
    left, right = (np.array([x, y]) + length * (direction + s) for s in (side, -side))
    return f"{x:.1f},{y:.1f} {left[0]:.1f},{left[1]:.1f} {right[0]:.1f},{right[1]:.1f}"


def _label(
    x: float, y: float, direction: F64 | None, digits: int, size: Lettering, taken: Sequence[Box], height: float
) -> Box | None:
    """Where a number has room: behind its camera, else to its sides; None where it has none."""
    back = -direction if direction is not None else np.array([0.0, -1.0])
    half_width, half_height = digits * size.digit_width / 2 + 1, size.digit_height / 2
    for turn in (0.0, 0.9, -0.9, 1.6, -1.6):
        c, s = np.cos(turn), np.sin(turn)
        u = x + size.label_at * (c * back[0] - s * back[1])
        v = y + size.label_at * (s * back[0] + c * back[1])
        box = Box(float(u), float(v), half_width, half_height)
        inside = half_width < u < WIDTH - half_width and half_height < v < height - FOOT
        if inside and not any(box.meets(other) for other in taken):
            return box
    return None


def _shadow(points: F64, height: float) -> U8:
    """Density of points (n, 2) on the drawing, as transparency: few points faint, walls dark."""
    columns, rows = round(WIDTH / SHADOW_STEP), round(height / SHADOW_STEP)
    density, _, _ = np.histogram2d(points[:, 1], points[:, 0], bins=(rows, columns), range=((0, height), (0, WIDTH)))
    density = cv2.GaussianBlur(density, (0, 0), 0.8)
    filled = density[density > 0.05]
    full = np.log1p(np.percentile(filled, 99)) if len(filled) else 1.0
    shadow = np.zeros((rows, columns, 4), np.uint8)
    shadow[..., :3] = SHADOW_BGR
    shadow[..., 3] = np.rint(235 * np.clip(np.log1p(density) / full, 0, 1))
    return shadow


def _round_length(length: float) -> float:
    """The largest of 1, 2, 5, 10, ... that is no longer than `length`."""
    power = 10 ** np.floor(np.log10(length))
    return float(max(step * power for step in (1, 2, 5) if step * power <= length * (1 + 1e-9)))
