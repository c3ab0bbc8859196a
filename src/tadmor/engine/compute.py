"""Runs the per-photo, per-pair and per-view work on this machine's cores or on a Dask cluster.

Tasks are plain functions that read and write the workspace, which a cluster shares, and return little: it makes no
difference where they run. Locally they run on threads (numba kernels, OpenCV and file access release the GIL), which
spares every task a copy of its arrays.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import dask

from tadmor.errors import EnvironmentFailure

PATIENCE_SECONDS = 10.0
"""How long a scheduler may take to answer."""


class Compute:
    """Maps functions over items. A context manager; closing it ends the cluster connection.

    `workers` is how many tasks run at once, on a cluster its threads; `threads` is how many threads a computation in
    this process may use.
    """

    def __init__(self, workers: int | None = None, scheduler: str | None = None) -> None:
        self.threads = self.workers = workers or len(os.sched_getaffinity(0))
        self.scheduler = scheduler
        self._client: Any = None

    def __enter__(self) -> Self:
        if self.scheduler is not None:
            from dask.distributed import Client  # noqa: PLC0415  # costs a second; only clusters need it

            try:
                self._client = Client(self.scheduler, timeout=PATIENCE_SECONDS)
            except (OSError, ValueError) as error:
                raise EnvironmentFailure("no-scheduler", address=self.scheduler, reason=error) from error
            self.workers = sum(self._client.nthreads().values())
            if not self.workers:
                self._client.close()
                raise EnvironmentFailure("no-workers", address=self.scheduler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()

    def require(self, folder: Path) -> None:
        """Make sure that every worker of a cluster sees a folder of this machine.

        Raises EnvironmentFailure `workspace-not-shared`.
        """
        if self._client is None:
            return
        blind = [worker for worker, there in self._client.run(folder.is_dir).items() if not there]
        if blind:
            raise EnvironmentFailure("workspace-not-shared", path=folder, worker=blind[0])

    def map[Item, Result](
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        advance: Callable[[], None] = lambda: None,
        *,
        here: bool = False,
    ) -> list[Result]:
        """Apply `function` to every item, in any order, and return the results in the items' order.

        `advance` is called after every finished item. `here`: on this machine even when there is a cluster. The first
        exception of a task is raised here.
        """
        todo: Sequence[Item] = list(items)
        if not todo:
            return []
        if self._client is not None and not here:
            return self._map_cluster(function, todo, advance)
        if self.threads == 1 or len(todo) == 1:
            return [_then(function(item), advance) for item in todo]
        lock = threading.Lock()

        def work(item: Item) -> Result:
            result = function(item)
            with lock:
                advance()
            return result

        tasks = [dask.delayed(partial(work, item), pure=False, traverse=False)() for item in todo]
        results: list[Result] = list(
            dask.compute(*tasks, scheduler="threads", num_workers=self.threads, optimize_graph=False)
        )
        _give_memory_back()
        return results

    def _map_cluster[Item, Result](
        self, function: Callable[[Item], Result], todo: Sequence[Item], advance: Callable[[], None]
    ) -> list[Result]:
        from dask.distributed import as_completed  # noqa: PLC0415  # see __enter__
        from distributed.scheduler import KilledWorker  # noqa: PLC0415

        futures = self._client.map(function, todo, pure=False, retries=2)
        try:
            for future in as_completed(futures):
                future.result()
                advance()
            return list(self._client.gather(futures))
        except KilledWorker as error:
            raise EnvironmentFailure(
                "workers-lost", step=getattr(function, "__name__", "a step"), reason=error
            ) from error
        finally:
            self._client.cancel(futures)


def _give_memory_back() -> None:
    """Return freed memory to the system where the C library can, so that the steps' peaks do not add up."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _then[Result](result: Result, advance: Callable[[], None]) -> Result:
    advance()
    return result
