"""Ports that were solved are found again, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.errors import EmdoseWarning, OutputError
from emdose.io.disk.checkpoint import PortCheckpoint

J = np.arange(24, dtype=np.complex64).reshape(3, 2, 2, 2)


def test_round_trip(tmp_path):
    # Oracle: the array that was saved.
    checkpoint = PortCheckpoint(tmp_path / "c", "key")
    assert checkpoint.load(0) is None
    assert checkpoint.ports == ()
    checkpoint.save(3, J)
    assert checkpoint.ports == (3,)
    found = PortCheckpoint(tmp_path / "c", "key").load(3)
    assert found.dtype == J.dtype
    assert np.array_equal(found, J)
    checkpoint.clear()
    assert not (tmp_path / "c").exists()


def test_of_another_scenario(tmp_path):
    # Oracle: the key is the hash of the scenario.
    PortCheckpoint(tmp_path, "key").save(0, J)
    with pytest.warns(EmdoseWarning, match="another scenario"):
        assert PortCheckpoint(tmp_path, "other").load(0) is None


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text", "pickle", "nan", "other arrays"])
def test_damage_is_found(tmp_path, damage):
    # Oracle: every kind of damage that this test makes.
    checkpoint = PortCheckpoint(tmp_path, "key")
    checkpoint.save(0, J if damage != "nan" else J * np.nan)
    path = tmp_path / "port-0000.npz"
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flip":
        at = data.index(J.tobytes()[8:40]) + 5
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("hello")
    elif damage == "pickle":
        np.savez(path, J=np.array([{}], dtype=object), key=np.array("key"))
    elif damage == "other arrays":
        np.savez(path, x=J)
    with pytest.warns(EmdoseWarning, match="solved again"):
        assert checkpoint.load(0) is None


def test_cannot_be_written(tmp_path):
    # Oracle: a file stands where the folder should be.
    (tmp_path / "c").write_text("")
    with pytest.raises(OutputError):
        PortCheckpoint(tmp_path / "c", "key").save(0, J)
