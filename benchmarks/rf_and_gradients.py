"""Heat of RF and switched gradients in one implant: both together over the larger alone, for several settings.

The gel of ASTM F2182 in a body coil at a whole-body SAR of 2 W/kg, the implant 2 cm from the side wall, and a uniform
field at 1 kHz: at 20 T/s rms along the direction of the largest power, and at the strength for which both alone are
equally warm, where their sum is largest beside the larger. Heat of 15 minutes.

    python benchmarks/rf_and_gradients.py [name ...]
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

from emdose.scenarios import kinds
from emdose.scenarios.loading import from_tables

SETTINGS = {
    "hip, upright": ({"type": "hip", "metal": "CoCrMo"}, "worst", 63.87e6),
    "hip, upright, 128 MHz": ({"type": "hip", "metal": "CoCrMo"}, "worst", 127.74e6),
    "hip, turned by 180 degrees": ({"type": "hip", "metal": "CoCrMo", "rotate_deg": [0, 0, 180]}, "worst", 63.87e6),
    "hip, field along z": ({"type": "hip", "metal": "CoCrMo"}, [0, 0, 1], 63.87e6),
    "knee": ({"type": "knee", "metal": "CoCrMo"}, "worst", 63.87e6),
    "rod, 11 x 200 mm, along z": ({"type": "cylinder", "radius_m": 5.5e-3, "length_m": 0.20}, "worst", 63.87e6),
    "disc, 60 x 6 mm, upright": (
        {"type": "cylinder", "radius_m": 0.03, "length_m": 6e-3, "rotate_deg": [0, 90, 0]},
        "worst",
        63.87e6,
    ),
    "ball, 40 mm": ({"type": "sphere", "radius_m": 0.02}, "worst", 63.87e6),
}


def main() -> None:
    """Print a row per setting: rises of RF, of gradients, and both together over the larger alone, twice."""
    for name in sys.argv[1:] or SETTINGS:
        implant, direction, f = SETTINGS[name]
        tables = {
            "scenario": {"kind": "implant-rf", "name": "both", "accept": ["heat_cells_across", "eddy_error"]},
            "test": {"method": "astm-f2182"},
            "coil": {"type": "birdcage", "rungs": 16, "radius_m": 0.32, "length_m": 0.60},
            "exposure": {"frequency_Hz": f},
            "normalise": {"whole_body_sar_W_kg": 2.0},
            "implant": {"metal": "CoCrMo", **implant},
            "subdomain": {"spacing_m": 3e-3},
            "thermal": {"spacing_m": 4e-3},
            "gradients": {"frequency_Hz": 1000.0, "dbdt_rms_T_s": 20.0, "spacing_m": 2e-3, "direction": direction},
        }
        start = time.process_time()
        job = kinds.get("implant-rf").job(from_tables(tables, Path("both.toml")), "cpu")
        solution, row = job.solve(), []
        for _ in range(2):
            numbers = job.evaluate(solution).summary["quantities"]
            rf, gradients, ratio = (
                numbers[key]["value"] for key in ("rise_rf", "rise_gradients", "rise_both_over_larger")
            )
            told = solution.switched
            row += [f"{rf:.3g} K, {told.table.dbdt_rms_T_s:.3g} T/s {gradients:.3g} K: {ratio:.3f}"]
            table = told.table.model_copy(update={"dbdt_rms_T_s": told.table.dbdt_rms_T_s * (rf / gradients) ** 0.5})
            solution = replace(solution, switched=replace(told, table=table))
        print(f"{name}: {'; '.join(row)}; {time.process_time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
