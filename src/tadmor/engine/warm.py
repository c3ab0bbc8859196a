"""Settles the order in which LLVM (numba) and pycolmap enter the process: imported first by the package, before
colmap.py.
"""

from numba import njit


@njit  # type: ignore[untyped-decorator]  # numba ships no types
def _first(value: int) -> int:
    return value + 1


READY: int = _first(0)
