"""Fields and scattering parameters of CoSimPy, from and to its objects in memory.

Nothing here needs CoSimPy but the classes that make its objects: what is read has arrays by the names of its own.
Its own file format (.cspy) is left alone: it cuts the frequency to single precision and has no reference impedance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from emdose.checks import lengths, one_of, positives, vector
from emdose.circuits.network import Network
from emdose.errors import InputError
from emdose.io.foreign.cosimpy_files import CONDUCTIVITY, DENSITY, KNOWN, NO_DENSITY
from emdose.io.foreign.values import ForeignFields
from emdose.models.bodies.phantom import Phantom
from emdose.solvers.results.fields import Fields

CONDUCTIVITY_KEY, DENSITY_KEY = "elCond", "massDensity"
"""What the properties are called in the objects that are made."""


def from_cosimpy(
    em_field: Any,
    spacing_m: float | Sequence[float],
    *,
    origin_m: Sequence[float] | None = None,
    s_matrix: Any = None,
    frequency_Hz: float | None = None,
    conductivity: str | None = None,
    density: str | None = None,
) -> ForeignFields:
    """Fields of an ``EM_Field`` of CoSimPy, unconverted.

    Parameters
    ----------
    em_field : object
        With ``frequencies`` (f,), ``nPoints`` (3,), ``e_field`` and ``b_field`` (f, port, 3, points) or None, and
        perhaps ``properties``, as CoSimPy has them: x fastest, rms per root of a watt of incident power, B in tesla.
    spacing_m : float or (float, float, float)
        Distance of its points, which it does not know [m].
    origin_m : (float, float, float), optional
        Low corner of the first voxel [m]; by default the grid is centred on the isocentre.
    s_matrix : object, optional
        ``S_Matrix`` of the same ports, with ``S`` (f, port, port), ``frequencies`` and ``z0``.
    frequency_Hz : float, optional
        Which of its frequencies [Hz]; needed when there are several.
    conductivity, density : str, optional
        Names of its properties [S/m], [kg/m^3]; by default those that are called like it.

    Returns
    -------
    ForeignFields
        As `read_foreign_fields` gives them; what is NaN stays NaN.

    Raises
    ------
    InputError
        When arrays do not fit, a property is missing, or the frequency is not one of the object's.
    """
    frequencies = np.atleast_1d(np.asarray(em_field.frequencies, float))
    n = _at(frequencies, frequency_Hz)
    shape = tuple(int(k) for k in em_field.nPoints)
    spacing = lengths("spacing_m", spacing_m)
    low = -0.5 * np.array(shape) * spacing if origin_m is None else vector("origin_m", origin_m)
    axes = tuple(o + h * (np.arange(k) + 0.5) for o, h, k in zip(low, spacing, shape, strict=True))
    E, B = (_grid(getattr(em_field, name), n, shape, name) for name in ("e_field", "b_field"))
    first = E if E is not None else B
    if first is None:
        raise InputError("no field in this object", field="em_field", expected="e_field or b_field")
    held = dict(getattr(em_field, "properties", {}) or {})
    maps = {}
    for name, wanted, usual in (("conductivity", conductivity, CONDUCTIVITY), ("density", density, DENSITY)):
        key = wanted if wanted is not None else next((k for k in held if _plain(k) in usual), None)
        if key is None:
            continue
        if key not in held:
            raise InputError("no such property", field=name, found=key, expected=", ".join(held) or "none is there")
        maps[name] = _property(held, key, shape)
    network, names = None, tuple(f"port {k + 1}" for k in range(len(first)))
    if s_matrix is not None:
        at = _at(np.atleast_1d(np.asarray(s_matrix.frequencies, float)), frequencies[n])
        z0 = np.broadcast_to(np.asarray(s_matrix.z0, float), (len(names),))
        network = Network(frequencies[n : n + 1], np.asarray(s_matrix.S)[at : at + 1], names, z0)
    return ForeignFields(
        program="CoSimPy",
        axes=(axes[0], axes[1], axes[2]),
        E=E,
        magnetic=B,
        ports=names,
        frequency_Hz=float(frequencies[n]),
        stated={**KNOWN, "length": "m"},
        sources=dict.fromkeys(KNOWN, "what is documented of CoSimPy") | {"length": "the user"},
        conductivity=maps.get("conductivity"),
        density=maps.get("density"),
        network=network,
        notes=() if "density" in maps else (NO_DENSITY,),
    )


def to_cosimpy(
    fields: Fields,
    phantom: Phantom,
    network: Network | None = None,
    *,
    em_field_class: Callable[..., Any] | None = None,
    s_matrix_class: Callable[..., Any] | None = None,
) -> tuple[Any, Any]:
    """An ``EM_Field`` of CoSimPy, and with a network its ``S_Matrix``.

    Parameters
    ----------
    fields : Fields
        Of all ports, per volt of a source behind the reference impedance ("V") or per root of a watt ("sqrt(W)").
    phantom : Phantom
        The body of the fields: conductivity and density become properties, by tissue.
    network : Network, optional
        Scattering parameters of the same ports at the frequency; its reference impedances turn volts into watts.
    em_field_class, s_matrix_class : callable, optional
        What makes the objects; CoSimPy's classes when absent.

    Returns
    -------
    (object, object or None)
        Fields at the voxel centres, x fastest, rms per root of a watt of incident power.

    Raises
    ------
    InputError
        For fields per ampere, which have no incident wave; without impedances for those per volt; when ports differ, or
        when CoSimPy is not installed.

    Notes
    -----
    A source of v volts sends a wave of v / 2 into z0, P = v^2 / (8 z0), and rms = peak / sqrt(2), so that
    E_rms(1 W) = 2 sqrt(z0) E_peak(1 V). CoSimPy's Q-matrices are
    sigma E_k* E_l / z0 without density, and the matrices of its ``compVOP`` are the complex conjugate of what
    v^H A v needs.
    """
    n = len(fields.ports)
    if network is not None and network.size != n:
        raise InputError(
            "ports of fields and network differ", field="network", found=network.size, expected=f"{n} ports"
        )
    if fields.drive_unit == "V":
        if network is None:
            raise InputError("volts of sources need the impedances of the ports", field="network", expected="a Network")
        factor = 2 * np.sqrt(network.reference_ohm)
    elif fields.drive_unit == "sqrt(W)":
        factor = np.full(n, math.sqrt(0.5))
    else:
        raise InputError(
            "CoSimPy's fields belong to incident waves",
            field="fields",
            found=fields.drive_unit,
            expected="V or sqrt(W)",
        )
    if phantom.grid.shape != fields.grid.shape:
        raise InputError(
            "fields and phantom are on different grids", found=phantom.grid.shape, expected=str(fields.grid.shape)
        )
    make_field, make_s = _classes(em_field_class, s_matrix_class, network is not None)
    E, B = (
        np.stack([f * np.stack([c.ravel(order="F") for c in port]) for f, port in zip(factor, values, strict=True)])[
            None
        ]
        for values in (np.asarray(fields.E_centre(), complex), np.asarray(fields.B_centre(), complex))
    )
    used, index = np.unique(phantom.labels, return_inverse=True)
    frequency = fields.frequency_Hz
    tissue = [phantom.tissues[k] for k in used]
    properties = {
        # CoSimPy wants every number from 0 to the largest to occur, and one value for each.
        "idxs": index.reshape(phantom.grid.shape).ravel(order="F"),
        CONDUCTIVITY_KEY: np.array([t.conductivity(frequency) for t in tissue]),
        DENSITY_KEY: np.array([0.0 if t.is_background else t.density_kg_m3 for t in tissue]),
    }
    made = make_field([frequency], list(fields.grid.shape), b_field=B, e_field=E, props=properties)
    if network is None:
        return made, None
    one = network.at(frequency)
    return made, make_s(one.s, one.frequencies_Hz, z0=one.reference_ohm)


def from_cosimpy_matrices(
    matrices: Any, density_kg_m3: float | Sequence[float] | np.ndarray, made_by: Literal["compQMatrix", "compVOP"]
) -> np.ndarray:
    """Matrices of CoSimPy as Q-matrices: SAR = v^H Q v for peak volts of sources behind the reference impedance.

    Parameters
    ----------
    matrices : (matrix, port, port) or (port, port) complex array
        Power density per squared volt of incident waves [W/m^3/V^2].
    density_kg_m3 : float or (matrix,) array
        Mass density at each, which CoSimPy's matrices do not have [kg/m^3]. For VOPs, which stand for many places, the
        least density of the body bounds them.
    made_by : "compQMatrix" or "compVOP"
        The method of ``EM_Field`` that gave them: the matrices of ``compVOP`` are complex conjugates.

    Returns
    -------
    (matrix, port, port) complex ndarray [W/kg/V^2]

    Raises
    ------
    InputError
        For another method, matrices that are not square and Hermitian, or a density that is none of a body.

    Notes
    -----
    ``compQMatrix`` gives sigma E_k* . E_l / z0 for rms fields of one watt, ``compVOP`` the same with k and l exchanged.
    For peak volts the power density has a factor 1/2, a source of one volt sends half a volt, and SAR is per density.

    Source: both methods in CoSimPy 2.0.0 (MIT licence).
    """
    one_of("made_by", made_by, ("compQMatrix", "compVOP"), problem="unknown method")
    a = np.asarray(matrices, complex)
    a = a[None] if a.ndim == 2 else a
    if a.ndim != 3 or a.shape[1] != a.shape[2] or not np.all(np.isfinite(a)):
        raise InputError(
            "not square matrices", field="matrices", found=a.shape, expected="(matrix, port, port), finite"
        )
    if np.abs(a - a.conj().swapaxes(1, 2)).max(initial=0.0) > 1e-6 * max(np.abs(a).max(initial=0.0), 1e-300):
        raise InputError("matrices are not Hermitian", field="matrices")
    rho = positives("density_kg_m3", density_kg_m3, problem="bad density", expected="kg/m^3 > 0")
    if rho.shape not in ((1,), (len(a),)):
        raise InputError("not one density for each", field="density_kg_m3", found=rho.shape, expected=str((len(a),)))
    return (a.conj() if made_by == "compVOP" else a) / (8 * rho[:, None, None])


def _classes(field: Any, s: Any, with_s: bool) -> tuple[Any, Any]:
    if field is None or (s is None and with_s):
        try:
            import cosimpy
        except ImportError:
            raise InputError(
                "CoSimPy is not installed", field="em_field_class", expected="pip install cosimpy, or its class"
            ) from None
        field, s = field or cosimpy.EM_Field, s or cosimpy.S_Matrix
    return field, s


def _at(frequencies: np.ndarray, wanted: float | None) -> int:
    if wanted is None and len(frequencies) == 1:
        return 0
    near: Any = [] if wanted is None else np.flatnonzero(np.abs(frequencies - wanted) <= 1e-9 * wanted)
    if len(near) != 1:
        listed = ", ".join(f"{f:.10g}" for f in frequencies)
        raise InputError("not one frequency", field="frequency_Hz", found=wanted, expected=f"one of {listed} Hz")
    return int(near[0])


def _grid(values: Any, n: int, shape: tuple[int, ...], name: str) -> np.ndarray | None:
    if values is None:
        return None
    raw = np.asarray(values, complex)
    if raw.ndim != 4 or raw.shape[2] != 3 or raw.shape[3] != math.prod(shape):
        raise InputError(
            "field does not fit", field=name, found=raw.shape, expected=f"(f, port, 3, {math.prod(shape)})"
        )
    return np.stack([np.stack([c.reshape(shape, order="F") for c in port]) for port in raw[n]])


def _property(held: dict[str, Any], key: str, shape: tuple[int, ...]) -> np.ndarray:
    values = np.asarray(held[key], float)
    if values.size != math.prod(shape):  # one value for each index
        values = values[np.asarray(held["idxs"], int)]
    return values.reshape(shape, order="F")


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum() or c == "_")
