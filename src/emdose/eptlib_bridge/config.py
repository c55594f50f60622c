"""An existing EPTlib configuration, run by emdose: same inputs, same outputs at the same addresses."""

from __future__ import annotations

import math
import tomllib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from emdose.ept import filters
from emdose.ept.maps.b1map import B1Map
from emdose.ept.maps.property_map import Flag, PropertyMap
from emdose.ept.transport.gradient import Gradient, Seed
from emdose.eptlib_bridge.addresses import require_apart, split_address
from emdose.eptlib_bridge.keys import require_known
from emdose.eptlib_bridge.settings import METHODS, SHAPES, Filter, Method, Settings
from emdose.errors import EmdoseWarning, InputError
from emdose.io.disk.datasets import write_datasets
from emdose.io.disk.files import read_bytes
from emdose.io.maps.maps3d import read_map
from emdose.models.grids.grid import Grid
from emdose.values import read_only

LARGEST = 2**20
MOST_CHANNELS = 1024
LONG = {"conductivity": "electric-conductivity", "permittivity": "relative-permittivity"}


@read_only
@dataclass(frozen=True, eq=False)
class EptlibConfig:
    """What an EPTlib configuration asks for.

    Parameters
    ----------
    file : Path
        The configuration.
    b1 : B1Map or None
        The input; None when only a filter is asked for.
    settings : Settings
        Settings.
    method : Method or None
        The emdose method that does it.
    outputs : mapping
        Address ("file.h5:/dataset") of "conductivity", "permittivity", "conductivity_post", "permittivity_post",
        "variance", "gradient", "index".
    maps : PropertyMap or None
        What is to be filtered when only a filter is asked for.
    """

    file: Path
    b1: B1Map | None
    settings: Settings
    method: Method | None
    outputs: Mapping[str, str]
    maps: PropertyMap | None = None
    reference: np.ndarray | None = field(default=None, repr=False)


class _Table:
    """Values of a configuration with EPTlib's types; remarks are collected."""

    def __init__(self, file: Path, values: dict[str, Any]) -> None:
        self.file, self.values, self.remarks = file, values, list[str]()

    def get(self, key: str, kind: type, default: Any = None, count: int = 0) -> Any:
        """Value behind a dotted key; mandatory without a default. ``count`` > 0: an array of so many."""
        node: Any = self.values
        for part in key.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        if node is None:
            if default is None:
                raise InputError("missing", file=self.file, field=key, expected=kind.__name__)
            return default
        if not count:
            return self._one(key, node, kind)
        if not isinstance(node, list) or len(node) != count:
            raise InputError("wrong type", file=self.file, field=key, found=node, expected=f"an array of {count}")
        return tuple(self._one(key, v, kind) for v in node)

    def _one(self, key: str, value: Any, kind: type) -> Any:
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            self.remarks.append(
                f"{key} = {value} is an integer, for which EPTlib would take its default or stop; taken as {value}.0"
            )
            return float(value)
        if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
            raise InputError("wrong type", file=self.file, field=key, found=value, expected=kind.__name__)
        return value

    def text(self, key: str) -> str:
        """An optional address."""
        return str(self.get(key, str, ""))

    def whole(self, key: str, default: int, most: int) -> int:
        """A count from 1 to ``most``."""
        count = self.get(key, int, default)
        if not 1 <= count <= most:
            raise InputError("bad count", file=self.file, field=key, found=count, expected=f"1 to {most}")
        return int(count)

    def shape(self, key: str, default: int) -> str:
        """Name of a kernel shape."""
        code = self.get(key, int, default)
        if not 0 <= code < len(SHAPES):
            raise InputError("unknown kernel shape", file=self.file, field=key, found=code, expected="0, 1 or 2")
        return SHAPES[code]


