"""What one acquisition holds, whichever format it came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from emdose.errors import InputError
from emdose.values import read_only


@read_only
@dataclass(frozen=True, eq=False)
class Scan:
    """Images of one acquisition.

    Parameters
    ----------
    name : str
        Folder or files.
    magnitude, phase : (echo, receiver, nx, ny, nz) ndarray, optional
        As stored, after the scale of the file; the phase in the unit that ``phase_unit`` says.
    b1plus : (nx, ny, nz) ndarray, optional
        A map of abs(B1+), where the names say that it is one.
    b1_affine : (4, 4) ndarray, optional
        Voxel to scanner coordinates [mm] of that map.
    affine : (4, 4) ndarray, optional
        Voxel to scanner coordinates [mm] of what is read.
    axis_codes : str
        Orientation of the files.
    echo_times_s : tuple of float, optional
        Echo times [s].
    frequency_Hz : float, optional
        Larmor frequency [Hz].
    phase_unit : str, optional
        Unit of the phase that the files state; None where its range must tell.
    notes : tuple of str
        What was assumed while reading.
    """

    name: str
    magnitude: np.ndarray | None = None
    phase: np.ndarray | None = None
    b1plus: np.ndarray | None = None
    b1_affine: np.ndarray | None = None
    affine: np.ndarray | None = None
    axis_codes: str = "RAS"
    echo_times_s: tuple[float, ...] | None = None
    frequency_Hz: float | None = None
    phase_unit: str | None = None
    notes: tuple[str, ...] = ()


PARTS = ("magnitude", "phase", "real", "imaginary")


def parts_of(stacks: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray | None, np.ndarray | None, bool]:
    """Magnitude and phase of an acquisition, and whether the phase is in radians because it was computed here.

    Parameters
    ----------
    stacks : mapping of str to ndarray
        Arrays of one shape by part: "magnitude", "phase", "real", "imaginary".
    name : str
        For errors.

    Raises
    ------
    InputError
        For a real part without an imaginary one, and shapes that differ.
    """
    shapes = {part: stack.shape for part, stack in stacks.items()}
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{part} {shape[-3:]} x {shape[0]} echoes" for part, shape in shapes.items())
        raise InputError("parts of different shapes", file=name, found=told, expected="the same images in every part")
    if ("real" in stacks) != ("imaginary" in stacks):
        one, other = ("real", "imaginary") if "real" in stacks else ("imaginary", "real")
        raise InputError(f"a {one} part without the {other} part", file=name, expected="both")
    if "phase" in stacks or "real" not in stacks:
        return stacks.get("magnitude"), stacks.get("phase"), False
    whole = stacks["real"] + 1j * stacks["imaginary"]
    return np.abs(whole), np.angle(whole), True
