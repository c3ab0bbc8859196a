"""Walls of coursed blocks with arched and square openings and niches."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from tadmor.engine.scene import F64
from tadmor.engine.synthetic.solids import Material, Solid, join, lathe, quads, raised, triangles

ARC_SEGMENTS = 24


@dataclass(frozen=True, slots=True)
class Opening:
    """A gap in a wall: `x` of its middle, `bottom`, `springing` (where the arch begins, or the lintel) in metres.

    `niche` is a round recess as deep as half its width; otherwise one can walk through. `ring` is how wide the arch
    stones are.
    """

    x: float
    width: float
    bottom: float
    springing: float
    arched: bool = True
    niche: bool = False
    ring: float = 0.55

    @property
    def radius(self) -> float:
        """Half the width."""
        return self.width / 2

    def outline(self) -> F64:
        """(k, 2) points from the lower left corner over the top to the lower right corner."""
        x0, x1 = self.x - self.radius, self.x + self.radius
        if self.arched:
            angle = np.linspace(np.pi, 0, ARC_SEGMENTS + 1)
            top = np.stack([self.x + self.radius * np.cos(angle), self.springing + self.radius * np.sin(angle)], 1)
            top[0, 0], top[-1, 0] = x0, x1
        else:
            top = np.array([[x0, self.springing], [x1, self.springing]])
        return np.concatenate([[[x0, self.bottom]], top, [[x1, self.bottom]]])

    def half_width(self, low: float, high: float) -> float:
        """Half the widest gap between two heights, 0 where there is none."""
        if high <= self.bottom:
            return 0.0
        rise = max(low, self.bottom) - self.springing
        if rise <= 0:
            return self.radius
        return float(np.sqrt(max(self.radius**2 - rise**2, 0.0))) if self.arched else 0.0


@dataclass(frozen=True, slots=True)
class Wall:
    """A wall about the origin: along x, from y = 0 up, its two faces at z = +-thickness / 2."""

    length: float
    height: float
    thickness: float
    openings: tuple[Opening, ...] = ()
    course: float = 0.5
    block: float = 1.05
    relief: float = 0.03
    material: Material = Material.ASHLAR
    faces: tuple[bool, bool] = (True, True)

    def solid(self, rng: Generator) -> Solid:
        """Build the core, the blocks on its faces and ends, the arches and the niches."""
        return join(self._core(), self._blocks(rng), *(self._edges(opening, rng) for opening in self.openings))

    def _core(self) -> Solid:
        """Both faces with their gaps, the ends and the top, one relief's depth behind the blocks."""
        x, z = self.length / 2, self.thickness / 2
        front = on_face(plain_face(self, self.openings), z)
        through = tuple(o for o in self.openings if not o.niche)
        back = on_face(plain_face(self, through), -z)
        y = self.height
        top = [[-x, y, z], [x, y, z], [x, y, -z], [-x, y, -z]]
        right = [[x, 0, z], [x, 0, -z], [x, y, -z], [x, y, z]]
        left = [[-x, 0, -z], [-x, 0, z], [-x, y, z], [-x, y, -z]]
        return quads(np.concatenate([front, back, np.array([top, right, left])]), Material.JOINT)

    def _blocks(self, rng: Generator) -> Solid:
        z = self.thickness / 2
        parts = []
        for side, openings in ((1, self.openings), (-1, tuple(o for o in self.openings if not o.niche))):
            if self.faces[0 if side > 0 else 1]:
                parts.append(on_face(courses(self, openings, rng), side * z))
        bare = replace(self, length=self.thickness)
        for side in (1, -1):
            end = on_face(courses(bare, (), rng), self.length / 2)
            parts.append(end[..., [2, 1, 0]] * [side, 1, -side])
        corners = np.concatenate(parts)
        return stones(corners, self.relief, self.material, rng)

    def _edges(self, opening: Opening, rng: Generator) -> Solid:
        """The inside of an opening, and the ring of arch stones around it."""
        parts = (
            [_niche(opening, self.thickness)] if opening.niche else [_reveal(opening, self.thickness, self.relief, rng)]
        )
        if opening.arched:
            ring = _voussoirs(opening)
            parts.append(stones(on_face(ring, self.thickness / 2), self.relief * 1.8, Material.CARVED, rng))
            if not opening.niche:
                parts.append(stones(on_face(ring, -self.thickness / 2), self.relief * 1.8, Material.CARVED, rng))
        return join(*parts)


def stones(corners: F64, relief: float, material: Material, rng: Generator) -> Solid:
    """Blocks on quads (q, 4, 3), each of its own height, slope and colour."""
    n = len(corners)
    height = relief * rng.uniform(0.55, 1.3, n)[:, None] + relief * rng.uniform(-0.2, 0.2, (n, 4))
    return raised(corners, height, 0.022, material, rng.uniform(-1, 1, n))


def on_face(flat: F64, z: float) -> F64:
    """Quads (q, 4, 2) of x and y onto the face at `z`: seen from +z where z > 0, else from -z."""
    corners = np.concatenate([flat, np.full((*flat.shape[:2], 1), z)], 2)
    return corners if z > 0 else corners[:, ::-1]


