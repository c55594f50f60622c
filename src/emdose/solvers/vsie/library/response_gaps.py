"""Fields of a coil whose network came from the answers of a body: solved for, beginning with what the answers tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.running import silent
from emdose.solvers.vie.body import BodyOperator
from emdose.solvers.vsie.gap_fields import CoupledGaps
from emdose.solvers.vsie.ports import of_space
from emdose.solvers.vsie.setup import Coupled, coupling_of
from emdose.solvers.vsie.trial_space import TrialSpace

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.coils.circuit import CircuitCoil
    from emdose.models.exposure import Exposure
    from emdose.solvers.cosimulation import GapDrive
    from emdose.solvers.mom.metal import ThinMetal
    from emdose.solvers.results.fields import Fields
    from emdose.solvers.vsie.options import VsieOptions


@dataclass(frozen=True, eq=False)
class ResponseGaps:
    """The gaps of a coil by the answers of a body.

    Parameters
    ----------
    exposure : Exposure
        Body, coil and frequency.
    options : VsieOptions
        Tolerances for the fields.
    metal : ThinMetal
        The metal.
    X, applied : (r, unknowns) array
        Answers of the body, and (I - M N) X.
    shares : (r, gap) complex ndarray
        Of the answers per volt at a gap.
    error : (gap,) ndarray
        Relative error of the incident field of every gap.
    clock : mapping of str to float
        Seconds.
    be : Backend
        Device.
    """

    exposure: Exposure
    options: VsieOptions
    metal: ThinMetal
    X: Any
    applied: Any
    shares: np.ndarray
    error: np.ndarray
    clock: Mapping[str, float]
    be: Backend

    @property
    def frequency_Hz(self) -> float:
        """Frequency of the answers [Hz]."""
        return self.exposure.frequency_Hz

    @property
    def residual(self) -> float:
        """The largest relative error of the incident field of a gap."""
        return float(self.error.max())

    def fields(self, coil: CircuitCoil, drive: GapDrive, again: Callable[[np.ndarray], GapDrive]) -> Fields:
        """Fields of every feed per volt of its source, to the tolerances of the solver.

        Raises
        ------
        ConvergenceError
            As :meth:`emdose.Vsie.solve`.
        """
        body = BodyOperator(self.options, self.exposure.phantom, self.frequency_Hz, self.be)
        metal = self.metal
        coupling = coupling_of(metal, body)
        mix = body.be.asarray((drive.voltages_V @ self.shares.T).astype(body.dtype))
        space = TrialSpace(metal, body, coupling, mix @ self.X, mix @ self.applied)
        E0 = body.rows(coupling.field(metal.driven)[0])
        solution = of_space(space, E0, 0, self.residual)
        about = {"library_error": self.error.tolist()}
        parts = Coupled(metal, body, coupling, dict(self.clock))
        gaps = CoupledGaps(self.exposure, self.options, parts, solution, self.clock, silent, self.be, about)
        return gaps.fields(coil, drive, again)
