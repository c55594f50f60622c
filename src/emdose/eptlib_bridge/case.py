"""A folder with inputs and configuration as EPTlib reads them, and its results read back."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emdose.ept.local.plausibility import plausibility
from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import Flag, PropertyMap
from emdose.eptlib_bridge.settings import METHODS, SHAPES, Settings
from emdose.eptlib_bridge.versions import EptlibError
from emdose.errors import EmdoseWarning, InputError
from emdose.io.disk.atomic import write_text
from emdose.io.disk.datasets import write_datasets
from emdose.io.maps.maps3d import read_map
from emdose.values import read_only

CONFIG, INPUT, OUTPUT = "config.toml", "input.h5", "output.h5"


@read_only
@dataclass(frozen=True)
class Case:
    """What was written for EPTlib.

    Parameters
    ----------
    folder : Path
        Where the files are; EPTlib has to run there.
    b1 : B1Map
        The map.
    settings : Settings
        The settings.
    outputs : tuple of str
        Datasets that EPTlib will write.
    """

    folder: Path
    b1: B1Map
    settings: Settings
    outputs: tuple[str, ...]

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / CONFIG


def write_case(folder: Path | str, b1: B1Map, settings: Settings) -> Case:
    """Write ``config.toml`` and ``input.h5`` for EPTlib into a folder.

    Arrays go out as float64 in the order (z, y, x), the phase unwrapped and, for a transmit phase, doubled to a
    transceive phase. Voxels outside the mask are NaN (0 with a reference image, whose soft weights turn NaN into NaN
    all around). Slices for convection-reaction are padded with NaN to squares, since EPTlib 0.4 mixes up the edges of
    others. An ``output.h5`` of an earlier run is removed, since EPTlib writes into files that are there.

    Raises
    ------
    InputError
        When the map lacks what the method needs.
    OutputError
        When the files cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / OUTPUT).unlink(missing_ok=True)
    _check(b1, settings)
    shape = padded_shape(b1, settings)
    arrays: dict[str, np.ndarray] = {}
    mask = np.asarray(b1.mask)
    many = b1.channels > 1
    if b1.magnitude is not None:
        arrays |= _channels("tx_sens", b1.magnitude, many)
    if b1.phase is not None:
        # One receiver: with several channels only phase differences count, so the phase goes out as it is.
        arrays |= _channels("trx_phase", b1.phase if many else 2 * b1.transmit_phase, many)
    outside = 0.0 if b1.reference is not None else np.nan
    if b1.reference is not None:
        arrays["ref"] = np.where(mask, b1.reference, 0.0)
    out = {name: _padded(np.where(mask, a, 0.0 if name == "ref" else outside), shape) for name, a in arrays.items()}
    write_datasets(folder / INPUT, {f"/{n}": np.ascontiguousarray(a.T) for n, a in out.items()}, fresh=True)
    outputs = _outputs(b1, settings)
    write_text(folder / CONFIG, config_text(b1, settings, shape))
    return Case(folder, b1, settings, tuple(outputs))


def padded_shape(b1: B1Map, settings: Settings) -> tuple[int, int, int]:
    """Shape that EPTlib gets: slices square for convection-reaction."""
    nx, ny, nz = b1.grid.shape
    return (max(nx, ny), max(nx, ny), nz) if settings.method == "convection-reaction" else (nx, ny, nz)


def _check(b1: B1Map, settings: Settings) -> None:
    if settings.method == "gradient":
        if b1.channels < 5:
            raise InputError(
                "gradient EPT needs several transmit channels", file=b1.source, found=b1.channels, expected="at least 5"
            )
        if b1.magnitude is None or b1.phase is None:
            raise InputError("gradient EPT needs magnitude and phase", file=b1.source)
    elif b1.channels > 1:
        raise InputError("several transmit channels", file=b1.source, found=b1.channels, expected="one")
    if settings.method in ("convection-reaction", "automatic") and b1.phase is None:
        raise InputError("no phase", file=b1.source, field="phase", expected=f"a phase for {settings.method}")
    chosen = settings.slice_of(b1)
    depth = settings.size[2] * (2 if settings.method == "gradient" else 1)
    if chosen is not None and not depth <= chosen < b1.grid.shape[2] - depth:
        raise InputError(
            "slice too near to the end of the volume for EPTlib",
            field="imaging_slice",
            found=chosen,
            expected=f"{depth} to {b1.grid.shape[2] - 1 - depth}",
        )
    if settings.method == "convection-reaction" and b1.magnitude is None and settings.dirichlet[0] == 0:
        raise InputError(
            "no conductivity at the rim",
            field="dirichlet",
            found=settings.dirichlet,
            expected="a conductivity above 0: EPTlib divides by it",
        )


