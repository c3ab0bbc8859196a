"""Settles the order in which numba's LLVM and pycolmap enter the process: the package imports it before colmap.py."""

from numba import njit


@njit  # type: ignore[untyped-decorator]  # numba ships no types
def _first(value: int) -> int:
    return value + 1


READY: int = _first(0)
