"""What every step is given: where to keep work, what was chosen, who computes, whom to tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tadmor.engine.compute import Compute
from tadmor.engine.options import Options
from tadmor.engine.progress import Progress, StepRecord
from tadmor.engine.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Job:
    """One run of the engine."""

    workspace: Workspace
    options: Options
    compute: Compute
    progress: Progress

    def fill[Task](
        self, record: StepRecord, function: Callable[[Task], None], entries: Sequence[Path], tasks: Sequence[Task]
    ) -> None:
        """Run `function`, which writes a task's entry, on the tasks whose entry does not stand in the workspace yet."""
        missing = [task for entry, task in zip(entries, tasks, strict=True) if not entry.exists()]
        reused = len(tasks) - len(missing)
        record.reused += reused
        if reused:
            self.progress.advance(reused)
        self.compute.map(function, missing, self.progress.advance)
