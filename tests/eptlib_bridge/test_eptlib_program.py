"""Running EPTlib.

Oracles: a stand-in that reads the files as EPTlib does and fails as it does; with the mark ``eptlib`` the real program
against what it returned when the reference data were made.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emdose import eptlib_bridge as bridge
from emdose.ept.local.helmholtz import Helmholtz
from emdose.ept.maps.b1map import B1Map
from emdose.ept.transport.convection_reaction import ConvectionReaction
from emdose.ept.transport.gradient import Gradient, Seed
from emdose.errors import EmdoseWarning, InputError
from emdose.io.maps.maps3d import read_map
from emdose.models.grids.grid import Grid
from emdose.validation.closed_forms.ept.layered_cylinder import LayeredCylinder

HERE = Path(__file__).parent
LAYERED = HERE.parent / "data" / "eptlib_layered.h5"
REAL = os.environ.get("EMDOSE_EPTLIB") or shutil.which("EPTlib_app")
needs_eptlib = [pytest.mark.eptlib, pytest.mark.skipif(not REAL, reason="EPTlib_app is not installed")]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "EPTlib_app"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE.parent / "support" / "fake_eptlib.py"}" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    for name in ("FAKE_EPTLIB", "FAKE_VERSION", "EMDOSE_EPTLIB"):
        monkeypatch.delenv(name, raising=False)
    return program


def small(channels: int = 1, reference: bool = False) -> B1Map:
    shape = (6, 4, 7)
    rng = np.random.default_rng(0)
    values = rng.uniform(0.5, 1, (2, channels, *shape)) if channels > 1 else rng.uniform(0.5, 1, (2, *shape))
    mask = np.ones(shape, bool)
    mask[0] = False
    return B1Map(
        Grid(shape, (1e-3, 2e-3, 3e-3)),
        64e6,
        values[0],
        values[1],
        mask=mask,
        reference=np.ones(shape) if reference else None,
    )


def recorded(method: str, name: str) -> np.ndarray:
    return read_map(f"{LAYERED}:/eptlib/{method}/{name}", name, "zyx").values


@pytest.fixture(scope="module")
def layered() -> B1Map:
    def load(name: str) -> np.ndarray:
        return read_map(f"{LAYERED}:/input/{name}", name, "zyx").values

    return B1Map(Grid((44, 44, 18), 3e-3), 128e6, load("tx_sens"), load("trx_phase"), mask=load("mask"))


def test_helmholtz_through_the_stand_in(fake: Path) -> None:
    """Axis order, types, NaN outside the mask, results and variances back."""
    b1 = small()
    settings = bridge.Settings(size=(1, 2, 1), shape="cuboid", variance=True)
    with pytest.warns(EmdoseWarning, match="negative variances|is wrong"):
        found = bridge.reconstruct(b1, settings, program=fake)
    x, y, z = np.meshgrid(*map(np.arange, b1.grid.shape), indexing="ij")
    assert np.array_equal(found.conductivity[b1.mask], (x + 10 * y)[b1.mask])
    assert np.array_equal(found.permittivity[b1.mask], (z + 1)[b1.mask])
    assert np.isnan(found.conductivity[~b1.mask]).all()
    assert np.isnan(found.u_conductivity[3]).all()
    assert (found.u_conductivity[4] == 2).all()
    assert (found.u_permittivity[b1.mask] == 3).all()
    assert found.settings["version"] == "0.4.4"


def test_convection_reaction_is_padded_to_squares_and_cut_again(fake: Path) -> None:
    """The stand-in refuses slices that are not square."""
    b1 = small()
    settings = bridge.Settings(method="convection-reaction", dirichlet=(1.0, 60.0), diffusion=0.01, imaging_slice=2)
    found = bridge.reconstruct(b1, settings, program=fake)
    x, y, _ = np.meshgrid(*map(np.arange, b1.grid.shape), indexing="ij")
    there = b1.mask.copy()
    there[:, :, [0, 1, 3, 4, 5, 6]] = False
    assert np.array_equal(found.conductivity[there], (x + 10 * y)[there])
    assert np.isnan(found.conductivity[~there]).all()
    assert (found.settings["iterations"], found.settings["residual"]) == (12, 1e-7)


@pytest.mark.parametrize(
    ("b1", "settings"),
    [
        (small(6), bridge.Settings(method="gradient", volume=True, seeds=[Seed((1, 1, 3), 1.0, 60.0)])),
        (small(6), bridge.Settings(method="gradient", imaging_slice=3, gradient_tolerance=0.1)),
        (small(reference=True), bridge.Settings(weight_param=0.1, post=bridge.Filter())),
        (replace(small(), magnitude=None), bridge.Settings(method="automatic", sizes=[(1, 1, 1)], shapes=["cuboid"])),
        (replace(small(), phase=None), bridge.Settings(shape="ellipsoid")),
        (
            replace(small(), magnitude=None),
            bridge.Settings(method="convection-reaction", dirichlet=(1, 1), volume=True),
        ),
    ],
    ids=["gradient seeds", "gradient slice", "reference and filter", "automatic", "magnitude", "phase volume"],
)
def test_every_method_writes_what_the_stand_in_reads(
    fake: Path, tmp_path: Path, b1: B1Map, settings: bridge.Settings
) -> None:
    """File contract; the configuration also reads back to the same settings (round trip)."""
    folder = tmp_path / "case"
    found = bridge.reconstruct(b1, settings, program=fake, folder=folder)
    assert found.valid.any()
    here = Path.cwd()
    os.chdir(folder)
    try:
        job = bridge.read_config("config.toml")
    finally:
        os.chdir(here)
    for name in (
        "method",
        "size",
        "shape",
        "degree",
        "dirichlet",
        "diffusion",
        "volume",
        "sizes",
        "unphysical",
        "post",
    ):
        one, two = getattr(job.settings, name), getattr(settings, name)
        assert tuple(one) == tuple(two) if isinstance(one, tuple) else one == two
    assert [tuple(s.voxel) for s in job.settings.seeds] == [tuple(s.voxel) for s in settings.seeds]
    assert job.b1 is not None
    assert job.b1.grid.spacing_m == b1.grid.spacing_m
    kinds = {"helmholtz": Helmholtz, "convection-reaction": ConvectionReaction, "gradient": Gradient}
    assert settings.method == "automatic" or isinstance(job.method, kinds[settings.method])


def test_old_output_does_not_survive(fake: Path, tmp_path: Path) -> None:
    """A second run of another shape in the same folder: EPTlib itself would fail on the dataset that is there."""
    bridge.reconstruct(small(), bridge.Settings(), program=fake, folder=tmp_path / "case")
    other = replace(
        small(),
        grid=Grid((6, 4, 6), 1e-3),
        magnitude=small().magnitude[:, :, :6],
        phase=small().phase[:, :, :6],
        mask=small().mask[:, :, :6],
    )
    found = bridge.reconstruct(other, bridge.Settings(), program=fake, folder=tmp_path / "case")
    assert found.grid.shape == (6, 4, 6)


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("hang", "did not end within 2 s"),
        ("segfault", "crashed: segmentation fault"),
        ("ignored", "ignored parameter.dirichlet.electric-conductivity"),
        ("silent", "wrote no 'sigma'"),
        ("other", "not EPTlib: it says 'Something else"),
    ],
)
def test_failures_are_one_clear_line(
    fake: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str, text: str
) -> None:
    """The stand-in fails in the ways that were seen with EPTlib 0.4.4."""
    monkeypatch.setenv("FAKE_EPTLIB", mode)
    settings = bridge.Settings(method="convection-reaction", dirichlet=(1.0, 60.0), imaging_slice=2)
    with pytest.raises(bridge.EptlibError, match=text) as caught:
        bridge.reconstruct(small(), settings, program=fake, timeout_s=2.0)
    assert "\n" not in str(caught.value)


def test_missing_input_and_wrong_mesh(fake: Path, tmp_path: Path) -> None:
    """Exit 134 of an uncaught exception; exit 1 without a reason; fatal errors on standard output."""
    case = bridge.write_case(tmp_path / "case", small(), bridge.Settings())
    text = case.config.read_text()
    case.config.write_text(text.replace("[6, 4, 7]", "[7, 4, 6]"))
    with pytest.raises(bridge.EptlibError, match=r"execution failed \(mesh.size"):
        bridge.run_case(case, fake)
    case.config.write_text(text.replace("frequency = 64000000.0", "frequency = 64000000"))
    with pytest.raises(bridge.EptlibError, match=r"Wrong data format 'input\.frequency'"):
        bridge.run_case(case, fake)
    case.config.write_text(text.replace(":/trx_phase", ":/nothing"))
    with pytest.raises(bridge.EptlibError, match="dataset exception"):
        bridge.run_case(case, fake)
    case.config.write_text(text)
    (case.folder / "input.h5").unlink()
    with pytest.raises(bridge.EptlibError, match=r"aborted \(an input file that is missing.*H5::FileIException"):
        bridge.run_case(case, fake)


def test_unfinished_iteration_is_a_warning(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EPTlib returns whatever it has after max-iterations with exit 0."""
    monkeypatch.setenv("FAKE_EPTLIB", "unfinished")
    settings = bridge.Settings(method="convection-reaction", dirichlet=(1.0, 60.0), imaging_slice=2)
    with pytest.warns(EmdoseWarning, match="1000 iterations"):
        bridge.reconstruct(small(), settings, program=fake)


