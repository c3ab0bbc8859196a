"""A procedural monument and photographs of it whose cameras and surface are known: for the demo and the tests."""

from tadmor.engine.synthetic.photographs import Origin, photograph
from tadmor.engine.synthetic.sets import PALMYRA, demo_set, ring_and_interior, small_set, two_buildings
from tadmor.engine.synthetic.truth import Similarity, Truth, align, compare_cameras, compare_surface

__all__ = [
    "PALMYRA",
    "Origin",
    "Similarity",
    "Truth",
    "align",
    "compare_cameras",
    "compare_surface",
    "demo_set",
    "photograph",
    "ring_and_interior",
    "small_set",
    "two_buildings",
]
