"""What a user sees instead of a traceback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LONGEST = 600
"""Most letters of one part of an error text."""


class EmdoseError(Exception):
    """Base of every error that emdose raises on purpose; its text is one clear line."""


class InputError(EmdoseError, ValueError):
    """Something that a user supplied cannot be used.

    Parameters
    ----------
    problem : str
        What is wrong, in a few words.
    file, field : str, optional
        Where it was found: a file name and the field, column or key in it.
    found, expected : optional
        What stood there and what would be accepted.
    hint : str, optional
        A sentence of its own that helps, such as "did you mean 'fat'?".
    """

    def __init__(
        self,
        problem: str,
        *,
        file: object = None,
        field: str | None = None,
        found: Any = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.problem, self.file, self.field = problem, file, field
        self.found, self.expected, self.hint = found, expected, hint
        # Libraries quote what they could not read, some of them kilobytes of it.
        parts = [str(file)] if file not in (None, "") else []
        parts += [_cut(part, LONGEST) for part in (field, problem) if part]
        text = ": ".join(parts)
        if found is not None:
            text += f"; found {_short(found)}"
        if expected is not None:
            text += f"; expected {expected}"
        if hint is not None:
            text += f"; {hint}"
        super().__init__(" ".join(text.split()))

    def at(self, *, file: object = None, field: str | None = None) -> InputError:
        """The same error with the file, or another field, that its cause stood in."""
        return InputError(
            self.problem,
            file=self.file if file is None else file,
            field=self.field if field is None else field,
            found=self.found,
            expected=self.expected,
            hint=self.hint,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions with keyword-only arguments do not survive pickling (process pools) on their own.
        return (_rebuild, (self.problem, self.file, self.field, self.found, self.expected, self.hint))


class ConvergenceError(EmdoseError):
    """A solver stopped before it reached its tolerance; ``partial`` holds what it has."""

    def __init__(self, message: str, partial: Any = None) -> None:
        super().__init__(message)
        self.partial = partial


class NotValidError(EmdoseError):
    """A result is not valid, and verdicts on it are refused; ``reasons`` says why.

    Parameters
    ----------
    reasons : sequence of str
        A sentence for each threshold that was passed.
    names : sequence of str
        What ``accept`` calls them.
    file : optional
        Where the result is.
    """

    def __init__(self, reasons: Sequence[str], names: Sequence[str] = (), file: object = None) -> None:
        self.reasons, self.names, self.file = tuple(reasons), tuple(dict.fromkeys(names)), file
        text = "" if file is None else f"{file}: "
        text += f"not valid: {' '.join(self.reasons)}"
        if self.names:
            text += f" Whoever knows better names it: accept = {list(self.names)}"
        super().__init__(" ".join(text.split()))

    def __reduce__(self) -> tuple[Any, ...]:
        return (NotValidError, (self.reasons, self.names, self.file))


class ResourceError(EmdoseError):
    """The job does not fit the memory or the disk; the text says how much it needs and what would fit."""


class DeviceError(EmdoseError):
    """The requested device, compiler or driver is not there."""


class OutputError(EmdoseError):
    """A result could not be written; nothing half-written is left behind."""


class EmdoseWarning(UserWarning):
    """Something that changes how far a number can be trusted."""


def _short(value: Any, limit: int = 80) -> str:
    return _cut(repr(value) if not isinstance(value, str) else f"'{value}'", limit)


def _cut(text: str, limit: int) -> str:
    """A text of at most ``limit`` letters: its beginning and its end."""
    if len(text) <= limit:
        return text
    half = (limit - 3) // 2  # the end of a path holds the name of the file
    return f"{text[:half]}...{text[-half:]}"


def _rebuild(
    problem: str, file: object, field: str | None, found: Any, expected: str | None, hint: str | None
) -> InputError:
    return InputError(problem, file=file, field=field, found=found, expected=expected, hint=hint)
