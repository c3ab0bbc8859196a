"""Ctrl-C and SIGTERM: the first stops the run cleanly, the second, or a long wait, ends the process at once.

Python runs signal handlers between its own instructions only, so a computation inside a library may hold the first
signal back for as long as it lasts. A thread that waits on the signals' wake-up socket does not depend on that. Ending
the process from there loses nothing: workspace entries are put in place whole, so a killed run can be resumed.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from tadmor.errors import EXIT_INTERRUPTED

GRACE_SECONDS = 8.0
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STOP_WATCHING = b"\0"


@contextlib.contextmanager
def stoppable(
    first: Callable[[], None], last: Callable[[], None], *, grace_seconds: float = GRACE_SECONDS
) -> Iterator[None]:
    """Raise KeyboardInterrupt on the first signal; end the process with 130 on the second or after `grace_seconds`.

    `first` and `last` are called from another thread right after the first signal and right before such an end. Does
    nothing outside the main thread, which alone can receive signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours, theirs = socket.socketpair()
    theirs.settimeout(0)
    handler = _raising_once()
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    wakeup_before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(ours, first, last, grace_seconds), name="signals", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup_before)
        for number, previous in before.items():
            signal.signal(number, previous)
        theirs.send(_STOP_WATCHING)
        watcher.join()
        ours.close()
        theirs.close()


def _raising_once() -> Callable[[int, FrameType | None], None]:
    """Return a handler that raises on the first signal only: a second must not cut the clean-up short."""
    raised = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal raised
        if not raised:
            raised = True
            raise KeyboardInterrupt

    return handle


def _watch(ours: socket.socket, first: Callable[[], None], last: Callable[[], None], grace_seconds: float) -> None:
    signals, ends_at = 0, math.inf
    while True:
        patience = None if math.isinf(ends_at) else max(0.0, ends_at - time.monotonic())
        ready, _, _ = select.select([ours], [], [], patience)
        received = ours.recv(64) if ready else b""
        if _STOP_WATCHING in received:
            return
        before, signals = signals, signals + sum(byte in SIGNALS for byte in received)
        if signals >= 2 or not ready:
            with contextlib.suppress(Exception):  # whatever is wrong with the terminal, the process must end
                last()
            end_now(EXIT_INTERRUPTED)
        if signals > before:
            ends_at = time.monotonic() + grace_seconds
            with contextlib.suppress(Exception):
                first()


def end_now(code: int) -> None:
    """End the process without waiting for its threads, which may be deep in a computation; output is flushed."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