def _channels(name: str, values: np.ndarray, many: bool) -> dict[str, np.ndarray]:
    return {f"channels/{c}/{name}": v for c, v in enumerate(values)} if many else {name: values}


def _padded(array: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    return np.pad(array, [(0, n - m) for n, m in zip(shape, array.shape, strict=True)], constant_values=np.nan)


def _outputs(b1: B1Map, settings: Settings) -> list[str]:
    sigma = b1.phase is not None
    epsr = b1.magnitude is not None and settings.method != "automatic"
    names = [n for n, there in (("sigma", sigma), ("epsr", epsr)) if there]
    if settings.post is not None:
        names += [f"{n}_post" for n in names]
    if settings.variance and settings.method in ("helmholtz", "automatic"):
        names += [
            f"variance/{long}"
            for n, long in (("sigma", "electric-conductivity"), ("epsr", "relative-permittivity"))
            if n in names
        ]
    return names


def config_text(b1: B1Map, settings: Settings, shape: tuple[int, int, int]) -> str:
    """The configuration as TOML: reals with a decimal point, since EPTlib takes no integer for a real."""
    many, s = b1.channels > 1, settings
    code = next(c for c, name in METHODS.items() if name == s.method)
    outputs = _outputs(b1, s)
    place = f"{INPUT}:/channels/>/" if many else f"{INPUT}:/"
    lines = [
        'title = "emdose"',
        'description = "written by emdose"',
        f"method = {code}",
        "",
        "[mesh]",
        f"size = {_list(shape)}",
        f"step = {_list([float(h) for h in b1.grid.spacing_m])}",
        "",
        "[input]",
        f"frequency = {_real(b1.frequency_Hz)}",
        f"tx-channels = {b1.channels}",
        "rx-channels = 1",
        *([f'tx-sensitivity = "{place}tx_sens"'] if b1.magnitude is not None else []),
        *([f'trx-phase = "{place}trx_phase"'] if b1.phase is not None else []),
        "wrapped-phase = false",
        *([f'reference-image = "{INPUT}:/ref"'] if b1.reference is not None else []),
        "",
        "[output]",
        *([f'electric-conductivity = "{OUTPUT}:/sigma"'] if "sigma" in outputs else []),
        *([f'relative-permittivity = "{OUTPUT}:/epsr"'] if "epsr" in outputs else []),
        "",
        "[parameter.savitzky-golay]",
    ]
    if s.method == "automatic":
        lines += [
            f"sizes = [{', '.join(_list(v) for v in s.sizes)}]",
            f"shapes = {_list([SHAPES.index(v) for v in s.shapes])}",
            f"degree = {s.degree}",
        ]
    else:
        lines += [
            f"size = {_list(s.size)}",
            f"shape = {SHAPES.index(s.shape)}",
            f"degree = {s.degree}",
            f"weight-param = {_real(s.weight_param)}",
        ]
    lines += ["", *_parameters(b1, s)]
    if s.post is not None:
        lines += ["", "[postprocessing]"]
        lines += [
            f'output-{long} = "{OUTPUT}:/{n}_post"'
            for n, long in (("sigma", "electric-conductivity"), ("epsr", "relative-permittivity"))
            if n in outputs
        ]
        lines += [
            f"kernel-size = {_list(s.post.size)}",
            f"kernel-shape = {SHAPES.index(s.post.shape)}",
            f"weight-param = {_real(s.post.weight_param)}",
        ]
    return "\n".join(lines) + "\n"


def _parameters(b1: B1Map, s: Settings) -> list[str]:
    lines: list[str] = []
    if s.method == "convection-reaction":
        lines += [
            "[parameter.dirichlet]",
            f"electric-conductivity = {_real(s.dirichlet[0])}",
            f"relative-permittivity = {_real(s.dirichlet[1])}",
            "",
        ]
    if s.method == "gradient" and s.seeds:
        lines += [
            "[parameter.seed-point]",
            "use-seed-point = true",
            f"coordinates = [{', '.join(_list(p.voxel) for p in s.seeds)}]",
            f"electric-conductivity = {_list([float(p.conductivity) for p in s.seeds])}",
            f"relative-permittivity = {_list([float(p.permittivity) for p in s.seeds])}",
            "",
        ]
    elif s.method == "gradient":
        lines += [
            "[parameter.regularization]",
            f"regularization-coefficient = {_real(s.regularisation)}",
            f"gradient-tolerance = {_real(s.gradient_tolerance)}",
            "",
        ]
    lines.append("[parameter]")
    if s.method in ("convection-reaction", "gradient"):
        chosen = s.slice_of(b1)
        lines += [f"volume-tomography = {str(s.volume).lower()}"]
        lines += [] if chosen is None else [f"imaging-slice = {chosen}"]
    if s.method == "convection-reaction":
        lines += [f"artificial-diffusion = {str(s.diffusion is not None).lower()}"]
        lines += [] if s.diffusion is None else [f"artificial-diffusion-coefficient = {_real(s.diffusion)}"]
        lines += [f"max-iterations = {s.max_iterations}", f"tolerance = {_real(s.tolerance)}"]
    if s.method == "gradient":
        lines += [f"full-run = {str(s.full_run).lower()}"]
    if s.method == "automatic":
        lines += [f"unphysical-values = {str(s.unphysical).lower()}"]
    if s.variance and s.method in ("helmholtz", "automatic"):
        lines += [f'output-variance = "{OUTPUT}:/variance"']
    return lines


def _real(value: float) -> str:
    text = repr(float(value))
    return text if any(c in text for c in ".en") else f"{text}.0"


def _list(values: Any) -> str:
    return "[" + ", ".join(_real(v) if isinstance(v, float) else str(int(v)) for v in values) + "]"


def read_case(case: Case) -> PropertyMap:
    """The maps that EPTlib wrote.

    ``conductivity`` and ``permittivity`` are the filtered maps when the settings ask for a filter. Voxels outside the
    mask are NaN. Negative variances become NaN.

    Raises
    ------
    EptlibError
        When a dataset is missing or has another shape.
    """
    found = {name: _read(case, name) for name in case.outputs}
    u: dict[str, Any] = {}
    for short, name in (("sigma", "u_conductivity"), ("epsr", "u_permittivity")):
        long = {"sigma": "electric-conductivity", "epsr": "relative-permittivity"}[short]
        variance = found.get(f"variance/{long}")
        if variance is not None:
            negative = int(np.count_nonzero(variance < 0))
            if negative:
                warnings.warn(f"EPTlib gave {negative} negative variances of the {long}", EmdoseWarning, stacklevel=2)
            u[name] = np.sqrt(np.where(variance >= 0, variance, np.nan))
    sigma = found.get("sigma_post", found.get("sigma"))
    epsr = found.get("epsr_post", found.get("epsr"))
    values = [v for v in (sigma, epsr) if v is not None]
    there = np.logical_and.reduce([np.isfinite(v) for v in values])
    mask = np.asarray(case.b1.mask)
    flags = np.where(mask, np.where(there, 0, Flag.NO_FIT), Flag.OUTSIDE).astype(np.uint8)
    with np.errstate(invalid="ignore"):
        for value, least in ((sigma, 0.0), (epsr, 1.0)):
            if value is not None:
                flags[there & mask & (value < least)] |= np.uint8(Flag.UNPHYSICAL)
    return PropertyMap(
        grid=case.b1.grid,
        frequency_Hz=case.b1.frequency_Hz,
        conductivity=sigma,
        permittivity=epsr,
        flags=flags,
        **u,
        method=f"EPTlib {case.settings.method}",
        settings=dict(vars(case.settings)),
        data=plausibility(case.b1),
        affine=case.b1.affine,
        axis_codes=case.b1.axis_codes,
    )


def _read(case: Case, name: str) -> np.ndarray:
    shape, chosen = padded_shape(case.b1, case.settings), case.settings.slice_of(case.b1)
    wanted = shape if chosen is None else (*shape[:2], 1)
    try:
        values = read_map(f"{case.folder / OUTPUT}:/{name}", name, "zyx").values
    except InputError as error:
        raise EptlibError(f"EPTlib ended well but wrote no '{name}': {error.problem}") from None
    if values.shape != wanted:
        raise EptlibError(f"EPTlib wrote '{name}' with the shape {values.shape}, expected {wanted}")
    nx, ny, _ = case.b1.grid.shape
    values = values[:nx, :ny]
    if chosen is not None:
        whole = np.full(case.b1.grid.shape, np.nan)
        whole[:, :, chosen] = values[:, :, 0]
        values = whole
    return np.where(np.asarray(case.b1.mask), values, np.nan)
