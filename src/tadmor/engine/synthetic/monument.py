"""Buildings to photograph: an arch with columns in the manner of Palmyra, the same with a cella, a brick house."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from tadmor.engine.scene import F32, F64, I32, U8
from tadmor.engine.synthetic.ground import paving, pebbles, rubble, terrain
from tadmor.engine.synthetic.masonry import Opening, Wall
from tadmor.engine.synthetic.orders import (
    ENTABLATURE_HEIGHT,
    base_moulding,
    column,
    crown_moulding,
    entablature,
    pedestal,
    rosette,
)
from tadmor.engine.synthetic.solids import Material, Solid, block, box, join, quads, sweep, unit

CARVED = Material.CARVED


@dataclass(frozen=True, eq=False, slots=True)
class Monument:
    """A building and the ground around it as one triangle mesh. Metres, Y up; a visitor arrives from +z.

    `vertices` (n, 3) float32; `faces` (m, 3) int32; shading `normals` (m, 3, 3) float32 for each corner of each face;
    `material` (m,) uint8 (`solids.Material`); `tint` (m,) float32 in [-1, 1], the stone's own shade; `region` (2, 3)
    the corners of the box that holds the building without the land around it; `seed` of the weathering.
    """

    name: str
    vertices: F32
    faces: I32
    normals: F32
    material: U8
    tint: F32
    region: F64
    seed: int

    @property
    def size(self) -> float:
        """Diagonal of the building's box in metres."""
        return float(np.linalg.norm(self.region[1] - self.region[0]))

    def faces_in_region(self) -> I32:
        """Rows of `faces` whose middle lies in the building's box."""
        middle = self.vertices[self.faces].mean(1)
        inside = ((middle >= self.region[0]) & (middle <= self.region[1])).all(1)
        return np.flatnonzero(inside).astype(np.int32)