def plain_face(wall: Wall, openings: tuple[Opening, ...]) -> F64:
    """Quads (q, 4, 2) that cover a wall's face except the openings: upright strips between them."""
    outlines = [o.outline() for o in openings]
    cuts = np.unique(np.concatenate([[-wall.length / 2, wall.length / 2], *(line[:, 0] for line in outlines)]))
    found = []
    for x0, x1 in itertools.pairwise(cuts):
        middle = (x0 + x1) / 2
        over = [(o.bottom, line) for o, line in zip(openings, outlines, strict=True) if abs(middle - o.x) < o.radius]
        low = np.zeros(2)
        for bottom, line in sorted(over, key=lambda one: one[0]):
            if bottom > 0:
                found.append([[x0, low[0]], [x1, low[1]], [x1, bottom], [x0, bottom]])
            low = np.interp([x0, x1], line[1:-1, 0], line[1:-1, 1])
        found.append([[x0, low[0]], [x1, low[1]], [x1, wall.height], [x0, wall.height]])
    return np.array(found)


def course_heights(height: float, course: float, rng: Generator) -> F64:
    """Heights of the beds from 0 to `height`, courses of nearly the same height."""
    n = max(1, round(height / course))
    share = rng.uniform(0.85, 1.15, n)
    return np.concatenate([[0.0], np.cumsum(share) / share.sum() * height])


def courses(wall: Wall, openings: tuple[Opening, ...], rng: Generator) -> F64:
    """Quads (q, 4, 2), one for each block of a face; arch rings hide the steps that the blocks make beside an arch."""
    heights = course_heights(wall.height, wall.course, rng)
    found = []
    for low, high in itertools.pairwise(heights):
        gaps = sorted((o.x - w, o.x + w) for o in openings if (w := o.half_width(low, high)) > 0)
        bounds = [-wall.length / 2, *(x for gap in gaps for x in gap), wall.length / 2]
        for x0, x1 in zip(bounds[::2], bounds[1::2], strict=True):
            n = max(1, round((x1 - x0) / wall.block + rng.uniform(-0.4, 0.4)))
            share = rng.uniform(0.65, 1.35, n)
            cuts = x0 + np.concatenate([[0.0], np.cumsum(share) / share.sum()]) * (x1 - x0)
            found += [[[a, low], [b, low], [b, high], [a, high]] for a, b in itertools.pairwise(cuts)]
    return np.array(found)


def _voussoirs(opening: Opening) -> F64:
    """Quads (q, 4, 2) of the wedge stones of an arch."""
    n = 2 * round(opening.radius * np.pi / 0.55 / 2) + 1
    angle = np.linspace(np.pi, 0, n + 1)
    ray = np.stack([np.cos(angle), np.sin(angle)], 1)
    middle = np.array([opening.x, opening.springing])
    inner, outer = middle + opening.radius * ray, middle + (opening.radius + opening.ring) * ray
    return np.stack([inner[:-1], inner[1:], outer[1:], outer[:-1]], 1)


def _reveal(opening: Opening, thickness: float, relief: float, rng: Generator) -> Solid:
    """Jambs and vault of an opening that goes through the wall."""
    line = opening.outline()
    z = thickness / 2
    core = np.array(
        [[[*a, z], [*a, -z], [*b, -z], [*b, z]] for a, b in itertools.pairwise(line)],
    )
    upright = course_heights(opening.springing - opening.bottom, 0.5, rng) + opening.bottom
    x0, x1 = opening.x - opening.radius, opening.x + opening.radius
    bands = [((x0, a), (x0, b)) for a, b in itertools.pairwise(upright)]
    bands += [((x1, b), (x1, a)) for a, b in itertools.pairwise(upright)]
    if opening.arched:
        wedges = _voussoirs(opening)
        bands += [(tuple(w[0]), tuple(w[1])) for w in wedges]
    else:
        bands.append(((x0, opening.springing), (x1, opening.springing)))
    blocks = []
    for a, b in bands:
        n = max(1, round(thickness / 1.1 + rng.uniform(-0.4, 0.4)))
        share = rng.uniform(0.7, 1.3, n)
        cuts = z - np.concatenate([[0.0], np.cumsum(share) / share.sum()]) * thickness
        blocks += [[[*a, p], [*a, q], [*b, q], [*b, p]] for p, q in itertools.pairwise(cuts)]
    return join(quads(core, Material.JOINT), stones(np.array(blocks), relief, Material.ASHLAR, rng))


def _niche(opening: Opening, thickness: float) -> Solid:
    """Half a cylinder closed by a quarter sphere, let into the face at +z, with a sill."""
    r, rise = opening.radius, opening.springing - opening.bottom
    turn = np.linspace(0, np.pi / 2, 7)
    profile = np.concatenate(
        [[[r, y] for y in np.linspace(0, rise, 6)], np.stack([r * np.cos(turn), rise + r * np.sin(turn)], 1)[1:]]
    )
    shell = lathe(profile, 16, Material.CARVED, arc_deg=(90.0, 270.0))
    angle = np.linspace(np.pi / 2, 3 * np.pi / 2, 17)
    rim = np.stack([r * np.sin(angle), np.zeros(17), r * np.cos(angle)], 1)
    sill = np.stack([np.zeros((16, 3)), rim[:-1], rim[1:]], 1)
    return join(shell, triangles(sill, Material.CARVED)).placed(opening.x, opening.bottom, thickness / 2)
