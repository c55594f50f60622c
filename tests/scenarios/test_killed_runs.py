"""A run that is killed at any moment goes on from what it had, and ends with the same numbers, bit for bit.

EMDOSE_KILL_MOMENTS says how many moments are tried, over all kinds of scenario together; EMDOSE_KILL_SEED which ones.
"""

from __future__ import annotations

import json
import os
import random
import signal

import h5py
import numpy as np
import pytest

from emdose.scenarios.shared import toml

MOMENTS = int(os.environ.get("EMDOSE_KILL_MOMENTS", "1"))
SEED = int(os.environ.get("EMDOSE_KILL_SEED", "11"))

BALL = {"type": "sphere", "radius_m": 0.05, "spacing_m": 10e-3, "tissue": "muscle"}
CASES = {
    "rf": {
        "scenario": {"kind": "rf", "name": "ball"},
        "phantom": BALL,
        "coil": {"type": "loop-array", "elements": 4, "radius_m": 0.1, "length_m": 0.1},
        "exposure": {"frequency_Hz": 127.74e6},
        "normalise": {"absorbed_power_W": 1.0},
    },
    "implant-gradient": {
        "scenario": {"kind": "implant-gradient", "name": "ball", "accept": ["spectrum_dropped", "eddy_error"]},
        "implant": {"type": "cylinder", "radius_m": 6e-3, "length_m": 20e-3, "metal": "Ti6Al4V"},
        "solver": {"spacing_m": 1.5e-3, "frequencies_Hz": [270.0, 1000.0, 4000.0], "cache": False},
        "gradients": {"type": "ideal", "position_m": [0.1, 0.0, 0.19]},
        "exposures": {
            "ISO": {"type": "preset", "duration_s": 120.0},
            "EPI": {"type": "epi", "echoes": 8, "repetition_s": 0.01, "echo_spacing_s": 1e-3, "duration_s": 60.0},
        },
        "thermal": {"spacing_m": 4e-3, "margin_m": 0.02, "curve_points": 6},
    },
    "ept": {
        "scenario": {"kind": "ept", "name": "ball"},
        "data": {"type": "simulated", "snr": 200.0},
        "phantom": BALL,
        "coil": {"type": "birdcage", "rungs": 8},
        "exposure": {"frequency_Hz": 127.74e6},
        "methods": {
            "helmholtz": {"type": "helmholtz", "radius": 1},
            "convection": {"type": "convection-reaction", "radius": 1, "monte_carlo": 6},
            "automatic": {"type": "automatic-helmholtz", "radii": [1, 2]},
        },
    },
    "rf, tuned": {
        "scenario": {"kind": "rf", "name": "loop"},
        "phantom": {**BALL, "spacing_m": 12.5e-3},
        "solver": {"type": "fdtd", "margin_m": 0.05, "cpml_cells": 6, "checkpoint_s": 0.1},
        "coil": {
            "type": "capacitor-loop",
            "size_m": [0.1, 0.1],
            "capacitors": 2,
            "gap_m": 0.0125,
            "centre_m": [0.0, 0.0875, 0.0],
            "normal": [0.0, 1.0, 0.0],
        },
        "exposure": {"frequency_Hz": 127.74e6},
        "tuning": {},
        "normalise": {"b1plus_rms_T": 1e-6},
    },
    "rf by finite differences": {
        "scenario": {"kind": "rf", "name": "ball"},
        "phantom": {**BALL, "spacing_m": 12.5e-3},
        "solver": {"type": "fdtd", "margin_m": 0.05, "cpml_cells": 6, "checkpoint_s": 0.1},
        "coil": {"type": "birdcage", "rungs": 8, "radius_m": 0.1, "length_m": 0.1},
        "exposure": {"frequency_Hz": 127.74e6},
        "normalise": {"absorbed_power_W": 1.0},
    },
    "rf with heat": {
        "scenario": {"kind": "rf", "name": "ball"},
        "phantom": BALL,
        "coil": {"type": "birdcage", "rungs": 8},
        "exposure": {"frequency_Hz": 127.74e6},
        "normalise": {"b1plus_rms_T": 2e-6},
        "thermal": {"duration_s": 120.0, "edges": "insulated"},
    },
    "ept of a file": {
        "scenario": {"kind": "ept", "name": "ball"},
        "data": {"type": "files", "magnitude": "b1.npz:magnitude", "spacing_m": 5e-3},
        "exposure": {"frequency_Hz": 127.74e6},
        "methods": {"helmholtz": {"type": "helmholtz", "method": "magnitude", "radius": 2}},
    },
}
CLOCKS = {
    "timing_s",
    "seconds",
    "date",
    "command",
    "resumed",
    "steps_per_s",
    "cells_per_s",
    "sha256",
    "memory_free_bytes",
}
"""What may differ between two runs: clocks, the command, and the mark of what was not computed anew."""


