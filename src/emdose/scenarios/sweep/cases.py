r"""All cases of one implant, from one power tensor and one solution of the heat.

With the share a_s(f) that a solved frequency f_s has of the losses at another one, and the rises T of all pairs of
axes at f_s after the duration, the rise of a sequence whose harmonics have the rms rates b_h at the implant is

.. math:: \Delta T = \frac{P}{P'} \max_{\mathbf r} \sum_s W_s : T(f_s, \mathbf r), \qquad
          W_s = \sum_h a_s(f_h) \operatorname{Re}(\mathbf b_h \mathbf b_h^H), \quad P' = \sum_s W_s : M(f_s),

P being the power by the fit over frequency. A field of another scanner changes the torque, and nothing else here. An
implant that is turned against the fields has no more than

.. math:: \Delta T_{worst} = \frac{P}{P'} \max_{\mathbf r} \sum_s \sum_i \lambda_i(W_s)\, \lambda_i(T(f_s, \mathbf r))

with both sets of eigenvalues in the same order; fields along one direction reach it. RF is in
:mod:`emdose.scenarios.sweep.rf`.

Source: A. Arduino et al., Magn. Reson. Med. 85 (2021) 3447 (rises as quadratic forms).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from emdose.mechanics.moments import moment_tensor, rest_frequency
from emdose.mechanics.rigid import rigid_body
from emdose.models.bodies import gel_box
from emdose.models.gradients.windings import whole_body_gradients
from emdose.models.implants.implant import Implant
from emdose.scenarios.kinds.label.sheet import relative_rise
from emdose.scenarios.shared.implants.eddy_job import eddy_solver
from emdose.scenarios.shared.implants.exposures import BuiltExposure, exposures, frequencies
from emdose.scenarios.shared.implants.kept_tensor import kept_tensor
from emdose.scenarios.sweep.rf import rf_runs, scaled
from emdose.scenarios.sweep.schema import SweepFile
from emdose.scenarios.sweep.sites import implant_of
from emdose.solvers.heat.directions import PAIRS
from emdose.solvers.heat.solver import Bioheat
from emdose.solvers.results import relaxations
from emdose.validity import judge

MOST_FREQUENCIES = 4
"""Frequencies that the sequences are solved at, beside rest."""
NOT_COMPUTED = "not computed"
VOXELS = 0.05
"""Relative half width that voxels of a sweep leave of a rise, where only one size of them is solved."""


def solve_cases(task: Mapping[str, Any], memo: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - as executors call
    """All cases of one implant.

    Parameters
    ----------
    task : mapping
        "tables", those of the sweep as plain data; "implant", its name; "device".
    memo : dict
        What tasks of a process share.

    Returns
    -------
    dict
        "cases": one plain dict each; "state" and "reasons" of the gate.
    """
    from emdose.scenarios.sweep.schema import read_sweep

    tables, name, device = read_sweep(task["tables"]), str(task["implant"]), str(task["device"])
    implant = implant_of(tables, name)
    coils = whole_body_gradients()
    built = _sequences(tables, coils)
    top = tables.solver.frequencies_Hz or _spread(frequencies(built))
    solver = eddy_solver(tables.solver, tables.implants[name].spacing_m)
    wanted = tuple(sorted({float(f"{rest_frequency(implant):.4g}"), *top}))
    tensor = kept_tensor(implant, solver, wanted, "uniform", device, cache=tables.solver.cache)
    rises, measured = _rises(tables, implant, tensor, device)
    judged = judge([*tensor.measures(), *measured])
    if not judged.is_valid:
        return {"cases": [], "state": judged.state, "reasons": list(judged.reasons)}
    radio = rf_runs(tables, name, device) if tables.rf is not None else {}
    spread_of_axes = np.linalg.eigvalsh(_matrices(rises))
    moments = moment_tensor(tensor, tensor.matrix[0].real)
    body, site = rigid_body(implant), np.asarray(tables.implants[name].site_m)
    lever = body.weight_N * body.longest_m
    cases = []
    for sequence in built:
        harmonics = sequence.harmonics(float(tensor.frequencies_Hz[-1]))
        f = harmonics.frequencies_Hz
        M, K = tensor.at(f).real, moments.at(f)
        shares = relaxations.shares(tensor.frequencies_Hz, tensor.matrix, f, tensor.fit)
        for region, where in tables.regions.items():
            matrix = coils.uniform_matrix((site - np.array([0.0, 0.0, where.height_m])).tolist())
            b = harmonics.amplitudes @ matrix.T / math.sqrt(2)
            outer = np.einsum("hi,hj->hij", b, b.conj()).real
            power = float(np.einsum("hij,hij->", outer, M))
            W = np.einsum("hs,hij->sij", shares, outer)
            known = float(np.einsum("sij,sij->", W, tensor.matrix.real))
            weights = np.stack([W[:, i, j] * (1 if i == j else 2) for i, j in PAIRS], axis=1).ravel()
            scale = power / known if known > 0 else 1.0
            rise = float((weights @ rises).max()) * scale
            worst = worst_over_turns(W, spread_of_axes) * scale
            moment = np.einsum("hij,hj->hi", K, b)
            # B0 along z takes the part of the moment across it.
            across = math.sqrt(float((np.abs(moment[:, :2]) ** 2).sum()))
            # Harmonics above the highest solved frequency can add no more than their share of dB/dt squared.
            spread = relative_rise(float(tensor.error(f, b)["total"]) + harmonics.dropped, VOXELS)
            for B0 in tables.sweep.fields_T:
                cases.append(
                    {
                        "implant": name,
                        "field_T": float(B0),
                        "sequence": sequence.name,
                        "region": region,
                        "dbdt_rms_T_s": math.sqrt(float(np.trace(outer.sum(axis=0)))),
                        "power_W": power,
                        "rise_K": rise,
                        "rise_U_K": spread * rise,
                        "rise_worst_orientation_K": max(worst, rise),
                        "class": rise_class(rise, tables.sweep.classes_K),
                        "torque_rms_N_m": across * B0,
                        "torque_over_weight_length": across * B0 / lever,
                        "dropped": harmonics.dropped,
                    }
                )
                if tables.rf is not None:
                    told = scaled(radio[float(B0), region], tables.rf.b1plus_rms_T[sequence.name])
                    warm = told["rf_rise_K"]
                    told["rf_class"] = NOT_COMPUTED if warm is None else rise_class(warm, tables.sweep.classes_K)
                    cases[-1].update(told)
    return {"cases": cases, "state": judged.state, "reasons": list(judged.reasons)}


def worst_over_turns(W: np.ndarray, spread_of_axes: np.ndarray) -> float:
    """Largest rise over all turns of an implant against the fields, or a little more.

    Parameters
    ----------
    W : (f, 3, 3) ndarray
        Weights of pairs of axes, symmetric.
    spread_of_axes : (f, cells, 3) ndarray
        Eigenvalues of the rises of pairs of axes, growing.

    Notes
    -----
    The trace of a product of two symmetric matrices is at most that of their eigenvalues in the same order.
    Source: J. von Neumann, Tomsk Univ. Rev. 1 (1937) 286 (trace inequality).
    """
    return float(np.einsum("si,sci->c", np.linalg.eigvalsh(W), spread_of_axes).max())


def _matrices(rises: np.ndarray) -> np.ndarray:
    """Rises of pairs of axes, (6 f, cells), as a symmetric matrix per frequency and cell, (f, cells, 3, 3)."""
    six = rises.reshape(-1, len(PAIRS), rises.shape[1])
    out = np.zeros((len(six), rises.shape[1], 3, 3))
    for n, (i, j) in enumerate(PAIRS):
        out[:, :, i, j] = out[:, :, j, i] = six[:, n]
    return out


def rise_class(rise_K: float, levels_K: tuple[float, ...]) -> str:
    """Between which levels a rise lies, in words."""
    above = [x for x in levels_K if rise_K >= x]
    below = [x for x in levels_K if rise_K < x]
    if not above:
        return f"below {below[0]:g} K"
    return f"{above[-1]:g} to {below[0]:g} K" if below else f"{above[-1]:g} K and more"


def _sequences(tables: SweepFile, coils: Any) -> list[BuiltExposure]:
    class _All:
        exposures = tables.sequences

        class gradients:  # noqa: N801 - as a table is called
            position_m = (0.0, 0.0, 0.0)

    return exposures(_All, coils, np.zeros(3), False, tables.sweep.duration_s, "sweep")


def _spread(found: tuple[float, ...]) -> tuple[float, ...]:
    """A few of the frequencies that sequences ask for, both ends among them."""
    if len(found) <= MOST_FREQUENCIES:
        return found
    picked = np.geomspace(found[0], found[-1], MOST_FREQUENCIES)
    return tuple(float(f"{f:.4g}") for f in picked)


def _rises(tables: SweepFile, implant: Implant, tensor: Any, device: str) -> tuple[np.ndarray, list[Any]]:
    """Rises per (T/s rms)^2 for every solved frequency and pair of axes, (6 f, cells), and what tells their quality."""
    step, margin = tables.thermal.spacing_m, tables.thermal.margin_m
    low, high = (np.asarray(b) for b in implant.bounds_m)
    size = step * np.ceil((high - low + 2 * margin) / step - 1e-9)
    gel = gel_box(step, tuple(size)).translate(tuple(0.5 * (low + high)))
    solver = Bioheat(edges="insulated", perfusion="none")
    found, measured = [], []
    for f in tensor.frequencies_Hz:
        one = solver.solve(
            gel,
            implant,
            tensor,
            tables.sweep.duration_s,
            frequencies_Hz=float(f),
            device=device,
            progress=False,
            times_s=[tables.sweep.duration_s],
        )
        fine = one.near.basis.reshape(6, -1) if one.near is not None else np.zeros((6, 0))
        found.append(np.concatenate([one.basis.reshape(6, -1), fine], axis=1))
        measured += one.measures()
    return np.concatenate(found).astype(float), measured
