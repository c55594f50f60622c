"""A solver that tunes and matches a coil with its load before it returns fields."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable

    from emdose.backend import Backend
    from emdose.io.checkpoint import PortCheckpoint
    from emdose.models.exposure import Exposure
    from emdose.scenarios.rf.circuit_schema import Tuning
    from emdose.solvers.fdtd import Fdtd
    from emdose.solvers.fdtd_cosimulation import CoSimulation
    from emdose.solvers.fields import Fields

NETWORK = "network"
"""Entry of the provenance, and of summary.json, that holds S-parameters, modes and elements."""


@dataclass(frozen=True)
class TunedFdtd:
    """Finite differences in time for every gap of a coil, then capacitors and matching by circuit algebra.

    Parameters
    ----------
    solver : Fdtd
        Its options.
    tuning : Tuning
        The table [tuning].
    """

    solver: Fdtd
    tuning: Tuning

    @property
    def tolerance(self) -> float:
        """Tolerance of the runs."""
        return self.solver.tolerance

    def plan(self, exposure: Exposure, device: str | Backend = "auto") -> dict[str, Any]:
        """What the runs will take; see :meth:`emdose.Fdtd.plan`."""
        return self.solver.plan(exposure, device)

    def solve(
        self,
        exposure: Exposure,
        device: str | Backend = "auto",
        progress: Callable[[dict[str, Any]], None] | None = None,
        checkpoint: PortCheckpoint | None = None,
    ) -> Fields:
        """Fields per volt at every feed of the tuned coil; its network is in ``provenance["network"]``.

        Raises
        ------
        InputError
            When the coil cannot be tuned to the frequency of the exposure, or not matched.
        ConvergenceError, ResourceError
            As :meth:`emdose.Fdtd.cosimulate`.
        """
        from emdose.solvers.network_matching import match

        f, half = exposure.frequency_Hz, 0.5 * self.tuning.span
        band = np.linspace((1 - half) * f, (1 + half) * f, self.tuning.points)
        start = self.solver.cosimulate(exposure, list(band), device, progress, checkpoint)
        tuned = start
        if any(e.capacitance_F for e in start.coil.elements):
            tuned = start.tune(pattern=useful_currents(start.coil), frequency_Hz=f)
        ladders: dict[str, Any] = {}
        final = tuned
        if self.tuning.match:
            matched = match(tuned.network, tuned.circuit, f)
            final, ladders = tuned.with_circuit(matched.circuit), dict(matched.ladders)
        fields = final.fields()
        about = describe(final, tuned, ladders)
        return replace(fields, provenance={**fields.provenance, NETWORK: about})


def useful_currents(coil: Any) -> np.ndarray:
    """Currents of the capacitors in the homogeneous modes of a coil, (element, 2).

    On a cylinder about z a current K(phi) in +phi above and in -phi below the middle, with K = -sin and cos, goes with
    rung currents cos and sin; a single loop carries one current.
    """
    patterns = []
    for element in (e for e in coil.elements if e.capacitance_F):
        a, b = np.array(element.start_m), np.array(element.end_m)
        middle, along = 0.5 * (a + b), (b - a) / np.linalg.norm(b - a)
        phi = np.arctan2(middle[1], middle[0])
        round_ = along @ np.array([-np.sin(phi), np.cos(phi), 0.0]) * np.sign(middle[2])
        patterns.append([along[2] * np.cos(phi) - round_ * np.sin(phi), along[2] * np.sin(phi) + round_ * np.cos(phi)])
    found = np.array(patterns)
    return found if "birdcage" in str(coil.parameters.get("kind")) else np.ones((len(found), 1))


def describe(final: CoSimulation, tuned: CoSimulation, ladders: dict[str, Any]) -> dict[str, Any]:
    """Plain values of a tuned coil: S-parameters, modes, elements and matching."""
    network = final.s_parameters()
    elements = {
        e.name: {k: v for k in ("resistance_ohm", "inductance_H", "capacitance_F") if (v := getattr(e, k))}
        for e in final.coil.elements
    }
    return {
        "frequency_Hz": final.frequency_Hz,
        "frequencies_Hz": network.frequencies_Hz.tolist(),
        "ports": list(network.names),
        "reference_ohm": network.reference_ohm.tolist(),
        "S": np.stack([network.s.real, network.s.imag], -1).tolist(),
        "modes": [{"frequency_Hz": m.frequency_Hz, "quality": m.quality, "within": m.within} for m in tuned.modes()],
        "elements": elements,
        "matching": {name: [_step(*s) for s in ladder.steps] for name, ladder in ladders.items()},
        "asymmetry": final.asymmetry,
        "gaps": len(final.coil.gaps),
    }


def network_of(about: dict[str, Any]) -> Network:
    """The network of the feeds from what :func:`describe` wrote."""
    s = np.asarray(about["S"], float)
    return Network(about["frequencies_Hz"], s[..., 0] + 1j * s[..., 1], about["ports"], about["reference_ohm"])


def _step(where: str, element: Any) -> dict[str, Any]:
    values = {k: getattr(element, k, None) for k in ("resistance_ohm", "inductance_H", "capacitance_F")}
    return {"where": where, **{k: v for k, v in values.items() if v}}
