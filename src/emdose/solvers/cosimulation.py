r"""The metal of a coil with a body as a network of its gaps: everything in the gaps is circuit algebra afterwards.

Every gap of the metal is a port. A solver finds the network of the gaps and the field of each; any elements, matching
networks and couplings are put around that by algebra, and the fields of a drive are those of the gaps with the voltages
and currents that the circuit finds.

Source: M. Kozlov and R. Turner, J. Magn. Reson. 200 (2009) 147 (fast MRI coil analysis by co-simulation).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from emdose.checks import positives
from emdose.circuits.circuit import Circuit, Connected
from emdose.circuits.elements import TwoPort
from emdose.circuits.modes import Mode, natural_modes, tuning_factor
from emdose.circuits.network import Network
from emdose.errors import InputError
from emdose.models.coils.circuit import CircuitCoil
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.exposure import Exposure
    from emdose.solvers.results.fields import Fields

SPAN, COUNT = 0.2, 41
"""Frequencies of the network by default: this share below and above the exposure's, and how many."""


@read_only
@dataclass(frozen=True, eq=False)
class GapDrive:
    """What a circuit does to the gaps of a coil for every feed, per volt of its source.

    Parameters
    ----------
    voltages_V, currents_A : (feed, gap) complex ndarray
        At the gaps, peak; currents into the metal.
    weights_V : (feed, gap) complex ndarray
        V + R I with the reference impedance R of the network.
    accepted_W : (feed, feed) complex ndarray
        Power that the feeds deliver, Hermitian [W].
    """

    voltages_V: np.ndarray
    currents_A: np.ndarray
    weights_V: np.ndarray
    accepted_W: np.ndarray

    @property
    def structure_W(self) -> np.ndarray:
        """Power into metal, body and radiation, (feed, feed) Hermitian [W]; the rest is lost in the circuit."""
        return pair_power(self.voltages_V, self.currents_A)


class GapFields(Protocol):
    """What a solver found for the gaps of a coil: it makes the fields of any circuit around them."""

    @property
    def frequency_Hz(self) -> float:
        """Where there are fields [Hz]."""

    @property
    def residual(self) -> float:
        """What was left of the worst gap when its solution ended."""

    def fields(self, coil: CircuitCoil, drive: GapDrive, again: Callable[[np.ndarray], GapDrive]) -> Fields:
        """Fields of every feed of the coil, whose elements may have changed, per volt of its source.

        ``again`` is what the circuit does with another admittance (gap, gap) of the gaps [S].
        """


