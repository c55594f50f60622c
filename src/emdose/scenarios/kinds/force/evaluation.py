"""What follows from the moments of a ``force`` scenario: loads of every exposure, rows, and how far to trust them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.mechanics.moments import MomentTensor
from emdose.mechanics.switched import SwitchedLoad, gradient_force, gradient_torque, rigid_vibration
from emdose.mechanics.table import COVERAGE, ForceRow
from emdose.models.gradients.spectrum import Spectrum
from emdose.solvers.results.measures import worst
from emdose.validity import Measure

if TYPE_CHECKING:
    from emdose.mechanics.rigid import RigidBody
    from emdose.scenarios.shared.implants.exposures import BuiltExposure
    from emdose.solvers.results.power_tensor import PowerTensor

SHOWN_HARMONICS, SHOWN_SAMPLES = 60, 600
BASIS = "range of the susceptibility, shape, conductivity and discretisation, each with a rectangular law; k = 2"


def entry(row: ForceRow) -> dict[str, Any]:
    """A row as an entry of the quantities of a summary."""
    spread = None
    if row.expanded is not None:
        spread = {"expanded": row.expanded, "k": COVERAGE, "kind": "combined", "basis": BASIS}
    return {"value": row.value, "unit": row.unit, "uncertainty": spread, "note": row.about}


def exposure(
    one: BuiltExposure,
    moments: MomentTensor,
    tensor: PowerTensor,
    body: RigidBody,
    B0_T: np.ndarray,
    slope_T_m: np.ndarray,
    relative_conductivity: float,
) -> tuple[list[ForceRow], dict[str, Any], Spectrum]:
    """Rows of one exposure, what the page shows of it, and dB/dt at the implant.

    Parameters
    ----------
    one : BuiltExposure
        The exposure.
    moments, tensor, body
        Of the implant in its pose.
    B0_T : (3,) ndarray
        Static field [T].
    slope_T_m : (3, 3) ndarray
        dB_i/dx_j of the static field where the implant lies [T/m].
    relative_conductivity : float
        Relative half width of the conductivity.
    """
    top = float(tensor.frequencies_Hz[-1])
    harmonics = one.harmonics(top)
    along = worst_direction(moments, harmonics, B0_T)
    rate = harmonics.through(one.matrix_along(along)[:3])
    torque, force = gradient_torque(moments, rate, B0_T), gradient_force(moments, rate, slope_T_m)
    dropped = _dropped_share(moments, rate, torque, B0_T)
    error = tensor.error(rate)["total"]
    # Half widths: solver, conductivity, and the part of the torque whose harmonics were left out.
    parts = (error, relative_conductivity, 1 / math.sqrt(1 - min(dropped, 0.99)) - 1)
    relative = COVERAGE * math.sqrt(sum(p * p for p in parts) / 3)
    lever = body.weight_N * body.longest_m
    rms, peak = torque.rms, torque.peak
    everywhere = worst_rms(moments, harmonics, one) * float(np.linalg.norm(B0_T))
    swing = rigid_vibration(body, torque, force).amplitude_m
    told = [
        ("gradient torque, rms", rms, "N m", one.title),
        ("gradient torque, peak", peak, "N m", ""),
        ("gradient torque, peak over weight times length", peak / lever, "1", "vibration load, zero mean"),
        ("gradient force, rms", force.rms, "N", "in the static gradient, net"),
        ("vibration amplitude", swing, "m", "free rigid body, no support; bone lowers it"),
    ]
    if everywhere is not None:
        told.insert(1, ("gradient torque, rms, worst pose", everywhere, "N m", "of implant, dB/dt and B0"))
    rows = [ForceRow(f"{label}: {one.name}", label, v, unit, relative * v, about) for label, v, unit, about in told]
    about = {
        "title": one.title,
        "error": error,
        "dropped": dropped,
        "rms_axes_N_m": torque.rms_axes,
        "direction": along if isinstance(one.direction, str) else None,
        "spectrum": _spectrum(torque),
        "waveform": _waveform(torque),
        "strongest_Hz": float(torque.frequencies_Hz[np.argmax(np.linalg.norm(torque.amplitudes, axis=1))]),
    }
    return rows, about, rate


def worst_direction(moments: MomentTensor, harmonics: Spectrum, B0_T: np.ndarray) -> np.ndarray:
    """Direction of a linearly polarised dB/dt with the largest torque in this static field, (3,)."""
    cross = np.cross(np.eye(3), B0_T).T  # m -> m x B0
    return np.asarray(_form(moments, harmonics, cross)[1])


def worst_rms(moments: MomentTensor, harmonics: Spectrum, one: BuiltExposure) -> float:
    """Largest rms moment over all directions of the field, and with it rms torque per tesla across it [N m/T].

    A field of coils turns with the sequence; that of its largest eigenvector with the rms of all axes bounds it.
    """
    if one.matrix is None:
        return math.sqrt(_form(moments, harmonics, np.eye(3))[0])
    rms = harmonics.through(one.matrix[:3])
    K = moments.at(rms.frequencies_Hz)
    largest = np.linalg.svd(K, compute_uv=False)[:, 0]
    return math.sqrt(0.5 * float((largest**2 * (np.abs(rms.amplitudes) ** 2).sum(axis=1)).sum()))


def _form(moments: MomentTensor, harmonics: Spectrum, after: np.ndarray) -> tuple[float, np.ndarray]:
    """Largest eigenvalue and vector of sum s^2 (A K)^H A K over harmonics of one axis."""
    K = after @ moments.at(harmonics.frequencies_Hz)
    weight = 0.5 * (np.abs(harmonics.amplitudes) ** 2).sum(axis=1)
    values, vectors = np.linalg.eigh(np.einsum("h,hki,hkj->ij", weight, K.conj(), K).real)
    return float(max(values[-1], 0.0)), vectors[:, -1]


def _dropped_share(moments: MomentTensor, rate: Spectrum, torque: SwitchedLoad, B0_T: np.ndarray) -> float:
    """Largest share of the mean square of the torque in harmonics that were left out: their moment at the top one."""
    assert rate.rms_total is not None
    missing = max(0.0, float((rate.rms_total**2).sum() - (rate.rms**2).sum()))
    largest = np.linalg.svd(moments.at(rate.frequencies_Hz[-1])[0], compute_uv=False)[0]
    bound = missing * largest**2 * float(B0_T @ B0_T)
    return bound / (bound + torque.rms**2) if bound > 0 else 0.0


def _spectrum(torque: SwitchedLoad) -> dict[str, Any]:
    size = np.linalg.norm(torque.amplitudes, axis=1)
    chosen = np.sort(np.argsort(-size)[:SHOWN_HARMONICS])
    return {"frequencies_Hz": torque.frequencies_Hz[chosen], "torque_N_m": size[chosen], "count": len(size)}


def _waveform(torque: SwitchedLoad) -> dict[str, Any]:
    times, course = torque.course()
    step = max(1, len(times) // SHOWN_SAMPLES)
    return {"times_s": times[::step], "torque_N_m": course[::step]}


def measures(summary: Mapping[str, Any]) -> list[Measure]:
    """How far a run can be trusted, by its summary.

    Parameters
    ----------
    summary : mapping
        Its entries "convergence" and "force".
    """
    about, tolerance = summary["force"], summary["convergence"].get("tolerance")
    rows = about["frequencies"]
    met = {f"{r['frequency_Hz']:.4g} Hz": r["residual"] / tolerance for r in rows if r["engine"] == "voxel"}
    return [
        *worst("residual", met),
        *worst("power_identity", {f"{r['frequency_Hz']:.4g} Hz": abs(r["identity"]) for r in rows}),
        *worst("eddy_error", {n: e["error"] for n, e in about["exposures"].items()} | {"rest": about["error_at_rest"]}),
        *worst("spectrum_dropped", {n: e["dropped"] for n, e in about["exposures"].items()}),
    ]
