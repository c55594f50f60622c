"""Surgery on voxels. Oracles: volumes of offset balls, capsules and half-spaces; every voxel counted once."""

import numpy as np
import pytest

import emdose as em
from emdose.models.bodies import gel_box
from emdose.models.bodies.solids import box, grid_around, rasterise
from emdose.models.implants import BoneCut, ImplantShell, ReamedCanal, Surgery, implanted, shapes
from emdose.validity import NOT_VALID, judge


def thigh() -> em.Phantom:
    """Muscle around a bar of bone along z, 30 mm wide."""
    solids = [box("muscle", (0, 0, 0), (0.04, 0.04, 0.04)), box("bone_cortical", (0, 0, 0), (0.015, 0.015, 0.04))]
    return rasterise(solids, grid_around(solids, 1e-3))


def test_a_shell_has_the_volume_of_the_offset_ball() -> None:
    here = implanted(thigh(), [shapes.sphere(8e-3)], Surgery(ImplantShell(3e-3)))
    volume = here.phantom.tissue_volume()["bone_cement"]
    assert volume == pytest.approx(4 / 3 * np.pi * (0.011**3 - 0.008**3), rel=0.02)
    assert here.density[here.metal].max() == 0
    assert np.count_nonzero(here.density == 0) == np.count_nonzero(~here.phantom.body) + round(volume / 1e-9)


def test_every_voxel_counts_once() -> None:
    body = thigh()
    surgery = Surgery(
        ImplantShell(2e-3, "saline"),
        canals=[ReamedCanal((0, 0, -0.03), (0, 0, 0), 6e-3, within=["bone"])],
        cuts=[BoneCut((0, 0, 0.01), (0, 0, 1))],
    )
    here = implanted(body, [shapes.cylinder(4e-3, 0.04)], surgery)
    gone = {}
    for row in here.replaced:
        gone[row.tissue] = gone.get(row.tissue, 0.0) + row.mass_kg
    before, after = body.tissue_mass(), here.phantom.tissue_mass()
    assert gone["bone_cortical"] == pytest.approx(before["bone_cortical"] - after["bone_cortical"])
    assert dict(here.replaced_kg) == pytest.approx(gone)
    assert {row.reason for row in here.replaced} == {"metal", "shell", "canal", "cut"}
    assert not (np.asarray(here.phantom.labels)[:, :, 51:] == 2).any()
    cut = next(r for r in here.replaced if r.reason == "cut")
    assert cut.material == "muscle"
    assert cut.volume_m3 == pytest.approx(0.03 * 0.03 * 0.03, rel=0.07)


def test_a_canal_has_its_volume_and_stays_in_bone() -> None:
    canal = ReamedCanal((0, 0, -0.03), (0, 0, 0.03), 10e-3, within=["bone"])
    here = implanted(thigh(), [shapes.sphere(4e-3)], Surgery(canals=canal))
    ideal = np.pi * 0.01**2 * 0.06 + 4 / 3 * np.pi * 0.01**3 - 4 / 3 * np.pi * 0.004**3
    assert here.phantom.tissue_volume()["bone_cement"] == pytest.approx(ideal, rel=0.02)


def test_what_cannot_be_done_is_said() -> None:
    body, ball = thigh(), shapes.sphere(8e-3)
    for surgery, words in (
        (Surgery(ImplantShell(0.5e-3)), "a shell thinner than a voxel"),
        (Surgery(ImplantShell(2e-3, within=["liver"])), "tissue not in this phantom"),
        (Surgery(cuts=BoneCut((0, 0, 0.5), (0, 0, 1))), "the cut finds nothing to replace"),
    ):
        with pytest.raises(em.InputError, match=words):
            implanted(body, [ball], surgery)
    with pytest.raises(em.InputError, match="overlaps another implant"):
        implanted(body, [ball, shapes.sphere(8e-3, centre_m=(0.012, 0, 0))])
    implanted(body, [ball, shapes.sphere(8e-3, centre_m=(0.016, 0, 0))])
    with pytest.raises(em.InputError, match="surgery without an implant"):
        em.Exposure(body, em.PlaneWave(), 64e6, surgery=Surgery(ImplantShell(2e-3)))
    with pytest.raises(em.InputError, match="a canal without length"):
        ReamedCanal((0, 0, 0), (0, 0, 0), 1e-3)


def test_metal_that_voxels_lose_is_not_valid() -> None:
    gel, rod = gel_box(2e-3, (0.04, 0.04, 0.08)), shapes.cylinder(0.6e-3, 0.01, "Ti6Al4V")
    lost = implanted(gel, [rod])
    assert not lost.metal.any()
    judged = judge(lost.measures())
    assert judged.state == NOT_VALID
    assert "use voxels of 0." in judged.reasons[0]
    spacing_mm = float(judged.reasons[0].split("use voxels of ")[1].split(" mm")[0])
    finer = gel_box(spacing_mm * 1e-3, (0.002, 0.002, 0.011))
    assert judge(implanted(finer, [rod]).measures()).state == "valid"
    assert judge(implanted(gel, [shapes.sphere(8e-3)]).measures()).state == "valid"


def test_metal_beside_the_body_may_not_cross_the_coil() -> None:
    body = gel_box(2e-3, (0.04, 0.04, 0.04)).pad(2)
    plate = shapes.box((0.02, 0.02, 0.1), centre_m=(0, 0, 0))
    with pytest.raises(em.InputError, match="outside the phantom"):
        em.Exposure(body, em.PlaneWave(), 64e6, implants=[plate])
    spike = shapes.assembly(
        "spike", shapes.box((0.038, 0.038, 0.038)), shapes.box((0.002, 0.002, 0.004), centre_m=(0.001, 0.001, 0.0211))
    )
    loop = em.Loop(radius_m=0.02, centre_m=(0.021, 0.001, 0.023))
    em.Exposure(body, loop, 64e6)
    with pytest.raises(em.InputError, match="an implant crosses the coil"):
        em.Exposure(body, loop, 64e6, implants=[spike])
