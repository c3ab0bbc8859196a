"""The child's end of a sandbox: take limits upon itself, then run one task function on request after request.

Run as `python -m tadmor.media.sandbox_child MODULE:FUNCTION MEMORY_BYTES CPU_SECONDS FILE_BYTES PARENT_PID` by
`sandbox.py`, which describes the protocol.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import math
import os
import queue
import resource
import select
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tadmor.errors import EnvironmentFailure, TadmorError, UserError

PARENT_CHECK_SECONDS = 2.0

Task = Callable[[dict[str, Any]], dict[str, Any]]


def main(task: str, memory_bytes: int, cpu_seconds: int, file_bytes: int, parent_pid: int) -> None:
    """Serve until the parent ends."""
    requests_fd, replies_fd = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)  # a library that prints must not garble the replies
    module, _, function = task.partition(":")
    run: Task = getattr(importlib.import_module(module), function)
    _limit(memory_bytes, file_bytes)

    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests_fd, parent_pid, requests), daemon=True).start()
    _send(replies_fd, {"ready": True})
    while True:
        message = requests.get()
        _allow_cpu(cpu_seconds)
        reply = _reply(run, message, memory_bytes, file_bytes)
        _send(replies_fd, reply)
        if reply.get("last"):
            return


def _reply(run: Task, message: bytes, memory_bytes: int, file_bytes: int) -> dict[str, Any]:
    """Run the task; put its answer, its coded error or the way it failed into words."""
    try:
        return {"answer": run(json.loads(message))}
    except (UserError, EnvironmentFailure) as error:
        return {"error": {"kind": type(error).__name__, "code": error.code, "params": _plain(error)}}
    except Exception as error:
        if _is_lack_of_memory(error):
            return {"died": f"it needed more than {memory_bytes / 2**20:.0f} MiB of memory", "last": True}
        if isinstance(error, OSError) and error.errno == errno.EFBIG:
            return {"died": f"it wrote a file of more than {file_bytes / 2**20:.0f} MiB"}
        return {"died": f"{type(error).__name__}: {error}"}


def _is_lack_of_memory(error: Exception) -> bool:
    out_of_memory = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or out_of_memory or "nsufficient memory" in str(error)  # OpenCV's words


def _plain(error: TadmorError) -> dict[str, object]:
    return {k: v if isinstance(v, str | int | float | None) else str(v) for k, v in error.params.items()}


def _limit(memory_bytes: int, file_bytes: int) -> None:
    """Limit this process from here on: address space beyond what is mapped now, files, no core dumps."""
    mapped = 2**30
    with contextlib.suppress(OSError):
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for what, value in (
        (resource.RLIMIT_AS, mapped + memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        # An operating system may not know a limit, or may have set a lower one.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(what, (value, value))
    with contextlib.suppress(OSError):  # should memory run out, rather this process than the one that holds the work
        Path("/proc/self/oom_score_adj").write_text("800")


def _allow_cpu(seconds: int) -> None:
    """Let this process compute for `seconds` from now; then the kernel ends it with SIGXCPU."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _listen(pipe: int, parent_pid: int, requests: queue.SimpleQueue[bytes]) -> None:
    """Pass requests on; end the process, whatever it is doing, once the parent is gone.

    PR_SET_PDEATHSIG would not do: it fires when the parent's *thread* that started this process ends. End of file alone
    would not do: the parent's forks hold the pipe open as well.
    """
    buffer = bytearray()
    while os.getppid() == parent_pid:
        if not select.select([pipe], [], [], PARENT_CHECK_SECONDS)[0]:
            continue
        part = os.read(pipe, 65536)
        if not part:
            break
        buffer += part
        while len(buffer) >= 4 and len(buffer) >= 4 + struct.unpack(">I", buffer[:4])[0]:
            end = 4 + struct.unpack(">I", buffer[:4])[0]
            requests.put(bytes(buffer[4:end]))
            del buffer[:end]
    os._exit(0)


def _send(pipe: int, reply: dict[str, Any]) -> None:
    body = json.dumps(reply).encode()
    data = memoryview(struct.pack(">I", len(body)) + body)
    while data:
        data = data[os.write(pipe, data) :]


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
