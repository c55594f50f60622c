"""What one run of the engine gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from emdose.solvers.running import group, joined

if TYPE_CHECKING:
    from emdose.solvers.fdtd.setup.problem import Excitation


@dataclass(eq=False)
class SteppedRun:
    """What a run gave, per unit of the source.

    Parameters
    ----------
    name : str
        Port.
    port : int
        Index of the port.
    factor : complex
        By how much it enters the fields of the port.
    E, B : dict of str to (3, ...) complex arrays
        Phasors at the exposure's frequency by region [V/m], [T].
    voltages, currents : (f, element) complex arrays
        Of ports and lumped elements, in the order of ``elements`` [V], [A].
    elements : tuple of str
        Their names.
    converged, resumed : bool
        Whether the tolerance was met; whether it came from a checkpoint.
    steps : int
        Time steps.
    seconds : float
        Wall time.
    history : list of float
        What was still to come, after every window.
    energy_dB : float
        Energy left over its peak [dB].
    image_of : str
        The port whose run this one is the mirror image of, if it is one.
    leads : dict of str to (segment,) complex arrays
        Currents of leads by name [A].
    """

    name: str
    port: int
    factor: complex
    E: dict[str, np.ndarray]
    B: dict[str, np.ndarray]
    voltages: np.ndarray
    currents: np.ndarray
    elements: tuple[str, ...]
    converged: bool
    steps: int
    seconds: float
    history: list[float] = field(default_factory=list)
    energy_dB: float = 0.0
    resumed: bool = False
    image_of: str = ""
    leads: dict[str, np.ndarray] = field(default_factory=dict)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as arrays, for a checkpoint."""
        numbers = [self.converged, self.steps, self.seconds, self.energy_dB]
        return {
            **joined(E=self.E, B=self.B, leads=self.leads),
            "voltages": self.voltages,
            "currents": self.currents,
            "elements": np.array(self.elements, str),
            "numbers": np.array(numbers, float),
            "history": np.array(self.history),
        }

    @classmethod
    def from_arrays(cls, excitation: Excitation, data: Mapping[str, np.ndarray]) -> SteppedRun:
        """The run that :meth:`arrays` was made of."""
        converged, steps, seconds, energy_dB = (float(v) for v in data["numbers"])
        return cls(
            name=excitation.name,
            port=excitation.port,
            factor=excitation.factor,
            E=group(data, "E"),
            B=group(data, "B"),
            voltages=data["voltages"],
            currents=data["currents"],
            elements=tuple(str(e) for e in data["elements"]),
            converged=bool(converged),
            steps=int(steps),
            seconds=seconds,
            history=[float(h) for h in data["history"]],
            energy_dB=energy_dB,
            resumed=True,
            leads=group(data, "leads"),
        )
