"""Sets of photographs, each with its truth: the demo, a tour, two buildings in one folder, a small one."""

from __future__ import annotations

from pathlib import Path

from tadmor.engine.synthetic.cameras import Stand, arc, street, turn
from tadmor.engine.synthetic.monument import arch, arch_with_cella, house
from tadmor.engine.synthetic.photographs import Origin, photograph
from tadmor.engine.synthetic.truth import Truth

PALMYRA = Origin(34.5503, 38.2685, 405.0)


def demo_set(
    folder: Path,
    *,
    width: int = 1200,
    height: int = 800,
    seed: int = 0,
    origin: Origin | None = None,
) -> Truth:
    """Take 24 photos of the arch from an arc of 150 degrees: 14 from eye height, 10 from 5 m up, 11.5 degrees apart.

    `folder`, `width` and `height` (pixels), `origin` as in `photograph`.
    """
    low = arc(14, radius=25.0, degrees=150.0, height=1.7, target=(0.0, 5.0, 0.0), seed=seed)
    high = arc(10, radius=23.0, degrees=104.0, height=5.0, target=(0.0, 5.6, 0.0), seed=seed + 1)
    return photograph(arch(seed), low + high, folder, width=width, height=height, seed=seed, origin=origin)


def small_set(
    folder: Path,
    *,
    width: int = 800,
    height: int = 533,
    seed: int = 0,
    origin: Origin | None = None,
) -> Truth:
    """Take 8 photos of the arch from an arc of 63 degrees, in a few seconds: for tests. Arguments as in `demo_set`."""
    stands = arc(8, radius=21.0, degrees=63.0, height=1.9, target=(0.0, 5.2, 0.0), seed=seed)
    return photograph(arch(seed), stands, folder, width=width, height=height, seed=seed, origin=origin)


def tour(photos: int = 200, *, seed: int = 0) -> tuple[Stand, ...]:
    """Stands around the arch and its cella, through the passage and the doorway, and inside the cella. At least 40."""
    inside, walk = round(photos * 0.3), round(photos * 0.15)
    low = round((photos - inside - walk) * 0.6)
    high = photos - inside - walk - low
    middle, room = (0.0, 4.6, -9.0), (0.0, -16.0)
    lower = inside // 2
    return (
        *arc(low, radius=33.0, degrees=360.0 * (1 - 1 / low), height=1.7, target=middle, seed=seed),
        *arc(
            high, radius=30.0, degrees=360.0 * (1 - 1 / high), height=6.0, target=middle, middle_deg=3.0, seed=seed + 1
        ),
        *street(walk, start=(0.0, 21.0), end=(0.0, -11.0), seed=seed + 2),
        *turn(lower, centre=room, radius=3.6, height=1.7, aim_height=3.2, seed=seed + 3),
        *turn(inside - lower, centre=room, radius=2.6, height=2.4, aim_height=4.4, seed=seed + 4),
    )


def ring_and_interior(
    folder: Path, photos: int = 200, *, width: int = 1200, height: int = 800, seed: int = 0, every: int = 1
) -> Truth:
    """Take a `tour` of `photos` stands around and into the arch with its cella; of them only each `every`-th."""
    stands = tour(photos, seed=seed)[::every]
    return photograph(arch_with_cella(seed), stands, folder, width=width, height=height, seed=seed)


def two_buildings(
    folder: Path, *, photos: int = 12, width: int = 1000, height: int = 667, seed: int = 0
) -> tuple[Truth, Truth]:
    """Take `photos` each of the arch (arch_001.jpg ...) and of a brick house (house_001.jpg ...) in one folder.

    Returns a truth for each; the two share no frame.
    """
    degrees = 8.0 * photos
    around = arc(photos, radius=23.0, degrees=degrees, height=1.7, target=(0.0, 5.0, 0.0), seed=seed)
    beside = arc(
        photos, radius=15.0, degrees=degrees, height=1.7, target=(0.0, 3.2, 2.0), middle_deg=20.0, seed=seed + 1
    )
    first = photograph(arch(seed), around, folder, width=width, height=height, seed=seed, prefix="arch")
    other = photograph(house(seed + 1), beside, folder, width=width, height=height, seed=seed + 1, prefix="house")
    return first, other
