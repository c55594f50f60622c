"""A tuned coil as a run leaves it in its summary, from made-up numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

TARGET_HZ = 127.74e6


def about(ports: int = 2, **changes: Any) -> dict[str, Any]:
    """What a run leaves under "network": each port resonates at the frequency, coupled weakly to its neighbours."""
    f = np.linspace(0.8, 1.2, 41) * TARGET_HZ
    x = 2 * 50 * (f - TARGET_HZ) / TARGET_HZ
    s = 0.05j / (1 + 1j * x)[:, None, None] * np.ones((1, ports, ports))
    s[:, range(ports), range(ports)] = (1j * x / (1 + 1j * x))[:, None]
    names = [f"feed {n + 1}" for n in range(ports)]
    capacitors = {f"C{n + 1}": {"capacitance_F": 38.53e-12} for n in range(8)}
    return {
        "frequency_Hz": TARGET_HZ,
        "frequencies_Hz": f.tolist(),
        "ports": names,
        "reference_ohm": [50.0] * ports,
        "S": np.stack([s.real, s.imag], -1).tolist(),
        "modes": [
            {"frequency_Hz": v * 1e6, "quality": q, "within": abs(v - 127.74) < 25}
            for v, q in ((40.0, 90), (71.4, 2284), (109.4, 402), (127.72, 75.2), (127.82, 60.9), (133.0, 1.2), (400, 9))
        ],
        "elements": {**capacitors, "trap": {"inductance_H": 82e-9, "resistance_ohm": 0.5}},
        "tuned": True,
        "matching": {
            n: [{"where": "series", "capacitance_F": 19.44e-12}, {"where": "shunt", "capacitance_F": 25.1e-12}]
            for n in names
        },
        "asymmetry": 3e-7,
        "gaps": 32,
    } | changes
