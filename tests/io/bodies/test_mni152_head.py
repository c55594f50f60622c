"""A real anatomical head: the MNI152 maps of nilearn, through NIfTI, to a body that is physically sane."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

import emdose as em
from emdose.io import read_volume


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> em.Phantom:
    nilearn = pytest.importorskip("nilearn")
    folder = Path(nilearn.__file__).parent / "datasets" / "data"
    maps = {}
    for tissue, short in (("white_matter", "wm"), ("grey_matter", "gm")):
        found = list(folder.glob(f"mni_icbm152_{short}_*.nii.gz"))
        if not found:
            pytest.skip("this nilearn carries no MNI152 maps")
        values, grid = read_volume(found[0])
        maps[tissue] = values / 255
    made = em.phantoms.from_probability_maps(maps, grid, spacing_m=5e-3, name="MNI152 head")
    file = em.write_phantom(made, tmp_path_factory.mktemp("mni") / "head.nii.gz")
    return em.read_phantom(file, tissues=file.with_name("head.csv"))


def test_masses(head: em.Phantom) -> None:
    """Oracle: published: MNI152 brains are large, 1.8 to 2.0 litres; grey exceeds white; the head weighs a few kg."""
    mass = head.tissue_mass()
    assert 1.6 < mass["grey_matter"] + mass["white_matter"] < 2.0
    assert mass["grey_matter"] > mass["white_matter"]
    assert 4.0 < head.mass_kg < 5.5


def test_layers_are_in_order_and_closed(head: em.Phantom) -> None:
    """Oracle: topology: scalp of 3 mm has gaps on voxels of 5 mm, which are fat; bone keeps the brain in."""
    names = [t.name for t in head.tissues]
    surface = ndimage.binary_dilation(~head.body) & head.body
    assert {names[i] for i in np.unique(head.labels[surface])} == {"scalp", "fat"}
    parts, _ = ndimage.label(head.labels != names.index("skull"))
    brain = np.isin(head.labels, [names.index("grey_matter"), names.index("white_matter")])
    inside = np.unique(parts[brain])
    assert {names[i] for i in np.unique(head.labels[np.isin(parts, inside)])} == {
        "grey_matter",
        "white_matter",
        "cerebrospinal_fluid",
    }


def test_left_and_right_are_kept(head: em.Phantom) -> None:
    """Oracle: geometry of the template: nearly mirrored about x = 0, longer from front to back than wide."""
    x, y, _ = np.nonzero(head.body)
    assert abs(head.grid.centres(0)[x].mean()) < 3e-3
    assert np.ptp(y) > np.ptp(x)


@pytest.mark.slow
def test_example_script_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: an average cannot exceed the largest value averaged, nor fall below the mean of the whole head."""
    import runpy

    pytest.importorskip("nilearn")
    monkeypatch.chdir(tmp_path)
    script = Path(__file__).resolve().parents[3] / "examples" / "real_head_mni152.py"
    got = runpy.run_path(str(script), run_name="__main__")
    mean = got["fields"].power.power()["absorbed_W"] / got["head"].mass_kg
    assert got["sar"].value.max() > got["average"].value.max() > mean
