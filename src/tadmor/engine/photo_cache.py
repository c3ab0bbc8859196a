"""The most recently used full-size photographs in memory, up to a limit: several charts need the same painter."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

import cv2

from tadmor.engine.scene import U8

LIMIT_BYTES = 600_000_000


class PhotoCache:
    """Decoded photos (h, w, 3) uint8 BGR by path and size; thread-safe; a photo is decoded by one thread only."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self._photos: OrderedDict[tuple[Path, int], U8] = OrderedDict()
        self._locks: dict[tuple[Path, int], threading.Lock] = {}
        self._guard = threading.Lock()

    def get(self, path: Path, long_side_px: int) -> U8:
        """Return the photo, scaled down to at most `long_side_px`."""
        key = (path, long_side_px)
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            with self._guard:
                if key in self._photos:
                    self._photos.move_to_end(key)
                    return self._photos[key]
            photo = _decode(path, long_side_px)
            with self._guard:
                self._photos[key] = photo
                while sum(p.nbytes for p in self._photos.values()) > self.limit_bytes and len(self._photos) > 1:
                    self._photos.popitem(last=False)
            return photo


def _decode(path: Path, long_side_px: int) -> U8:
    photo: U8 | None = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if photo is None:
        raise FileNotFoundError(f"{path} has gone from the workspace")
    scale = long_side_px / max(photo.shape[:2])
    if scale >= 1:
        return photo
    size = (round(photo.shape[1] * scale), round(photo.shape[0] * scale))
    smaller: U8 = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    return smaller


SHARED = PhotoCache()
"""One cache a process, for the tasks that run in it."""