@pytest.fixture(scope="module")
def whole(server, tmp_path_factory):
    """Every case run without a break: its folder and the seconds that it took."""
    kept = {}

    def whole(name):
        if name not in kept:
            folder = tmp_path_factory.mktemp("whole")
            if name == "ept of a file":
                x = 5e-3 * (np.arange(24) - 11.5)
                r = np.sqrt(x[:, None, None] ** 2 + x[:, None] ** 2 + x**2)
                np.savez(folder / "b1.npz", magnitude=np.sinc(20.7 * r / np.pi))  # k of permittivity 60
                # The file that is named must be the same for the run that is broken off.
                CASES[name]["data"]["magnitude"] = f"{folder}/b1.npz:magnitude"
            (folder / "case.toml").write_text(toml.dump(CASES[name]), encoding="utf-8")
            told = server(*command(folder / "case.toml", folder / "out"))
            assert told["code"] == 0, told["err"]
            seconds = told["seconds"]
            if len(CASES) < MOMENTS:  # the first run may have compiled kernels
                seconds = server(*command(folder / "case.toml", folder / "again"))["seconds"]
                assert differences(folder / "out", folder / "again") == []
            kept[name] = folder, seconds
        return kept[name]

    return whole


def command(file, out, *more):
    return ["run", file, "--out", out, "--device", "cpu", "--quiet", "--no-report", *more]


def moments():
    """Case, moments as shares of the whole run, and signals; two moments where the second run is broken off too."""
    random_ = random.Random(SEED)
    for n in range(MOMENTS):
        name = list(CASES)[n % len(CASES)]
        shares = [random_.random() for _ in range(1 + (random_.random() < 0.3))]
        signals = [random_.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGINT]) for _ in shares]
        yield pytest.param(name, shares, signals, id=f"{n}: {name}")


@pytest.mark.parametrize(("name", "shares", "signals"), list(moments()))
def test_a_killed_run_goes_on(name, shares, signals, server, whole, tmp_path):
    # Oracle: the run that nobody has stopped.
    (folder, seconds), out = whole(name), tmp_path / "out"
    done = False
    for n, (share, sign) in enumerate(zip(shares, signals, strict=True)):
        more = ["--resume"] if n else []
        told = server(*command(folder / "case.toml", out, *more), after_s=share * seconds, with_=sign)
        done = told["code"] == 0
        assert told["code"] in {0, -signal.SIGKILL, 130}, told
        if told["code"] == 130:
            if told["err"]:  # not when the signal has come before emdose listens
                assert told["err"].splitlines()[-1].startswith("emdose: interrupted"), told["err"]
            assert "Traceback" not in told["err"]
            assert not (out / ".running").exists()
    told = server(*command(folder / "case.toml", out, "--resume"))
    assert told["code"] == 0, (told, done)
    assert differences(folder / "out", out) == []
    assert {p.name for p in out.iterdir()} == {p.name for p in (folder / "out").iterdir()}
    assert not list(out.rglob("*.part"))


def differences(one, two):
    """Where two result folders differ, clocks aside."""
    found = []
    a, b = (json.loads((f / "summary.json").read_text()) for f in (one, two))
    found += unequal(a, b, "summary")
    with h5py.File(one / "result.h5") as x, h5py.File(two / "result.h5") as y:
        names = [[], []]
        for file, list_ in zip((x, y), names, strict=True):
            file.visititems(lambda n, item, list_=list_: list_.append(n) if isinstance(item, h5py.Dataset) else None)
        found += [] if names[0] == names[1] else ["names in result.h5"]
        found += [n for n in names[0] if n in y and not n.endswith("provenance") and content(x[n]) != content(y[n])]
    return found


def content(dataset):
    value = dataset[()]
    return value.tobytes() if isinstance(value, np.ndarray) else value


def unequal(a, b, where):
    if isinstance(a, dict) and isinstance(b, dict):
        keys = sorted(({*a} | {*b}) - CLOCKS)
        return [text for k in keys for text in unequal(a.get(k, "missing"), b.get(k, "missing"), f"{where}.{k}")]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [text for n, pair in enumerate(zip(a, b, strict=True)) for text in unequal(*pair, f"{where}[{n}]")]
    return [] if a == b else [f"{where}: {a!r} {b!r}"[:300]]
