"""EPTlib's configurations run by emdose.

Oracle: what EPTlib 0.4.4 itself returned for the same data and settings (recorded).
"""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from emdose import eptlib_bridge as bridge
from emdose.ept.local.helmholtz import Helmholtz
from emdose.ept.transport.convection_reaction import ConvectionReaction
from emdose.errors import EmdoseWarning, InputError

LAYERED = Path(__file__).parents[1] / "data" / "eptlib_layered.h5"
PLAIN = [f"helmholtz_complex_{shape}_r{r}" for shape in ("cross", "ellipsoid", "cuboid") for r in (1, 2, 3)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _toml(value: object) -> str:
    return json.dumps(value) if not isinstance(value, list) else "[" + ", ".join(_toml(v) for v in value) + "]"


def write(folder: Path, name: str, method: int = 0, magnitude: bool = True, **more: str) -> Path:
    """The configuration that gave a recorded result, with its parameters as they were."""
    with h5py.File(LAYERED) as file:
        parameters = json.loads(file[f"eptlib/{name}"].attrs["parameters"])
    lines = [
        "title = 'x'",
        "description = 'y'",
        f"method = {method}",
        "[mesh]",
        "size = [44, 44, 18]",
        "step = [3.0e-3, 3.0e-3, 3.0e-3]",
        "[input]",
        "frequency = 128.0e6",
        f"trx-phase = '{LAYERED}:/input/trx_phase'",
    ]
    lines += [f"tx-sensitivity = '{LAYERED}:/input/tx_sens'"] if magnitude else []
    lines += ["[output]", "electric-conductivity = 'out.h5:/maps/sigma'"]
    lines += ["relative-permittivity = 'out.h5:maps/epsr'"] if magnitude else []
    lines.append("[parameter]")
    flat = {k: v for k, v in parameters.items() if not isinstance(v, dict)}
    lines += [f"{k} = {_toml(v).replace('@OUT', 'out.h5')}" for k, v in flat.items()]
    for key, table in parameters.items():
        if isinstance(table, dict):
            lines += [f"[parameter.{key}]", *(f"{k} = {_toml(v)}" for k, v in table.items())]
    text = "\n".join(lines) + "\n"
    for old, new in more.items():
        text = text.replace(old, new)
    path = folder / "config.toml"
    path.write_text(text)
    return path


def outputs(name: str, what: str) -> tuple[np.ndarray, np.ndarray]:
    with h5py.File("out.h5") as mine, h5py.File(LAYERED) as theirs:
        return mine[f"maps/{what}"][()], theirs[f"eptlib/{name}/{what}"][()]


@pytest.mark.parametrize("name", [*PLAIN, "helmholtz_complex_ellipsoid_r3_degree4"])
def test_plain_helmholtz_is_eptlibs(place: Path, name: str) -> None:
    """Recorded maps: 1e-6 wherever both are finite, in EPTlib's layout at the addresses of the configuration."""
    bridge.run_config(write(place, name))
    for what in ("sigma", "epsr"):
        mine, theirs = outputs(name, what)
        assert mine.shape == theirs.shape == (18, 44, 44)
        both = np.isfinite(mine) & np.isfinite(theirs)
        assert both.sum() > 5000
        assert np.max(np.abs(mine - theirs)[both] / np.abs(theirs)[both]) < 1e-6


def test_phase_with_variance_is_eptlibs(place: Path) -> None:
    """Recorded conductivity to 1e-6, and the variance from the residual of the real fit to 1e-6."""
    name = "helmholtz_phase_cuboid_r2"
    bridge.run_config(write(place, name, magnitude=False))
    mine, theirs = outputs(name, "sigma")
    both = np.isfinite(mine) & np.isfinite(theirs)
    assert np.max(np.abs(mine - theirs)[both] / np.abs(theirs)[both]) < 1e-6
    with h5py.File("out.h5") as file, h5py.File(LAYERED) as record:
        one = file["variance/electric-conductivity"][()]
        two = record[f"eptlib/{name}/variance/electric-conductivity"][()]
    both = np.isfinite(one) & np.isfinite(two) & (two > 1e-12)
    assert np.median(np.abs(one / two - 1)[both]) < 1e-6


def test_convection_reaction_slice_is_eptlibs(place: Path) -> None:
    """Recorded slice (solver tolerance 1e-8); written with the shape (1, ny, nx)."""
    name = "convection_reaction_phase_2d"
    bridge.run_config(write(place, name, method=1, magnitude=False))
    mine, theirs = outputs(name, "sigma")
    assert mine.shape == (1, 44, 44)
    assert np.nanmax(np.abs(mine / theirs - 1)) < 1e-8


def test_what_a_configuration_becomes(place: Path) -> None:
    """The native job: method, settings, map, addresses."""
    job = bridge.read_config(write(place, PLAIN[4]))
    assert isinstance(job.method, Helmholtz)
    assert (job.method.kernel, job.method.radius, job.method.support) == ("ellipsoid", (2, 2, 2), "window")
    assert job.outputs == {"conductivity": "out.h5:/maps/sigma", "permittivity": "out.h5:maps/epsr"}
    assert job.b1 is not None
    assert job.b1.frequency_Hz == 128e6
    job = bridge.read_config(write(place, "convection_reaction_phase_3d", method=1, magnitude=False))
    assert isinstance(job.method, ConvectionReaction)
    assert job.method.volume
    assert job.method.diffusion == 5e-3


def test_outputs_join_what_is_in_the_file(place: Path) -> None:
    """EPTlib appends to files and overwrites datasets."""
    with h5py.File("out.h5", "w") as file:
        file["other"] = np.arange(3)
        file["maps/sigma"] = np.zeros(2)
    bridge.run_config(write(place, PLAIN[0]))
    with h5py.File("out.h5") as file:
        assert list(file["other"]) == [0, 1, 2]
        assert file["maps/sigma"].shape == (18, 44, 44)


def test_filters_run_after_the_method_and_alone(place: Path) -> None:
    """A median keeps a constant map and removes a single spike (definition)."""
    text = write(place, PLAIN[0]).read_text()
    text += "[postprocessing]\noutput-electric-conductivity = 'out.h5:/post'\nkernel-size = [1, 1, 1]\n"
    (place / "config.toml").write_text(text)
    found = bridge.run_config("config.toml")
    with h5py.File("out.h5") as file:
        post = file["post"][()].T
    assert np.array_equal(np.isfinite(post), np.isfinite(found.conductivity))
    spike = np.ones((18, 44, 44))
    spike[9, 20, 20] = 100.0
    with h5py.File("raw.h5", "w") as file:
        file["sigma"] = spike
    alone = text + "perform-only-postprocessing = true\ninput-electric-conductivity = 'raw.h5:/sigma'\n"
    (place / "config.toml").write_text(alone)
    bridge.run_config("config.toml")
    with h5py.File("out.h5") as file:
        assert np.all(file["post"][()] == 1)


def test_channels_by_wildcard(place: Path) -> None:
    """Tx index in the address, with start and step."""
    rng = np.random.default_rng(0)
    with h5py.File("in.h5", "w") as file:
        for c in range(5):
            file[f"tx{2 * c + 1}/m"] = np.full((4, 5, 6), c + 1.0)
            file[f"tx{2 * c + 1}/p"] = rng.normal(size=(4, 5, 6))
    Path("config.toml").write_text(
        "title=''\ndescription=''\nmethod=2\n[mesh]\nsize=[6,5,4]\nstep=[1.0e-3,1.0e-3,1.0e-3]\n[input]\n"
        "frequency=1.0e8\ntx-channels=5\ntx-sensitivity='in.h5:/tx>/m'\ntrx-phase='in.h5:/tx>/p'\n"
        "[input.wildcard]\nstart-from=1\nstep=2\n[output]\nelectric-conductivity='o.h5:/s'\n"
        "[parameter]\nvolume-tomography=true\n"
    )
    job = bridge.read_config("config.toml")
    assert job.b1 is not None
    assert job.b1.grid.shape == (6, 5, 4)
    assert [float(m.flat[0]) for m in job.b1.magnitude] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"size = [44, 44, 18]": "size = [18, 44, 44]"}, "axes are reversed"),
        ({"frequency = 128.0e6": ""}, "input.frequency: missing"),
        ({"method = 0": "method = 7"}, "unknown method"),
        ({"method = 0": "method = 0.0"}, "method: wrong type"),
        ({":/input/trx_phase": ":/input/none"}, "no such dataset"),
        ({"eptlib_layered": "nowhere"}, "no such file"),
        ({"out.h5:/maps/sigma": "out.h5"}, "not an address"),
        ({"shape = 0": "shape = 3"}, "unknown kernel shape"),
        ({"title = 'x'": "title = "}, "not a TOML file"),
    ],
)
def test_bad_configurations_are_one_clear_line(place: Path, change: dict[str, str], text: str) -> None:
    """Each names the file and the field."""
    with pytest.raises(InputError, match=text) as caught:
        bridge.run_config(write(place, PLAIN[0], **change))
    assert "config.toml" in str(caught.value) or "no such" in text
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["trx_phase", "/trx_phase", "trx_phase/", "./trx_phase", "trx_phase/below", "tx_sens"], ids=str
)
def test_an_output_never_takes_the_place_of_an_input(place: Path, address: str) -> None:
    """Oracle: the measured map, bit for bit."""
    with h5py.File(LAYERED) as file, h5py.File("in.h5", "w") as mine:
        for name in ("trx_phase", "tx_sens"):
            mine[name] = file[f"input/{name}"][()]
    before = (place / "in.h5").read_bytes()
    where = {f"{LAYERED}:/input/": "in.h5:/", "out.h5:/maps/sigma": f"{place}/../{place.name}/in.h5:{address}"}
    with pytest.raises(InputError, match=r"output\.electric-conductivity: would overwrite the input in\.h5:/t"):
        bridge.run_config(write(place, PLAIN[0], **where))
    assert (place / "in.h5").read_bytes() == before
    # Beside them is their right place.
    where["out.h5:/maps/sigma"] = "in.h5:/trx_phase_sigma"
    bridge.read_config(write(place, PLAIN[0], **where))


