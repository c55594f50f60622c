"""Touchstone files of networks (.s1p, .s2p, ...)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from emdose.circuits.network import Network
from emdose.errors import InputError
from emdose.io.disk.atomic import replacing
from emdose.io.disk.files import plain_file

LARGEST_FILE = 256 * 2**20


def write_touchstone(network: Network, path: Path | str) -> Path:
    """Write the scattering matrices of a network.

    Port names and single reference impedances go into comment lines, which other programs leave out.

    Parameters
    ----------
    network : Network
        The network.
    path : Path or str
        File name; its ending is replaced by the one of the number of ports, such as .s2p.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        For an object that is no network.
    OutputError
        When it cannot be written; nothing half-written is left.
    """
    if not isinstance(network, Network):
        expected = "a Network; that of a run is its .network, or run.to_touchstone(path)"
        raise InputError("no network in this", found=type(network).__name__, expected=expected)
    path = Path(path)
    path = path.with_suffix(f".s{network.size}p")
    with replacing(path) as part:
        part.write_text(touchstone_text(network), encoding="utf-8")
    return path


def touchstone_text(network: Network) -> str:
    """The text of a Touchstone file; see :func:`write_touchstone`."""
    same = np.ptp(network.reference_ohm) <= 1e-12 * network.reference_ohm.max()
    out = network if same else network.renormalised(float(network.reference_ohm[0]))
    lines = ["! written by emdose", *(f"! Port[{n + 1}] = {name}" for n, name in enumerate(out.names))]
    if not same:
        lines.append(
            "! reference impedances before renormalisation: " + " ".join(f"{r:.15g}" for r in network.reference_ohm)
        )
    lines.append(f"# Hz S RI R {out.reference_ohm[0]:.15g}")
    for f, s in zip(out.frequencies_Hz, out.s, strict=True):
        # Two ports are written column by column, more row by row in lines of four.
        rows = [s.T.ravel()] if out.size <= 2 else list(s)
        first = True
        for row in rows:
            for start in range(0, len(row), 4):
                numbers = " ".join(f"{v.real:.16e} {v.imag:.16e}" for v in row[start : start + 4])
                lines.append((f"{f:.16e} " if first else "  ") + numbers)
                first = False
    return "\n".join(lines) + "\n"


def read_touchstone(path: Path | str) -> Network:
    """Read a Touchstone file.

    Parameters
    ----------
    path : Path or str
        A file .sNp with scattering, impedance or admittance parameters.

    Raises
    ------
    InputError
        When it does not exist, is not such a file, or has complex reference impedances.
    """
    path = plain_file(path, "a Touchstone file")
    if not re.fullmatch(r"\.(s\d+p|ts)", path.suffix.lower()):
        raise InputError("not a Touchstone file", file=path, found=path.suffix, expected="an ending like .s2p")
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise InputError("file too large", file=path, found=f"{size} bytes", expected=f"at most {LARGEST_FILE}")
    import skrf

    try:
        # The constructor of skrf.Network tries to unpickle a file first, which runs whatever it says; this parses text.
        network = skrf.Network(name=path.stem)
        network.read_touchstone(str(path))
        return Network.from_skrf(network)
    except InputError as error:
        raise error.at(file=path) from None
    except Exception as error:
        raise InputError(f"cannot be read: {error}", file=path, expected="a Touchstone file") from None
