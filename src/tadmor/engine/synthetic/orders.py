"""Columns, capitals, pedestals and entablatures in the Corinthian manner of Palmyra."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.random import Generator

from tadmor.engine.scene import F64
from tadmor.engine.synthetic.noise import noise
from tadmor.engine.synthetic.solids import Material, Solid, block, box, join, lathe, quads, sheet, sweep

CARVED = Material.CARVED


def square(half: float) -> F64:
    """(4, 2) plan of a square about the origin, outside on the right."""
    return np.array([[-half, half], [half, half], [half, -half], [-half, -half]])


def base_moulding(depth: float, height: float) -> F64:
    """Profile (p, 2) of a foot: plinth, torus, scotia; it starts `depth` out and ends at 0."""
    return np.array(
        [[1, 0], [1, 0.4], [0.85, 0.42], [0.9, 0.5], [0.85, 0.6], [0.55, 0.66], [0.4, 0.8], [0.35, 0.9], [0, 1]]
    ) * [
        depth,
        height,
    ]


def crown_moulding(depth: float, height: float) -> F64:
    """Profile (p, 2) of a cornice: it starts at 0, swings out to `depth` and returns over its top."""
    return np.array(
        [
            [0, 0],
            [0.12, 0.05],
            [0.15, 0.2],
            [0.4, 0.3],
            [0.42, 0.4],
            [0.85, 0.45],
            [0.85, 0.65],
            [0.9, 0.7],
            [1, 0.95],
            [1, 1],
            [-1, 1],
        ]
    ) * [depth, height]


def pedestal(half: float, height: float, rng: Generator) -> Solid:
    """Square pedestal with foot and cap mouldings and a panel on each side."""
    body = box((-half, 0, -half), (half, height, half), CARVED, rng.uniform(-1, 1))
    foot = sweep(square(half), base_moulding(0.16, 0.32), CARVED, closed=True)
    cap = sweep(square(half), crown_moulding(0.15, 0.22) + np.array([0, height - 0.22]), CARVED, closed=True)
    rim = square(half - 0.12)
    frame = sweep(rim[::-1], np.array([[-0.13, 0.42], [-0.17, 0.46], [-0.13, 0.5]]), CARVED, closed=True)
    upper = frame.placed(y=height - 0.22 - 0.1 - 0.5)
    return join(body, foot, cap, frame, upper)


def column(radius: float, height: float, rng: Generator, *, bracket: bool = False, broken: bool = False) -> Solid:
    """Column with base, worn shaft of drums and capital; a `bracket` once bore a statue; a `broken` one is a stump."""
    seed = int(rng.integers(1 << 30))
    base_height, capital_height = 0.9 * radius, 2.3 * radius
    top = height if broken else height - capital_height
    parts = [_base(radius, base_height, rng)]
    drums = np.linspace(base_height, top, max(2, round((top - base_height) / 1.9) + 1))
    if not broken:
        drums[1:-1] += rng.uniform(-0.2, 0.2, len(drums) - 2)

    def worn(points: F64) -> F64:
        low = np.exp(-points[:, 1] / 0.8)  # wind-blown sand wears the foot most
        return 1 + 0.012 * noise(points, 0.35, seed) - (0.02 + 0.06 * low) * np.maximum(0, noise(points, 0.7, seed + 1))

    for low, high in itertools.pairwise(drums):
        y = np.concatenate(
            [
                [low, low + 0.012],
                np.linspace(low + 0.03, high - 0.03, max(3, round((high - low) / 0.4))),
                [high - 0.012, high],
            ]
        )
        swell = radius * (1 - 0.14 * ((y - base_height) / (height - base_height)) ** 1.7)
        swell[[0, -1]] -= 0.025
        profile = np.stack([swell, y], 1)
        tint = rng.uniform(-1, 1)
        if broken and high == drums[-1]:
            profile = np.concatenate([profile, [[0, high - 0.1]]])
        shaft = lathe(profile, 28, CARVED, tint, wobble=worn)
        parts.append(shaft if not broken else shaft.bent(lambda p: _fracture(p, top, seed)))
    if bracket:
        at = base_height + 0.55 * (top - base_height)
        parts.append(_bracket(radius).placed(y=at))
    if not broken:
        parts.append(capital(radius * 0.86, capital_height, rng).placed(y=top))
    return join(*parts)


def _fracture(points: F64, top: float, seed: int) -> F64:
    """Offsets that make the upper end of a stump uneven."""
    near_top = np.clip((points[:, 1] - top + 0.5) / 0.5, 0, 1)
    drop = near_top * (0.25 * noise(points * [1, 0, 1], 0.3, seed) + 0.5 * points[:, 0])
    return np.stack([np.zeros(len(points)), drop, np.zeros(len(points))], 1)


def _base(radius: float, height: float, rng: Generator) -> Solid:
    plinth = block((2.75 * radius, 0.35 * height, 2.75 * radius), 0.02, CARVED, rng.uniform(-1, 1)).placed(
        y=0.175 * height
    )
    out = np.array([1.32, 1.36, 1.32, 1.2, 1.13, 1.12, 1.17, 1.21, 1.17, 1.08, 1.02, 1.0])
    up = np.array([0.35, 0.46, 0.57, 0.6, 0.66, 0.73, 0.76, 0.83, 0.9, 0.92, 0.96, 1.0])
    return join(plinth, lathe(np.stack([out * radius, up * height], 1), 32, CARVED, rng.uniform(-1, 1)))


def _bracket(radius: float) -> Solid:
    """Console on the front of a shaft."""
    profile = np.array([[0.1, -0.75], [0.35, -0.5], [0.35, -0.35], [0.75, -0.12], [0.75, 0.0]]) * radius * 1.5
    half = 0.42 * radius * 1.5
    outline = np.concatenate([profile + np.array([0.8 * radius, 0]), [[0, 0.0]]])
    side = np.stack([np.full(len(outline), half), outline[:, 1], outline[:, 0]], 1)
    other = side * [-1, 1, 1]
    hub = np.array([0.0, -0.1, 0.8 * radius])
    strip = quads(np.stack([other[:-1], side[:-1], side[1:], other[1:]], 1), CARVED)
    cheeks = [
        np.stack([line[:-1], line[1:], np.broadcast_to(hub + np.array([line[0, 0], 0, 0]), (len(line) - 1, 3))], 1)
        for line in (side, other)
    ]
    cheek = np.concatenate([np.concatenate([c, c[:, 2:]], 1) for c in cheeks])
    return join(strip, quads(cheek, CARVED))


def capital(radius: float, height: float, rng: Generator) -> Solid:
    """Corinthian capital: bell, two rows of leaves, corner volutes, abacus with curved sides."""
    bell_height = 0.86 * height
    bell = lathe(
        np.array([[1.0, 0], [1.08, 0.02], [1.0, 0.05], [0.97, 0.3], [1.0, 0.6], [1.12, 0.85], [1.3, 1.0]])
        * [radius, bell_height],
        24,
        CARVED,
        rng.uniform(-1, 1),
    )
    parts = [bell]
    for row, (low, rise) in enumerate(((0.03, 0.4), (0.06, 0.68))):
        for i in range(8):
            turn = 45.0 * i + 22.5 * row
            parts.append(_leaf(radius, low * bell_height, rise * bell_height).placed(yaw_deg=turn))
    for i in range(4):
        parts.append(_volute(radius, bell_height).placed(yaw_deg=90.0 * i + 45))
        parts.append(_flower(0.2 * radius).placed(0, 0.92 * height, 1.28 * radius).placed(yaw_deg=90.0 * i))
    parts.append(_abacus(radius, 0.16 * height, rng).placed(y=0.85 * height))
    return join(*parts)


def _leaf(radius: float, low: float, rise: float) -> Solid:
    """An acanthus leaf that leans out and turns over at its tip, with a raised midrib."""
    t = np.array([0, 0.35, 0.65, 0.85, 0.97, 1.0, 0.9])
    out = np.array([1.0, 1.04, 1.1, 1.22, 1.36, 1.46, 1.48]) * radius
    width = np.array([0.3, 0.37, 0.4, 0.36, 0.28, 0.18, 0.06]) * radius
    rib = np.array([0.02, 0.05, 0.05, 0.05, 0.04, 0.03, 0.0]) * radius
    across = np.array([-1, -0.55, 0, 0.55, 1.0])
    lift = np.array([-0.02, 0.5, 1.0, 0.5, -0.02])
    x = width[:, None] * across
    z = out[:, None] + rib[:, None] * 2 * lift - 0.5 * x**2 / radius
    return sheet(np.stack([x, np.broadcast_to((low + t * rise)[:, None], x.shape), z], -1), CARVED)


def _volute(radius: float, height: float) -> Solid:
    """A scroll under a corner of the abacus: a short roll on a stalk."""
    roll = lathe(
        np.array([[0.0, -0.1], [0.16, -0.12], [0.24, -0.06], [0.24, 0.06], [0.16, 0.12], [0.0, 0.1]]) * radius,
        12,
        CARVED,
    )
    lying = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]])
    t = np.linspace(0, 1, 5)
    x = np.array([-0.12, 0, 0.12]) * radius
    stalk_z = radius * (0.98 + 0.72 * t**1.8)
    stalk_y = height * (0.55 + 0.4 * t**0.8)
    stalk = np.stack(
        [
            np.broadcast_to(x, (5, 3)),
            np.broadcast_to(stalk_y[:, None], (5, 3)),
            stalk_z[:, None] + np.array([0, 0.06, 0]) * radius,
        ],
        -1,
    )
    return join(roll.turned(lying, np.array([0, 0.9 * height, 1.62 * radius])), sheet(stalk, CARVED))


def _flower(radius: float) -> Solid:
    facing = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    return rosette(radius).turned(facing, np.zeros(3))


def rosette(radius: float) -> Solid:
    """A flower of six petals about the vertical axis, seen from above; its ground lies at y = 0."""

    def petals(points: F64) -> F64:
        angle = np.arctan2(points[:, 0], points[:, 2])
        return 1 + 0.16 * np.cos(6 * angle)

    profile = np.array([[1.0, 0.0], [0.92, 0.24], [0.55, 0.3], [0.36, 0.18], [0.0, 0.42]]) * radius
    return lathe(profile, 12, CARVED, wobble=petals)


def _abacus(radius: float, height: float, rng: Generator) -> Solid:
    """Plate with four hollow sides and cut corners."""
    corner = 1.62 * radius
    t = np.linspace(-1, 1, 7)
    side = np.stack([t * corner, np.full(7, 0.0)], 1)
    side[:, 1] = radius * (1.25 + 0.28 * t**2)
    plan = np.concatenate(
        [side @ np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in np.radians([0, 90, 180, 270])]
    )
    profile = np.array([[-0.12, 0.0], [-0.05, 0.05], [0.0, 0.4], [0.0, 0.6], [0.06, 0.7], [0.06, 1.0]]) * [
        radius,
        height,
    ]
    tint = rng.uniform(-1, 1)
    plates = [
        np.concatenate([plan * s, np.full((len(plan), 1), y)], 1)[:, [0, 2, 1]]
        for s, y in ((0.94, 0.0), (1.03, height))
    ]
    caps = [np.stack([p, np.roll(p, -1, 0), np.broadcast_to(p.mean(0), p.shape), p], 1) for p in plates]
    return join(sweep(plan, profile, CARVED, tint, closed=True), quads(np.concatenate(caps), CARVED, tint))


ENTABLATURE_HEIGHT = 1.65


def entablature(plan: F64, y: float, rng: Generator, *, closed: bool = False) -> Solid:
    """Architrave of three bands, frieze with flowers, cornice with dentils, 1.65 m high, drawn along a plan (k, 2)."""
    bands = np.array(
        [
            [0, 0],
            [0, 0.16],
            [0.03, 0.17],
            [0.03, 0.33],
            [0.06, 0.34],
            [0.06, 0.48],
            [0.12, 0.52],
            [0.12, 0.58],
            [0.02, 0.6],
        ]
    )
    frieze = np.array([[0.02, 0.6], [0.06, 0.66], [0.08, 0.78], [0.06, 0.9], [0.02, 0.96]])
    cornice = np.array(
        [
            [0.02, 0.96],
            [0.1, 1.0],
            [0.1, 1.16],
            [0.28, 1.18],
            [0.3, 1.24],
            [0.55, 1.28],
            [0.55, 1.4],
            [0.6, 1.44],
            [0.68, 1.6],
        ]
    )
    crown = np.array([[0.68, 1.6], [0.68, 1.65], [-0.6, 1.65]])
    mouldings = [
        sweep(plan, p + np.array([0, y]), CARVED, rng.uniform(-0.5, 0.5), closed=closed)
        for p in (bands, frieze, cornice, crown)
    ]
    return join(*mouldings, *_ornaments(plan, y, closed=closed))


def _ornaments(plan: F64, y: float, *, closed: bool) -> list[Solid]:
    """Dentils under the cornice and flowers on the frieze, side by side along every straight of a plan."""
    parts = []
    ends = np.roll(plan, -1, 0) if closed else plan[1:]
    dentil = box((-0.075, y + 1.02, 0), (0.075, y + 1.16, 0.19), CARVED)
    flower = _flower(0.13).placed(y=y + 0.78, z=0.06)
    for start, end in zip(plan[: len(ends)], ends, strict=True):
        step = end - start
        length = float(np.linalg.norm(step))
        yaw = float(np.degrees(np.arctan2(-step[1], step[0])))
        for ornament, spacing in ((dentil, 0.27), (flower, 0.42)):
            n = int((length + 0.1) / spacing)
            for i in range(n):
                x, z = start + step * (i + 0.5) / n
                parts.append(ornament.placed(x, 0, z, yaw_deg=yaw))
    return parts
