"""The ground a monument stands on: uneven terrain with far hills, paving, fallen stones."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from tadmor.engine.scene import F64
from tadmor.engine.synthetic.noise import noise
from tadmor.engine.synthetic.orders import capital
from tadmor.engine.synthetic.solids import Material, Solid, block, hull, join, lathe, raised, sheet


def height_at(points: F64, seed: int) -> F64:
    """Height of the terrain (n,) at points (n, 2) of x and z: sand near the origin, hills past 150 m."""
    flat = np.concatenate([points, np.zeros((len(points), 1))], 1)
    distance = np.hypot(points[:, 0], points[:, 1])
    near = 0.1 * noise(flat, 5.0, seed) + 0.035 * noise(flat, 1.3, seed + 1) + 0.2 * noise(flat, 17.0, seed + 2)
    hills = np.clip((distance - 150) / 300, 0, 1) ** 1.5
    ridges = 1 - np.abs(noise(flat, 160.0, seed + 3))
    rough = noise(flat, 47.0, seed + 4)
    height: F64 = near * np.clip((distance - 4) / 20, 0.25, 1) + hills * (75 * ridges**2 + 12 * rough) - 0.12
    return height


def terrain(seed: int, *, cells: int = 112, reach: float = 700.0) -> Solid:
    """Square of ground whose mesh is finest about the origin."""
    stretch = 5.2
    axis = np.sinh(np.linspace(-stretch, stretch, cells + 1)) * reach / np.sinh(stretch)
    x, z = np.meshgrid(axis, axis[::-1])
    y = height_at(np.stack([x.ravel(), z.ravel()], 1), seed).reshape(x.shape)
    return sheet(np.stack([x, y, z], -1), Material.SAND)


def paving(low: tuple[float, float], high: tuple[float, float], rng: Generator, *, missing: float = 0.12) -> Solid:
    """Slabs of uneven size between two corners (x, z), some of them gone."""
    rows = np.arange(low[1], high[1], 0.95)
    slabs = []
    for near, far in itertools.pairwise(rows):
        cuts = low[0] + np.concatenate([[0], np.cumsum(rng.uniform(0.8, 1.7, 200))])
        cuts = cuts[cuts <= high[0]]
        slabs += [[[a, 0, far], [b, 0, far], [b, 0, near], [a, 0, near]] for a, b in itertools.pairwise(cuts)]
    corners = np.array(slabs)
    corners = corners[rng.random(len(corners)) > missing] - [
        0,
        0.4,
        0,
    ]  # deep enough for the ground to cover their feet
    n = len(corners)
    height = 0.4 + rng.uniform(-0.02, 0.03, n)[:, None] + rng.uniform(-0.015, 0.015, (n, 4))
    return raised(corners, height, 0.03, Material.PAVING, rng.uniform(-1, 1, n))


def tumbled(rng: Generator) -> F64:
    """Random rotation (3, 3) of a stone that lies nearly flat."""
    yaw, pitch, roll = rng.uniform(0, 2 * np.pi), *rng.normal(0, 0.22, 2)
    c, s = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    turn = np.array([[c[0], 0, s[0]], [0, 1, 0], [-s[0], 0, c[0]]])
    nod = np.array([[1, 0, 0], [0, c[1], -s[1]], [0, s[1], c[1]]])
    sway = np.array([[c[2], -s[2], 0], [s[2], c[2], 0], [0, 0, 1]])
    rotation: F64 = turn @ nod @ sway
    return rotation


def rubble(places: F64, seed: int, rng: Generator) -> Solid:
    """Fallen blocks, a drum now and then and a capital, half sunk at places (n, 2) of x and z."""
    parts = []
    for i, (x, z) in enumerate(places):
        ground = float(height_at(np.array([[x, z]]), seed)[0])
        tint = float(rng.uniform(-1, 1))
        if i % 7 == 3:
            radius = rng.uniform(0.42, 0.55)
            profile = np.array(
                [[0, 0.6], [radius - 0.03, 0.6], [radius, 0.55], [radius, -0.55], [radius - 0.03, -0.6], [0, -0.6]]
            )[::-1]
            lying = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
            stone, sunk = lathe(profile, 24, Material.CARVED, tint).turned(lying, np.zeros(3)), 0.7 * radius
        elif i % 11 == 5:
            stone, sunk = capital(0.42, 1.0, rng), -0.18
        else:
            size = rng.uniform([0.7, 0.4, 0.5], [1.5, 0.75, 0.9])
            stone, sunk = (
                block((size[0], size[1], size[2]), rng.uniform(0.02, 0.06), Material.CARVED, tint),
                0.3 * size[1],
            )
        parts.append(stone.turned(tumbled(rng), np.array([x, ground + sunk, z])))
    return join(*parts)


def pebbles(count: int, reach: float, seed: int, rng: Generator, *, free: Callable[[F64], F64]) -> Solid:
    """Small rocks strewn within `reach` metres; `free` (n, 2) -> (n,) is above 0 where a rock may lie."""
    angle, distance = rng.uniform(0, 2 * np.pi, count), reach * np.sqrt(rng.uniform(0.01, 1, count))
    places = np.stack([distance * np.sin(angle), distance * np.cos(angle)], 1)
    places = places[free(places) > 0]
    ground = height_at(places, seed)
    size = 0.05 + 0.32 * rng.random(len(places)) ** 4
    parts = []
    for (x, z), y, radius in zip(places, ground, size, strict=True):
        points = rng.normal(size=(11, 3))
        points *= radius * rng.uniform(0.75, 1.1, (11, 1)) / np.linalg.norm(points, axis=1, keepdims=True)
        parts.append(
            hull(points * [1.2, 0.7, 1.0] + [x, y + 0.15 * radius, z], Material.ROCK, float(rng.uniform(-1, 1)))
        )
    return join(*parts)
