"""A solver that returns the fields of a circuit coil with its network, tuned and matched with the load if asked to."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from emdose.circuits.unloaded import tune
from emdose.errors import ConvergenceError, EmdoseWarning, InputError
from emdose.models.coils.circuit_birdcage import CircuitBirdcage
from emdose.scenarios.shared.metal_coils.network import NETWORK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emdose.compute.backend import Backend
    from emdose.models.exposure import Exposure
    from emdose.scenarios.shared.circuit_tables import TuningTable
    from emdose.solvers.cosimulation import CoSimulation
    from emdose.solvers.results.fields import Fields
    from emdose.solvers.running import Checkpoint, Plan, ProgressCallback

JOINED = "coil from a file"
"""Kind of a coil that a user has drawn, other than separate loops."""


class GapSolver(Protocol):
    """What finds the network of the gaps of a coil and the fields of each, as Vsie and Fdtd do."""

    @property
    def tolerance(self) -> float:
        """What is left when it ends."""

    def plan(self, exposure: Exposure, device: str | Backend = "auto") -> Plan:
        """What it will take."""

    def cosimulate(
        self,
        exposure: Exposure,
        frequencies_Hz: Sequence[float] | None = None,
        device: str | Backend = "auto",
        progress: Any = True,
        checkpoint: Checkpoint | None = None,
    ) -> CoSimulation:
        """The network over some frequencies, with the fields at that of the exposure."""


@dataclass(frozen=True)
class TunedCoil:
    """A solver for every gap of a coil, then capacitors and matching by circuit algebra.

    Parameters
    ----------
    solver : GapSolver
        Its options.
    tuning : Tuning
        What to do with the network of the gaps, and where to keep it.
    band : bool
        Whether the network is wanted over a band of frequencies, for curves and modes, or where the fields are only.
    """

    solver: GapSolver
    tuning: TuningTable
    band: bool = True

    @property
    def tolerance(self) -> float:
        """Tolerance of the solver."""
        return self.solver.tolerance

    def plan(self, exposure: Exposure, device: str | Backend = "auto") -> Plan:
        """What the solver will take."""
        return self.solver.plan(exposure, device)

    def solve(
        self,
        exposure: Exposure,
        device: str | Backend = "auto",
        progress: ProgressCallback | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> Fields:
        """Fields per volt at every feed of the tuned coil; its network is in ``provenance["network"]``.

        Raises
        ------
        InputError, ConvergenceError, ResourceError
            As of the solver's ``cosimulate``.

        Warns
        -----
        EmdoseWarning
            When the coil cannot be tuned or matched as asked; the fields are then those of the coil as far as it got.
        """
        f, half = exposure.frequency_Hz, 0.5 * self.tuning.span
        band = np.linspace((1 - half) * f, (1 + half) * f, self.tuning.points) if self.band else [f]
        start = self.solver.cosimulate(exposure, list(band), device, progress, checkpoint)
        tuned = _tuned(start) if self.tuning.tune else start
        final, ladders = _matched(tuned) if self.tuning.match else (tuned, {})
        about = describe(final, tuned, ladders, tuned is not start)
        try:
            fields = final.fields()
        except ConvergenceError as error:
            if error.partial is not None:
                error.partial = _with_network(error.partial, about)
            raise
        return _with_network(fields, about)


def _with_network(fields: Fields, about: dict[str, Any]) -> Fields:
    coil = as_started(fields.provenance["coil"], about)
    return replace(fields, provenance={**fields.provenance, "coil": coil, NETWORK: about})


def as_started(parameters: Mapping[str, Any], about: Mapping[str, Any] | None) -> dict[str, Any]:
    """Parameters of a coil, whose capacitances are called those of the start once tuning has changed them."""
    tuned = bool(about and about["tuned"])
    return {f"start_{k}" if tuned and k.endswith("capacitance_F") else k: v for k, v in parameters.items()}


def _tuned(start: CoSimulation) -> CoSimulation:
    """With capacitances that put the useful mode at the frequency of the exposure, if there are any."""
    if not any(e.capacitance_F for e in start.coil.elements):
        return start
    try:
        return start.tune(pattern=_useful_currents(start), frequency_Hz=start.frequency_Hz)
    except InputError as error:  # the solution took long: it is kept
        warnings.warn(f"the coil is not tuned: {error}", EmdoseWarning, stacklevel=3)
        return start


def _matched(tuned: CoSimulation) -> tuple[CoSimulation, dict[str, Any]]:
    """With every feed matched by two capacitors, else by any ladder of two elements, and the ladders by feed."""
    from emdose.circuits.matching import match

    problem: Exception | None = None
    for kind in ("two capacitors", "L"):
        try:
            found = match(tuned.network, tuned.circuit, tuned.frequency_Hz, kind=kind)
        except (InputError, ConvergenceError) as error:
            problem = error
        else:
            return tuned.with_circuit(found.circuit), dict(found.ladders)
    warnings.warn(f"the feeds are not matched: {problem}", EmdoseWarning, stacklevel=3)
    return tuned, {}


def _useful_currents(start: CoSimulation) -> np.ndarray:
    """Currents of the capacitors in the useful modes of a coil, (element, mode).

    Those of a birdcage, or of another network of joined conductors, are the modes with the strongest field across
    z, found without its load; loops carry one current each, all alike.
    """
    if isinstance(start.coil, CircuitBirdcage) or start.coil.parameters.get("kind") == JOINED:
        return tune(start.coil, start.frequency_Hz).pattern()
    return np.ones((sum(1 for e in start.coil.elements if e.capacitance_F), 1))


def describe(final: CoSimulation, tuned: CoSimulation, ladders: dict[str, Any], moved: bool) -> dict[str, Any]:
    """Plain values of a tuned coil: S-parameters, modes, elements and matching."""
    network = final.s_parameters()
    elements = {
        e.name: {k: v for k in ("resistance_ohm", "inductance_H", "capacitance_F") if (v := getattr(e, k))}
        for e in final.coil.elements
    }
    # Metal alone, a dipole say, has modes too, but no circuit to find them by.
    has_modes = len(network.frequencies_Hz) > 1 and any(e.capacitance_F or e.inductance_H for e in tuned.coil.elements)
    natural = tuned.modes() if has_modes else []
    return {
        "frequency_Hz": final.frequency_Hz,
        "frequencies_Hz": network.frequencies_Hz.tolist(),
        "ports": list(network.names),
        "reference_ohm": network.reference_ohm.tolist(),
        "S": np.stack([network.s.real, network.s.imag], -1).tolist(),
        "modes": [{"frequency_Hz": m.frequency_Hz, "quality": m.quality, "within": m.within} for m in natural],
        "elements": elements,
        "tuned": moved,
        "matching": {name: [_step(*s) for s in ladder.steps] for name, ladder in ladders.items()},
        "asymmetry": final.asymmetry,
        "gaps": len(final.coil.gaps),
    }


def _step(where: str, element: Any) -> dict[str, Any]:
    values = {k: getattr(element, k, None) for k in ("resistance_ohm", "inductance_H", "capacitance_F")}
    return {"where": where, **{k: v for k, v in values.items() if v}}


def capacitances(about: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Headline numbers of a tuned coil: the capacitance that it was given, of every group of equal capacitors.

    Parameters
    ----------
    about : mapping or None
        What :func:`describe` tells of the network.
    """
    if not about or not about["tuned"]:
        return {}
    groups: dict[float, list[str]] = {}
    for name, values in about["elements"].items():
        if values.get("capacitance_F"):
            groups.setdefault(float(f"{values['capacitance_F']:.9g}"), []).append(name)
    found = {}
    for number, (value, names) in enumerate(groups.items(), 1):
        name = "tuned_capacitance" if len(groups) == 1 else f"tuned_capacitance: group {number}"
        of = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]} ({len(names)})"
        found[name] = {"value": value, "unit": "F", "uncertainty": None, "note": f"{of}, with its load"}
    return found
