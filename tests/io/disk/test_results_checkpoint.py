"""Ports that were solved are found again, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.errors import EmdoseWarning, InputError, OutputError
from emdose.io.disk.checkpoint import FolderCheckpoint

J = np.arange(24, dtype=np.complex64).reshape(3, 2, 2, 2)


def test_round_trip(tmp_path):
    # Oracle: the array that was saved.
    checkpoint = FolderCheckpoint(tmp_path / "c", "key")
    assert checkpoint.load("port-0000") is None
    assert checkpoint.parts == ()
    checkpoint.save("port-0003", {"J": J})
    assert checkpoint.parts == (3,)
    found = FolderCheckpoint(tmp_path / "c", "key").load("port-0003")["J"]
    assert found.dtype == J.dtype
    assert np.array_equal(found, J)
    checkpoint.clear()
    assert not (tmp_path / "c").exists()


def test_of_another_scenario(tmp_path):
    # Oracle: the key is the hash of the scenario.
    FolderCheckpoint(tmp_path, "key").save("port-0000", {"J": J})
    with pytest.raises(InputError, match="another scenario"):
        FolderCheckpoint(tmp_path, "other").load("port-0000")


@pytest.mark.parametrize(
    "damage", ["cut", "flip", "scaled", "other key", "no sum", "empty", "text", "pickle", "other arrays"]
)
def test_damage_is_found(tmp_path, damage):
    # Oracle: every kind of damage that this test makes.
    checkpoint = FolderCheckpoint(tmp_path, "key")
    checkpoint.save("port-0000", {"J": J})
    path = tmp_path / "port-0000.npz"
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flip":
        at = data.index(J.tobytes()[8:40]) + 5
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    elif damage in ("scaled", "other key", "no sum"):
        with np.load(path) as file:  # whole files, but not what was saved
            arrays = {k: file[k] for k in file.files}
        if damage == "scaled":
            arrays["J"] = arrays["J"] * np.float32(0.01)
        elif damage == "other key":
            arrays["checkpoint key"] = np.array("another")
        else:
            del arrays["checkpoint checksum"]
        np.savez(path, **arrays)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("hello")
    elif damage == "pickle":
        np.savez(path, J=np.array([{}], dtype=object), key=np.array("key"))
    elif damage == "other arrays":
        np.savez(path, x=J)
    with pytest.warns(EmdoseWarning, match="solved again"):
        assert checkpoint.load("port-0000") is None


def test_cannot_be_written(tmp_path):
    # Oracle: a file stands where the folder should be.
    (tmp_path / "c").write_text("")
    with pytest.raises(OutputError):
        FolderCheckpoint(tmp_path / "c", "key").save("port-0000", {"J": J})
