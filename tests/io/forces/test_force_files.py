"""Field maps of scanners and loads for structural codes as files: round trip, units, the place of the maximum."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose import mechanics

MAP = """# a magnet
r [cm], z [m], B [T], gradB [G/cm]
0, 0.0, 3.0, 0
20, 0.9, 1.5, 900
30, 0.8, 2.5, 700
"""


def test_the_largest_product_and_gradient_lie_where_they_are(tmp_path) -> None:
    (tmp_path / "magnet.csv").write_text(MAP)
    found = em.read_field_map(tmp_path / "magnet.csv")
    product, gradient = found.largest_product, found.largest_gradient
    assert (product.r_m, product.z_m) == pytest.approx((0.3, 0.8))
    assert product.product_T2_m == pytest.approx(2.5 * 7.0)
    assert (gradient.r_m, gradient.gradient_T_m) == pytest.approx((0.2, 9.0))
    assert found.largest_field.B_T == 3.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MAP.replace("B [T]", "B"), "field map without a unit"),
        (MAP.replace("[G/cm]", "[furlong]"), "unknown unit"),
        (MAP.replace("gradB [G/cm]", "other [T/m]"), "a column is missing"),
        (MAP.replace("2.5", "25000"), "is the unit right"),
        (MAP.replace("2.5", "two"), "line 5"),
        ("", "no field map"),
    ],
)
def test_bad_maps(tmp_path, text, words) -> None:
    (tmp_path / "magnet.csv").write_text(text)
    with pytest.raises(em.InputError, match=words):
        em.read_field_map(tmp_path / "magnet.csv")


def test_a_load_is_written_with_all_of_its_digits(tmp_path) -> None:
    random = np.random.default_rng(2)
    ball = em.implants.sphere(0.01, subdivisions=1)
    voxels = mechanics.LorentzLoad(random.normal(size=(50, 3)), random.normal(size=(50, 3)) + 0j, np.zeros(3))
    load = mechanics.on_surface(voxels, ball)
    table = np.loadtxt(em.write_load(load, tmp_path / "load.csv"), delimiter=",", skiprows=2)
    assert table[:, :3] == pytest.approx(load.points_m, rel=1e-8)
    assert table[:, 3::2] + 1j * table[:, 4::2] == pytest.approx(load.forces_N, rel=1e-8)
    import pyvista

    mesh = pyvista.read(em.write_load(load, tmp_path / "load.vtp", ball))
    forces = mesh.cell_data["traction_re_Pa"] * load.areas_m2[:, None]
    assert forces.sum(axis=0) == pytest.approx(load.net_force_N.real, abs=1e-9)
    with pytest.raises(em.InputError, match="surface"):
        em.write_load(voxels, tmp_path / "load.vtp", ball)
    with pytest.raises(em.InputError, match="unknown kind of file"):
        em.write_load(load, tmp_path / "load.txt")
