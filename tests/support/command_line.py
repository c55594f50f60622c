"""What tests of the command line share."""

from __future__ import annotations

import signal

import pytest

from emdose.cli import main

SMALL = """
[scenario]
kind = "rf"
name = "small"
[phantom]
type = "sphere"
radius_m = 0.05
spacing_m = 12.5e-3
[coil]
type = "birdcage"
rungs = 8
[exposure]
frequency_Hz = 127.74e6
[normalise]
b1plus_rms_T = 2e-6
"""
"""A scenario that is solved in a second."""


def call(capsys, *arguments):
    """Exit code, stdout and stderr of a command in this process."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as stop:
            main([str(a) for a in arguments])
    finally:
        signal.signal(signal.SIGTERM, handler)
    out, err = capsys.readouterr()
    return stop.value.code, out, err


def one_line(err):
    """The error text, after making sure that it is one line without a traceback."""
    assert err.count("\n") == 1, err
    assert err.startswith("emdose: error: ")
    assert "Traceback" not in err
    return err
