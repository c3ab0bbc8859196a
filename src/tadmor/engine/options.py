"""What a person may choose about a run. Typed, frozen, read once; every field says what it does in its metadata.

`docs/options.md` is checked against these fields by a test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from tadmor.errors import UserError


class Quality(StrEnum):
    """How much work to spend."""

    DRAFT = "draft"
    STANDARD = "standard"
    FINE = "fine"


class Format(StrEnum):
    """Further files to write beside GLB and PLY."""

    OBJ = "obj"
    STL = "stl"
    USDZ = "usdz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What a quality level means in numbers. Lengths in pixels are those of a photo's long side."""

    feature_px: int = field(metadata={"doc": "photos are scaled down to this before features are detected"})
    max_features: int = field(metadata={"doc": "features kept per photo, the largest first"})
    depth_px: int = field(metadata={"doc": "photos are scaled down to this before depth is measured"})
    texture_px: int = field(metadata={"doc": "photos are scaled down to this before they become texture"})
    atlas_px: int = field(metadata={"doc": "side of the largest texture page"})
    atlas_pages: int = field(metadata={"doc": "most texture pages; when they are full the texture is scaled down"})
    max_faces: int = field(metadata={"doc": "triangles in the model, at most"})


EFFORTS: dict[Quality, Effort] = {
    Quality.DRAFT: Effort(
        feature_px=1200,
        max_features=4096,
        depth_px=640,
        texture_px=1600,
        atlas_px=4096,
        atlas_pages=1,
        max_faces=120_000,
    ),
    Quality.STANDARD: Effort(
        feature_px=1600,
        max_features=8192,
        depth_px=1100,
        texture_px=4096,
        atlas_px=8192,
        atlas_pages=1,
        max_faces=300_000,
    ),
    Quality.FINE: Effort(
        feature_px=1600,
        max_features=8192,
        depth_px=1600,
        texture_px=8192,
        atlas_px=8192,
        atlas_pages=4,
        max_faces=1_000_000,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The choices of one run."""

    quality: Quality = field(
        default=Quality.STANDARD, metadata={"doc": "draft, standard or fine: how much work to spend"}
    )
    holdout: int = field(
        default=8,
        metadata={
            "doc": "every n-th photo is kept out of the texture and used to measure the model; 0 uses all photos"
        },
    )
    formats: tuple[Format, ...] = field(
        default=(), metadata={"doc": "further files beside GLB and PLY: obj, stl, usdz"}
    )
    print_height_mm: float | None = field(
        default=None, metadata={"doc": "also write a closed, printable STL of this height in millimetres"}
    )
    metres_per_unit: float | None = field(
        default=None,
        metadata={"doc": "true length in metres of one unit of the (largest) model that is made without this option"},
    )
    seed: int = field(
        default=1, metadata={"doc": "seed of everything random; the same seed and photos give the same model"}
    )

    def __post_init__(self) -> None:
        """Refuse values that make no sense, by name."""
        if self.holdout < 0 or self.holdout == 1:
            raise UserError("bad-option", option="--holdout", reason=f"{self.holdout} is not 0 or at least 2")
        if self.print_height_mm is not None and not 5 <= self.print_height_mm <= 2000:
            raise UserError(
                "bad-option", option="--print", reason=f"{self.print_height_mm} mm is not between 5 and 2000 mm"
            )
        if self.metres_per_unit is not None and not 0 < self.metres_per_unit < math.inf:
            raise UserError("bad-option", option="--metres-per-unit", reason="the scale must be positive")

    @property
    def effort(self) -> Effort:
        """The numbers behind the quality level."""
        return EFFORTS[self.quality]

    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON values."""
        return {f.name: getattr(self, f.name) for f in fields(self)}
