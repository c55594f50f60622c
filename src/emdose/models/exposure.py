"""An exposure: the complete physical question, with nothing numerical in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emdose.checks import within
from emdose.models.coils.incident_field import IncidentField
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.models.coils.circuit import CircuitCoil
    from emdose.models.coils.ideal import Coil
    from emdose.models.coils.plane_wave import PlaneWave

LOWEST_FREQUENCY_HZ = 1e3
HIGHEST_FREQUENCY_HZ = 1e11


@read_only
@dataclass(frozen=True)
class Exposure:
    """A body in the field of a source at one frequency.

    Parameters
    ----------
    phantom : Phantom
        The body: labels, grid and tissues.
    coil : Coil, CircuitCoil, PlaneWave or IncidentField
        What makes the incident field.
    frequency_Hz : float
        Frequency of the time-harmonic field [Hz].

    Raises
    ------
    InputError
        When the frequency is not within 1 kHz to 100 GHz, or a coil conductor runs through the body; for an incident
        field of another frequency, or with sources in the body.
    """

    phantom: Phantom
    coil: Coil | CircuitCoil | PlaneWave | IncidentField
    frequency_Hz: float

    def __post_init__(self) -> None:
        frequency_Hz = within(
            "frequency_Hz",
            self.frequency_Hz,
            LOWEST_FREQUENCY_HZ,
            HIGHEST_FREQUENCY_HZ,
            problem="frequency out of range",
            expected="1e3 to 1e11 (64 MHz is 64e6)",
        )
        object.__setattr__(self, "frequency_Hz", frequency_Hz)
        if isinstance(self.coil, IncidentField):
            self.coil.require_frequency(frequency_Hz)
        self.coil.check_clear_of(self.phantom)
