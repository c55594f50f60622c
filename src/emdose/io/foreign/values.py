"""Fields of another program before anything about them is believed, and the conventions that they may follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from emdose.checks import fits, growing, one_of, positive
from emdose.circuits.network import Network
from emdose.constants import MU_0
from emdose.errors import InputError
from emdose.values import read_only

LENGTHS = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "in": 0.0254}
"""Metres in one unit of the coordinates."""
MAGNETIC = {"T": 1.0, "mT": 1e-3, "uT": 1e-6, "G": 1e-4, "A/m": MU_0, "kA/m": 1e3 * MU_0}
"""Tesla in one unit of the magnetic field; those in A/m are H."""
AMPLITUDES = {"peak": 1.0, "rms": np.sqrt(2.0)}
"""Peak value in one unit of the phasor."""
TIMES = ("exp(+jwt)", "exp(-jwt)")
DRIVES = {
    "sqrt(W)": "the root of one watt of incident power, averaged over time",
    "sqrt(W) peak": "the root of one watt of incident power at its peak, half a watt on average",
    "V incident": "one volt of the incident wave, peak",
    "V incident rms": "one volt of the incident wave, rms",
    "V source": "one volt of a source behind the reference impedance, peak: half of it is the incident wave",
    "V source rms": "one volt of a source behind the reference impedance, rms",
    "A": "one ampere into the port, peak, with the other ports open",
    "A rms": "one ampere into the port, rms, with the other ports open",
}
"""What one unit of drive may be."""
DRIVE_FACTORS = {
    "sqrt(W)": ("sqrt(W)", 1.0),
    "sqrt(W) peak": ("sqrt(W)", np.sqrt(2)),
    "V incident": ("V", 0.5),
    "V incident rms": ("V", 0.5 * np.sqrt(0.5)),
    "V source": ("V", 1.0),
    "V source rms": ("V", np.sqrt(0.5)),
    "A": ("A", 1.0),
    "A rms": ("A", np.sqrt(0.5)),
}
"""Unit of drive of the fields that are made, and what the fields are multiplied by: V are peak volts of sources behind
their reference impedance, as everywhere in emdose, A peak amperes."""
ORDERS = ("xyz", "xzy", "yxz", "yzx", "zxy", "zyx")
POSITIONS = {
    "points": "all components at the points of the axes",
    "yee": "E on the edges and the magnetic field on the faces of the cells between the points",
    "yee dual": "the magnetic field on the edges and E on the faces of the cells between the points",
}
CONVENTIONS: dict[str, tuple[str, ...]] = {
    "length": tuple(LENGTHS),
    "magnetic": tuple(MAGNETIC),
    "time": TIMES,
    "amplitude": tuple(AMPLITUDES),
    "drive": tuple(DRIVES),
    "components": ORDERS,
    "positions": tuple(POSITIONS),
}
"""What fields of another program may differ in, with the choices."""


def convention(name: str, value: object) -> str:
    """A choice for one of the conventions, checked.

    Orders of components may differ between both fields: "xyz/yxz" is that of E, then that of the magnetic field. A
    length may also be a number of metres in one unit of the coordinates.

    Raises
    ------
    InputError
        For an unknown convention or choice.
    """
    one_of("convention", name, CONVENTIONS, problem="unknown convention")
    if name == "length" and not isinstance(value, str):
        return repr(positive(name, value, problem="bad unit of length", expected="metres in one unit, or a name"))
    if name == "components" and isinstance(value, str) and value.count("/") == 1:
        return "/".join(one_of(name, part, ORDERS) for part in value.split("/"))
    return one_of(name, value, CONVENTIONS[name], problem=f"unknown {name}")


def metres(length: str) -> float:
    """Metres in one unit of the coordinates, by the choice for "length"."""
    return LENGTHS[length] if length in LENGTHS else float(length)


@read_only
@dataclass(frozen=True, eq=False)
class ForeignFields:
    """Fields of the ports of another program, numbers and axes as its files hold them.

    Parameters
    ----------
    program : str
        The format that was read, such as "CST".
    axes : ((nx,), (ny,), (nz,)) float ndarrays
        Growing coordinates of the points in the unit of the file.
    E, magnetic : (port, 3, nx, ny, nz) complex ndarray or None
        Electric field, and B or H; NaN where the file has none.
    ports : tuple of str
        Names of the ports.
    frequency_Hz : float
        Frequency [Hz].
    stated : mapping of str to str, optional
        What is said about the conventions of :data:`CONVENTIONS`, by their names.
    sources : mapping of str to str, optional
        Who says so, of every entry of ``stated``: the file, or what is known of the program.
    conductivity, density : (nx, ny, nz) float ndarray, optional
        Of the body at the points, where the file has them [S/m], [kg/m^3].
    network : Network, optional
        Scattering parameters at the frequency, ports in the order of the fields.
    files : mapping of str to str, optional
        SHA-256 of every file that was read.
    notes : tuple of str, optional
        What the format leaves out or changes.

    Raises
    ------
    InputError
        For arrays that do not fit each other, axes that do not grow, or an unknown convention.
    """

    program: str
    axes: tuple[np.ndarray, np.ndarray, np.ndarray]
    E: np.ndarray | None
    magnetic: np.ndarray | None
    ports: tuple[str, ...]
    frequency_Hz: float
    stated: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    conductivity: np.ndarray | None = None
    density: np.ndarray | None = None
    network: Network | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.frequency_Hz is None:
            raise InputError(
                "the frequency is not in this file", field="frequency_Hz", expected="frequency_Hz = ..., in hertz"
            )
        positive("frequency_Hz", self.frequency_Hz, problem="bad frequency", expected="Hz > 0")
        for name, axis in zip("xyz", self.axes, strict=True):
            growing(name, np.asarray(axis, float), problem="coordinates do not grow")
            if len(axis) < 2:
                raise InputError("not a grid of points in space", field=name, found=len(axis), expected="two or more")
        if self.E is None and self.magnetic is None:
            raise InputError("no field in this file", field="E", expected="an electric or a magnetic field")
        shape = (len(self.ports), 3, *self.shape)
        for name in ("E", "magnetic"):
            if getattr(self, name) is not None:
                fits(name, getattr(self, name), shape, problem="field does not fit grid and ports")
        for name in ("conductivity", "density"):
            if getattr(self, name) is not None:
                fits(name, getattr(self, name), self.shape)
        if len(set(self.ports)) != len(self.ports) or not self.ports:
            raise InputError("ports need names of their own", field="ports", found=self.ports)
        for name, value in self.stated.items():
            convention(name, value)
        if self.network is not None and self.network.size != len(self.ports):
            raise InputError(
                "ports of fields and network differ",
                field="network",
                found=f"{self.network.size} ports",
                expected=f"{len(self.ports)} ports: {', '.join(self.ports)}",
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of points along x, y and z."""
        x, y, z = (len(a) for a in self.axes)
        return x, y, z


def as_complex(values: np.ndarray) -> np.ndarray:
    """Complex numbers from complex ones, real ones, or pairs (re, im) or (real, imag) of a compound type."""
    names = values.dtype.names
    if names is None:
        return values if values.dtype.kind == "c" else values.astype(complex)
    if len(names) != 2:
        raise InputError("not complex numbers", found=str(names), expected="pairs of real and imaginary part")
    real, imaginary = (values[n] for n in names)
    out = np.empty(values.shape, np.complex64 if real.dtype.itemsize <= 4 else np.complex128)
    out.real, out.imag = real, imaginary
    return out
