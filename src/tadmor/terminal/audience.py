"""Whom a command talks to: a person, by progress and sentences, or a program, by one JSON object a line."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from tadmor.errors import EXIT_BUG, EXIT_OK, EXIT_USAGE, TadmorError
from tadmor.terminal.figures import figures

if TYPE_CHECKING:
    from tadmor.engine import Result
    from tadmor.engine.progress import Event
    from tadmor.terminal.display import Display

BUG_REPORT_TEXT = (
    "This is our fault, not yours. Please report it with the text above, at the address in the README. Nothing was lost"
)


class Audience(Protocol):
    """What a command has to say, whoever listens. `step` names the running step."""

    step: str

    def open(self) -> None:
        """Work begins."""

    def listen(self, event: Event) -> None:
        """One moment of the run."""

    def note(self, text: str) -> None:
        """A sentence on the way."""

    def result(self, result: Result) -> None:
        """The run ended well."""

    def error(self, error: TadmorError) -> None:
        """The run ended with a coded error."""

    def usage(self, error: click.ClickException) -> None:
        """The command was called wrongly."""

    def bug(self, error: BaseException, workspace: Path | None) -> None:
        """The program is at fault."""

    def close(self) -> None:
        """Nothing more will be said about the running work."""


class Person:
    """Progress, notes and errors on stderr; what came of the run on stdout, with `quiet` only the report's path."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.step = ""
        self._quiet = quiet
        self._display: Display | None = None

    def _shown(self) -> Display:
        if self._display is None:
            from tadmor.terminal.display import NoDisplay, display_on  # noqa: PLC0415  # rich, once there is something

            self._display = NoDisplay() if self._quiet else display_on(sys.stderr)
        return self._display

    def open(self) -> None:
        """Show at once that something goes on."""
        self._shown()

    def listen(self, event: Event) -> None:
        """Show one moment of the run."""
        self.step = event.step
        self._shown().show(event)

    def note(self, text: str) -> None:
        """Show a sentence on the way."""
        self._shown().say(text)

    def close(self) -> None:
        """Take the display away."""
        if self._display is not None:
            self._display.close()
            self._display = None

    def result(self, result: Result) -> None:
        """Print the main figures and the report's path."""
        self.close()
        page = os.fsencode(result.report)  # the path's own bytes, whatever their encoding
        if self._quiet:
            _print(page)
            return
        for line in _sentences(figures(result)):
            _print(line.encode("utf-8", "backslashreplace"))
        _print(b"Report: " + page)

    def error(self, error: TadmorError) -> None:
        """Print what happened, what to do now, and the code."""
        self.close()
        if error.code == "interrupted":
            happened = click.style(error.what, fg="yellow", bold=True)
        else:
            happened = f"{_error_word()}: {error.what}"
        _complain(f"{happened}\n{error.advice}\n{_code(error.code)}")

    def usage(self, error: click.ClickException) -> None:
        """Print how the command is called and what was wrong."""
        self.close()
        context = error.ctx if isinstance(error, click.UsageError) else None
        if context is not None:
            _complain(context.get_usage())
            _complain(f"Try '{context.command_path} --help' for help.\n")
        _complain(f"{_error_word()}: {error.format_message()}\n{_code('usage')}")

    def bug(self, error: BaseException, workspace: Path | None) -> None:
        """Print the traceback and whose fault it is."""
        self.close()
        _complain("".join(traceback.format_exception(error)))
        where = f": finished work is kept in {os.fsdecode(workspace)}." if workspace else "."
        _complain(f"{_error_word()}: {BUG_REPORT_TEXT}{where}\n{_code('bug')}")


class Program:
    """One JSON object a line on stdout, as docs/use.md describes; with `quiet` only the last: "result" or "error"."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.step = ""
        self._quiet = quiet

    def open(self) -> None:
        """Nothing to write yet."""

    def listen(self, event: Event) -> None:
        """Write a "progress" or a "note" object."""
        self.step = event.step
        if event.kind == "note":
            self.note(event.text)
        elif not self._quiet:
            values = dataclasses.asdict(event)
            del values["text"]
            for name in ("seconds_left", "seconds", "fraction"):
                values[name] = None if values[name] is None else round(values[name], 3)
            _write({"event": "progress", **values})

    def note(self, text: str) -> None:
        """Write a "note" object."""
        if not self._quiet:
            _write({"event": "note", "text": text})

    def close(self) -> None:
        """Nothing to take away."""

    def result(self, result: Result) -> None:
        """Write the "result" object."""
        _write({"event": "result", "exit_code": EXIT_OK, **figures(result)})

    def error(self, error: TadmorError) -> None:
        """Write the "error" object."""
        _write(_error(error.code, error.what, error.advice, error.exit_code))

    def usage(self, error: click.ClickException) -> None:
        """Write an "error" object with the code "usage"."""
        _write(_error("usage", error.format_message(), "See `tadmor --help`.", EXIT_USAGE))

    def bug(self, error: BaseException, workspace: Path | None) -> None:
        """Write an "error" object with the code "bug"; the traceback goes to stderr."""
        _complain("".join(traceback.format_exception(error)))
        _write(
            _error("bug", f"{type(error).__name__}: {error}", BUG_REPORT_TEXT + ".", EXIT_BUG)
            | {"workspace": None if workspace is None else str(workspace)}
        )


def _error_word() -> str:
    return click.style("Error", fg="red", bold=True)


def _code(code: str) -> str:
    return click.style(f"[{code}]", dim=True)


def _error(code: str, what: str, advice: str, exit_code: int) -> dict[str, Any]:
    return {"event": "error", "exit_code": exit_code, "code": code, "what": what, "advice": advice}


def _sentences(found: dict[str, Any]) -> list[str]:
    photos, models = found["photos"], found["components"]
    lines = [f"{photos['used']} of {photos['given']} photographs used."]
    for model in models:
        name = "The model" if len(models) == 1 else f"Model {model['number']}"
        if model["problem"]:
            lines.append(f"{name} ({model['photos']} photographs): {model['problem']}")
            continue
        lines.append(f"{name}: {model['model']}")
        score = model["held_out"] or model["in_texture"]
        if score:
            kind = "kept out of the texture" if model["held_out"] else "in the texture"
            count = f"{score['photos']} photo{'' if score['photos'] == 1 else 's'}"
            lines.append(
                f"  {count} {kind}: PSNR {score['psnr_db']:.1f} dB, SSIM {score['ssim']:.3f}, "
                f"{100 * score['coverage']:.0f} % covered"
            )
        share = model["area_share"]
        if share:
            parts = [f"{100 * part:.0f} % {kind.replace('_', ' ')}" for kind, part in reversed(share.items())]
            lines.append(f"  Surface: {', '.join(parts)}")
    return lines


def _write(value: dict[str, Any]) -> None:
    # ASCII: bytes of a file name that are no UTF-8 come as \udcXX and survive
    _print(json.dumps(value, ensure_ascii=True).encode())


def _print(line: bytes) -> None:
    """Write a line to stdout; where nobody reads it any more the work still goes on to its end."""
    try:
        click.echo(line)
    except BrokenPipeError:
        _give_up(sys.stdout)


def _complain(text: str) -> None:
    """Write to stderr, coloured on a terminal unless NO_COLOR is set (no-color.org)."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True, color=False if os.environ.get("NO_COLOR") else None)


def _give_up(stream: Any) -> None:
    """Send what else is written to a broken pipe nowhere, or Python complains about it on its way out."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
