"""Matrices of temperature and their bounds go to disk and come back, with their time, and certificates run again.

Oracle: what was written; the certificate against matrices that were read back; JSON that any program can read.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ring_matrices import point_and_averaged
from scipy.io import loadmat

import emdose as em

ENDINGS = [".h5", ".npz", ".mat"]


@pytest.fixture(scope="module")
def heat() -> em.TemperatureMatrices:
    q = point_and_averaged()[1]
    some = np.asarray(q.matrices)[::12]
    told = {"solver": "made up", "steps": 3, "folder": Path("here")}
    return em.TemperatureMatrices(
        *(0.02 * some, np.asarray(q.voxel)[::12], q.grid, q.ports, "V", 360.0, q.rule, "sources"),
        frequency_Hz=298e6,
        time_error=1e-4,
        raised=1e-9,
        assumptions=("perfusion does not change", "no air"),
        provenance=told,
    )


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("time_s", [360.0, np.inf])
def test_matrices_and_bounds_come_back(tmp_path: Path, ending: str, time_s: float, heat: Any) -> None:
    one = replace(heat, time_s=time_s)
    vops = em.compress(one, 0.2)
    assert (vops.unit, vops.time_s, vops.assumptions) == ("K", time_s, one.assumptions)
    q = em.read_temperature_matrices(em.write_q_matrices(one, tmp_path / f"t{ending}"))
    for name in ("matrices", "voxel"):
        np.testing.assert_array_equal(getattr(q, name), getattr(one, name))
    for name in ("grid", "ports", "drive_unit", "time_s", "rule", "method", "frequency_Hz", "time_error", "raised"):
        assert getattr(q, name) == getattr(one, name)
    assert q.assumptions == one.assumptions
    assert q.provenance == {"solver": "made up", "steps": 3, "folder": "here"}
    back = em.read_vops(em.write_vops(vops, tmp_path / f"v{ending}"))
    np.testing.assert_array_equal(back.matrices, vops.matrices)
    assert (back.unit, back.time_s, back.assumptions) == ("K", time_s, one.assumptions)
    assert back.certify(q) > 0
    v = np.ones(len(q.ports))
    assert back.rise(v).max() >= q.rise(v).max()
    with pytest.raises(em.InputError, match="another quantity"):
        back.sar(v)
    assert em.DriveConstraints.of(back, 1.0).labels[0] == "temperature"


def test_words_are_json_and_variables_of_matlab(tmp_path: Path, heat: Any) -> None:
    steady = em.compress(replace(heat, time_s=np.inf), 0.2)
    em.write_vops(replace(steady, overestimate=np.nan), tmp_path / "v.npz")
    with np.load(tmp_path / "v.npz") as archive:

        def refuse(word: str) -> None:
            raise AssertionError(f"{word} is no JSON")

        told = json.loads(str(archive["metadata"]), parse_constant=refuse)
    assert (told["unit"], told["steady_state"]) == ("K", True)
    held = loadmat(em.write_q_matrices(heat, tmp_path / "t.mat"))
    np.testing.assert_array_equal(held["T"][:, :, 2], heat.matrices[2])
    assert (held["unit"][0], held["time_s"].item()) == ("K", 360.0)
    assert loadmat(em.write_vops(steady, tmp_path / "v.mat"))["requires_global_limit"].item() == 1


@pytest.mark.parametrize("ending", ENDINGS)
def test_sar_is_not_taken_for_temperature(tmp_path: Path, ending: str, heat: Any) -> None:
    path = em.write_q_matrices(heat, tmp_path / f"t{ending}")
    with pytest.raises(em.InputError, match="no such matrices"):
        em.read_q_matrices(path)
    q = point_and_averaged()[1]
    with pytest.raises(em.InputError, match="no such matrices"):
        em.read_temperature_matrices(em.write_q_matrices(q, tmp_path / f"q{ending}"))
    with pytest.raises(em.InputError, match="unit"):
        em.merge_vops({"heat": heat, "sar": replace(q, averaging_mass_kg=None, frequency_Hz=298e6)})
    with pytest.raises(em.InputError, match="time_s"):
        em.merge_vops({"6 min": heat, "steady": replace(heat, time_s=np.inf)})


def changed(path: Path, **words: Any) -> Path:
    """The archive with other words."""
    with np.load(path) as archive:
        held = {name: archive[name] for name in archive.files}
    told = {k: v for k, v in {**json.loads(str(held["metadata"])), **words}.items() if v is not ...}
    np.savez(path, **{**held, "metadata": np.array(json.dumps(told))})
    return path


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ({"time_s": ...}, "without their time"),
        ({"time_s": -3.0}, "without their time"),
        ({"time_s": "long"}, "no number"),
        ({"unit": "mK"}, "another unit"),
        ({"assumptions": 3}, "no list of texts"),
        ({"overestimate": "a tenth"}, "no number"),
        ({"method": 7}, "no text"),
        ({"sources": ["a"], "counts": [3]}, "do not make up"),
        ({"sources": ["a"], "counts": ["b"]}, "do not make up"),
        ({"requires_global_limit": "perhaps"}, "neither yes nor no"),
        ({"global_ratios": [1]}, "bad ratios"),
        ({"global_ratios": {"head": -1}}, "bad ratios"),
    ],
)
def test_what_a_file_says_wrongly_is_one_line(tmp_path: Path, words: dict, match: str, heat: Any) -> None:
    path = changed(em.write_vops(em.compress(heat, 0.3), tmp_path / "v.npz"), **words)
    with pytest.raises(em.InputError, match=match) as error:
        em.read_vops(path)
    assert "\n" not in str(error.value)
    assert "v.npz" in str(error.value)


def test_a_file_that_needs_global_limits_says_so_to_whoever_reads_it(tmp_path: Path, heat: Any) -> None:
    """A file of another program that says so, or says nothing, is one that needs them."""
    q = point_and_averaged()[1]
    matrices = np.moveaxis(np.asarray(q.matrices)[:20], 0, -1)
    said: dict[str, Any] = {"convention": "vHQv", "phasor": "peak", "drive_unit": "V", "averaging": "10 g"}
    from scipy.io import savemat

    for words, needed in (({}, True), ({"requires_global_limit": 1.0}, True), ({"requires_global_limit": 0.0}, False)):
        savemat(tmp_path / "other.mat", {"VOP": matrices, **words})
        assert em.read_vops(tmp_path / "other.mat", **said).requires_global_limit is needed
    savemat(tmp_path / "other.mat", {"VOP": matrices, "unit": "W/m^3"})
    with pytest.raises(em.InputError, match="another unit"):
        em.read_vops(tmp_path / "other.mat", **said)
    assert em.read_vops(tmp_path / "other.mat", **said, scale=1e-3).unit == "W/kg"
