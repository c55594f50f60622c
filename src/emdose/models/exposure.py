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
    from emdose.models.implants.implanted_body import ImplantedBody
    from emdose.models.implants.surgery import Surgery
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
    surgery : Surgery, optional
        What is done to the body besides putting metal into it: cuts, canals, a shell around the metal.

    Raises
    ------
    InputError
        When the frequency is not within 1 kHz to 100 GHz, or a coil conductor runs through the body; for an incident
        field of another frequency, or with sources in the body; for metal that leaves the body, overlaps other metal or
        crosses the coil; for surgery without an implant, or one that does not fit the body.
    """

    phantom: Phantom
    coil: Coil | CircuitCoil | PlaneWave | IncidentField
    frequency_Hz: float
    implants: Sequence[Implant] = ()
    leads: Sequence[Lead] = ()
    surgery: Surgery | None = None

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
        if self.surgery is not None and not self.implants:
            raise InputError("surgery without an implant", field="surgery", expected="implants = [...]")
        if self.implants:
            self._require_clear_metal()

    def _require_clear_metal(self) -> None:
        """Raise InputError when metal that sticks out of the body crosses the coil."""
        from dataclasses import replace

        import numpy as np

        assert self.implanted is not None
        metal, body = np.asarray(self.implanted.metal), self.phantom
        if isinstance(self.coil, IncidentField) or not (metal & ~body.body).any():
            return
        labels = np.where(metal & ~body.body, 1, body.labels).astype(body.labels.dtype)
        try:
            self.coil.check_clear_of(replace(body, labels=labels))
        except InputError as error:
            raise InputError("an implant crosses the coil", field="implants", found=str(error)) from None

    @cached_property
    def implanted(self) -> ImplantedBody | None:
        """The body with its metal, on the voxels of the body; None without implants."""
        from emdose.models.implants.implanted_body import implanted

        return implanted(self.phantom, self.implants, self.surgery) if self.implants else None

    @property
    def tissue(self) -> Phantom:
        """The body after surgery and without what metal takes up: what fields are computed in and averages run over."""
        return self.phantom if self.implanted is None else self.implanted.phantom

    def refuse_metal(self, solver: str, implants: bool = True, leads: bool = True) -> None:
        """Refuse implants or leads, for a solver that does not have them; raises InputError."""
        for what, refused in (("implants", implants), ("leads", leads)):
            if refused and getattr(self, what):
                raise InputError(
                    f"{solver} has no {what}", field=what, found=len(getattr(self, what)), expected="another solver"
                )
