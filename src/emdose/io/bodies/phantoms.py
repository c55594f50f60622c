"""Bodies from files and to files, by the ending of the name."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from emdose.errors import InputError
from emdose.io.bodies import hdf5, nifti, tables, voxelbody
from emdose.io.bodies.labels import check_extent, phantom_from_labels, resolve_names, to_ras
from emdose.io.disk.atomic import replacing, staging
from emdose.io.disk.files import plain_file, sha256
from emdose.models.bodies import Phantom
from emdose.models.bodies.tissues import PROPERTIES, ColeCole, Constant, Override, Tissue, TissueTable
from emdose.models.grids.grid import Grid, Vector

FORMATS = ".nii, .nii.gz (NIfTI), .raw or .txt (raw voxel body), .npz, .npy, .h5"
Labels = Path | str | Mapping[int, str | Tissue]


def read_phantom(
    path: Path | str,
    tissues: Labels | None = None,
    *,
    tissue_table: TissueTable | Path | str | None = None,
    spacing_m: float | Vector | None = None,
    axes: str = "RAS",
    name: str | None = None,
) -> Phantom:
    """A body from a file.

    Parameters
    ----------
    path : Path or str
        NIfTI labels, a raw voxel body (``body.raw`` with ``body.txt`` beside it; either name), a NumPy file with
        ``labels`` (and ``spacing_m``, ``origin_m``), or the HDF5 file that :func:`write_phantom` made.
    tissues : Path, str or mapping, optional
        Label table (CSV with columns label, tissue, optional overrides) or a mapping {label: tissue or its name}.
        Without it a CSV of the same name beside the file is used; raw bodies fall back to the names in their header.
    tissue_table : TissueTable, Path or str, optional
        Where tissue names are looked up: a table or a file for :func:`emdose.io.bodies.tables.read_tissues`; the
        built-in table by default.
    spacing_m : float or (float, float, float), optional
        Voxel edges [m] of a NumPy file that does not hold them.
    axes : str, optional
        Where the axes of a raw or NumPy file point, three letters of R/L, A/P, S/I; NIfTI files say so themselves.
    name : str, optional
        What to call the body; the file name by default.

    Returns
    -------
    Phantom
        In RAS+ axes and metres. NIfTI keeps its origin, and how oblique it is (``file_from_grid``); raw bodies are
        centred on the isocentre.

    Raises
    ------
    InputError
        One line for whatever is wrong: missing, damaged or unsuitable file, labels without tissue (with their voxel
        counts), unknown tissue, bad property, absurd voxel size.
    """
    path = Path(path)
    suffix = _suffix(path)
    plain_file(path, FORMATS)
    table = tissue_table if isinstance(tissue_table, TissueTable) else None
    if tissue_table is not None and table is None:
        table = tables.read_tissues(tissue_table)  # type: ignore[arg-type]
    table = TissueTable.default() if table is None else table
    name = name or path.name
    if suffix == ".h5":
        _refuse(path, "an emdose HDF5 file holds its own tissues and grid", tissues=tissues, spacing_m=spacing_m)
        return hdf5.read_phantom_file(path)
    if suffix == ".nii":
        _refuse(path, "a NIfTI file holds its own voxel size", spacing_m=spacing_m)
        values, grid, motion = nifti.read_placed(path)
        wanted = _label_tissues(tissues, path, table)
        made = phantom_from_labels(values, grid, wanted, file=path, name=name, source=_source(path))
        return replace(made, file_from_grid=motion)
    if suffix == ".raw":
        _refuse(path, "the header of a raw body holds the voxel size", spacing_m=spacing_m)
        header = voxelbody.read_header(path.with_suffix(".txt"))
        values = voxelbody.read_raw(_raw_of(path), header)
        sidecar = tissues is not None or path.with_suffix(".csv").exists()
        wanted = _label_tissues(tissues, path, table) if sidecar else resolve_names(header.names, table)
        spacing = header.spacing_m
        return _from_array(values, spacing, None, axes, wanted, _raw_of(path), name)
    arrays = voxelbody.read_numpy(path)
    if "labels" not in arrays:
        raise InputError("no array 'labels'", file=path, found=", ".join(sorted(arrays)) or "an empty file")
    if "tissues" in arrays and tissues is None:
        stored = hdf5.tissues_from_json(str(arrays["tissues"]))
        wanted = dict(enumerate(stored))
    else:
        wanted = _label_tissues(tissues, path, table)
    spacing = _spacing(arrays.get("spacing_m"), spacing_m, path)
    origin = arrays.get("origin_m")
    return _from_array(arrays["labels"], spacing, origin, axes, wanted, path, name)


def write_phantom(phantom: Phantom, path: Path | str) -> Path:
    """A body to a file, written whole or not at all.

    ``.h5`` and ``.npz`` hold everything except, for .npz, the regions. ``.nii`` and ``.nii.gz`` hold the labels; a
    label table of the same name with ``.csv`` is written beside them, in which tissues that differ from the built-in
    ones are spelled out.

    Raises
    ------
    InputError
        For an unknown ending, or a tissue that a label table cannot hold.
    OutputError
        When it cannot be written.
    """
    path = Path(path)
    suffix = _suffix(path)
    if suffix == ".h5":
        hdf5.write_phantom_file(path, phantom)
    elif suffix == ".nii":
        table = label_table(phantom, path)
        data = nifti.encoded(phantom.labels, phantom.grid, gz=path.name.lower().endswith(".gz"))
        with staging(path.parent) as stage:  # both or none
            stage.path(path.name).write_bytes(data)
            stage.path(_sidecar(path).name).write_text(table, encoding="utf-8")
    elif path.suffix.lower() == ".npz":
        with replacing(path) as part, part.open("wb") as stream:
            np.savez_compressed(
                stream,
                labels=phantom.labels,
                spacing_m=phantom.grid.spacing_m,
                origin_m=phantom.grid.origin_m,
                tissues=np.array(hdf5.tissues_to_json(phantom.tissues)),
            )
    else:
        raise InputError("cannot write this format", file=path, expected=".h5, .nii, .nii.gz or .npz")
    return path


def label_table(phantom: Phantom, file: Path | str = "") -> str:
    """The CSV label table of a phantom, to be read with the built-in tissues.

    Raises
    ------
    InputError
        For a tissue that a table cannot hold: a dispersion of the user's own, or a property that is unknown here but
        known for the built-in tissue.
    """
    default, out = TissueTable.default(), io.StringIO()
    out.write(f"# tissues of {' '.join(phantom.name.split())}\n")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["label", "tissue", "name", *PROPERTIES])
    for label, tissue in enumerate(phantom.tissues):
        base = default.get(tissue.name)
        if base is None:  # another name, perhaps for a known dispersion
            core = tissue.dielectric.base if isinstance(tissue.dielectric, Override) else tissue.dielectric
            base = next((t for t in default.values() if t.dielectric == core and isinstance(core, ColeCole)), None)
        values = _differences(tissue, base)
        if values is None:
            raise InputError(
                "a label table cannot hold this tissue", file=file, field=tissue.name, expected="the .h5 format"
            )
        known = base is not None and base.name == tissue.name
        row = [label, tissue.name if base is None else base.name, "" if known or base is None else tissue.name]
        writer.writerow([*row, *(repr(values[k]) if k in values else "" for k in PROPERTIES)])
    return out.getvalue()


def _differences(tissue: Tissue, base: Tissue | None) -> dict[str, float] | None:
    """Properties that turn ``base`` into ``tissue``; None when numbers alone cannot."""
    d = tissue.dielectric
    values: dict[str, float] = {}
    if base is None or d != base.dielectric:
        if isinstance(d, Constant) or (isinstance(d, Override) and base is not None and d.base == base.dielectric):
            given = {"relative_permittivity": d.relative_permittivity, "conductivity_S_m": d.conductivity_S_m}
            values = {k: v for k, v in given.items() if v is not None}
        else:
            return None
    for key in list(PROPERTIES)[2:]:
        value = getattr(tissue, key)
        if value != (getattr(base, key) if base is not None else None):
            if value is None:
                return None
            values[key] = value
    return values


def _from_array(
    labels: np.ndarray,
    spacing: Vector,
    origin: np.ndarray | None,
    axes: str,
    wanted: Mapping[int, Tissue],
    path: Path,
    name: str,
) -> Phantom:
    if labels.ndim != 3 or labels.size == 0:
        raise InputError("not a three-dimensional array", file=path, field="labels", found=labels.shape)
    labels, turned = to_ras(labels, axes, spacing)
    corner = (np.nan,) * 3 if origin is None else _three(origin, "origin_m", path)
    check_extent(labels.shape, turned, path, "are the voxel edges in metres?")
    grid = Grid(labels.shape, turned, corner)  # type: ignore[arg-type]
    return phantom_from_labels(labels, grid, wanted, file=path, name=name, source=_source(path))


def _label_tissues(tissues: Labels | None, path: Path, table: TissueTable) -> dict[int, Tissue]:
    if tissues is None:
        sidecar = _sidecar(path)
        if not sidecar.exists():
            raise InputError(
                "no label table", file=path, field="tissues", expected=f"tissues= or a file {sidecar.name} beside it"
            )
        tissues = sidecar
    if isinstance(tissues, Mapping):
        for label in tissues:
            if isinstance(label, bool) or not isinstance(label, int | np.integer) or label < 0:
                raise InputError("bad label", field="tissues", found=label, expected="a whole number >= 0")
        return {int(k): v if isinstance(v, Tissue) else table[v] for k, v in tissues.items()}
    return tables.read_labels(tissues, table)


def _suffix(path: Path) -> str:
    name = path.name.lower()
    for ending, kind in (
        (".nii", ".nii"),
        (".nii.gz", ".nii"),
        (".raw", ".raw"),
        (".txt", ".raw"),
        (".npz", ".np"),
        (".npy", ".np"),
        (".h5", ".h5"),
        (".hdf5", ".h5"),
    ):
        if name.endswith(ending):
            return kind
    raise InputError("unknown kind of body file", file=path, found=path.suffix or "no ending", expected=FORMATS)


def _sidecar(path: Path) -> Path:
    stem = path.name[: -len(".nii.gz")] if path.name.lower().endswith(".nii.gz") else path.stem
    return path.with_name(stem + ".csv")


def _raw_of(path: Path) -> Path:
    return path if path.suffix.lower() == ".raw" else path.with_suffix(".raw")


def _spacing(stored: np.ndarray | None, given: float | Vector | None, path: Path) -> Vector:
    value = given if given is not None else stored
    if value is None:
        raise InputError(
            "voxel size unknown", file=path, field="spacing_m", expected="an array spacing_m in the file or spacing_m="
        )
    return _three(value, "spacing_m", path)


def _three(value: object, field: str, path: Path) -> Vector:
    try:
        array = np.broadcast_to(np.asarray(value, float), (3,))
    except (TypeError, ValueError):
        raise InputError("not three numbers", file=path, field=field, found=value) from None
    if not np.all(np.isfinite(array)) or (field == "spacing_m" and array.min() <= 0):
        raise InputError("bad lengths", file=path, field=field, found=array.tolist(), expected="finite metres")
    return (float(array[0]), float(array[1]), float(array[2]))


def _refuse(path: Path, why: str, **options: object) -> None:
    for key, value in options.items():
        if value is not None:
            raise InputError(why, file=path, field=key, found="an argument", expected="none")


def _source(path: Path) -> str:
    return f"file {path.name}, SHA-256 {sha256(path)[:16]}"
