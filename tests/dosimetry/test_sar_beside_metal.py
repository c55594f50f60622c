"""SAR beside metal. Oracles: the field of a uniform sheet by hand, masses, the refusal of a body without room."""

import numpy as np
import pytest

import emdose as em
from emdose.dosimetry.averaging.average import averaging_plan
from emdose.dosimetry.sar import average_peak, point_sar
from emdose.io.field_arrays import fields_arrays, fields_of_arrays
from emdose.models.bodies import gel_box
from emdose.models.implants import ImplantedBody, implanted, shapes
from emdose.solvers.results.fields import Fields, PowerBalance, phantom_told
from emdose.solvers.yee_grid.edge_materials import metal_edges


def fields_around(here: ImplantedBody, E_V_m: float = 10.0) -> Fields:
    """A uniform field along z, cut off in metal."""
    grid = here.phantom.grid
    E = np.zeros((1, 3, *grid.node_shape), complex)
    E[0, 2] = E_V_m
    E[0][metal_edges(np.asarray(here.metal))] = 0
    E[0, 2, :, :, -1] = 0
    one = np.ones((1, 1))
    return Fields(
        grid=grid,
        frequency_Hz=64e6,
        E=E,
        B=np.zeros_like(E),
        body=here.phantom.body,
        body_mass_kg=here.phantom.mass_kg,
        power=PowerBalance(one, one, 0 * one),
        ports=("unit",),
        drives={"unit": np.ones(1)},
        drive_unit="V/m",
        residual=np.zeros(1),
        provenance={"phantom": phantom_told(here.phantom, 64e6)},
        metal=here,
    )


@pytest.fixture(scope="module")
def here() -> ImplantedBody:
    return implanted(gel_box(2e-3, (0.04, 0.04, 0.04)), [shapes.box((0.008, 0.008, 0.02))])


def test_metal_has_no_mass_no_power_and_is_no_background(here: ImplantedBody) -> None:
    fields = fields_around(here)
    sar = point_sar(fields, here.phantom)
    assert sar.mass_kg() == pytest.approx(here.phantom.mass_kg)
    assert not sar.value[here.metal].any()
    assert sar.value.max() == pytest.approx(0.47 * 100 / 2000, rel=1e-5)
    plan = averaging_plan(here.density, here.phantom.spacing_m, 1e-3, "cpu", metal=here.metal)
    average = plan.apply(sar.value)
    beside = (10, 10, 16)  # two voxels above the end of the metal
    assert average.flag[beside] == 3
    without = averaging_plan(here.density, here.phantom.spacing_m, 1e-3, "cpu").apply(sar.value)
    assert without.flag[beside] != 3
    top = average_peak(plan, sar, here.phantom)
    assert top.value == pytest.approx(average.peak)
    assert top.cube is not None
    assert "no mass and no power" in top.to_dict()["cube"]["rule"]


def test_fields_keep_their_metal(here: ImplantedBody) -> None:
    fields = fields_around(here)
    scaled = fields.drive("unit").scale(absorbed_power_W=2.0)
    assert scaled.metal is here
    back = fields_of_arrays(fields_arrays(scaled), here.phantom, here)
    assert back.metal is here
    assert any(m.name == "metal_volume" for m in back.measures())
    with pytest.raises(em.InputError, match="solved with metal in this body"):
        point_sar(fields, gel_box(2e-3, (0.04, 0.04, 0.04)))
    with pytest.raises(em.InputError, match="metal that has the mass of tissue"):
        averaging_plan(np.full(here.metal.shape, 1000.0), 2e-3, 1e-3, "cpu", metal=here.metal)