def test_two_outputs_have_two_addresses(place: Path) -> None:
    path = write(place, PLAIN[0], **{"out.h5:maps/epsr": "out.h5:/maps/sigma"})
    with pytest.raises(InputError, match=r"relative-permittivity: would overwrite the output out\.h5:/maps/sigma"):
        bridge.read_config(path)
    with pytest.raises(InputError, match="would overwrite the configuration"):
        bridge.read_config(write(place, PLAIN[0], **{"out.h5:maps/epsr": "config.toml:/sigma"}))


def test_a_filter_alone_may_read_what_the_method_wrote(place: Path) -> None:
    """The addresses of a run that was made before stay in the configuration."""
    text = write(place, PLAIN[0]).read_text()
    post = "[postprocessing]\noutput-electric-conductivity = 'out.h5:/post'\n"
    (place / "config.toml").write_text(text + post + "input-electric-conductivity = 'out.h5:/maps/sigma'\n")
    bridge.run_config("config.toml")
    (place / "config.toml").write_text(
        text + post + "input-electric-conductivity = 'out.h5:/maps/sigma'\nperform-only-postprocessing = true\n"
    )
    bridge.run_config("config.toml")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"trx-phase =": "trx-phse ="}, r"input\.trx-phse: unknown key.*did you mean 'trx-phase'"),
        ({"[mesh]": "[mesch]"}, r"mesch: unknown key.*did you mean 'mesh'\?"),
        ({"degree =": "degre ="}, r"parameter\.savitzky-golay\.degre: unknown key.*did you mean 'degree'\?"),
        ({"[parameter]": "[parameter]\nvolume_tomography = true"}, "did you mean 'volume-tomography'"),
        ({"[mesh]": "[notes]\na = 1\n[mesh]"}, "notes: unknown key; expected one of title, description"),
    ],
)
def test_a_misspelt_key_is_not_ignored(place: Path, change: dict[str, str], text: str) -> None:
    with pytest.raises(InputError, match=text):
        bridge.read_config(write(place, PLAIN[0], **change))


@pytest.mark.parametrize("count", [-1, 0, 10**9])
def test_a_number_of_channels_that_cannot_be_is_refused(place: Path, count: int) -> None:
    path = write(place, PLAIN[0], **{"[input]": f"[input]\ntx-channels = {count}"})
    with pytest.raises(InputError, match=r"input\.tx-channels: bad count"):
        bridge.read_config(path)


def test_integers_for_reals_are_taken_with_a_warning(place: Path) -> None:
    """EPTlib would take Dirichlet 0 in silence, and refuse the frequency."""
    change = {"conductivity = 1.0": "conductivity = 1", "128.0e6": "128000000"}
    path = write(place, "convection_reaction_phase_2d", method=1, magnitude=False, **change)
    with pytest.warns(EmdoseWarning, match="is an integer") as caught:
        job = bridge.read_config(path)
    assert len(caught) == 2
    assert job.settings.dirichlet[0] == 1.0
