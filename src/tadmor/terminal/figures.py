"""The main figures of a run, as plain values: what the JSON result holds and what people are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tadmor.engine import Result
    from tadmor.engine.record import ComponentRecord
    from tadmor.engine.steps.quality import PhotoScore


def figures(result: Result) -> dict[str, Any]:
    """Paths, photographs by verdict, and for every component its size, scores and evidence."""
    record = result.record
    outcomes = Counter(verdict.outcome.value for verdict in record.verdicts)
    return {
        "out": str(result.out),
        "report": str(result.report),
        "report_json": str(result.out / "report.json"),
        "workspace": str(record.workspace),
        "seconds": round(record.seconds, 3),
        "synthetic": record.synthetic,
        "photos": {"given": len(record.verdicts), "used": outcomes["used"], "by_verdict": dict(outcomes)},
        "components": [_component(component, result.out) for component in record.components],
    }


def _component(component: ComponentRecord, out: Path) -> dict[str, Any]:
    folder = out / component.folder
    evidence = component.evidence
    return {
        "number": component.number,
        "folder": str(folder),
        "model": str(folder / "model.glb") if component.files else None,
        "photos": len(component.scene.views),
        "vertices": component.vertices,
        "faces": component.faces,
        "unit": component.unit,
        "held_out": _mean([score for score in component.scores if score.held_out]),
        "in_texture": _mean([score for score in component.scores if not score.held_out]),
        "area_share": evidence and {kind.name.lower(): round(part, 4) for kind, part in evidence.area_share.items()},
        "problem": component.problem,
    }


def _mean(scores: Sequence[PhotoScore]) -> dict[str, float] | None:
    """Means over photos, None without any."""
    if not scores:
        return None
    names = ("psnr_db", "psnr_fit_db", "ssim", "coverage")
    means = {name: round(sum(getattr(s.score, name) for s in scores) / len(scores), 4) for name in names}
    return {"photos": len(scores), **means}
