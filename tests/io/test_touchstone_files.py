"""Touchstone files of networks."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

import emdose as em
from emdose.circuits.network import Network
from emdose.io.touchstone import read_touchstone, write_touchstone


def random_network(ports, reference=50.0):
    rng = np.random.default_rng(ports)
    s = rng.normal(size=(3, ports, ports)) + 1j * rng.normal(size=(3, ports, ports))
    s /= 1.1 * np.linalg.norm(s, 2, axis=(1, 2))[:, None, None]
    return Network([1e8, 1.2774e8, 3e8], s, [f"feed {n}" for n in range(ports)], reference)


@pytest.mark.parametrize("ports", [1, 2, 3, 4, 5, 9])
def test_scikit_rf_reads_what_was_written(tmp_path, ports):
    # Oracle: scikit-rf.
    import skrf

    net = random_network(ports)
    path = write_touchstone(net, tmp_path / "coil.dat")
    assert path.name == f"coil.s{ports}p"
    rf = skrf.Network(str(path))
    np.testing.assert_allclose(rf.s, net.s, atol=1e-15)
    np.testing.assert_allclose(rf.f, net.frequencies_Hz)
    back = read_touchstone(path)
    assert back.names == net.names
    np.testing.assert_allclose(back.s, net.s, atol=1e-15)
    np.testing.assert_allclose(back.reference_ohm, 50)


def test_unequal_references_are_made_equal(tmp_path):
    # Oracle: the impedance matrix does not depend on them.
    net = random_network(2, np.array([50.0, 20.0]))
    back = read_touchstone(write_touchstone(net, tmp_path / "a"))
    np.testing.assert_allclose(back.reference_ohm, 50)
    np.testing.assert_allclose(back.z, net.z, rtol=1e-10)


def test_bad_files_are_one_clear_line(tmp_path, monkeypatch):
    # Oracle: house rule of errors.
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "b.s2p").write_text("not a network\n1 2 3\n")
    for name, words in (("none.s1p", "no such file"), ("a.txt", "not a Touchstone file"), ("b.s2p", "b.s2p")):
        with pytest.raises(em.InputError, match=words) as caught:
            read_touchstone(tmp_path / name)
        assert "\n" not in str(caught.value)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(em.OutputError, match="No space left"):
        write_touchstone(random_network(2), tmp_path / "c")
    assert not [p for p in tmp_path.iterdir() if p.suffix == ".s2p" and p.stem == "c"]
    assert not list(tmp_path.glob(".c*"))


class _Command:
    """What unpickling it runs: the file it makes is the trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def test_a_pickle_that_calls_itself_touchstone_runs_nothing(tmp_path: Path) -> None:
    """Oracle: the trace that the pickle leaves when it is loaded, which it does when asked to directly."""
    path = tmp_path / "match.s2p"
    path.write_bytes(pickle.dumps(_Command(tmp_path / "trace")))
    with pytest.raises(em.InputError, match="expected a Touchstone file"):
        read_touchstone(path)
    assert not (tmp_path / "trace").exists()
    pickle.loads(path.read_bytes())
    assert (tmp_path / "trace").exists()
