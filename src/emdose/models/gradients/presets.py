"""Named exposures to switched gradient fields, each with its source and whether that was verified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from emdose import resources
from emdose.checks import one_of, unit_vector
from emdose.models.gradients.sinusoid import Sinusoid
from emdose.values import read_only

FILE = "gradient_exposures.csv"


@read_only
@dataclass(frozen=True)
class ExposurePreset:
    """A sinusoidal dB/dt for some time.

    Parameters
    ----------
    name : str
        Key, such as "iso-10974-clause-9".
    standard, clause : str
        Document and place in it.
    frequency_Hz, dbdt_rms_T_s, field_peak_T, duration_s : float
        Frequency [Hz], rms of dB/dt [T/s], peak of B [T], and duration [s].
    verified : bool
        Whether the text of the document itself was read.
    source : str
        Where the numbers were read.
    """

    name: str
    standard: str
    clause: str
    frequency_Hz: float
    dbdt_rms_T_s: float
    field_peak_T: float
    duration_s: float
    verified: bool
    source: str

    def waveform(self, direction: Sequence[float] = (0.0, 0.0, 1.0)) -> Sinusoid:
        """The sinusoid along a direction, which is normalised; raises InputError when it has no length."""
        along = unit_vector("direction", direction)
        return Sinusoid(self.frequency_Hz, self.dbdt_rms_T_s * along, name=self.name)


@cache
def _presets() -> dict[str, ExposurePreset]:
    found = {}
    for row in resources.csv_rows(FILE):
        numbers = {k: float(row[k]) for k in ("frequency_Hz", "dbdt_rms_T_s", "field_peak_T", "duration_s")}
        found[row["name"]] = ExposurePreset(
            row["name"],
            row["standard"],
            row["clause"],
            **numbers,
            verified=row["verified"] == "yes",
            source=row["source"],
        )
    return found


def preset_names() -> list[str]:
    """Names of the exposures."""
    return sorted(_presets())


def preset(name: str) -> ExposurePreset:
    """The exposure of that name.

    Raises
    ------
    InputError
        When there is none.
    """
    one_of("preset", name, _presets(), problem="unknown gradient exposure")
    return _presets()[name]
