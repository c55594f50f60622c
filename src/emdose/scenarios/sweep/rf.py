r"""RF heating of one implant for all fields and regions, by runs of kind ``implant-rf``; sequences scale them.

The stylised adult lies with the region at the isocentre of a body coil in quadrature; what a sequence asks for is its
B1+rms, the mean over the body in the slice at the isocentre. Rises and SAR grow with its square:

.. math:: \Delta T = \Delta T_1 \, (B_{1+} / B_1)^2
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from emdose.constants import GAMMA_BAR_PROTON
from emdose.errors import ConvergenceError, InputError
from emdose.scenarios import kinds
from emdose.scenarios.loading import from_tables
from emdose.scenarios.sweep.sites import place_m
from emdose.validity import judge

if TYPE_CHECKING:
    from emdose.scenarios.sweep.schema import SweepFile

KIND = "implant-rf"
UNIT_T = 1e-6
"""B1+rms that runs are scaled to."""
COIL = {"type": "birdcage", "rungs": 16, "radius_m": 0.32, "length_m": 0.60}


def rf_runs(tables: SweepFile, name: str, device: str) -> dict[tuple[float, str], dict[str, Any]]:
    """What 1 uT of B1+rms does to an implant, by field and region; "reason" where there is no valid number.

    Parameters
    ----------
    tables : SweepFile
        With a table [rf].
    name : str
        The implant.
    device : str
        Where to compute.
    """
    found = {}
    for field_T in tables.sweep.fields_T:
        for region, where in tables.regions.items():
            assert where.landmark is not None
            found[float(field_T), region] = _run(tables, name, float(field_T), where.landmark, device)
    return found


def scaled(run: dict[str, Any] | None, b1plus_rms_T: float) -> dict[str, Any]:
    """Columns of a case: those of a run at the B1+rms of a sequence.

    Parameters
    ----------
    run : dict or None
        As :func:`rf_runs` gives it; None for a sweep without RF.
    b1plus_rms_T : float
        Of the sequence [T].
    """
    if run is None:
        return {}
    if "reason" in run:
        return {
            **dict.fromkeys(("rf_b1plus_rms_T", *COLUMNS)),
            "rf_b1plus_rms_T": b1plus_rms_T,
            "rf_reason": run["reason"],
        }
    more = (b1plus_rms_T / UNIT_T) ** 2
    return {"rf_b1plus_rms_T": b1plus_rms_T, **{key: more * run[key] for key in COLUMNS}, "rf_reason": ""}


COLUMNS = ("rf_rise_K", "rf_rise_U_K", "rf_psSAR10g_W_kg", "rf_whole_body_sar_W_kg")


def _run(tables: SweepFile, name: str, field_T: float, landmark: str, device: str) -> dict[str, Any]:
    assert tables.rf is not None
    one = tables.implants[name]
    plain = {k: v for k, v in one.implant.model_dump(mode="json").items() if v is not None}
    raw = {
        "scenario": {"kind": KIND, "name": name},
        "phantom": {"type": "stylised-adult", "spacing_m": tables.rf.spacing_m, "landmark": landmark},
        "coil": COIL,
        "exposure": {"frequency_Hz": field_T * GAMMA_BAR_PROTON},
        "normalise": {"b1plus_rms_T": UNIT_T, "over": "slice"},
        "implant": {**plain, "position_m": place_m(tables, name, landmark).tolist()},
        "metals": {k: m.model_dump(mode="json", exclude_none=True) for k, m in tables.metals.items()},
        "subdomain": {"spacing_m": tables.rf.implant_m},
        "thermal": {"duration_s": tables.sweep.duration_s, "spacing_m": tables.rf.heat_m, "perfusion": False},
    }
    kind = kinds.get(KIND)
    try:
        job = kind.job(from_tables(raw, Path(f"implants.{name}")), device)
        summary = job.evaluate(job.solve()).summary
    except (InputError, ConvergenceError) as error:
        return {"reason": str(error)}
    judged = judge(kind.measures(summary))
    if not judged.is_valid:
        return {"reason": f"not valid: {' '.join(judged.reasons)}"}
    numbers = summary["quantities"]
    return {
        "rf_rise_K": numbers["rise_max"]["value"],
        "rf_rise_U_K": numbers["rise_max"]["uncertainty"]["expanded"],
        "rf_psSAR10g_W_kg": numbers["psSAR10g"]["value"],
        "rf_whole_body_sar_W_kg": numbers["whole_body_sar"]["value"],
    }
