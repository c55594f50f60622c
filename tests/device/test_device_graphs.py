"""Recorded work on the device: CUDA graphs of the Yee engine, and what happens where they are refused."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
import strict_device

from emdose.compute import backend
from emdose.errors import EmdoseWarning
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_engine import (
    Cpml,
    CurrentSource,
    Dft,
    DftRegion,
    Engine,
    Gaussian,
    IncidentWave,
    Lumped,
    VoltagePort,
    YeeProblem,
    thin_wire,
    vacuum,
)

LENGTHS = (1, 7, 255, 256, 257, 600)


def problem(every: int) -> YeeProblem:
    grid = RectilinearGrid(*(np.arange(n + 1) * 0.01 for n in (9, 10, 11)))
    wire = np.array([[2, 3, 4, k] for k in range(4, 7)])
    thin = thin_wire(grid, wire, 0.003)
    pulse = Gaussian(2e9)
    return YeeProblem(
        grid,
        vacuum(grid).scaled(thin.edges, thin.permittivity).with_pec(wire[1:]),
        ("cpml", "cpml", "cpml", "pmc", "pec", "cpml"),
        Cpml(2),
        sources=[CurrentSource("i", np.array([[0, 4, 5, 5]]), np.ones(1), pulse)],
        ports=[VoltagePort("p", wire[:1], 50.0, pulse)],
        lumped=[Lumped("c", np.array([[1, 6, 4, 5]]), 1.0, 1e-9, 1e-12)],
        wave=IncidentWave((3, 3, 4), (6, 7, 8), (1, 0.5, 0), (0, 0, 1), pulse),
        face_factors=thin.faces,
        dft=Dft([3e8], [DftRegion("r", (1, 1, 1), (8, 8, 8))], every),
    )


def everything(engine: Engine) -> list[np.ndarray]:
    state = engine.state()
    return [state[name] for name in sorted(state)]


@pytest.mark.parametrize("every", [3, 32, pytest.param(300, marks=pytest.mark.slow)])
def test_graphs_change_no_bit(every: int, cuda: backend.Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the same launches one by one."""
    given = problem(every)
    with monkeypatch.context() as patch:
        patch.setattr(backend.Backend, "recorded", lambda self, work: backend.Recorded(work))
        plain, kept = Engine(given, cuda), {}
        for steps in LENGTHS:
            plain.advance(steps)
            kept[plain.step] = everything(plain)
    replayed = _count_replays(cuda, monkeypatch)
    engine = Engine(given, cuda)
    for n, steps in enumerate(LENGTHS):
        engine.advance(steps)
        for found, expected in zip(everything(engine), kept[engine.step], strict=True):
            assert np.array_equal(found, expected)
        if n == 3:
            state = engine.state()
    assert len(replayed) > 1
    engine.restore(state)
    for steps in LENGTHS[4:]:
        engine.advance(steps)
    for found, expected in zip(everything(engine), kept[engine.step], strict=True):
        assert np.array_equal(found, expected)


def _count_replays(cuda: backend.Backend, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Grows with every replay of a graph."""
    seen: list[Any] = []
    captured = backend._Graph._captured

    def counted(self: Any) -> Any:
        class Counted:
            graph = captured(self)

            def launch(self) -> None:
                seen.append(1)
                self.graph.launch()

        return Counted()

    monkeypatch.setattr(backend._Graph, "_captured", counted)
    return seen


def test_memory_goes_with_the_engine(cuda: backend.Backend) -> None:
    """Gigabytes must not wait for the collector of cycles."""
    engine = Engine(problem(8), cuda)
    for _ in range(3):
        engine.advance(8)
    tables = weakref.ref(engine.tables)
    gc.disable()
    try:
        del engine
        assert tables() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("when", ["begin_capture", "end_capture"])
def test_refused_graphs_are_said_once_and_steps_go_on(
    when: str, cuda: backend.Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the engine on the device where graphs work."""
    expected = Engine(problem(8), cuda)
    for _ in range(3):
        expected.advance(8)

    def refuse(self: Any, mode: Any = None) -> None:
        self.graph = None
        raise RuntimeError("cudaErrorNotSupported")

    if not hasattr(cuda.xp.cuda.Stream, "graph"):
        pytest.skip("only the imitated device can refuse")
    monkeypatch.setattr(strict_device.Stream, when, refuse)
    backend._warn_of_graphs.cache_clear()
    found = Engine(problem(8), cuda)
    found.advance(8)
    with pytest.warns(EmdoseWarning, match="CUDA graphs are refused .*cudaErrorNotSupported"):
        found.advance(8)
    found.advance(8)
    for a, b in zip(everything(found), everything(expected), strict=True):
        assert np.array_equal(a, b)


def test_capture_is_strict() -> None:
    """Oracle: what CUDA forbids while a stream is captured, and that a graph does not keep memory."""
    be = strict_device.strict_backend()
    a = be.xp.ones(4)
    for work in (
        lambda: be.xp.zeros(3),
        lambda: be.to_numpy(a),
        lambda: float(a[0]),
        lambda: a + 1,
        lambda: a.__setitem__(0, 1.0),
        lambda: a.__iadd__(1),
        be.synchronize,
    ):
        stream = strict_device.Stream(non_blocking=True)
        with stream:
            stream.begin_capture()
            with pytest.raises(RuntimeError, match="while a stream is captured"):
                work()
            stream.end_capture()
    with pytest.raises(RuntimeError):
        strict_device.Stream.current.begin_capture()
    module, b, out = be.kernels.load("emdose.compute", "bandwidth", "double"), be.xp.ones(4), be.xp.zeros(4)
    launch = module.prepare("triad", 4, 2.0, b, b, out)
    with stream:
        stream.begin_capture()
        launch()
        graph = stream.end_capture()
    assert be.to_numpy(out).tolist() == [0.0] * 4
    graph.launch()
    assert be.to_numpy(out).tolist() == [3.0] * 4
    del b, launch
    with pytest.raises(RuntimeError, match="gone"):
        graph.launch()


def test_graphs_of_the_one_pass_equal_two_sweeps(cuda: backend.Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: two sweeps; blocks of an odd number of steps end with a step in place."""
    plain = Engine(problem(3), cuda)
    replayed = _count_replays(cuda, monkeypatch)
    engine = Engine(problem(3), cuda, schedule="one-pass")
    for steps in (6, 6, 9, 6, 9, 9):
        engine.advance(steps)
        plain.advance(steps)
    assert len(replayed) >= 2
    for found, expected in zip(everything(engine), everything(plain), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
