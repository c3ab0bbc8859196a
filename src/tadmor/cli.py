"""The commands. What they say and how they stop is in `terminal`; what they do is in `engine`.

The engine takes seconds to import, so that happens inside the commands: `tadmor --help` answers at once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from tadmor import __version__
from tadmor.errors import EXIT_BUG, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, Interrupted, TadmorError, UserError
from tadmor.terminal.audience import Audience, Person, Program
from tadmor.terminal.parameters import Address, Number, Word, Words
from tadmor.terminal.stopping import end_now, stoppable

if TYPE_CHECKING:
    from tadmor.engine import Options, Result

# The engine's own lists, which a test compares with these: importing them would take seconds.
QUALITIES = ("draft", "standard", "fine")
FORMATS = ("obj", "stl", "usdz")

FOLDER = click.Path(path_type=Path)


@dataclass(slots=True)
class Call:
    """One call of a command: who listens, and where its work is kept."""

    audience: Audience
    workspace: Path | None = None


def shared_options[Command: Callable[..., Any]](command: Command) -> Command:
    """Options that every command that computes has."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON object per line on stdout, for programs."),
        click.option("--quiet", "-q", is_flag=True, help="No progress; only the report's path, or what went wrong."),
        click.option(
            "--workers", type=Number(whole=True, least=1), metavar="N", help="Threads; the machine's cores by default."
        ),
        click.option(
            "--quality",
            type=Word(*QUALITIES),
            default="standard",
            show_default=True,
            help="How much work to spend.",
        ),
    ):
        command = option(command)
    return command


