"""Where the photographers stand: ways around, along and into a building."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from tadmor.engine.scene import F64, Lens, View


@dataclass(frozen=True, slots=True)
class Stand:
    """One exposure: where the camera is and what it looks at, world metres; `roll_deg` turns it about its axis."""

    position: tuple[float, float, float]
    target: tuple[float, float, float]
    roll_deg: float = 0.0

    def view(self, name: str, lens: Lens) -> View:
        """Return the view that this stand gives through a lens; `name` is the photo's file name."""
        position = np.array(self.position)
        forwards = np.array(self.target) - position
        forwards /= np.linalg.norm(forwards)
        right = np.cross(forwards, [0.0, 1.0, 0.0])
        right /= np.linalg.norm(right)
        down = np.cross(forwards, right)
        c, s = np.cos(np.radians(self.roll_deg)), np.sin(np.radians(self.roll_deg))
        rotation = np.stack([c * right + s * down, c * down - s * right, forwards])
        return View(name.rsplit(".", 1)[0], name, lens, rotation, -rotation @ position)


def stand(position: F64, target: F64, rng: Generator, *, sway: float = 1.0) -> Stand:
    """Take a picture by hand: the place, the aim and the horizon are a little off."""
    place = position + rng.normal(0, 0.12, 3) * sway * [1, 0.5, 1]
    aim = target + rng.normal(0, 0.25, 3) * sway
    return Stand((place[0], place[1], place[2]), (aim[0], aim[1], aim[2]), float(rng.normal(0, 0.8) * sway))


def arc(
    count: int,
    *,
    radius: float,
    degrees: float,
    height: float,
    target: tuple[float, float, float],
    middle_deg: float = 0.0,
    seed: int = 0,
) -> tuple[Stand, ...]:
    """Stands on an arc about the target, `middle_deg` to the right of +z at its middle."""
    rng = np.random.default_rng([seed, count, round(height * 100)])
    angles = np.radians(middle_deg + np.linspace(-degrees / 2, degrees / 2, count))
    aim = np.array(target)
    places = aim + np.stack([radius * np.sin(angles), np.full(count, height) - aim[1], radius * np.cos(angles)], 1)
    return tuple(stand(place, aim, rng) for place in places)


def street(
    count: int, *, start: tuple[float, float], end: tuple[float, float], reach: float = 14.0, seed: int = 0
) -> tuple[Stand, ...]:
    """Stands of a walk from `start` to `end` (x, z) that looks ahead, swaying from side to side."""
    rng = np.random.default_rng([seed, count])
    ends = np.array([start, end], float)
    step = ends[1] - ends[0]
    step /= np.linalg.norm(step)
    aside = np.array([-step[1], step[0]])
    stands = []
    for i, t in enumerate(np.linspace(0, 1, count)):
        x, z = ends[0] + t * (ends[1] - ends[0]) + aside * 0.7 * (-1) ** i
        ahead = np.array([x, z]) + reach * step - aside * 0.5 * (-1) ** i
        stands.append(
            stand(np.array([x, 1.65 + 0.25 * (i % 3), z]), np.array([ahead[0], 2.9, ahead[1]]), rng, sway=0.5)
        )
    return tuple(stands)


def turn(
    count: int, *, centre: tuple[float, float], radius: float, height: float, aim_height: float, seed: int = 0
) -> tuple[Stand, ...]:
    """Stands inside a room, on a circle about `centre` (x, z), each looking across the middle to the wall beyond."""
    rng = np.random.default_rng([seed, count, round(height * 100)])
    stands = []
    for angle in 2 * np.pi * np.arange(count) / count:
        outwards = np.array([np.sin(angle), 0.0, np.cos(angle)])
        middle = np.array([centre[0], 0.0, centre[1]])
        stands.append(
            stand(
                middle - radius * outwards + [0, height, 0], middle + 6 * outwards + [0, aim_height, 0], rng, sway=0.4
            )
        )
    return tuple(stands)