def built(name: str, solid: Solid, region: F64, seed: int) -> Monument:
    """Weld corners that coincide into vertices, in the order in which the faces name them; drop faces of no area."""
    corners = solid.corners.astype(np.float32) + np.float32(0)  # -0 becomes 0
    exact = corners.astype(np.float64)
    flat = np.cross(exact[:, 1] - exact[:, 0], exact[:, 2] - exact[:, 0])
    kept = np.linalg.norm(flat, axis=1) > 1e-9
    smooth = np.linalg.norm(solid.normals, axis=2, keepdims=True) > 0.5  # there is none at the poles of turned shapes
    normals = np.where(smooth, solid.normals, unit(flat)[:, None])[kept]
    corners = corners[kept].reshape(-1, 3)
    x, y, z = corners.view(np.uint32).astype(np.uint64).T
    _, level = np.unique(x << 32 | y, return_inverse=True)
    _, first, rows = np.unique(level.astype(np.uint64) << 32 | z, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.zeros(len(order), np.int32)
    rank[order] = np.arange(len(order))
    return Monument(
        name,
        corners[first[order]],
        rank[rows].reshape(-1, 3),
        normals.astype(np.float32),
        solid.material[kept],
        solid.tint[kept].astype(np.float32),
        region,
        seed,
    )


# the arch: its openings, and the piers between and beside them
MAIN = Opening(x=0.0, width=6.0, bottom=0.0, springing=6.0, ring=0.75)
SIDES = tuple(Opening(x=x, width=2.8, bottom=0.0, springing=4.0, ring=0.55) for x in (-7.0, 7.0))
NICHES = tuple(Opening(x=x, width=1.7, bottom=6.7, springing=8.3, niche=True, ring=0.35) for x in (-7.0, 7.0))
PIERS = ((-10.6, -8.4), (-5.6, -3.0), (3.0, 5.6), (8.4, 10.6))
ARCH_LENGTH, ARCH_HEIGHT, ARCH_DEPTH = 21.2, 10.5, 4.4
COLUMN_X = (-9.5, -4.3, 4.3, 9.5)


def arch(seed: int = 0) -> Monument:
    """Triumphal arch with a main and two side passages, flanked by free-standing columns, on paved ground."""
    rng = np.random.default_rng(seed)
    solid = join(_arch(rng), _colonnades(rng), _forecourt(seed, rng, back=-7.0))
    return built("arch", solid, np.array([[-27.0, -0.3, -8.0], [27.0, 16.0, 8.0]]), seed)


def arch_with_cella(seed: int = 0) -> Monument:
    """The arch with a walled room behind it that one enters through the main passage and a doorway."""
    rng = np.random.default_rng(seed)
    room = _cella(rng).placed(z=-16.0)
    solid = join(_arch(rng), _colonnades(rng), room, _forecourt(seed, rng, back=-26.0))
    return built("arch with cella", solid, np.array([[-27.0, -0.3, -26.0], [27.0, 16.0, 8.0]]), seed)


def _arch(rng: Generator) -> Solid:
    wall = Wall(ARCH_LENGTH, ARCH_HEIGHT, ARCH_DEPTH, (MAIN, *SIDES, *NICHES), course=0.52, relief=0.035)
    z = ARCH_DEPTH / 2
    parts = [wall.solid(rng), _foundation(ARCH_LENGTH / 2 + 0.3, z + 0.3)]
    for low, high in PIERS:
        plan = np.array([[low, z], [high, z], [high, -z], [low, -z]])
        parts.append(sweep(plan, base_moulding(0.18, 0.7), CARVED, rng.uniform(-1, 1), closed=True))
    for side in (*SIDES, MAIN):
        parts += _imposts(side)
    for opening in (MAIN, *SIDES, *NICHES):
        parts += _archivolt(opening)
    parts += [_sill(niche, z) for niche in NICHES]
    for x in COLUMN_X:
        for facing in (0.0, 180.0):
            parts.append(_half_column(rng).placed(x, 0, 0).placed(yaw_deg=facing))
            parts.append(_pilaster_flowers(x, z).placed(yaw_deg=facing))
    parts.append(_crown(rng))
    return join(*parts)


def _foundation(half_x: float, half_z: float) -> Solid:
    """Bed under a building whose centre is the origin, a little above the ground."""
    return box((-half_x, -1.0, -half_z), (half_x, -0.02, half_z), Material.PAVING)


def _imposts(opening: Opening) -> list[Solid]:
    """Mouldings on which an arch rests, drawn around both of its jambs."""
    z = ARCH_DEPTH / 2
    x0, x1 = opening.x - opening.radius, opening.x + opening.radius
    reach = 0.9 if opening is MAIN else 0.55
    profile = crown_moulding(0.2, 0.34) + np.array([0, opening.springing - 0.34])
    left = np.array([[x0 - reach, z], [x0, z], [x0, -z], [x0 - reach, -z]])
    right = np.array([[x1 + reach, -z], [x1, -z], [x1, z], [x1 + reach, z]])
    return [sweep(left, profile, CARVED), sweep(right, profile, CARVED)]


def _archivolt(opening: Opening) -> list[Solid]:
    """Moulding along the outer rim of an arch, on both faces, and its keystone."""
    z = ARCH_DEPTH / 2
    angle = np.linspace(0, np.pi, 33)
    rim = opening.radius + opening.ring
    width = 0.22 * opening.ring / 0.55
    outwards = np.array(
        [
            [rim - width, 0.0],
            [rim - width, 0.13],
            [rim - 0.6 * width, 0.16],
            [rim, 0.24],
            [rim + 0.06, 0.24],
            [rim + 0.06, 0.0],
        ]
    )
    ray = np.stack([np.cos(angle), np.sin(angle)], 1)
    at = ray[:, None] * outwards[None, :, :1] + [opening.x, opening.springing]
    points = np.concatenate([at, np.broadcast_to(outwards[None, :, 1:] + z, (*at.shape[:2], 1))], 2)
    front = _facets(points)
    key_half = 0.26 * opening.ring
    top = opening.springing + rim + 0.1
    key = box(
        (opening.x - key_half, top - opening.ring - 0.25, z - 0.2), (opening.x + key_half, top + 0.1, z + 0.36), CARVED
    )
    faces = [join(front, key)]
    if not opening.niche:
        faces.append(join(front, key).placed(-2 * opening.x).placed(yaw_deg=180.0))
    return faces


def _facets(points: F64) -> Solid:
    """Flat quadrilaterals through a grid of points (rows, columns, 3)."""
    cell = np.stack([points[:-1, :-1], points[1:, :-1], points[1:, 1:], points[:-1, 1:]], 2)
    return quads(cell.reshape(-1, 4, 3), CARVED)


def _sill(niche: Opening, z: float) -> Solid:
    """Ledge under a niche, and two small brackets that bear it."""
    reach = niche.radius + 0.45
    plan = np.array(
        [[niche.x - reach, z], [niche.x - reach, z + 0.12], [niche.x + reach, z + 0.12], [niche.x + reach, z]]
    )
    ledge = sweep(plan, crown_moulding(0.22, 0.3) + np.array([0, niche.bottom - 0.32]), CARVED)
    feet = [
        box(
            (niche.x + s * 0.8 - 0.12, niche.bottom - 0.75, z),
            (niche.x + s * 0.8 + 0.12, niche.bottom - 0.3, z + 0.22),
            CARVED,
        )
        for s in (-1, 1)
    ]
    return join(ledge, *feet)


def _half_column(rng: Generator) -> Solid:
    """Engaged column on its pedestal, in front of a face of the arch."""
    z = ARCH_DEPTH / 2 + 0.32
    foot = 1.55
    shaft = column(0.46, ARCH_HEIGHT - foot, rng)
    return join(pedestal(0.66, foot, rng).placed(0, 0, z), shaft.placed(0, foot, z))


def _pilaster_flowers(x: float, z: float) -> Solid:
    """Flowers carved up a pier on both sides of its column."""
    facing = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    flower = rosette(0.17).turned(facing, np.zeros(3))
    places = [(x + side * 0.82, y) for side in (-1, 1) for y in np.arange(2.2, 9.6, 0.52)]
    return join(*(flower.placed(px, py, z + 0.035) for px, py in places))


def _crown(rng: Generator) -> Solid:
    """Entablature that breaks forward over the columns; its left end has fallen, and most of the attic."""
    z = ARCH_DEPTH / 2 + 0.06
    front = []
    for x in COLUMN_X:
        front += [[x - 0.7, z], [x - 0.7, z + 0.75], [x + 0.7, z + 0.75], [x + 0.7, z]]
    end = ARCH_LENGTH / 2 + 0.06
    back = [[-x, -y] for x, y in front]
    plan = np.array([*front[3:], [end, z], [end, -z], *back[:-3]])
    mouldings = entablature(plan, ARCH_HEIGHT, rng)
    top = ARCH_HEIGHT + ENTABLATURE_HEIGHT
    core = box((-8.7, ARCH_HEIGHT, -z - 0.01), (end - 0.02, top - 0.02, z - 0.02), Material.JOINT)
    attic = []
    for _ in range(46):
        x = rng.uniform(-7.5, 9.5)
        level = 0 if rng.random() < 0.72 else 1
        if level and not -1.5 < x < 6.5:
            continue
        size = (rng.uniform(0.8, 1.6), 0.6, rng.uniform(0.7, 1.1))
        stone = block(size, 0.03, Material.ASHLAR, rng.uniform(-1, 1))
        attic.append(stone.placed(x, top + 0.3 + 0.6 * level, rng.uniform(-1.8, 1.8), yaw_deg=rng.normal(0, 4)))
    for _ in range(16):  # what is left of the fallen end
        size = (rng.uniform(0.7, 1.3), 0.5, rng.uniform(0.7, 1.2))
        stone = block(size, 0.03, Material.ASHLAR, rng.uniform(-1, 1))
        attic.append(
            stone.placed(rng.uniform(-10.2, -8.8), ARCH_HEIGHT + 0.25, rng.uniform(-1.9, 1.9), yaw_deg=rng.normal(0, 6))
        )
    return join(mouldings, core, *attic)


def _colonnades(rng: Generator) -> Solid:
    """Two rows of columns that run back from the ends of the arch; some bear their architrave, one is a stump."""
    parts = []
    for side, count in ((1, 5), (-1, 4)):
        places = [(side * (13.4 + 2.75 * i), -0.6 - 1.0 * i) for i in range(count)]
        yaw = float(np.degrees(np.arctan2(1.0, 2.75))) * side
        for i, (x, z) in enumerate(places):
            broken = side < 0 and i == 2
            one = column(0.47, 3.1 if broken else 8.6, rng, bracket=not broken, broken=broken)
            parts.append(one.placed(x, 0.45, z, yaw_deg=yaw))
        middle = np.mean(places, axis=0)
        half = 0.5 * 2.93 * (count - 1) + 1.0
        plinth = np.array([[-half, 0.8], [half, 0.8], [half, -0.8], [-half, -0.8]])
        steps = np.array([[0.35, -0.5], [0.35, 0.2], [0.0, 0.22], [0.0, 0.45], [-0.8, 0.45]])
        parts.append(sweep(plinth, steps, Material.PAVING, closed=True).placed(middle[0], 0, middle[1], yaw_deg=yaw))
        if side > 0:
            (x0, z0), (x1, z1) = places[0], places[2]
            run = float(np.hypot(x1 - x0, z1 - z0)) / 2 + 0.55
            beam = np.array([[-run, 0.42], [run, 0.42], [run, -0.42], [-run, -0.42]])
            over = join(
                entablature(beam, 0.0, rng, closed=True), box((-run, 0.0, -0.4), (run, 1.6, 0.4), Material.JOINT)
            )
            parts.append(over.placed((x0 + x1) / 2, 9.05, (z0 + z1) / 2, yaw_deg=yaw))
    return join(*parts)


def _forecourt(seed: int, rng: Generator, *, back: float) -> Solid:
    """Terrain, paving before and under the building, fallen stones and rocks."""
    fallen = np.stack([rng.uniform(-17, 17, 44), rng.uniform(4.5, 15.0, 44)], 1)
    behind = np.stack([rng.uniform(-17, 17, 22), rng.uniform(back - 9.0, back - 2.0, 22)], 1)
    fallen = fallen[np.abs(fallen[:, 0]) > 2.6]  # the way to the passage is clear

    def free(places: F64) -> F64:
        inside = (np.abs(places[:, 0]) < 12.5) & (places[:, 1] > back) & (places[:, 1] < 9.0)
        return np.where(inside, -1.0, 1.0)

    return join(
        terrain(seed + 11),
        paving((-12.5, back), (12.5, 9.0), rng),
        rubble(np.concatenate([fallen, behind]), seed + 11, rng),
        pebbles(420, 45.0, seed + 11, rng, free=free),
    )


CELLA_WIDTH, CELLA_LENGTH, CELLA_HEIGHT, CELLA_WALL = 13.0, 17.0, 8.5, 1.1


def _cella(rng: Generator) -> Solid:
    """Room about the origin with a doorway at +z, niches and pilasters inside, half of the ceiling open."""
    door = Opening(x=0.0, width=3.4, bottom=0.0, springing=5.6, arched=False)
    windows = tuple(Opening(x=x, width=1.3, bottom=3.2, springing=5.4, ring=0.4) for x in (-4.2, 4.2))
    niches = tuple(Opening(x=x, width=1.5, bottom=1.6, springing=3.7, niche=True, ring=0.35) for x in (-5.2, 0.0, 5.2))
    altar = Opening(x=0.0, width=3.0, bottom=0.9, springing=4.3, niche=True, ring=0.5)
    half_x, half_z = CELLA_WIDTH / 2, CELLA_LENGTH / 2
    front = Wall(CELLA_WIDTH, CELLA_HEIGHT, CELLA_WALL, (door, *windows)).solid(rng)
    rear = Wall(CELLA_WIDTH, CELLA_HEIGHT, 2.2, (altar,)).solid(rng)  # its niche faces +z, into the room
    side = [Wall(CELLA_LENGTH, CELLA_HEIGHT, 1.6, niches).solid(rng) for _ in range(2)]
    parts = [
        front.placed(z=half_z),
        rear.placed(z=-half_z),
        side[0].placed(-half_x, yaw_deg=90.0),  # the face with the niches turns to +x, into the room
        side[1].placed(half_x, yaw_deg=-90.0),
        _foundation(half_x + 1.0, half_z + 1.3),
    ]
    parts += [_door_frame(door).placed(z=half_z), _door_frame(door).placed(yaw_deg=180.0).placed(z=half_z)]
    inner_x, inner_z = half_x - 0.8, half_z - 1.1
    plan = np.array([[-inner_x, -inner_z], [inner_x, -inner_z], [inner_x, half_z - 0.55], [-inner_x, half_z - 0.55]])
    parts.append(sweep(plan, crown_moulding(0.3, 0.5) + np.array([0, CELLA_HEIGHT - 0.5]), CARVED, closed=True))
    for x in (-inner_x, inner_x):
        for z in (-2.6, 2.6):
            parts.append(_pilaster(rng).placed(x, 0, z, yaw_deg=90.0 if x < 0 else -90.0))
    for z in np.linspace(-half_z + 0.6, half_z - 0.9, 5):
        parts += [_pilaster(rng).placed(s * (half_x + 0.85), 0, z, yaw_deg=s * 90.0) for s in (-1, 1)]
    x, front_z, rear_z = half_x + 0.86, half_z + 0.61, -half_z - 1.16
    outer = np.array([[-x, front_z], [x, front_z], [x, rear_z], [-x, rear_z]])
    parts.append(entablature(outer, CELLA_HEIGHT - 0.6, rng, closed=True))
    for z in np.arange(-half_z + 1.2, -0.5, 0.92):  # the beams of the rear half still bear their slabs
        parts.append(
            block((CELLA_WIDTH, 0.5, 0.86), 0.03, Material.ASHLAR, rng.uniform(-1, 1)).placed(0, CELLA_HEIGHT + 0.2, z)
        )
    return join(*parts)


def _door_frame(door: Opening) -> Solid:
    """Moulded frame of a doorway and the cornice over it, on the outer face of the front wall."""
    z = CELLA_WALL / 2
    x, top = door.radius, door.springing
    jambs = [
        box((s * x - 0.28 + s * 0.28, 0, z - 0.02), (s * x + 0.28 + s * 0.28, top, z + 0.16), CARVED) for s in (-1, 1)
    ]
    lintel = box((-x - 0.56, top, z - 0.02), (x + 0.56, top + 0.62, z + 0.16), CARVED)
    plan = np.array([[-x - 0.7, z], [-x - 0.7, z + 0.14], [x + 0.7, z + 0.14], [x + 0.7, z]])
    hood = sweep(plan, crown_moulding(0.4, 0.45) + np.array([0, top + 0.62]), CARVED)
    flowers = [
        rosette(0.17).turned(np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]), np.array([px, top + 0.31, z + 0.16]))
        for px in np.arange(-1.8, 1.9, 0.45)
    ]
    return join(*jambs, lintel, hood, *flowers)


