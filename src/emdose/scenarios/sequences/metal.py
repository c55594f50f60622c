"""What the gradients of the sequences of a sheet do to an implant: power, its worst windows, and torque."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emdose.checks import vector
from emdose.dosimetry.sequences.gradients.metal import WINDOWS_S, sequence_heating
from emdose.dosimetry.sequences.pulses import PulseSequence
from emdose.errors import InputError
from emdose.io.disk.run_files import LOCK_FILE
from emdose.mechanics.moments import moment_tensor
from emdose.mechanics.sequence_loads import sequence_torque
from emdose.models.gradients.coils import GradientSet
from emdose.scenarios.gate import validity
from emdose.scenarios.loading import load
from emdose.scenarios.results import read_result
from emdose.scenarios.shared.implants import building


def of_implant(
    sequences: Sequence[PulseSequence],
    folder: Path | str,
    field_T: float,
    *,
    position_m: Sequence[float] | None = None,
    repeated: bool = True,
) -> dict[str, Any]:
    """Power and torque of the gradients of every sequence in an implant, as plain values.

    Parameters
    ----------
    sequences : sequence of PulseSequence
        With their gradients.
    folder : Path or str
        Finished run of an implant in gradient fields: its power matrices, its pose, and its gradient coils.
    field_T : float
        Static field along z [T].
    position_m : (float, float, float), optional
        Middle of the implant in the magnet [m]; by default that of the run.
    repeated : bool
        Whether sequences are played without end, or once.

    Raises
    ------
    InputError
        For a folder without an implant in gradient fields, and a place that is not known.
    NotValidError
        When its result is not valid.
    """
    result: Any = read_result(folder)
    tensor: Any = getattr(result, "tensor", None)
    known = (result.summary.get("implant") or {}).get("exposures") if tensor is not None else None
    if known is None:
        expected = "the result of a scenario of an implant in gradient fields"
        raise InputError("no power matrices of an implant", file=folder, expected=expected)
    table: Any = getattr(load(Path(folder) / LOCK_FILE).tables, "gradients", None)
    coils = building.gradients(table, folder) or GradientSet()
    if position_m is None and table is None:
        raise InputError(
            "the run does not say where in the magnet the implant is", file=folder, field="position_m", expected="x y z"
        )
    validity(result.summary, folder).require()
    middle = np.mean(result.implant.bounds_m, axis=0)
    place = vector("position_m", np.add(table.position_m, middle) if position_m is None else position_m)
    uniform = coils.uniform_matrix(place.tolist())
    count = len(tensor.sources)
    matrix = uniform if count == 3 else coils.matrix(place.tolist())[:count]
    moments = moment_tensor(tensor)
    rows = []
    for one in sequences:
        if one.gradients is None:
            continue
        heat = sequence_heating(one, tensor, matrix, repeated=repeated)
        torque = sequence_torque(one.gradients, moments, uniform, (0.0, 0.0, field_T))
        frequency, line = torque.strongest_line
        rows.append(
            {
                "sequence": one.name,
                "mean_W": heat.mean_W,
                "windows": [{"window_s": w.window_s, "value": w.value, "start_s": w.start_s} for w in heat.windows],
                "largest_W": float(heat.power_W.max()),
                "beyond_W": heat.beyond_W,
                "highest_Hz": heat.highest_Hz,
                "dbdt_rms_T_s": float(np.sqrt(np.trace(np.asarray(heat.mean_square)[:3, :3]))),
                "torque_rms_N_m": torque.rms,
                "torque_peak_N_m": torque.peak,
                "torque_peak_start_s": torque.peak_start_s,
                "torque_line_N_m": line,
                "torque_line_Hz": frequency,
            }
        )
    return {
        "implant": result.implant.name,
        "place_m": place.tolist(),
        "coils": coils.name,
        "field_T": float(field_T),
        "windows_s": list(WINDOWS_S),
        "rows": rows,
        "exposures": [
            {"name": name, **{k: e.get(k) for k in ("power_W", "rise_K", "duration_s", "dbdt_rms_T_s")}}
            for name, e in known.items()
        ],
    }
