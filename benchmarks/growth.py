"""How time and memory grow with the number of photos: the first 10, 25, ... of a synthetic ring and interior.

python benchmarks/growth.py [--sizes 10,25,50,100,200] [--photos FOLDER] [--out DIR]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from measuring import Measured, remodel, table
from tadmor.engine.synthetic import ring_and_interior

SIZES = (10, 25, 50, 100, 200)


def photographs(folder: Path, count: int) -> list[Path]:
    """The photos of the set in the order of the walk; computed into `folder` once, which takes minutes."""
    if not folder.exists():
        print(f"Computing {count} photographs into {folder} ...", file=sys.stderr)
        scratch = folder.with_name(f".{folder.name}.part")
        scratch.mkdir(parents=True)
        ring_and_interior(scratch, count)
        scratch.replace(folder)
    return sorted(folder.glob("*.jpg"))


def row(size: int, run: Measured) -> list[object]:
    """One line of the table."""
    placed = [len(component["views"]) for component in run.report.get("components", [])]
    return [
        size,
        run.exit_code or "",
        f"{run.seconds:.1f}",
        f"{run.seconds / size:.2f}",
        f"{run.cpu_seconds / size:.2f}",
        round(run.peak_mb),
        sum(placed),
        len(placed),
    ]


def main(given: Sequence[str] | None = None) -> int:
    """Run every size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sizes", default=",".join(map(str, SIZES)), help="numbers of photos, with commas between them"
    )
    parser.add_argument(
        "--photos", type=Path, help="folder of the set: computed there if it does not exist, then reused"
    )
    parser.add_argument("--out", type=Path, help="where results go; a temporary folder by default")
    parser.add_argument("--quality", default="standard", help="quality level")
    arguments = parser.parse_args(given)
    sizes = sorted(int(size) for size in arguments.sizes.split(","))
    with tempfile.TemporaryDirectory(prefix="tadmor-benchmark-") as scratch:
        photos = photographs((arguments.photos or Path(scratch) / "photos").resolve(), max(SIZES))
        out = (arguments.out or Path(scratch)).resolve()
        rows: list[list[object]] = []
        steps: dict[int, dict[str, float]] = {}
        for size in sizes:
            print(f"{size} photos", file=sys.stderr)
            run = remodel(photos[:size], out / f"growth-{size}", "--quality", arguments.quality)
            if run.exit_code:
                print(f"{size} photos ended with {run.exit_code}: {run.error}", file=sys.stderr)
            rows.append(row(size, run))
            steps[size] = {step["name"]: step["seconds"] / size for step in run.report.get("steps", [])}
    heading = ("photos", "exit code", "s", "s per photo", "CPU s per photo", "peak MB", "placed", "components")
    print(table(heading, rows))
    print("\nSeconds per photo by step\n")
    every = list(dict.fromkeys(step for taken in steps.values() for step in taken))
    lines = [(step, *(f"{taken[step]:.2f}" if step in taken else None for taken in steps.values())) for step in every]
    print(table(("step", *map(str, steps)), lines))
    return 0 if all(not line[1] for line in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