def _pilaster(rng: Generator) -> Solid:
    """Flat pillar on an inner wall: foot, shaft of blocks, cap."""
    parts = [block((0.9, 0.4, 0.5), 0.03, CARVED, rng.uniform(-1, 1)).placed(y=0.2)]
    y = 0.4
    while y < CELLA_HEIGHT - 1.3:
        rise = float(rng.uniform(0.5, 0.9))
        parts.append(block((0.72, rise, 0.36), 0.02, CARVED, rng.uniform(-1, 1)).placed(y=y + rise / 2))
        y += rise
    cap = np.array([[-0.36, 0.18], [0.36, 0.18], [0.36, -0.18], [-0.36, -0.18]])
    parts.append(sweep(cap, crown_moulding(0.16, 0.5) + np.array([0, y]), CARVED, closed=True))
    return join(*parts)


def house(seed: int = 1) -> Monument:
    """A plain house of mud brick and plaster, unlike the arch in shape and colour, on ground of its own."""
    rng = np.random.default_rng(seed)
    door = Opening(x=-1.6, width=1.5, bottom=0.0, springing=2.3, arched=False)
    windows = tuple(Opening(x=x, width=0.9, bottom=1.3, springing=2.4, arched=False) for x in (-4.2, 1.2, 3.8))
    upper = tuple(Opening(x=x, width=0.8, bottom=4.2, springing=5.2, ring=0.2) for x in (-3.6, -0.9, 1.8, 4.3))
    front = Wall(
        12.0, 6.6, 0.7, (door, *windows, *upper), course=0.3, block=0.55, relief=0.015, material=Material.BRICK
    )
    side = Wall(8.0, 6.6, 0.7, upper[1:3], course=0.3, block=0.55, relief=0.015, material=Material.BRICK)
    parts = [front.solid(rng).placed(z=4.0), front.solid(rng).placed(z=4.0).placed(yaw_deg=180.0)]
    parts += [side.solid(rng).placed(z=5.65).placed(yaw_deg=yaw) for yaw in (90.0, -90.0)]
    parts.append(box((-5.9, 5.9, -3.9), (5.9, 6.2, 3.9), Material.PLASTER))
    rim = np.array([[-6.03, 4.37], [6.03, 4.37], [6.03, -4.37], [-6.03, -4.37]])
    parts.append(
        sweep(rim, np.array([[0.0, -0.8], [0.1, -0.8], [0.1, 0.12], [0.0, 0.15]]), Material.PLASTER, closed=True)
    )
    parts.append(
        sweep(rim, np.array([[0.0, 3.0], [0.06, 3.02], [0.06, 3.75], [0.0, 3.77]]), Material.PLASTER, closed=True)
    )
    for x in np.arange(-5.5, 5.6, 0.85):
        parts.append(block((0.16, 0.16, 9.6), 0.03, Material.TIMBER, rng.uniform(-1, 1)).placed(x, 5.85, 0))
    parts.append(
        Wall(4.0, 2.6, 3.0, (), course=0.3, block=0.5, relief=0.02, material=Material.PLASTER)
        .solid(rng)
        .placed(8.4, 0, 1.5)
    )
    ground = [
        terrain(seed + 53),
        rubble(np.stack([rng.uniform(-11, 11, 12), rng.uniform(6, 12, 12)], 1), seed + 53, rng),
        pebbles(300, 40.0, seed + 53, rng, free=lambda p: np.where((np.abs(p) < [10.6, 4.6]).all(1), -1.0, 1.0)),
    ]
    return built("house", join(*parts, *ground), np.array([[-7.5, -0.3, -5.5], [11.5, 8.5, 7.5]]), seed)