@read_only
@dataclass(frozen=True, eq=False)
class CoSimulation:
    """The metal of a coil with a body as a network of its gaps, with the fields of every gap.

    Parameters
    ----------
    network : Network
        Over the gaps of the coil (``coil.gaps``), symmetrised.
    coil : CircuitCoil
        The coil, with the values of its elements.
    circuit : Circuit
        What fills the gaps.
    asymmetry : float
        Largest |S_pq - S_qp| before: what reciprocity says about the accuracy.
    gap_fields : GapFields
        What the solver found.
    """

    network: Network
    coil: CircuitCoil
    circuit: Circuit
    asymmetry: float
    gap_fields: GapFields

    @property
    def frequency_Hz(self) -> float:
        """Frequency of the exposure, at which there are fields [Hz]."""
        return self.gap_fields.frequency_Hz

    @property
    def residual(self) -> float:
        """What was left of the worst gap when its solution ended."""
        return self.gap_fields.residual

    # ---- the same gaps in another circuit ------------------------------------------------------------------------
    def with_circuit(self, circuit: Circuit) -> CoSimulation:
        """The same metal and body in another circuit: matching, couplings, losses."""
        return replace(self, circuit=circuit)

    def with_values(self, values: Mapping[str, float | Mapping[str, Any]]) -> CoSimulation:
        """With other values of elements; see :meth:`emdose.models.coils.circuit.CircuitCoil.with_values`.

        Matching networks and couplings are left behind.
        """
        coil = self.coil.with_values(values)
        return replace(self, coil=coil, circuit=Circuit.of(coil))

    def matched(self, matching: Mapping[str, TwoPort]) -> CoSimulation:
        """With ladders between sources and coil, by feed; see :class:`emdose.circuits.circuit.TwoPort`."""
        return self.with_circuit(self.circuit.matched(matching))

    def tune(
        self,
        elements: Sequence[str] | None = None,
        *,
        pattern: np.ndarray | None = None,
        mode: int | None = None,
        frequency_Hz: float | None = None,
    ) -> CoSimulation:
        """With the capacitances of some elements scaled so that a mode of the loaded coil lies at a frequency.

        Parameters
        ----------
        elements : sequence of str, optional
            Which are scaled together; all that have a capacitance by default.
        pattern : (element,) or (element, k) ndarray, optional
            The mode whose currents are most like these.
        mode : int, optional
            Otherwise its number, 0 being the one that needs the largest capacitance, the default.
        frequency_Hz : float, optional
            Where; one of the network's, the exposure's by default [Hz].

        Raises
        ------
        InputError
            When the coil has no such capacitor, or no capacitance does it.
        """
        by_name = {g.element.name: g.name for g in self.coil.gaps if g.element is not None}
        names = [e.name for e in self.coil.elements if e.capacitance_F] if elements is None else list(elements)
        for name in names:
            if not self.coil.element(name).capacitance_F:
                raise InputError(
                    "only capacitors are tuned", field="elements", found=name, expected="elements with a capacitance"
                )
        if not names:
            raise InputError("the coil has no capacitors", field="elements", found=0, expected="at least one")
        factor = tuning_factor(
            self.network,
            Circuit.of(self.coil).without_sources(),
            [by_name[n] for n in names],
            frequency_Hz or self.frequency_Hz,
            pattern=pattern,
            mode=0 if pattern is None and mode is None else mode,
        )
        values = {n: {"capacitance_F": self.coil.element(n).capacitance_F / factor} for n in names}  # type: ignore[operator]
        return self.with_values(values)

    # ---- what it does --------------------------------------------------------------------------------------------
    def connected(self) -> Connected:
        """The network in its circuit."""
        return self.circuit.connect(self.network)

    def s_parameters(self) -> Network:
        """Scattering matrix that the feeds see."""
        return self.connected().network

    def modes(self, **options: Any) -> list[Mode]:
        """Natural frequencies of the loaded coil; options of :func:`emdose.circuits.modes.natural_modes`."""
        return natural_modes(self.network, self.circuit.without_sources(), **options)

    def fields(self) -> Fields:
        """Fields of every feed per volt of its source, the others closed by their impedances.

        Raises
        ------
        ConvergenceError
            When the solution is not accurate enough; ``partial`` holds the fields nevertheless.
        """
        f, names = self.frequency_Hz, self.network.names
        network = self.network.at(f)
        s = self.circuit.connect(network).network.s[0]

        def again(admittance_S: np.ndarray) -> GapDrive:
            return self._driven(Network.from_y([f], admittance_S[None], names))

        out = self.gap_fields.fields(self.coil, self._driven(network), again)
        values = {
            e.name: {
                k: v for k, v in (("R_ohm", e.resistance_ohm), ("L_H", e.inductance_H), ("C_F", e.capacitance_F)) if v
            }
            for e in self.coil.elements
        }
        extra = {"elements": values, "asymmetry": self.asymmetry, "S": s, "feeds": list(self.coil.ports)}
        return replace(out, provenance={**out.provenance, "cosimulation": extra})

    def _driven(self, network: Network) -> GapDrive:
        """What the circuit does to gaps with this network, at one frequency."""
        here, count = self.circuit.connect(network), len(self.coil.feeds)
        operations = [here.drive(np.eye(count)[n]) for n in range(count)]
        s, r = here.network.s[0], here.network.reference_ohm
        a = np.diag(0.5 / np.sqrt(r))
        accepted = 0.5 * a @ (np.eye(count) - s.conj().T @ s) @ a
        told = {x: np.stack([getattr(o, x)[0] for o in operations]) for x in ("voltages_V", "currents_A", "weights_V")}
        return GapDrive(**told, accepted_W=accepted)


def require_gaps(exposure: Exposure) -> CircuitCoil:
    """The coil of an exposure; raises InputError when it has no gaps."""
    coil = exposure.coil
    if not isinstance(coil, CircuitCoil):
        raise InputError(
            f"co-simulation needs gaps, which {coil.name!r} has not",
            field="coil",
            expected="a CircuitCoil; Vie and Fdtd solve coils of ideal currents",
        )
    return coil


def frequencies_of(exposure: Exposure, frequencies_Hz: Sequence[float] | None) -> list[float]:
    """Growing frequencies of a network, that of the exposure among them [Hz]; :data:`COUNT` of them by default.

    Raises
    ------
    InputError
        For an empty list or frequencies that are not positive.
    """
    f = exposure.frequency_Hz
    if frequencies_Hz is None:
        frequencies_Hz = list(np.linspace((1 - SPAN) * f, (1 + SPAN) * f, COUNT))
    wrong = "bad frequencies" if np.size(frequencies_Hz) else "empty frequency list"
    expected = "at least one frequency > 0"
    listed = positives("frequencies_Hz", frequencies_Hz, problem=wrong, expected=expected).tolist()
    # The exposure's own frequency once, whatever rounding the list brings.
    return sorted({f, *(x for x in listed if abs(x - f) > 1e-9 * f)})


def pair_power(volts: np.ndarray, amperes: np.ndarray) -> np.ndarray:
    """Power of every pair of drives as a Hermitian matrix, from voltages and currents (drive, port) [W]."""
    work = 0.5 * volts.conj() @ amperes.T
    return 0.5 * (work + work.conj().T)
