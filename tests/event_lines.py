"""The lines that `--json` prints, checked against the published schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = json.loads((Path(__file__).parent.parent / "docs/formats/events.schema.json").read_text())


def events(output: str) -> list[dict[str, Any]]:
    """Parse the lines of --json and hold them against the schema."""
    lines = [json.loads(line) for line in output.splitlines()]
    for line in lines:
        jsonschema.validate(line, SCHEMA)
    return lines