def read_config(path: Path | str) -> EptlibConfig:
    """Read a configuration of EPTlib and the data that it names.

    Addresses are relative to the current directory, as in EPTlib. Integers where EPTlib wants real numbers (it would
    silently take a default, or stop) are taken as written, with an EmdoseWarning; so is ``input.tx-phase`` of newer
    versions. Inputs that are NaN, or whose magnitude is not above 0, are outside the mask.

    Parameters
    ----------
    path : Path or str
        The TOML file.

    Raises
    ------
    InputError
        When it cannot be read, lacks something mandatory, or the data do not fit ``mesh.size``.
    """
    file = Path(path)
    try:
        values = tomllib.loads(read_bytes(file, "an EPTlib configuration (TOML)", LARGEST).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"not a TOML file: {error}", file=file) from None
    require_known(values, file)
    table = _Table(file, values)
    for key in ("title", "description"):
        table.get(key, str)
    code = table.get("method", int)
    if code not in METHODS:
        raise InputError(
            "unknown method",
            file=file,
            field="method",
            found=code,
            expected=", ".join(f"{c} ({n})" for c, n in METHODS.items()),
        )
    size, step = table.get("mesh.size", int, count=3), table.get("mesh.step", float, count=3)
    frequency = table.get("input.frequency", float)
    grid = Grid(size, step)
    settings = _settings(table, METHODS[code], size)
    outputs = _outputs(table, settings)
    reference_address = table.text("input.reference-image")
    if _filter_alone(table):
        maps, reference = _only_filter(table, grid, frequency, settings)
        job = EptlibConfig(file, None, settings, None, outputs, maps, reference)
    else:
        b1 = _b1(table, grid, frequency, reference_address)
        job = EptlibConfig(file, b1, settings, settings.native(b1), outputs, reference=b1.reference)
    for remark in table.remarks:
        warnings.warn(f"{file}: {remark}", EmdoseWarning, stacklevel=2)
    return job


def run_config(path: Path | str, device: str = "auto") -> PropertyMap:
    """Run a configuration of EPTlib with emdose and write its outputs to the addresses in it, in EPTlib's layout.

    Parameters
    ----------
    path : Path or str
        The TOML file.
    device : {"auto", "cpu", "cuda"}
        Where to compute.

    Returns
    -------
    PropertyMap
        The result, before filters.

    Raises
    ------
    InputError
        See :func:`read_config`.
    OutputError
        When an output cannot be written.
    """
    job = read_config(path)
    arrays: dict[str, np.ndarray] = {}
    if job.b1 is None:
        assert job.maps is not None
        found = job.maps
    else:
        assert job.method is not None
        found = job.method.reconstruct(job.b1, device)
        arrays |= _results(job, found, device)
    post = job.settings.post
    if post is not None:
        # EPTlib weighs by the variance where it has one, and takes the median elsewhere.
        weighted = found.u_conductivity is not None or found.u_permittivity is not None
        run = filters.weighted_mean if weighted else filters.median
        smooth = run(found, post.size, post.shape, reference=job.reference, contrast=post.weight_param)
        for name in LONG:
            value = getattr(smooth, name)
            if f"{name}_post" in job.outputs and value is not None:
                arrays[job.outputs[f"{name}_post"]] = value
    chosen = None if job.b1 is None else job.settings.slice_of(job.b1)
    by_file: dict[str, dict[str, np.ndarray]] = {}
    for address, array in arrays.items():
        name, dataset = split_address(address, job.file)
        cut = array if chosen is None else array[:, :, chosen : chosen + 1]
        by_file.setdefault(name, {})[dataset] = np.ascontiguousarray(cut.T)
    for name, datasets in by_file.items():
        write_datasets(name, datasets)
    return found


