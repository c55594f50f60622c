"""An exposure: the complete physical question, with nothing numerical in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from emdose.checks import within
from emdose.errors import InputError
from emdose.models.coils.incident_field import IncidentField
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.models.coils.circuit import CircuitCoil
    from emdose.models.coils.ideal import Coil
    from emdose.models.coils.plane_wave import PlaneWave
    from emdose.models.implants.implant import Implant
    from emdose.models.implants.implanted import ImplantedBody
    from emdose.models.leads import Lead

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
    implants : sequence of Implant
        Metal in the body, in its coordinates.
    leads : sequence of Lead
        Thin wires in the body.

    Raises
    ------
    InputError
        When the frequency is not within 1 kHz to 100 GHz, or a coil conductor runs through the body; for an incident
        field of another frequency, or with sources in the body; for metal that leaves the body.
    """

    phantom: Phantom
    coil: Coil | CircuitCoil | PlaneWave | IncidentField
    frequency_Hz: float
    implants: Sequence[Implant] = ()
    leads: Sequence[Lead] = ()

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
        object.__setattr__(self, "implants", tuple(self.implants))
        object.__setattr__(self, "leads", tuple(self.leads))
        if self.implants:
            _ = self.implanted

    @cached_property
    def implanted(self) -> ImplantedBody | None:
        """The body with its metal, on the voxels of the body; None without implants."""
        from emdose.models.implants.implanted import implanted

        return implanted(self.phantom, self.implants) if self.implants else None

    @property
    def tissue(self) -> Phantom:
        """The body without what metal takes up: what fields are computed in and averages run over."""
        return self.phantom if self.implanted is None else self.implanted.phantom

    def refuse_metal(self, solver: str, implants: bool = True, leads: bool = True) -> None:
        """Refuse implants or leads, for a solver that does not have them; raises InputError."""
        for what, refused in (("implants", implants), ("leads", leads)):
            if refused and getattr(self, what):
                raise InputError(
                    f"{solver} has no {what}", field=what, found=len(getattr(self, what)), expected="another solver"
                )
