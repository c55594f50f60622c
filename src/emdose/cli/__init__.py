"""The command ``emdose``: run | demo | label | refine | check | report | compare | group | validate, and more."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
from typing import Any, NoReturn

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Exit codes: 0 done; 1 a result is not valid, a validation row was missed, or emdose itself has failed; 2 something
    that the user gave or the machine lacks, told in one line; 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        # A file name that the terminal cannot show must not end the program.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    code = _guarded(arguments)
    try:
        sys.stdout.flush()
    except (BrokenPipeError, OSError):
        code = code or _no_reader()
    raise SystemExit(code)


def _guarded(arguments: list[str] | None) -> int:
    import warnings

    from emdose.errors import ConvergenceError, EmdoseError, EmdoseWarning, NotValidError

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if issubclass(category, EmdoseWarning):
            _say(f"warning: {message}")

    warnings.showwarning = show
    # A polite kill ends like Ctrl-C: what was solved is kept, and the user is told how to go on.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _command(arguments)
    except KeyboardInterrupt as interrupt:
        _say(str(interrupt) or "interrupted")
        return INTERRUPTED
    except (ConvergenceError, NotValidError) as error:
        _say(f"error: {error}")
        return FAILED
    except EmdoseError as error:
        _say(f"error: {error}")
        return BAD_INPUT
    except MemoryError:
        _say("error: the memory is used up; use a larger spacing, or close other programs")
        return BAD_INPUT
    except BrokenPipeError:
        return _no_reader()
    except Exception as error:
        _say(f"emdose has failed: {type(error).__name__}: {error}; details in {_save_traceback()}: please report them")
        return FAILED


def _command(arguments: list[str] | None) -> int:
    import typer

    from emdose.cli.commands import Interrupted

    try:
        return _built()(args=arguments, standalone_mode=False) or OK
    except typer.Exit as stop:
        return stop.exit_code
    except (Interrupted, typer.Abort) as interrupt:
        raise KeyboardInterrupt(*interrupt.args) from None
    except Exception as error:
        # Errors of usage belong to click or to typer's own copy of it, depending on the version.
        if not hasattr(error, "format_message"):
            raise
        _say(f"error: {error.format_message()} (see emdose --help)")
        return BAD_INPUT


@functools.cache
def _built() -> Any:
    """The command line as click has it: the words of all commands are looked at once."""
    import typer

    from emdose.cli.commands import app
    from emdose.cli.exchange.audit import audit
    from emdose.cli.exchange.sequence import sequence

    app.command()(audit)
    app.command()(sequence)
    return typer.main.get_command(app)


def _say(text: str) -> None:
    """One line on stderr, whatever the text holds."""
    with contextlib.suppress(OSError):
        line = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
        print(f"emdose: {line}", file=sys.stderr, flush=True)


def _no_reader() -> int:
    """The reader of a pipe has gone (``emdose ... | head``): be quiet about it, as other commands are."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK


def _save_traceback() -> str:
    import tempfile
    import traceback

    try:
        with tempfile.NamedTemporaryFile("w", prefix="emdose-traceback-", suffix=".txt", delete=False) as file:
            file.write(f"{' '.join(sys.argv)}\n\n{traceback.format_exc()}")
            return file.name
    except OSError:
        traceback.print_exc()
        return "the lines above"
