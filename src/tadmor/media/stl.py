"""Writing binary STL (3D Systems' StereoLithography interface specification, 1989): triangles only, for slicers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tadmor.media.atomic import replacing
from tadmor.media.mesh import I32

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_FACES_AT_ONCE = 1 << 17


def write_stl(path: Path, vertices: NDArray[np.floating[Any]], faces: I32) -> None:
    """Write vertices (n, 3) and faces (m, 3) as they are.

    STL has neither units nor axes: slicers take millimetres and Z up. Raises OSError where the file cannot be written.
    """
    with replacing(path) as file:
        file.write(b"Binary STL by Tadmor".ljust(80))  # must not begin with "solid", which marks the text form
        file.write(np.array(len(faces), "<u4").tobytes())
        for start in range(0, len(faces), _FACES_AT_ONCE):
            corners = vertices[faces[start : start + _FACES_AT_ONCE]].astype(np.float64)
            normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            lengths = np.linalg.norm(normals, axis=1, keepdims=True)
            rows = np.zeros(len(corners), _TRIANGLE)
            rows["normal"] = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
            rows["corners"] = corners
            file.write(memoryview(rows).cast("B"))
