"""A study that is killed at any moment computes no finished sample again, and ends as if nobody had stopped it.

EMDOSE_KILL_MOMENTS says how many moments are tried; EMDOSE_KILL_SEED which ones.
"""

from __future__ import annotations

import json
import os
import random
import signal

import numpy as np
import pytest
from loop_ball import LOOP_BALL

from emdose.scenarios.shared import toml

MOMENTS = int(os.environ.get("EMDOSE_KILL_MOMENTS", "2"))
SEED = int(os.environ.get("EMDOSE_KILL_SEED", "7"))

BALL = {
    **LOOP_BALL,
    "uncertainty": {
        "method": "chaos",
        "runs": 8,
        "trials": 8,
        "degree": 1,
        "outputs": ["psSAR10g", "whole_body_sar", "b1plus_isocentre"],
        "maps": ["SAR_10g_W_kg"],
        "reduced": False,
        "inputs": [
            {"path": "phantom.tissues.muscle.conductivity", "law": "uniform", "relative": 0.1},
            {"path": "coil.position_m[2]", "law": "uniform", "half_width": 0.01},
        ],
    },
}
CLOCKS = ("seconds", "cached")


@pytest.fixture(scope="module")
def whole(server, tmp_path_factory):
    """The scenario, its study without a break, and the seconds that it took."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "ball.toml").write_text(toml.dump(BALL), encoding="utf-8")
    told = server(*command(folder, folder / "out"))
    assert told["code"] == 0, told["err"]
    return folder, told["seconds"]


def command(folder, out):
    return ["study", folder / "ball.toml", "--out", out, "--device", "cpu", "--quiet", "--no-report"]


def moments():
    """Shares of the whole time at which it is killed: once, or twice in a row."""
    random_ = random.Random(SEED)
    for n in range(MOMENTS):
        shares = [random_.uniform(0.1, 1.0) for _ in range(1 + (random_.random() < 0.3))]
        yield pytest.param(shares, id=f"{n}: {', '.join(f'{s:.2f}' for s in shares)}")


def samples(out):
    """Content and time of writing of every finished sample."""
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in (out / "samples").glob("*.json")}


@pytest.mark.parametrize("shares", list(moments()))
def test_a_killed_study_goes_on(shares, server, whole, tmp_path):
    # Oracle: the study that nobody has stopped.
    (folder, seconds), out = whole, tmp_path / "out"
    finished = {}
    for share in shares:
        told = server(*command(folder, out), after_s=share * seconds, with_=signal.SIGKILL)
        assert told["code"] in {0, -signal.SIGKILL}, told
        here = samples(out)
        assert finished.items() <= here.items()
        finished = here
    told = server(*command(folder, out))
    assert told["code"] == 0, told
    assert finished.items() <= samples(out).items()  # none was computed again
    a, b = (json.loads((f / "study.json").read_text()) for f in (folder / "out", out))
    assert b["cached"] >= len(finished)
    assert {k: v for k, v in a.items() if k not in CLOCKS} == {k: v for k, v in b.items() if k not in CLOCKS}
    with np.load(folder / "out" / "table.npz") as x, np.load(out / "table.npz") as y:
        assert x.files == y.files
        assert [k for k in x.files if x[k].tobytes() != y[k].tobytes()] == []
    assert {p.name for p in out.iterdir()} == {p.name for p in (folder / "out").iterdir()}
    assert not list(out.rglob("*.part"))