@click.group(
    invoke_without_command=True, context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="tadmor", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Rebuild monuments in 3D from photographs, and say how well every part is evidenced."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@cli.command(short_help="Rebuild what photographs show.")
@click.argument("photos", nargs=-1, required=True, type=FOLDER)
@click.option("--output", "-o", "out", required=True, type=FOLDER, metavar="OUT", help="Folder for the results.")
@shared_options
@click.option(
    "--scheduler", type=Address(), metavar="tcp://HOST:PORT", help="Compute on the workers of this Dask scheduler."
)
@click.option(
    "--workspace", type=FOLDER, metavar="DIR", help="Where work is kept to go on from; OUT/workspace by default."
)
@click.option(
    "--holdout",
    type=Number(whole=True),
    metavar="N",
    help="Keep every N-th photo out of the texture, to measure the model by; 8 by default.",
)
@click.option("--no-holdout", is_flag=True, help="Use all photos for the texture.")
@click.option("--formats", type=Words(*FORMATS), default=(), help="Further files beside GLB and PLY.")
@click.option(
    "--print",
    "print_height_mm",
    type=Number(whole=False),
    metavar="HEIGHT_MM",
    help="Also write a closed, printable STL of this height in millimetres.",
)
@click.option(
    "--metres-per-unit",
    type=Number(whole=False),
    metavar="X",
    help="True length in metres of one unit of the model that is made without this option.",
)
@click.option(
    "--seed",
    type=Number(whole=True, least=0),
    default=1,
    show_default=True,
    metavar="N",
    help="Seed of all that is random.",
)
@click.option("--overwrite", is_flag=True, help="Replace what OUT holds; photographs are never touched.")
@click.pass_obj
def remodel(
    call: Call,
    /,
    photos: tuple[Path, ...],
    out: Path,
    *,
    quality: str,
    workers: int | None,
    scheduler: str | None,
    workspace: Path | None,
    overwrite: bool,
    **chosen: Any,
) -> None:
    """Rebuild what PHOTOS (files and folders) show, into the folder OUT.

    Run the same command again to go on where it stopped, or with more photos to add them.
    """
    call.audience.open()
    call.workspace = workspace or out / "workspace"
    from tadmor.engine import remodel as rebuild  # noqa: PLC0415  # see the top of the file

    result = rebuild(
        photos,
        out,
        options=_options(quality, **chosen),
        workspace=workspace,
        workers=workers,
        scheduler=scheduler,
        overwrite=overwrite,
        listener=call.audience.listen,
    )
    call.audience.result(result)


def _options(
    quality: str,
    *,
    holdout: int | None,
    no_holdout: bool,
    formats: tuple[str, ...],
    print_height_mm: float | None,
    metres_per_unit: float | None,
    seed: int,
    **_: object,
) -> Options:
    """Put the command line's words into the engine's options; raises UserError for those that make no sense."""
    from tadmor.engine.options import Format, Options, Quality  # noqa: PLC0415  # see the top of the file

    if no_holdout and holdout:
        raise UserError("bad-option", option="--no-holdout", reason="it contradicts --holdout")
    chosen: dict[str, Any] = {} if holdout is None else {"holdout": holdout}
    if no_holdout:
        chosen["holdout"] = 0
    return Options(
        quality=Quality(quality),
        formats=tuple(Format(name) for name in formats),
        print_height_mm=print_height_mm,
        metres_per_unit=metres_per_unit,
        seed=seed,
        **chosen,
    )


@cli.command(short_help="Rebuild a synthetic monument, to see what Tadmor does.")
@click.option(
    "--output",
    "-o",
    "out",
    type=FOLDER,
    default=Path("tadmor-demo"),
    show_default=True,
    metavar="DIR",
    help="Folder for the photographs and the results.",
)
@shared_options
@click.pass_obj
def demo(call: Call, /, out: Path, *, quality: str, workers: int | None, quiet: bool, as_json: bool) -> None:
    """Photograph a synthetic monument and rebuild it: see what Tadmor does without photos of your own.

    The photographs are computed and say so in their metadata. A second run takes over what is there.
    """
    call.audience.open()
    call.workspace = out / "model" / "workspace"
    from tadmor.engine import Options, Quality, remodel  # noqa: PLC0415  # see the top of the file

    photos = out / "synthetic-photos"
    if not photos.exists():
        call.audience.note("Computing photographs of a synthetic arch ...")
        _photograph(out, photos)
    result = remodel(
        [photos],
        out / "model",
        options=Options(quality=Quality(quality)),
        workers=workers,
        listener=call.audience.listen,
    )
    call.audience.result(result)
    if not (quiet or as_json):
        _show(result)


def _photograph(out: Path, photos: Path) -> None:
    """Compute the demo's photographs into `photos`, which stands only once it is whole."""
    from tadmor.engine.synthetic import PALMYRA, demo_set  # noqa: PLC0415  # see the top of the file
    from tadmor.engine.workspace import told_apart  # noqa: PLC0415

    if out.exists() and not out.is_dir():
        raise UserError("output-is-a-file", path=out)
    scratch = out / ".synthetic-photos.part"
    with told_apart(out):
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        demo_set(scratch, origin=PALMYRA)
        scratch.replace(photos)


def _show(result: Result) -> None:
    """Open the report where somebody sits in front of a screen."""
    screen = sys.platform in {"darwin", "win32"} or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if screen and sys.stdout.isatty():
        with contextlib.suppress(webbrowser.Error, OSError):
            webbrowser.open(result.report.as_uri())


def run(arguments: Sequence[str]) -> int:
    """Run a command line; returns the exit code. The one place where errors become words."""
    options = list(arguments[: arguments.index("--")]) if "--" in arguments else list(arguments)
    quiet = "--quiet" in options or "-q" in options
    audience: Audience = Program(quiet=quiet) if "--json" in options else Person(quiet=quiet)
    call = Call(audience)

    def stopped() -> Interrupted:
        return Interrupted("interrupted", step=audience.step or "the start")

    try:
        with stoppable(
            lambda: audience.note("Stopping: putting away what is in hand. Press Ctrl-C again to stop at once."),
            lambda: audience.error(stopped()),
        ):
            cli.main(list(arguments), prog_name="tadmor", standalone_mode=False, obj=call)
    except (KeyboardInterrupt, click.Abort):
        audience.error(stopped())
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        audience.usage(error)
        return EXIT_USAGE
    except TadmorError as error:
        audience.error(error)
        return error.exit_code
    except SystemExit:  # click's answer where nobody reads the output any more
        return EXIT_OK
    except Exception as error:  # the last resort: whatever it is, it is our fault
        audience.bug(error, call.workspace)
        return EXIT_BUG
    finally:
        audience.close()
    return EXIT_OK


def main() -> NoReturn:
    """`tadmor` on the command line."""
    code = run(sys.argv[1:])
    if code == EXIT_INTERRUPTED:
        # All has been put away, but threads may be deep in a computation, and Python would wait for them.
        end_now(code)
    sys.exit(code)
