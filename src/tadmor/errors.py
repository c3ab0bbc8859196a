"""Errors meant for people: coded, with what happened, what to do now, and that nothing was lost.

Three classes tell whose turn it is. `UserError`: what was given cannot be used as it is (a file, an option).
`EnvironmentFailure`: this machine stands in the way (disk full, no permission). `Interrupted`: a person stopped the
run. Everything else is a bug of ours and is left to fail loudly with its traceback.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """What a person is told: `what` happened and what to do now (`advice`), both with str.format fields.

    `exit_code` is that of the error's class where it is None.
    """

    what: str
    advice: str
    exit_code: int | None = None


EXIT_OK = 0
EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_INPUT = 3
EXIT_ENVIRONMENT = 4
EXIT_INTERRUPTED = 130

MESSAGES: dict[str, Message] = {
    # what was given
    "no-photos": Message(
        "No photographs were found in {where}.",
        "Give photo files or folders that hold them (JPEG, PNG, TIFF, HEIC, WebP).",
    ),
    "input-missing": Message("{path} does not exist.", "Check the spelling; nothing was changed."),
    "input-unreadable": Message(
        "{path} cannot be read: {reason}.",
        "Ask for permission to read it (chmod +r, or +rx for a folder) and run the same command again.",
    ),
    "one-photo": Message(
        "Only one usable photograph was given ({name}); depth can only be seen from two or more places.",
        "Add photographs of the same monument taken from other places, a few steps apart.",
    ),
    "no-usable-photos": Message(
        "None of the {count} files given can be used as a photograph; the report lists why, file by file.",
        "See {report}, replace the files it names and run the same command again.",
    ),
    "no-overlap": Message(
        "No two of the {count} photographs show enough of the same things to work out where they were taken.",
        "Add photographs between the ones there are, so that each shows at least half of what its neighbour shows. "
        "What each photo lacked is in {report}.",
    ),
    "no-parallax": Message(
        "The {count} photographs show the same things, but from almost one place, so that no depth can be seen.",
        "Add photographs taken a few steps to the left and right: walk around the monument instead of turning on the "
        "spot or zooming in.",
    ),
    "no-surface": Message(
        "Cameras were found for {count} photographs, but no surface could be measured from them.",
        "The photos may be taken from almost one spot, or blurred. Add photos from places a few steps apart. "
        "The cameras are kept in {workspace}.",
    ),
    "output-holds-another-run": Message(
        "{path} already holds files that this command did not write, or the result of other photographs.",
        "Choose another folder with -o, or add --overwrite to replace the result; photographs are never touched.",
    ),
    "output-is-a-file": Message("{path} is a file, and a folder is needed there.", "Choose another folder with -o."),
    "bad-option": Message("{option}: {reason}.", "See `tadmor remodel --help`.", EXIT_USAGE),
    "missing-extra": Message(
        "Writing {what} needs the package {package}, which is not installed.",
        "Install it with: pip install 'tadmor[{extra}]'",
    ),
    "model-unreadable": Message(
        "{path} cannot be read as {format}: {reason}.",
        "Export the model again (for PLY: binary little-endian, triangles only) and use that file.",
    ),
    # one photograph (these become verdicts in the report; they stop nobody else's photo)
    "photo-empty": Message("{name} is empty (0 bytes).", "Copy it again from the camera or phone."),
    "photo-not-an-image": Message("{name} is not a photograph ({found}).", "Leave it out, or export it as JPEG."),
    "photo-truncated": Message(
        "{name} breaks off before its end: {reason}.",
        "Copy it again from the camera or phone, or send another version.",
    ),
    "photo-damaged": Message(
        "{name} is damaged: {reason}.", "Copy it again from the camera or phone, or send another version."
    ),
    "photo-too-large": Message(
        "{name} has {megapixels} megapixels; at most {limit} can be read.", "Send a version that is scaled down."
    ),
    "photo-too-small": Message(
        "{name} measures {width} x {height} pixels; at least {limit} on the long side are needed.",
        "Send the original instead of a thumbnail.",
    ),
    "photo-panorama": Message(
        "{name} is a stitched panorama ({width} x {height}); it has no single camera to compute with.",
        "Send the single photographs that it was stitched from.",
    ),
    "photo-decoder-died": Message(
        "{name} stopped the image reader ({reason}); no other photo was harmed.",
        "Open the photo in an image editor and save it as JPEG.",
    ),
    # this machine
    "disk-full": Message(
        "The disk that holds {path} is full.",
        "Free some space and run the same command again: it goes on where it stopped, and nothing was lost.",
    ),
    "not-writable": Message(
        "{path} cannot be written: {reason}.",
        "Choose another folder with -o (or --workspace) where you may write. No photograph was touched.",
    ),
    "workspace-in-use": Message(
        "Another run (process {pid}) is using the workspace {path}.",
        "Wait until it has ended, or choose another folder with -o.",
    ),
    "no-scheduler": Message(
        "No Dask scheduler answers at {address}: {reason}.", "Check the address, or leave out --scheduler."
    ),
    "no-workers": Message(
        "The Dask scheduler at {address} has no workers.",
        "Start some with `dask worker {address}` on machines that share the workspace, or leave out --scheduler.",
    ),
    "workspace-not-shared": Message(
        "The worker {worker} does not see the workspace {path}.",
        "Choose a folder with --workspace that all machines of the cluster reach under the same path.",
    ),
    "workers-lost": Message(
        "The machine ran out of workers while computing {step}: {reason}.",
        "Run the same command again: finished work is kept. With little memory, use --workers 1 or --quality draft.",
    ),
    "memory-full": Message(
        "The memory of this machine does not suffice for {step}.",
        "Close other programs, or use --workers 1 or --quality draft. Finished work is kept.",
    ),
    "interrupted": Message(
        "Stopped during {step}.", "Run the same command again: it goes on where it stopped, and nothing was lost."
    ),
}


class TadmorError(Exception):
    """Base of the errors meant for people. `code` is stable and documented; `params` fill the message."""

    exit_code = EXIT_INPUT

    def __init__(self, code: str, **params: object) -> None:
        self.code = code
        self.params = params
        message = MESSAGES[code]
        self.what = message.what.format(**params)
        self.advice = message.advice.format(**params)
        if message.exit_code is not None:
            self.exit_code = message.exit_code
        super().__init__(code, params)

    def __str__(self) -> str:
        return f"{self.what} {self.advice} [{self.code}]"

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        """Pickle by code and params, so that an error crosses process borders whole."""
        return _rebuild, (type(self), self.code, self.params)


def _rebuild(kind: type[TadmorError], code: str, params: dict[str, object]) -> TadmorError:
    return kind(code, **params)


class UserError(TadmorError):
    """What was given cannot be used as it is."""


class EnvironmentFailure(TadmorError):  # noqa: N818  # "Error" would blame the program
    """The machine stands in the way; the same command may succeed later."""

    exit_code = EXIT_ENVIRONMENT


class Interrupted(TadmorError):  # noqa: N818  # nothing went wrong
    """A person stopped the run; the workspace can be resumed."""

    exit_code = EXIT_INTERRUPTED
