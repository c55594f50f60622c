"""The scripts of the gallery run as they stand, and what they compute is checked against an oracle each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NUMBERED = sorted(EXAMPLES.glob("[0-9][0-9]_*.py"))


@pytest.mark.parametrize("path", NUMBERED, ids=lambda p: p.stem)
def test_scripts_are_short(path: Path) -> None:
    """Oracle: the house rule of at most 15 lines of code, docstring and blank lines not counted."""
    code = path.read_text(encoding="utf-8").split('"""', 2)[2]
    lines = [line for line in code.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) <= 15


def test_head_sar(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Oracles: energy conservation twice, and an average that cannot exceed the largest value averaged."""
    got = run("01_head_sar.py")
    fields, head, sar = got["fields"], got["head"], got["sar"]
    power = fields.power.power()
    # The extinction theorem holds in the discrete equations up to the residual and the far-field quadrature.
    assert power["closure"] < 1e-3
    # The trapezium rule hands the edges' power to the voxels without loss, so SAR x mass is the solver's own power.
    assert float((sar.value * head.density).sum() * head.grid.voxel_volume_m3) == pytest.approx(
        power["absorbed_W"], rel=1e-4
    )
    assert sar.value.max() > got["average"].value.max() > power["absorbed_W"] / head.mass_kg
    out = capsys.readouterr().out
    assert "unverified" in out
    assert "compliant" not in out.lower()


def test_sphere_against_mie(run: Any) -> None:
    """Oracle: Mie's closed form. The bound is the one of the validation table, first order in the voxel size."""
    got = run("02_sphere_mie.py")
    assert got["spacing_m"] == 0.005
    assert got["absorbed"] == pytest.approx(got["exact"], rel=0.03)


def test_aligned_phases_give_the_largest_b1plus(run: Any) -> None:
    """Oracle: the triangle inequality: no phases beat aligned ones at equal currents."""
    got = run("03_parallel_transmission.py")
    b1 = got["b1plus"]
    aligned = abs(np.vdot(np.conj(got["drives"]["aligned in the centre"]), b1))
    assert aligned == pytest.approx(np.abs(b1).sum(), rel=1e-6)
    assert all(abs(weights @ b1) <= aligned * (1 + 1e-6) for weights in got["drives"].values())
    # The last drive was scaled to 1 uT: its current follows from its B1+ per ampere.
    assert got["current_A"] == pytest.approx(1e-6 / aligned, rel=1e-3)


def test_what_if_tissue(run: Any) -> None:
    """Oracle: conservation: the tissues' powers add up to the solver's absorbed power."""
    got = run("04_what_if_tissue.py")
    import emdose as em

    total = sum(row.power_W for row in em.tissue_sar(got["sar"], got["changed"]))
    assert total == pytest.approx(got["fields"].power.power()["absorbed_W"], rel=1e-4)
    assert got["changed"].hash() != got["head"].hash()


def test_own_body(run: Any) -> None:
    """Oracles: counting: what is read back has the volumes that were written; conservation: 1 W is absorbed."""
    got = run("05_own_body.py")
    leg, labels = got["leg"], got["labels"]
    for label, name in ((1, "muscle"), (2, "bone_cortical")):
        written_m3 = np.count_nonzero(labels == label) * 5e-3**3
        assert leg.tissue_volume()[name] == pytest.approx(written_m3, rel=1e-6)
    assert got["fields"].power.power()["absorbed_W"] == pytest.approx(1.0, rel=1e-6)


def test_values_and_pictures(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: the fields' own array on the line through the voxel centres next to the axis."""
    pytest.importorskip("xarray")
    got = run("15_values_and_pictures.py")
    assert Path("sar.png").stat().st_size > 5000
    assert Path("b1plus.png").stat().st_size > 5000
    profile, fields = got["profile"], got["fields"]
    i, j, _ = fields.grid.index_of((profile.x.item(), profile.y.item(), 0.0))
    assert max(abs(profile.x.item()), abs(profile.y.item())) <= 5e-3
    np.testing.assert_array_equal(profile.values, fields.b1plus()[0, i, j])
    assert "SarMap" in capsys.readouterr().out


def test_page_on_values_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: what the page claims in words: the write is refused, components lie where it says."""
    pytest.importorskip("xarray")
    monkeypatch.chdir(tmp_path)
    page = (EXAMPLES.parent / "docs" / "guide" / "values.md").read_text(encoding="utf-8")
    space: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", page, re.S | re.M):
        exec(block, space)
    assert space["staggered"]["E_x"].dims == ("port", "x", "y_node", "z_node")
    np.testing.assert_allclose(space["double"].value, 2 * space["sar"].value)
    assert space["mine"].flags.writeable
    assert (tmp_path / "E.png").exists()


def test_one_run_many_files(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: the other route, and the readers of the files."""
    got = run("23_one_run_many_files.py")
    assert "none" in capsys.readouterr().out.splitlines()[-1]  # no difference between Python and scenario
    for name in ("my-head/report.html", "my-head/summary.json", "maps.vti", "nifti/SAR_10g_W_kg.nii.gz", "sar.png"):
        assert Path(name).stat().st_size > 5000
    assert Path("tables/quantities.csv").read_text(encoding="utf-8").count("\n") == len(got["run"].quantities) + 1


def test_page_on_one_result_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: what the page claims: the same number by both routes (asserted on it), the files, a row a quantity."""
    pytest.importorskip("xarray")
    monkeypatch.chdir(tmp_path)
    page = (EXAMPLES.parent / "docs" / "guide" / "one-result.md").read_text(encoding="utf-8")
    space: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", page, re.S | re.M):
        exec(block, space)
    assert {row["name"] for row in space["rows"]} == {*space["run"].quantities}
    names = set(space["run"].to_xarray([*space["run"]._contents().quantities]).data_vars) - {"label"}
    told = set(re.findall(r"`(\w+)`", page.split("**What the maps are called.**")[1].split("In files")[0]))
    assert names <= told  # every map has a word on the page
    written = {p.name for p in (tmp_path / "nifti").iterdir()}
    assert {"abs_B_T.nii.gz", "SAR_10g_W_kg.nii.gz", "label.nii.gz"} <= written
    assert (tmp_path / "ball" / "report.html").exists()
