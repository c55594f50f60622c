"""Wires of gradient coils from files: the same coil comes back, and what is no wire is refused."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.constants import MU_0
from emdose.errors import InputError
from emdose.io.gradients.wire_paths import read_gradient_coil, read_wire_paths

PHI = 2 * np.pi * np.arange(360) / 360
RADIUS = 0.3
# The second ring runs backwards: a Maxwell pair.
RINGS = [
    np.stack([RADIUS * np.cos(s * PHI), RADIUS * np.sin(s * PHI), np.full(360, s * 0.15 * 3**0.5)], 1) for s in (1, -1)
]
EXACT = 48 / 49 * np.sqrt(3 / 7) * MU_0 / RADIUS**2


def csv(path, separator=",", factor=1e3, head="x,y,z\n"):
    wires = ["\n".join(separator.join(f"{factor * c:.9g}" for c in p) for p in ring) for ring in RINGS]
    path.write_text(f"# a Maxwell pair\n{head}" + "\n\n".join(wires) + "\n")
    return path


@pytest.mark.parametrize(
    ("name", "separator", "factor", "unit"),
    [
        ("pair.csv", ",", 1e3, "mm"),
        ("pair.txt", "  ", 1.0, "m"),
        ("pair.dat", ";", 1e2, "cm"),
    ],
)
def test_maxwell_pair_from_text(tmp_path, name, separator, factor, unit):
    """Oracle: Gz of a Maxwell pair, 0.641 mu0 / a^2 per ampere."""
    coil = read_gradient_coil(csv(tmp_path / name, separator, factor), "z", unit=unit)
    assert coil.efficiency_T_m_A == pytest.approx(EXACT, rel=2e-4)
    assert len(coil.paths) == 2


@pytest.mark.parametrize("suffix", [".vtk", ".vtp"])
def test_maxwell_pair_from_vtk(tmp_path, suffix):
    """Oracle: the same, through a file that VTK wrote."""
    import pyvista as pv

    data = pv.PolyData()
    data.points = np.concatenate(RINGS)
    data.lines = np.concatenate([np.concatenate([[360], n * 360 + np.arange(360)]) for n in range(2)])
    data.save(str(tmp_path / f"pair{suffix}"))
    coil = read_gradient_coil(tmp_path / f"pair{suffix}", "z", unit="m")
    assert coil.efficiency_T_m_A == pytest.approx(EXACT, rel=2e-4)


def test_bad_wire_files(tmp_path, capfd):
    """Oracle: the contract: one line that names the file."""
    bad = {
        "missing.csv": None,
        "empty.csv": "",
        "words.csv": "x,y,z\none,two,three\n",
        "two.csv": "1,2\n3,4\n",
        "nan.csv": "1,2,nan\n",
        "coil.stl": "solid",
        "empty.vtk": "",
        "words.vtp": "<VTKFile>",
        "words.vtk": "no VTK\n",
        "short.csv": "0,0,0\n1,0,0\n",
    }
    for name, content in bad.items():
        if content is not None:
            (tmp_path / name).write_text(content)
        with pytest.raises(InputError) as caught:
            read_gradient_coil(tmp_path / name, "z", unit="mm")
        assert name in str(caught.value)
    with pytest.raises(InputError, match="wrong unit"):
        read_wire_paths(csv(tmp_path / "mm.csv"), unit="m")
    with pytest.raises(InputError, match="unknown unit"):
        read_wire_paths(tmp_path / "mm.csv", unit="inch")
    assert capfd.readouterr().err == ""