def test_versions(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions are compared as numbers; what one is known to crash on is refused before it runs."""
    assert bridge.program_version(fake) == (0, 4, 4)
    b1 = small(6, reference=True)
    with pytest.raises(bridge.EptlibError, match="crashes in gradient EPT with a reference image"):
        bridge.reconstruct(b1, bridge.Settings(method="gradient", volume=True), program=fake)
    monkeypatch.setenv("FAKE_VERSION", "0.10.0")
    assert bridge.program_version(fake) == (0, 10, 0)
    monkeypatch.setenv("FAKE_VERSION", "0.3.9")
    with pytest.raises(bridge.EptlibError, match=r"0\.3\.9 is too old"):
        bridge.program_version(fake)


def test_finding_the_program(fake: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Argument, then environment, then search path."""
    assert bridge.find_program(fake) == fake
    assert bridge.find_program(fake.parent) == fake
    monkeypatch.setenv("EMDOSE_EPTLIB", str(fake))
    assert bridge.find_program() == fake
    monkeypatch.delenv("EMDOSE_EPTLIB")
    monkeypatch.setenv("PATH", str(fake.parent))
    assert bridge.find_program() == fake
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(bridge.EptlibError, match="no EPTlib_app on the search path"):
        bridge.find_program()
    with pytest.raises(bridge.EptlibError, match="is not a program"):
        bridge.find_program(tmp_path / "nothing")


def test_bad_input(tmp_path: Path) -> None:
    """Refused before anything is written for EPTlib."""
    with pytest.raises(InputError, match="several transmit channels; found 1"):
        bridge.write_case(tmp_path, small(), bridge.Settings(method="gradient"))
    with pytest.raises(InputError, match="EPTlib divides by it"):
        bridge.write_case(tmp_path, replace(small(), magnitude=None), bridge.Settings(method="convection-reaction"))
    with pytest.raises(InputError, match="too near to the end"):
        bridge.write_case(tmp_path, small(), bridge.Settings(method="convection-reaction", imaging_slice=0))


class TestRealProgram:
    """EPTlib itself."""

    pytestmark = needs_eptlib

    def test_helmholtz_is_what_was_recorded(self, layered: B1Map) -> None:
        found = bridge.reconstruct(layered, bridge.Settings(size=(2, 2, 2), shape="cuboid"))
        inside = np.isfinite(found.conductivity)
        assert inside.any()
        truth = recorded("helmholtz_complex_cuboid_r2", "sigma")
        assert np.abs(found.conductivity / truth - 1)[inside].max() < 1e-9
        native = bridge.Settings(size=(2, 2, 2), shape="cuboid").native(layered).reconstruct(layered)
        both = inside & native.valid
        assert np.abs(native.conductivity / found.conductivity - 1)[both].max() < 1e-6

    def test_convection_reaction(self, layered: B1Map) -> None:
        settings = bridge.Settings(
            method="convection-reaction",
            diffusion=0.1,
            dirichlet=(1.0, 65.0),
            imaging_slice=9,
            max_iterations=5000,
            tolerance=1e-10,
        )
        found, mine = bridge.reconstruct(layered, settings), settings.native(layered).reconstruct(layered)
        both = found.valid & mine.valid
        assert np.array_equal(found.valid, mine.valid)
        assert np.abs(mine.conductivity / found.conductivity - 1)[both].max() < 1e-4
        assert np.abs(mine.permittivity / found.permittivity - 1)[both].max() < 1e-4

    @pytest.mark.slow
    def test_convection_reaction_at_the_size_of_users(self) -> None:
        """A slice of 200 x 200 voxels, phase only: the same scheme, solved by BiCGStab there and by factors here."""
        grid = Grid((200, 200, 3), 6e-4)
        x, y, _ = np.broadcast_arrays(*grid.centre_points())
        plus, minus = LayeredCylinder([0.03, 0.055], [52.0, 70.0], [0.35, 0.9], 128e6).transmit_and_receive(x, y)
        b1 = B1Map(grid, 128e6, None, np.angle(plus * minus), mask=np.hypot(x, y) < 0.054)
        settings = bridge.Settings(
            method="convection-reaction",
            diffusion=0.02,
            dirichlet=(0.9, 1.0),
            imaging_slice=1,
            size=(1, 1, 1),
            max_iterations=20_000,
            tolerance=1e-10,
        )
        found, mine = bridge.reconstruct(b1, settings), settings.native(b1).reconstruct(b1)
        both = found.valid & mine.valid
        assert np.count_nonzero(both) > 20_000
        assert np.abs(mine.conductivity / found.conductivity - 1)[both].max() < 1e-3

    def test_a_slice_that_is_not_square(self, layered: B1Map) -> None:
        """Cut to 44 x 38; the same with its axes exchanged must give the same (mirrored) answer."""
        cut = np.s_[:, 3:41]
        one = replace(
            layered, grid=Grid((44, 38, 18), 3e-3), magnitude=None, phase=layered.phase[cut], mask=layered.mask[cut]
        )
        other = replace(
            one, grid=Grid((38, 44, 18), 3e-3), phase=one.phase.swapaxes(0, 1), mask=one.mask.swapaxes(0, 1)
        )
        settings = bridge.Settings(method="convection-reaction", diffusion=0.02, dirichlet=(1.0, 1.0), imaging_slice=9)
        a, b = (bridge.reconstruct(m, settings).conductivity[:, :, 9] for m in (one, other))
        assert np.nanmax(np.abs(a / b.T - 1)) < 1e-4

    def test_integers_for_reals_are_caught(self, layered: B1Map, tmp_path: Path) -> None:
        phase = replace(layered, magnitude=None)
        case = bridge.write_case(
            tmp_path, phase, bridge.Settings(method="convection-reaction", dirichlet=(1.0, 1.0), imaging_slice=9)
        )
        case.config.write_text(case.config.read_text().replace("conductivity = 1.0", "conductivity = 1"))
        with pytest.raises(bridge.EptlibError, match=r"ignored parameter\.dirichlet\.electric-conductivity"):
            bridge.run_case(case)

    def test_a_missing_file_is_a_crash_with_a_reason(self, layered: B1Map, tmp_path: Path) -> None:
        case = bridge.write_case(tmp_path, layered, bridge.Settings())
        (tmp_path / "input.h5").unlink()
        with pytest.raises(bridge.EptlibError, match="aborted"):
            bridge.run_case(case)
