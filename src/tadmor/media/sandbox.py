"""Child processes in which files from strangers are parsed, so that a hostile or broken file harms nobody but itself.

A `Sandbox` keeps a few long-lived children, each a fresh interpreter (never a fork: the parent has threads) that runs
one task function under limits on memory, processor time and file size. Requests and replies are JSON behind a
four-byte length; nothing that comes back is ever unpickled. A child that dies or overruns is replaced. See
`sandbox_child.py` for the other end.

What this does not do: a child has the user's own rights to files and network. It contains crashes, bombs and endless
loops; it is not a prison for code that has taken a decoder over.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tadmor.errors import MESSAGES, EnvironmentFailure, TadmorError, UserError

START_SECONDS = 120.0
REPLY_LIMIT_BYTES = 4 * 2**20

# The rest of the environment may hold secrets, and a parser needs none of it.
_KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_", "LD_LIBRARY_PATH", "DYLD_", "PYTHON", "OPENBLAS_", "SYSTEMROOT")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one task may use.

    `memory_bytes` of address space beyond what an idle child has mapped; `cpu_seconds` of processor time a task;
    `wall_seconds` a task, for one that waits instead of computing; `file_bytes` is the largest file it may write.
    """

    memory_bytes: int = 3 * 2**30
    cpu_seconds: int = 60
    wall_seconds: float = 300.0
    file_bytes: int = 2 * 2**30