def _settings(table: _Table, method: str, size: tuple[int, int, int]) -> Settings:
    sg, par = "parameter.savitzky-golay", "parameter"
    common: dict[str, Any] = {"method": method, "degree": table.get(f"{sg}.degree", int, 2)}
    if method == "automatic":
        sizes, shapes = (
            table.values.get("parameter", {}).get("savitzky-golay", {}).get(k) for k in ("sizes", "shapes")
        )
        try:
            common |= {
                "sizes": tuple((int(a), int(b), int(c)) for a, b, c in sizes),
                "shapes": tuple(SHAPES[s] for s in shapes),
            }
        except (TypeError, ValueError, IndexError):
            raise InputError(
                "bad list of kernels",
                file=table.file,
                field=f"{sg}.sizes",
                found=sizes,
                expected="sizes = [[x, y, z], ...] and shapes = [0 to 2, ...]",
            ) from None
        common["unphysical"] = table.get(f"{par}.unphysical-values", bool, False)
    else:
        common |= {
            "size": table.get(f"{sg}.size", int, (1, 1, 1), count=3),
            "shape": table.shape(f"{sg}.shape", 0),
            "weight_param": table.get(f"{sg}.weight-param", float, 0.05),
        }
    if method in ("helmholtz", "automatic"):
        common["variance"] = bool(table.text(f"{par}.output-variance"))
    else:
        common["volume"] = table.get(f"{par}.volume-tomography", bool, False)
        chosen = table.get(f"{par}.imaging-slice", int, size[2] // 2)
        if not common["volume"] and not 0 <= chosen < size[2]:
            raise InputError(
                "no such slice",
                file=table.file,
                field=f"{par}.imaging-slice",
                found=chosen,
                expected=f"0 to {size[2] - 1}",
            )
        common["imaging_slice"] = chosen
    if method == "convection-reaction":
        common["dirichlet"] = (
            table.get(f"{par}.dirichlet.electric-conductivity", float, 0.0),
            table.get(f"{par}.dirichlet.relative-permittivity", float, 1.0),
        )
        if table.get(f"{par}.artificial-diffusion", bool, False):
            common["diffusion"] = table.get(f"{par}.artificial-diffusion-coefficient", float, 0.0)
        common["max_iterations"] = table.get(f"{par}.max-iterations", int, 1000)
        common["tolerance"] = table.get(f"{par}.tolerance", float, 1e-6)
    if method == "gradient":
        common["full_run"] = table.get(f"{par}.full-run", bool, True)
        common["regularisation"] = table.get(f"{par}.regularization.regularization-coefficient", float, 1.0)
        common["gradient_tolerance"] = table.get(f"{par}.regularization.gradient-tolerance", float, 0.0)
        if table.get(f"{par}.seed-point.use-seed-point", bool, False):
            common["seeds"] = _seeds(table, f"{par}.seed-point")
    post = table.values.get("postprocessing", {})
    if any(post.get(f"output-{long}") for long in LONG.values()):
        common["post"] = Filter(
            table.get("postprocessing.kernel-size", int, (1, 1, 1), count=3),
            table.shape("postprocessing.kernel-shape", 2),
            table.get("postprocessing.weight-param", float, 0.10),
        )
    return Settings(**common)


def _seeds(table: _Table, key: str) -> tuple[Seed, ...]:
    values = table.values["parameter"]["seed-point"]
    points = values.get("coordinates")
    count = len(points) if isinstance(points, list) else 0
    if not count or not all(isinstance(p, list) and len(p) == 3 and all(type(i) is int for i in p) for p in points):
        raise InputError(
            "bad seed points",
            file=table.file,
            field=f"{key}.coordinates",
            found=points,
            expected="[[i, j, k], ...] voxel indices",
        )
    sigma = table.get(f"{key}.electric-conductivity", float, count=count)
    epsr = table.get(f"{key}.relative-permittivity", float, count=count)
    return tuple(Seed(tuple(p), s, e) for p, s, e in zip(points, sigma, epsr, strict=True))


def _outputs(table: _Table, settings: Settings) -> dict[str, str]:
    keys = {f"{n}": f"output.{long}" for n, long in LONG.items()}
    keys |= {f"{n}_post": f"postprocessing.output-{long}" for n, long in LONG.items()}
    if settings.variance:
        keys["variance"] = "parameter.output-variance"
    if settings.method == "gradient":
        keys["gradient"] = "parameter.output-gradient"
        if table.text("parameter.regularization.output-mask"):
            table.remarks.append("parameter.regularization.output-mask is not written: emdose has no such mask")
    if settings.method == "automatic":
        keys["index"] = "parameter.savitzky-golay.output-index"
    found = {name: table.text(key) for name, key in keys.items()}
    found = {name: address for name, address in found.items() if address}
    if not found.keys() & {"conductivity", "permittivity", "conductivity_post", "permittivity_post"}:
        raise InputError("no output", file=table.file, field="output", expected=" or ".join(LONG.values()))
    alone = _filter_alone(table)
    written = {keys[name]: address for name, address in found.items() if name.endswith("_post") or not alone}
    require_apart(written, _inputs(table, alone), table.file)
    return found


def _filter_alone(table: _Table) -> bool:
    return bool(table.get("postprocessing.perform-only-postprocessing", bool, False))


def _inputs(table: _Table, alone: bool) -> set[str]:
    """Addresses of everything that will be read, of every channel."""
    if alone:
        maps = [f"{name}{end}" for name in LONG.values() for end in ("", "-variance-map")]
        keys = [f"postprocessing.input-{name}" for name in (*maps, "reference-image")]
    else:
        keys = [f"input.{name}" for name in ("tx-sensitivity", "trx-phase", "tx-phase", "reference-image")]
    given = [address for key in keys if (address := table.text(key))]
    channels = range(table.whole("input.tx-channels", 1, MOST_CHANNELS))
    return {_wildcards(table, address, channel) for address in given for channel in channels}


def _b1(table: _Table, grid: Grid, frequency: float, reference: str) -> B1Map:
    sens, trx, tx = (table.text(f"input.{k}") for k in ("tx-sensitivity", "trx-phase", "tx-phase"))
    if trx and tx:
        raise InputError("both trx-phase and tx-phase given", file=table.file, field="input", expected="one of them")
    channels = table.whole("input.tx-channels", 1, MOST_CHANNELS)
    receivers = table.get("input.rx-channels", int, 1)
    if receivers != 1:
        raise InputError(
            "several receive channels", file=table.file, field="input.rx-channels", found=receivers, expected="1"
        )
    many = channels > 1

    def load(address: str) -> np.ndarray | None:
        if not address:
            return None
        one = [_map(table, _wildcards(table, address, c), grid) for c in range(channels)]
        return np.stack(one) if many else one[0]

    magnitude, phase = load(sens), load(trx or tx)
    if magnitude is None and phase is None:
        raise InputError("neither tx-sensitivity nor trx-phase given", file=table.file, field="input")
    return B1Map(
        grid,
        frequency,
        magnitude=magnitude,
        phase=phase,
        phase_kind="transmit" if tx else "transceive",
        reference=None if not reference else _map(table, reference, grid),
        source=str(table.file),
    )


def _wildcards(table: _Table, address: str, channel: int) -> str:
    start, step = table.get("input.wildcard.start-from", int, 0), table.get("input.wildcard.step", int, 1)
    tx, rx = table.get("input.wildcard.tx-character", str, ">"), table.get("input.wildcard.rx-character", str, "<")
    return address.replace(tx, str(start + step * channel)).replace(rx, str(start))


def _map(table: _Table, address: str, grid: Grid) -> np.ndarray:
    name, dataset = split_address(address, table.file)
    values = read_map(f"{name}:{dataset}", "input", "zyx").values
    if values.shape != grid.shape:
        hint = "; its axes are reversed" if values.shape == grid.shape[::-1] else ""
        raise InputError(
            f"shape does not fit mesh.size{hint}",
            file=table.file,
            field=address,
            found=values.shape,
            expected=f"{grid.shape} as (x, y, z), stored as (z, y, x)",
        )
    return values


def _only_filter(
    table: _Table, grid: Grid, frequency: float, settings: Settings
) -> tuple[PropertyMap, np.ndarray | None]:
    if settings.post is None:
        raise InputError(
            "nothing to filter to",
            file=table.file,
            field="postprocessing",
            expected="output-electric-conductivity or output-relative-permittivity",
        )
    found: dict[str, Any] = {}
    for name, long in LONG.items():
        address, variance = (table.text(f"postprocessing.input-{long}{end}") for end in ("", "-variance-map"))
        if address:
            found[name] = _map(table, address, grid)
        if address and variance:
            with np.errstate(invalid="ignore"):
                found[f"u_{name}"] = np.sqrt(_map(table, variance, grid))
    if not found:
        raise InputError("nothing to filter", file=table.file, field="postprocessing.input-electric-conductivity")
    there = np.logical_and.reduce([np.isfinite(found[n]) for n in LONG if n in found])
    reference = table.text("postprocessing.input-reference-image")
    maps = PropertyMap(
        grid,
        frequency,
        found.pop("conductivity", None),
        found.pop("permittivity", None),
        np.where(there, 0, Flag.NO_FIT).astype(np.uint8),
        **found,
        method="read",
    )
    return maps, _map(table, reference, grid) if reference else None


def _results(job: EptlibConfig, found: PropertyMap, device: str) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}
    for name, long in LONG.items():
        value, u = getattr(found, name), getattr(found, f"u_{name}")
        if name in job.outputs:
            if value is None:
                raise InputError(f"this method and input give no {name}", file=job.file, field=f"output.{long}")
            out[job.outputs[name]] = value
        if "variance" in job.outputs and u is not None:
            out[f"{job.outputs['variance']}/{long}"] = u**2
    if "index" in job.outputs and found.choice is not None:
        out[job.outputs["index"]] = found.choice.astype(float)
    if "gradient" in job.outputs and isinstance(job.method, Gradient):
        assert job.b1 is not None
        local = job.method.local_gradient(job.b1, device)
        for key, name in (("g", "gplus"), ("g_z", "gz")):
            if key in local:
                out[f"{job.outputs['gradient']}/{name}/real"] = local[key].real
                out[f"{job.outputs['gradient']}/{name}/imag"] = local[key].imag
    return out
