"""Matrices go to disk and come back, and those of other programs are read by a named convention alone.

Oracle: what was written; the certificate, which is checked again; SAR by brute force; a ring of coils, whose peak in
the forward circular mode differs from that in the reversed one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from ring_matrices import point_and_averaged
from scipy.io import loadmat

import emdose as em
from emdose.io.transmission import formats

ENDINGS = [".h5", ".npz", ".mat"]
SAID: dict[str, Any] = {"phasor": "peak", "drive_unit": "V", "averaging": "10 g"}


@pytest.fixture(scope="module")
def q() -> em.QMatrices:
    return point_and_averaged()[1]


@pytest.fixture(scope="module")
def vops(q: em.QMatrices) -> em.VirtualObservationPoints:
    return em.compress(q, 0.3)


@pytest.fixture(scope="module")
def whole(q: em.QMatrices) -> em.GlobalMatrices:
    mean = np.asarray(q.matrices).mean(axis=0)
    matrices, masses = np.stack([mean, 2 * mean]), np.array([4.0, 1.5])
    return em.GlobalMatrices(
        ("whole body", "head"), matrices, masses, ("all", "up"), {"coil loss": mean}, q.ports, "V", q.rule
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_bounds_come_back_with_their_certificate(tmp_path: Path, ending: str, q, vops, whole) -> None:
    path = em.write_vops(vops, tmp_path / f"v{ending}", global_matrices=whole)
    back = em.read_vops(path)
    np.testing.assert_array_equal(back.matrices, vops.matrices)
    assert back.certify(q) > 0
    for name in ("ports", "drive_unit", "rule", "averaging_mass_kg", "method", "overestimate", "largest"):
        assert getattr(back, name) == getattr(vops, name)
    g = em.read_global_matrices(path)
    np.testing.assert_array_equal(g.matrices, whole.matrices)
    np.testing.assert_array_equal(g.powers["coil loss"], whole.powers["coil loss"])
    assert (g.names, g.definitions, g.mass_ratio("head")) == (whole.names, whole.definitions, 0.375)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", [np.complex64, np.complex128])
def test_matrices_come_back(tmp_path: Path, ending: str, kind: Any, q, vops) -> None:
    from dataclasses import replace

    some = replace(q, matrices=np.asarray(q.matrices[:50], kind), voxel=q.voxel[:50], frequency_Hz=298e6)
    back = em.read_q_matrices(em.write_q_matrices(some, tmp_path / f"q{ending}"))
    np.testing.assert_array_equal(back.matrices, some.matrices)
    np.testing.assert_array_equal(back.voxel, some.voxel)
    assert back.matrices.dtype == kind
    assert (back.grid, back.ports, back.frequency_Hz) == (some.grid, some.ports, 298e6)


def test_a_group_of_a_result_holds_them(tmp_path: Path, q, vops, whole) -> None:
    from emdose.io.transmission.records import record_of

    with h5py.File(tmp_path / "result.h5", "w") as file:
        formats.put(file.create_group("transmission"), record_of(vops, whole))
    assert em.read_vops(tmp_path / "result.h5", group="transmission").certify(q) > 0
    with pytest.raises(em.InputError, match="no such group"):
        em.read_vops(tmp_path / "result.h5", group="nothing")


def test_every_format_states_its_convention(tmp_path: Path, vops) -> None:
    em.write_vops(vops, tmp_path / "v.npz")
    with np.load(tmp_path / "v.npz", allow_pickle=False) as archive:
        words = str(archive["metadata"])
        assert archive["vops"].shape == vops.matrices.shape
    em.write_vops(vops, tmp_path / "v.mat")
    held = loadmat(tmp_path / "v.mat")
    assert held["VOP"].shape == (8, 8, len(vops))
    np.testing.assert_array_equal(held["VOP"][:, :, 3], vops.matrices[3])
    em.write_vops(vops, tmp_path / "v.h5")
    with h5py.File(tmp_path / "v.h5") as file:
        attributes = dict(file.attrs)
    wanted = {"convention": "vHQv", "phasor": "peak", "time": "exp(+jwt)", "unit": "W/kg", "drive_unit": "V"}
    for key, value in {**wanted, "averaging": "27 g", "rule": "mid-ordinate"}.items():
        assert held[key][0] == value == attributes[key]
        assert f'"{key}": "{value}"' in words
