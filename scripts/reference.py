"""Writes the parts of docs/ that follow from the code: options, errors. `make docs` runs it; a test checks the result.

Each part stands between `<!-- from the code: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import Field, fields
from pathlib import Path

import click

from tadmor.cli import cli
from tadmor.engine.options import EFFORTS, Effort, Options, Quality
from tadmor.errors import MESSAGES

DOCS = Path(__file__).resolve().parent.parent / "docs"
PART = re.compile(r"(<!-- from the code: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
OPTION_OF = {"print_height_mm": "--print"}
"""Command-line options whose name is not the field's."""


def table(heading: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Write a Markdown table."""
    lines = [heading, tuple("---" for _ in heading), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def command_options(name: str) -> str:
    """Every option of a command, with its help and default."""
    command = cli.commands[name]
    rows = []
    for option in command.params:
        if not isinstance(option, click.Option):
            continue
        context = click.Context(command)
        value = "" if option.is_flag else f" {option.make_metavar(context)}"
        default = f" Default: {option.default}." if option.show_default else ""
        rows.append((f"`{', '.join([*option.opts])}{value}`", f"{option.help}{default}"))
    return table(("Option", "What it does"), rows)


def options_table() -> str:
    """Every field of Options."""
    rows = [(f"`{f.name}`", _option(f), _value(f.default), _doc(f)) for f in fields(Options)]
    return table(("Field of `Options`", "Option of `tadmor remodel`", "Default", "What it does"), rows)


def effort_table() -> str:
    """Every field of Effort, at every quality."""
    rows = [
        (f"`{f.name}`", *(f"{getattr(EFFORTS[q], f.name):,}".replace(",", " ") for q in Quality), _doc(f))
        for f in fields(Effort)
    ]
    return table(("Field of `Effort`", *(q.value for q in Quality), "What it does"), rows)


def errors_table() -> str:
    """Every coded error; the fields in braces are filled in."""
    return table(("Code", "What happened", "What to do"), [(f"`{c}`", m.what, m.advice) for c, m in MESSAGES.items()])


def _option(option: Field[object]) -> str:
    return f"`{OPTION_OF.get(option.name, '--' + option.name.replace('_', '-'))}`"


def _value(value: object) -> str:
    return "none" if value is None or value == () else f"`{getattr(value, 'value', value)}`"


def _doc(described: Field[object]) -> str:
    return str(described.metadata["doc"])


PARTS = {
    "remodel-options": lambda: command_options("remodel"),
    "demo-options": lambda: command_options("demo"),
    "options": options_table,
    "effort": effort_table,
    "errors": errors_table,
}


def renewed(page: str) -> str:
    """Return a page with its parts as the code has them now; raises KeyError for a part that there is not."""
    return PART.sub(lambda found: f"{found[1]}{PARTS[found['name']]()}{found[3]}", page)


if __name__ == "__main__":
    for path in sorted(DOCS.rglob("*.md")):
        before = path.read_text(encoding="utf-8")
        path.write_text(renewed(before), encoding="utf-8")
