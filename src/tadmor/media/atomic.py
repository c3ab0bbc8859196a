"""Writing a file so that its name only ever stands for a whole one."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that takes `path`'s place if the block ends well; else what stood there before still stands.

    Raises OSError where the folder cannot be written or the disk is full.
    """
    scratch = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with scratch.open("wb") as file:
            yield file
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
