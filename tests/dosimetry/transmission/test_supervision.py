"""Ways of supervision beside each other, and shims of phases alone.

Oracles: closed forms of two channels, brute force over phases, what every way of knowing more must allow.
"""

from __future__ import annotations

import numpy as np
import pytest
from ring_matrices import point_and_averaged

import emdose as em
from emdose.dosimetry.transmission.drives import supervision as room
from emdose.errors import InputError


@pytest.fixture(scope="module")
def modes() -> em.PowerModes:
    q = point_and_averaged()[1]
    limits = em.DriveConstraints.of(q, 10.0)
    return em.power_modes(limits, bounds=em.DriveConstraints.of(em.compress(q, 0.1), 10.0))


def drives(count: int, n: int = 8, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, n)) + 1j * rng.normal(size=(count, n))


def test_two_channels_in_closed_form() -> None:
    """Oracles: lambda_max of 2 x 2, and |Q11| + |Q22| + 2 |Q12| for phases at their worst."""
    Q = np.array([[2.0, 0.5 - 1j], [0.5 + 1j, 1.0]])
    found = em.power_modes(em.DriveConstraints.of(Q, 4.0), power=np.diag([0.5, 0.25]))
    half = np.diag([0.5, 0.25]) ** 0.5
    back = np.diag(1 / np.diag(half))
    largest = np.linalg.eigvalsh(back @ Q @ back)[-1]
    assert found.forward == pytest.approx(4 / largest)
    assert found.amplitude**2 == pytest.approx(4 / (2 + 1 + 2 * abs(Q[0, 1])))
    v = np.array([1.0, 2j])
    scales = found.scales(v)
    sar = float((v.conj() @ Q @ v).real)
    assert scales["all matrices"] ** 2 == pytest.approx(4 / sar)
    assert scales["amplitudes"] ** 2 == pytest.approx(4 / (2 + 4 + 4 * abs(Q[0, 1])))
    assert scales["power of each channel"] == pytest.approx(found.amplitude / 2)
    assert scales["forward power"] ** 2 == pytest.approx(found.forward / (0.5 + 4 * 0.25))
    assert list(scales) == [n for n in found.names if n != room.POINTS]


def test_every_way_keeps_the_limits_and_more_knowledge_allows_more(modes: em.PowerModes) -> None:
    for v in drives(40):
        scales = modes.scales(v)
        assert all(modes.used(factor * v) <= 1 + 1e-9 for factor in scales.values())
        assert scales[room.ALL] >= scales[room.POINTS] >= scales[room.ALL] / 1.5
        assert scales[room.ALL] >= scales[room.AMPLITUDES] >= scales[room.CHANNEL] * (1 - 1e-6)
        assert scales[room.ALL] >= scales[room.FORWARD]


def test_worst_drives_are_let_through_at_the_limit_alone(modes: em.PowerModes) -> None:
    """Oracle: the drives that each way must fear, brought to its limit, use all of the limits."""
    worst = em.worst_drive(np.asarray(modes.limits.matrices)).drive
    assert modes.used(modes.scales(worst)[room.FORWARD] * worst) == pytest.approx(1.0, rel=1e-6)
    phases = em.worst_drive(np.asarray(modes.limits.matrices), 1.0).drive
    assert modes.used(modes.scales(phases)[room.CHANNEL] * phases) == pytest.approx(1.0, rel=1e-4)
    assert modes.used(modes.scales(phases)[room.AMPLITUDES] * phases) == pytest.approx(1.0, rel=1e-4)


def test_shims_of_every_way_keep_the_limits(modes: em.PowerModes) -> None:
    A = drives(60, seed=9)
    errors = {}
    for name in (room.FORWARD, room.CHANNEL, room.POINTS, room.ALL):
        found = em.shim(A, 50.0, modes.constraints(name))
        assert modes.used(found.drive[0]) <= 1 + 1e-9, name
        errors[name] = found.cost
    assert errors[room.ALL] <= errors[room.POINTS] * (1 + 1e-6)
    assert errors[room.ALL] <= min(errors[room.FORWARD], errors[room.CHANNEL]) * (1 + 1e-6)


def test_bad_power_modes(modes: em.PowerModes) -> None:
    limits = em.DriveConstraints.of(np.eye(2), 1.0)
    for arguments in (
        {"limits": em.DriveConstraints.peak_amplitude(np.ones(2))},
        {"limits": limits, "power": np.diag([1.0, -1.0])},
        {"limits": limits, "power": np.eye(3)},
        {"limits": limits, "bounds": em.DriveConstraints.of(np.eye(3), 1.0)},
    ):
        with pytest.raises(InputError):
            em.power_modes(**arguments)
    with pytest.raises(InputError, match="amplitudes"):
        modes.constraints("amplitudes")
    with pytest.raises(InputError, match="drive is 0"):
        modes.scales(np.zeros(8))
    with pytest.raises(InputError, match="does not fit"):
        modes.used(np.ones(3))


def test_phases_alone_against_brute_force() -> None:
    """Oracle: all phases of three channels on a grid of 3 degrees, each with its best amplitude."""
    A = drives(25, 3, seed=5)
    v = em.phase_shim(A, 2.0)
    assert np.ptp(np.abs(v)) < 1e-12
    cost = np.sum((np.abs(A @ v) - 2.0) ** 2)
    phase = np.exp(2j * np.pi * np.arange(120) / 120)
    b, c = (x.ravel() for x in np.meshgrid(phase, phase))
    size = np.abs(A @ np.stack([np.ones_like(b), b, c]))
    a = 2.0 * size.sum(axis=0) / (size**2).sum(axis=0)
    least = np.sum((a * size - 2.0) ** 2, axis=0).min()
    assert least * (1 - 5e-3) < cost <= least * (1 + 1e-9)
    for bad in ({"A": np.zeros((2, 2)), "target_T": 1.0}, {"A": A, "target_T": 0.0}, {"A": A[0], "target_T": 1.0}):
        with pytest.raises(InputError):
            em.phase_shim(**bad)
    with pytest.raises(InputError):
        em.phase_shim(A, 1.0, start=np.ones(2))