class TaskDied(Exception):  # noqa: N818 - the event is the name
    """A task ended without an answer: it crashed or exceeded a limit. `reason` says so in words."""

    def __init__(self, reason: str, *, may_be_left_over: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_be_left_over = may_be_left_over  # an earlier file may have damaged this child


class Sandbox:
    """A pool of children that all run `task`, "package.module:function" from JSON object to JSON object.

    Safe to call from several threads at once; each call takes one idle child. Children start when first needed, and end
    when the pool is closed or when this process ends in whatever way.
    """

    def __init__(self, task: str, *, workers: int = 2, limits: Limits | None = None) -> None:
        self._task = task
        self._limits = limits or Limits()
        self._idle: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        for _ in range(workers):
            self._idle.put(None)
        self._lock = threading.Lock()
        self._children: set[_Child] = set()
        self._closed = threading.Event()
        self._scratch = tempfile.TemporaryDirectory(prefix="tadmor-sandbox-")

    def call(self, request: Mapping[str, object]) -> dict[str, Any]:
        """Run the task on `request` and return its answer, which is no more trustworthy than the file it comes from.

        Raises the UserError or EnvironmentFailure that the task raised; TaskDied where it crashed, broke a limit or
        answered nonsense; RuntimeError where a child cannot even start, which is never the file's fault, or where the
        sandbox is closed.
        """
        message = json.dumps(request).encode()
        child = self._idle.get()
        try:
            child = child or self._start()
            try:
                reply = child.ask(message)
            except TaskDied as death:
                if self._closed.is_set():
                    raise RuntimeError("the sandbox was closed") from None
                # A file may leave the heap damaged so that the next file's task dies of it: judge that one afresh.
                if not death.may_be_left_over:
                    raise
                self._discard(child)
                child = self._start()
                reply = child.ask(message)
            return _answer(reply)
        finally:
            if child is not None and not child.alive:
                self._discard(child)
                child = None
            self._idle.put(child)

    def close(self) -> None:
        """End the children; calls still under way raise RuntimeError."""
        with self._lock:
            self._closed.set()
            children, self._children = self._children, set()
        for child in children:
            child.end()
        self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> _Child:
        if self._closed.is_set():
            raise RuntimeError("the sandbox is closed")
        child = _Child(self._task, self._limits, self._scratch.name)
        with self._lock:
            self._children.add(child)
        if self._closed.is_set():  # meanwhile
            self._discard(child)
            raise RuntimeError("the sandbox is closed")
        return child

    def _discard(self, child: _Child) -> None:
        child.end()
        with self._lock:
            self._children.discard(child)


class _Child:
    """One child process, asked one thing at a time."""

    def __init__(self, task: str, limits: Limits, scratch: str) -> None:
        self.alive = True
        self._limits = limits
        self._asked = 0
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child, closed in end()
        parameters = (limits.memory_bytes, limits.cpu_seconds, limits.file_bytes, os.getpid())
        # -P keeps the working folder off the import path: it may be a stranger's folder with a json.py in it.
        module = ("-m", "tadmor.media.sandbox_child", task)
        command = [sys.executable, "-P", "-W", "ignore", *module, *map(str, parameters)]
        environment = {k: v for k, v in os.environ.items() if k.startswith(_KEPT_ENVIRONMENT)}
        # One heap: every further one that glibc sets up for a thread takes 128 MiB of the address space allowed.
        own = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MALLOC_ARENA_MAX"), "1")
        self._process = subprocess.Popen(  # noqa: S603 - the command is our own interpreter and module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            bufsize=0,
            env={**environment, **own, "TMPDIR": scratch},
            start_new_session=True,  # Ctrl-C is the parent's to handle
        )
        try:
            self._receive(START_SECONDS)
        except (EOFError, TimeoutError, ValueError):
            text = self._said()
            self.end()
            raise RuntimeError(f"a child process for {task} did not start:\n{text}") from None
        except BaseException:
            self.end()
            raise

    def ask(self, message: bytes) -> dict[str, Any]:
        """Send a request and wait for its reply. Raises TaskDied, after which the child is not alive."""
        self._asked += 1
        answered = False
        try:
            self._send(message)
            reply = self._receive(self._limits.wall_seconds)
            answered = True
        except TimeoutError:
            raise TaskDied(f"it took more than {self._limits.wall_seconds:g} s") from None
        except ValueError:
            raise TaskDied("it answered nonsense") from None
        except (EOFError, BrokenPipeError):
            raise self._death() from None
        finally:
            self.alive = answered
        if reply.get("last"):
            self.alive = False
        if "died" in reply:
            raise TaskDied(str(reply["died"])[:500], may_be_left_over=not self.alive and self._asked > 1)
        return reply

    def end(self) -> None:
        """Kill the process, whatever it does, and free what it held here."""
        self.alive = False
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        self._complaints.close()

    def _death(self) -> TaskDied:
        """Say how the process ended, from its exit status."""
        try:
            status = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return TaskDied("it stopped answering")
        left_over = self._asked > 1
        if status == -signal.SIGXCPU:
            return TaskDied(f"it took more than {self._limits.cpu_seconds} s of processor time")
        if status == -signal.SIGKILL:
            return TaskDied("it was killed, as happens when the machine runs out of memory", may_be_left_over=left_over)
        if status < 0:
            return TaskDied(f"it crashed with {signal.Signals(-status).name}", may_be_left_over=left_over)
        return TaskDied(f"it ended with status {status}", may_be_left_over=left_over)

    def _send(self, message: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(struct.pack(">I", len(message)) + message)

    def _receive(self, seconds: float) -> dict[str, Any]:
        """Read one reply. Raises TimeoutError, EOFError, or ValueError where it is no JSON object of bounded size."""
        deadline = time.monotonic() + seconds
        (size,) = struct.unpack(">I", self._read(4, deadline))
        if size > REPLY_LIMIT_BYTES:
            raise ValueError("the reply is too long")
        reply = json.loads(self._read(size, deadline))
        if not isinstance(reply, dict):
            raise ValueError("the reply is not an object")
        return reply

    def _read(self, count: int, deadline: float) -> bytes:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        parts = bytearray()
        while len(parts) < count:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError
            part = os.read(pipe, count - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def _said(self) -> str:
        self._complaints.seek(0)
        return self._complaints.read()[-4000:].decode(errors="replace")


def _answer(reply: dict[str, Any]) -> dict[str, Any]:
    """Return the answer in a reply, or raise the error it reports."""
    if "error" in reply:
        raise _error(reply["error"])
    answer = reply.get("answer")
    if not isinstance(answer, dict):
        raise TaskDied("it answered nonsense")
    return answer


def _error(told: Any) -> TadmorError | TaskDied:
    """Rebuild a coded error from a child's words, trusting neither its code nor its parameters."""
    kinds: dict[str, type[TadmorError]] = {"UserError": UserError, "EnvironmentFailure": EnvironmentFailure}
    try:
        kind, code, parameters = kinds[told["kind"]], str(told["code"]), dict(told["params"])
        if code in MESSAGES and all(isinstance(value, str | int | float | None) for value in parameters.values()):
            return kind(code, **parameters)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        pass
    return TaskDied("it answered nonsense")
