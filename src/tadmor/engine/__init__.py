"""Photographs in, a textured model out that says how well each part of it is evidenced.

    from tadmor.engine import remodel
    result = remodel(["photos/"], "out/")

numba must have compiled something before pycolmap is imported (see colmap.py), so `warm` comes first.
"""

from tadmor.engine import warm  # must stand first
from tadmor.engine.options import Options, Quality
from tadmor.engine.pipeline import Result, remodel

__all__ = ["Options", "Quality", "Result", "remodel", "warm"]
