"""The documentation says all and nothing but what the code does, as far as a program can tell."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tadmor import errors
from tadmor.cli import cli
from tadmor.engine.options import Effort, Options
from tadmor.engine.progress import STEPS
from tadmor.engine.verdicts import Outcome

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts/reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", [p for p in PAGES if "from the code:" in p.read_text()], ids=lambda p: p.name)
def test_what_follows_from_the_code_is_current(page: Path, reference: ModuleType) -> None:
    before = page.read_text(encoding="utf-8")
    assert reference.renewed(before) == before, "run `make docs`"


def test_no_part_is_forgotten(reference: ModuleType) -> None:
    everything = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"<!-- from the code: ([\w-]+) -->", everything)) == set(reference.PARTS)


@pytest.mark.parametrize("kind", [Options, Effort])
def test_every_field_is_documented(kind: Any) -> None:
    for name in kind.__dataclass_fields__:
        assert f"| `{name}` |" in text("docs/options.md")


def test_every_option_of_the_command_line_is_documented() -> None:
    for command in cli.commands.values():
        assert f"tadmor {command.name}" in text("docs/use.md")
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert all(
                    f"`{name}" in text("docs/use.md") or f", {name}" in text("docs/use.md") for name in parameter.opts
                )


def test_every_error_code_is_documented_and_its_words_hold() -> None:
    for code, message in errors.MESSAGES.items():
        assert f"| `{code}` | {message.what} | {message.advice} |" in text("docs/errors.md")


def test_every_error_code_in_the_code_exists() -> None:
    raised = re.compile(r"(?:UserError|EnvironmentFailure|Interrupted)\(\s*\"([\w-]+)\"")
    used = {code for path in (ROOT / "src").rglob("*.py") for code in raised.findall(path.read_text(encoding="utf-8"))}
    assert used <= set(errors.MESSAGES)


def test_every_exit_code_is_documented() -> None:
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    table = text("docs/use.md").split("## Exit codes")[1].split("\n## ")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == codes
    schema = json.loads(text("docs/formats/events.schema.json"))
    assert {*schema["$defs"]["error"]["properties"]["exit_code"]["enum"], 0} == codes


def names_in(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for value in schema.values():
            yield from names_in(value)


def test_every_field_of_an_event_is_documented() -> None:
    section = text("docs/use.md").split("## For programs: --json")[1].split("\n## ")[0]
    for name in names_in(json.loads(text("docs/formats/events.schema.json"))):
        assert f"`{name}`" in section, name


def test_every_verdict_is_documented() -> None:
    for outcome in Outcome:
        assert f"| `{outcome}` |" in text("docs/formats/report.md")


def test_every_step_is_in_the_architecture() -> None:
    for step in STEPS:
        assert re.search(rf"\b{step}\b", text("ARCHITECTURE.md")), step


def test_every_kind_of_entry_is_in_the_workspaces_tree() -> None:
    tree = text("ARCHITECTURE.md").split("## The workspace")[1].split("\n## ")[0]
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/tadmor/engine").rglob("*.py"))
    kinds = set(re.findall(r"\bentry\(\s*\"(\w+)\"", code)) | {"photos", "scratch"}
    assert kinds == set(re.findall(r"(?:^|\s)([a-z]+)/", tree))


def anchor(heading: str) -> str:
    """Anchor of a heading as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, fragment = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if fragment:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert fragment in map(anchor, headings), target


def test_paths_in_the_architecture_exist() -> None:
    tree = text("ARCHITECTURE.md").split("## Where things are")[1].split("\n## ")[0]
    for path in re.findall(r"`((?:src|docs|tests|benchmarks|scripts)/[\w/.*-]+)`", tree):
        assert list(ROOT.glob(path)), path
