"""The evidence drawn as on an excavation plan: solid is observed, hatched weakly observed, dashed inferred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tadmor.engine.scene import F32, F64, I32, U8
from tadmor.engine.surface.evidence import CLASS_COLOURS, EvidenceClass

HATCH_PX, HATCH_WIDTH_PX = 7.0, 1.6
DASH_ROW_PX, DASH_PX, DASH_GAP_PX, DASH_WIDTH_PX = 6.0, 6.0, 4.0, 1.4
DARKEST = 0.62


@dataclass(frozen=True, slots=True)
class Palette:
    """sRGB colours: of the classes in the order of EvidenceClass, of the hatching and of the dashes."""

    classes: tuple[str, str, str]
    hatching: str
    dashes: str


LIGHT = Palette(
    (
        f"#{bytes(CLASS_COLOURS[0]).hex()}",
        f"#{bytes(CLASS_COLOURS[1]).hex()}",
        f"#{bytes(CLASS_COLOURS[2]).hex()}",
    ),
    "#80560a",
    "#7f3f66",
)
DARK = Palette(("#6d3f5b", "#efc063", "#4a96c9"), "#7a5410", "#dfaecb")


def face_classes(faces: I32, classes: U8) -> U8:
    """Class of every face (m,): a face is as good as its least evidenced corner."""
    least: U8 = classes[faces].min(axis=1)
    return least


def headlight(vertices: F64, faces: I32, face: I32, rotation: F64) -> F32:
    """How squarely each pixel's face (h, w), -1 for none, looks at a camera: 1 straight on, 0 edge on."""
    drawn = np.zeros(len(faces) + 1, np.bool_)
    drawn[face.ravel()] = True  # -1 marks the last, which is no face
    rows = np.flatnonzero(drawn[:-1])
    corner = vertices[faces[rows]]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    of_face = np.zeros(len(faces) + 1, np.float32)
    of_face[rows] = np.abs(normal @ rotation[2]) / np.maximum(np.linalg.norm(normal, axis=1), 1e-30)
    shade: F32 = of_face[face]
    return shade


def draw_evidence(pixel_class: I32, shade: F32, palettes: Sequence[Palette], *, px: float = 1.0) -> list[U8]:
    """Draw evidence classes per pixel (h, w), -1 for none: (h, w, 3) uint8 BGR in each palette.

    `shade` (h, w) in 0..1 lets the form be seen; `px` is the size of a final pixel where the picture is drawn larger
    in order to be scaled down.
    """
    row, column = np.indices(pixel_class.shape, dtype=np.float32) / np.float32(px)
    hatched = ((row + column) / np.sqrt(2) % HATCH_PX < HATCH_WIDTH_PX) & (pixel_class == EvidenceClass.WEAKLY_OBSERVED)
    stagger = (row // DASH_ROW_PX % 2) * (DASH_PX + DASH_GAP_PX) / 2
    dashed = (row % DASH_ROW_PX < DASH_WIDTH_PX) & ((column + stagger) % (DASH_PX + DASH_GAP_PX) < DASH_PX)
    dashed &= pixel_class == EvidenceClass.INFERRED
    light = np.where(pixel_class >= 0, DARKEST + (1 - DARKEST) * shade, 0).astype(np.float32)[..., None]
    drawings = []
    for palette in palettes:
        colours = np.array([_bgr(c) for c in palette.classes], np.float32)
        drawing: U8 = np.rint(colours[np.maximum(pixel_class, 0)] * light).astype(np.uint8)
        drawing[hatched] = _bgr(palette.hatching)
        drawing[dashed] = _bgr(palette.dashes)
        drawings.append(drawing)
    return drawings


def _bgr(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour[1:])
    return blue, green, red
