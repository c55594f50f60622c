"""Phantoms in HDF5 groups, and tissues as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emdose.errors import InputError
from emdose.io.disk import datasets
from emdose.io.disk.atomic import replacing
from emdose.io.disk.files import check_memory, first_line
from emdose.models.bodies import Phantom
from emdose.models.bodies.tissues import ColeCole, Constant, Dielectric, Override, Tissue
from emdose.models.grids.grid import Grid

FORMAT = "emdose phantom 1"


def write_phantom_group(group: Any, phantom: Phantom) -> None:
    """Put a phantom into an open, empty h5py group: labels, grid, tissues, regions, name, source, hash."""
    group.attrs["format"] = FORMAT
    group.attrs["name"], group.attrs["source"] = phantom.name, phantom.source
    group.attrs["test_object"] = phantom.test_object
    group.attrs["spacing_m"], group.attrs["origin_m"] = phantom.grid.spacing_m, phantom.grid.origin_m
    group.attrs["hash"] = phantom.hash()
    if phantom.file_from_grid is not None:
        group.attrs["file_from_grid"] = phantom.file_from_grid
    group.create_dataset("labels", data=phantom.labels, compression="gzip", compression_opts=4, shuffle=True)
    group.create_dataset("tissues", data=tissues_to_json(phantom.tissues))
    regions = group.create_group("regions", track_order=True)
    for number, (name, mask) in enumerate(phantom.regions.items()):
        # Region names may hold "/", which HDF5 would take as a path.
        data = regions.create_dataset(str(number), data=mask, compression="gzip", compression_opts=4)
        data.attrs["name"] = name


def read_phantom_group(group: Any, file: Path | str = "") -> Phantom:
    """The phantom of an open h5py group.

    Raises
    ------
    InputError
        When the group holds no phantom, or a damaged one.
    """
    try:
        form = _text(group.attrs.get("format", ""))
        if form != FORMAT:
            raise InputError("no phantom in this file", file=file, field=str(group.name), found=form, expected=FORMAT)
        check_memory(group["labels"].shape, 8, Path(str(file)))
        labels = group["labels"][...]
        grid = Grid(labels.shape, tuple(group.attrs["spacing_m"]), tuple(group.attrs["origin_m"]))
        tissues = tissues_from_json(_text(group["tissues"][()]))
        regions = {_text(d.attrs["name"]): d[...].astype(bool) for _, d in _numbered(group["regions"])}
        about = (_text(group.attrs["name"]), regions, _text(group.attrs["source"]))
        motion = group.attrs.get("file_from_grid")
        phantom = Phantom(grid, labels, tissues, *about, bool(group.attrs.get("test_object", False)), motion)
        stored = _text(group.attrs["hash"])
    except InputError as error:
        if error.file:
            raise
        raise error.at(file=file) from None
    except Exception as error:  # h5py raises KeyError, OSError, TypeError, ... for damaged files
        raise InputError(f"damaged phantom: {first_line(error)}", file=file) from None
    if phantom.hash() != stored:
        raise InputError("phantom does not match its hash: the file was changed or damaged", file=file)
    return phantom


def write_phantom_file(path: Path | str, phantom: Phantom) -> None:
    """A phantom as an HDF5 file, written whole or not at all; raises OutputError."""
    import h5py

    with replacing(path) as part, h5py.File(part, "w") as h5:
        write_phantom_group(h5.create_group("phantom"), phantom)


def read_phantom_file(path: Path | str) -> Phantom:
    """The phantom of an HDF5 file that :func:`write_phantom_file` or a run wrote; raises InputError."""
    with datasets.opened(path) as h5:
        return read_phantom_group(h5.get("phantom", h5), path)


def tissues_to_json(tissues: tuple[Tissue, ...]) -> str:
    """Tissues as JSON text, nothing lost."""
    return json.dumps([_tissue_to_dict(t) for t in tissues], allow_nan=False)


def tissues_from_json(text: str) -> tuple[Tissue, ...]:
    """Tissues from what :func:`tissues_to_json` wrote; raises InputError for anything else."""
    try:
        return tuple(_tissue_from_dict(d) for d in json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(f"damaged tissue list: {first_line(error)}", field="tissues") from None


def _tissue_to_dict(t: Tissue) -> dict[str, Any]:
    values = {k: getattr(t, k) for k in ("name", "density_kg_m3", *_THERMAL)}
    return {**values, "dielectric": _dielectric_to_dict(t.dielectric), "sources": dict(t.sources)}


def _tissue_from_dict(d: Mapping[str, Any]) -> Tissue:
    values = {k: d[k] for k in ("name", "density_kg_m3", *_THERMAL)}
    return Tissue(**values, dielectric=_dielectric_from_dict(d["dielectric"]), sources=dict(d["sources"]))


_THERMAL = ("heat_capacity_J_kg_K", "thermal_conductivity_W_m_K", "perfusion_mL_min_kg", "metabolic_heat_W_kg")
_KEYS: dict[type, tuple[str, ...]] = {
    ColeCole: ("eps_inf", "delta", "tau_s", "alpha", "sigma_S_m"),
    Constant: ("relative_permittivity", "conductivity_S_m"),
    Override: ("base", "relative_permittivity", "conductivity_S_m"),
}


def _dielectric_to_dict(d: Dielectric) -> dict[str, Any]:
    values = {k: getattr(d, k) for k in _KEYS[type(d)]}
    if isinstance(d, Override):
        values["base"] = _dielectric_to_dict(d.base)
    return {"model": type(d).__name__, **values}


def _dielectric_from_dict(d: Mapping[str, Any]) -> Any:
    model = {t.__name__: t for t in _KEYS}[d["model"]]
    values: dict[str, Any] = {k: tuple(v) if isinstance(v := d[k], list) else v for k in _KEYS[model]}
    if model is Override:
        values["base"] = _dielectric_from_dict(values["base"])
    return model(**values)


def _numbered(group: Any) -> list[tuple[int, Any]]:
    return sorted(((int(k), group[k]) for k in group), key=lambda item: item[0])


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
