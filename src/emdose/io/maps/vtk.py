"""Voxel maps for ParaView."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.io.disk import atomic
from emdose.io.disk.files import plain_file, read_bytes
from emdose.models.grids.grid import Grid

GRID_FILE = "a grid of VTK (.vtr, .vti)"
Maps = Mapping[str, np.ndarray] | Iterable[tuple[str, np.ndarray]]


def vti_bytes(grid: Grid, maps: Maps, words: Mapping[str, Sequence[str]] | None = None) -> bytes:
    """Voxel maps as a VTK image file (``.vti``, compressed) that ParaView opens.

    Parameters
    ----------
    grid : Grid
        Grid of the maps.
    maps : mapping of str to (nx, ny, nz) or (3, nx, ny, nz) real ndarray, or pairs of these
        Cell data by name, numbers or vectors; a unit belongs into the name. Pairs that are made one by one are never
        all in memory beside what the file holds.
    words : mapping of str to sequence of str, optional
        Lists of words by name, such as the tissue of every label: field data of the file.

    Raises
    ------
    InputError
        When a map does not fit the grid.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonCore import vtkStringArray
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkIOXML import vtkXMLImageDataWriter

    image = vtkImageData()
    image.SetDimensions(*grid.node_shape)
    image.SetSpacing(*grid.spacing_m)
    image.SetOrigin(*grid.origin_m)
    first = None
    for name, values in maps.items() if isinstance(maps, Mapping) else maps:
        if values.shape not in (grid.shape, (3, *grid.shape)):
            raise InputError("map does not fit the grid", field=name, found=values.shape, expected=str(grid.shape))
        rows = values.reshape(-1, 3 if values.ndim == 4 else 1, *grid.shape)[0]
        table = np.stack([np.ravel(row, order="F") for row in rows], axis=1)
        array = numpy_to_vtk(table if values.ndim == 4 else table[:, 0], deep=True)
        array.SetName(name)
        image.GetCellData().AddArray(array)
        first = first or name
    for name, listed in (words or {}).items():
        texts = vtkStringArray()
        texts.SetName(name)
        for word in listed:
            texts.InsertNextValue(word)
        image.GetFieldData().AddArray(texts)
    if first is not None:
        image.GetCellData().SetActiveScalars(first)
    writer = vtkXMLImageDataWriter()
    writer.SetCompressionLevel(1)  # fields hardly become smaller by more
    return _written(writer, image)


def write_vti(path: Path | str, grid: Grid, maps: Mapping[str, np.ndarray]) -> None:
    """Write voxel maps as a VTK image file, whole or not at all; see :func:`vti_bytes`.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    atomic.write_bytes(path, vti_bytes(grid, maps))


def vtu_bytes(grid: Grid, cells: np.ndarray, maps: Mapping[str, np.ndarray]) -> bytes:
    """Some voxels of a grid with values as a VTK unstructured grid (``.vtu``, compressed) that ParaView opens.

    Parameters
    ----------
    grid : Grid
        Grid of the voxels.
    cells : (m, 3) int ndarray
        Indices of the voxels.
    maps : mapping of str to (m,) real ndarray
        Cell data by name; a unit belongs into the name.

    Raises
    ------
    InputError
        When a map does not fit the voxels.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import VTK_VOXEL, vtkCellArray, vtkUnstructuredGrid
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridWriter

    cells = np.asarray(cells, np.int64).reshape(-1, 3)
    # Corners in VTK's order of a voxel: x fastest, then y, then z.
    corner = np.array([[i, j, k] for k in (0, 1) for j in (0, 1) for i in (0, 1)])
    nodes = cells[:, None] + corner
    flat = np.ravel_multi_index(tuple(np.moveaxis(nodes, -1, 0)), grid.node_shape)
    used, index = np.unique(flat, return_inverse=True)
    places = np.stack(np.unravel_index(used, grid.node_shape), axis=1) * np.array(grid.spacing_m)
    points, array = vtkPoints(), vtkCellArray()
    points.SetData(numpy_to_vtk(places + np.array(grid.origin_m), deep=True))
    array.SetData(
        numpy_to_vtkIdTypeArray(np.arange(0, 8 * len(cells) + 1, 8), deep=True),
        numpy_to_vtkIdTypeArray(index.ravel().astype(np.int64), deep=True),
    )
    mesh = vtkUnstructuredGrid()
    mesh.SetPoints(points)
    mesh.SetCells(VTK_VOXEL, array)
    for name, values in maps.items():
        if values.shape != (len(cells),):
            raise InputError("map does not fit the voxels", field=name, found=values.shape, expected=f"({len(cells)},)")
        data = numpy_to_vtk(np.ascontiguousarray(values), deep=True)
        data.SetName(name)
        mesh.GetCellData().AddArray(data)
    if maps:
        mesh.GetCellData().SetActiveScalars(next(iter(maps)))
    return _written(vtkXMLUnstructuredGridWriter(), mesh)


def read_polylines(path: Path | str) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """Points of every line of a VTK file of poly data (``.vtk``, ``.vtp``), and the arrays that belong to them.

    Returns
    -------
    list of (n, 3) ndarray
        Lines, in the unit of the file.
    dict of str to ndarray
        Data by name: of the lines (line, ...) under "line NAME", of their points, one after the other, (point, ...)
        under "point NAME", and of the file under "file NAME". Texts are arrays of texts.

    Raises
    ------
    InputError
        When it is missing, cannot be read as poly data, or holds numbers that are not finite.
    """
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkObject
    from vtkmodules.vtkIOLegacy import vtkPolyDataReader
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

    path = Path(path)
    expected = "VTK poly data with lines"
    read_bytes(path, expected, 256 * 2**20)
    xml = path.suffix.lower() == ".vtp"
    reader: Any = vtkXMLPolyDataReader() if xml else vtkPolyDataReader()
    if not xml:
        reader.ReadAllScalarsOn()
        reader.ReadAllFieldsOn()
    shown = vtkObject.GetGlobalWarningDisplay()
    vtkObject.GlobalWarningDisplayOff()  # VTK tells its troubles on stderr, many lines of them
    try:
        reader.SetFileName(str(path))
        reader.Update()
    finally:
        vtkObject.SetGlobalWarningDisplay(shown)
    data = reader.GetOutput()
    if data is None or not data.GetNumberOfPoints() or not data.GetNumberOfLines():
        raise InputError("no lines in this file", file=path, expected=expected)
    points = vtk_to_numpy(data.GetPoints().GetData()).astype(float)
    if not np.all(np.isfinite(points)):
        raise InputError("a point is not finite", file=path, expected=expected)
    lines = data.GetLines()
    ends, index = vtk_to_numpy(lines.GetOffsetsArray()), vtk_to_numpy(lines.GetConnectivityArray())
    if np.any(index < 0) or np.any(index >= len(points)):
        raise InputError("a line names a point that is not there", file=path, expected=expected)
    about = {f"file {name}": values for name, values in _arrays(data.GetFieldData()).items()}
    first, count = data.GetNumberOfVerts(), data.GetNumberOfLines()
    for name, values in _arrays(data.GetCellData()).items():
        if len(values) >= first + count:
            about[f"line {name}"] = values[first : first + count]
    about |= {f"point {n}": v[index] for n, v in _arrays(data.GetPointData()).items() if len(v) == len(points)}
    return [points[index[a:b]] for a, b in pairwise(ends)], about


def read_grid(path: Path | str) -> dict[str, np.ndarray]:
    """Lines and data of a rectilinear or uniform grid of VTK (``.vtr``, ``.vti``).

    Returns
    -------
    dict of str to ndarray
        "x", "y", "z": coordinates of the points; data by name under "point NAME", "cell NAME" and "file NAME".

    Raises
    ------
    InputError
        When it is missing, or cannot be read as such a grid.
    """
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkObject
    from vtkmodules.vtkIOXML import vtkXMLImageDataReader, vtkXMLRectilinearGridReader

    path = plain_file(path, GRID_FILE)
    readers: dict[str, Any] = {".vtr": vtkXMLRectilinearGridReader, ".vti": vtkXMLImageDataReader}
    if path.suffix.lower() not in readers:
        raise InputError("grid is not rectilinear", file=path, found=path.suffix, expected=GRID_FILE)
    reader = readers[path.suffix.lower()]()
    shown = vtkObject.GetGlobalWarningDisplay()
    vtkObject.GlobalWarningDisplayOff()
    try:
        reader.SetFileName(str(path))
        reader.Update()
    finally:
        vtkObject.SetGlobalWarningDisplay(shown)
    data = reader.GetOutput()
    if data is None or not data.GetNumberOfPoints():
        raise InputError("no grid in this file", file=path, expected=GRID_FILE)
    if path.suffix.lower() == ".vtr":
        coordinates = (data.GetXCoordinates(), data.GetYCoordinates(), data.GetZCoordinates())
        lines = [vtk_to_numpy(c).astype(float) for c in coordinates]
    else:
        low = data.GetExtent()[::2]
        steps = zip(data.GetOrigin(), data.GetSpacing(), data.GetDimensions(), low, strict=True)
        lines = [o + h * (k + np.arange(n)) for o, h, n, k in steps]
    found = dict(zip("xyz", lines, strict=True))
    for kind, held in (("point", data.GetPointData()), ("cell", data.GetCellData()), ("file", data.GetFieldData())):
        found |= {f"{kind} {name}": values for name, values in _arrays(held).items()}
    return found


def _arrays(data: Any) -> dict[str, np.ndarray]:
    """Named arrays of numbers and texts of a set of VTK data."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkStringArray

    out = {}
    for n in range(data.GetNumberOfArrays()):
        array = data.GetAbstractArray(n)
        name = array.GetName() if array is not None else None
        if not name:
            continue
        if isinstance(array, vtkStringArray):
            out[name] = np.array([array.GetValue(i) for i in range(array.GetNumberOfValues())], dtype=str)
        elif array.IsNumeric():
            out[name] = vtk_to_numpy(array)
    return out


def vtp_bytes(
    lines: Sequence[np.ndarray],
    data: Mapping[str, Sequence[Any]],
    about: Mapping[str, str],
    of_points: Mapping[str, np.ndarray] | None = None,
) -> bytes:
    """Chains of points as VTK poly data (``.vtp``) that ParaView opens.

    Parameters
    ----------
    lines : sequence of (n, 3) float ndarray
        The chains.
    data : mapping of str to sequence
        A number or a text for every line, by name.
    about : mapping of str to str
        Texts about the file.
    of_points : mapping of str to (points, ...) ndarray, optional
        Numbers or vectors of all points of the lines, one after the other, by name.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints, vtkStringArray
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

    def array(name: str, values: Sequence[Any] | np.ndarray) -> Any:
        if not isinstance(values, np.ndarray) and any(isinstance(v, str) for v in values):
            made: Any = vtkStringArray()
            for v in values:
                made.InsertNextValue(str(v))
        else:
            made = numpy_to_vtk(np.asarray(values), deep=True)
        made.SetName(name)
        return made

    points, cells = vtkPoints(), vtkCellArray()
    places = np.concatenate(lines).astype(float)
    points.SetData(numpy_to_vtk(places, deep=True))
    ends = np.concatenate([[0], np.cumsum([len(line) for line in lines])]).astype(np.int64)
    cells.SetData(
        numpy_to_vtkIdTypeArray(ends, deep=True),
        numpy_to_vtkIdTypeArray(np.arange(len(places), dtype=np.int64), deep=True),
    )
    mesh = vtkPolyData()
    mesh.SetPoints(points)
    mesh.SetLines(cells)
    for name, values in data.items():
        mesh.GetCellData().AddArray(array(name, values))
    for name, vectors in (of_points or {}).items():
        mesh.GetPointData().AddArray(array(name, vectors))
    for name, text in about.items():
        mesh.GetFieldData().AddArray(array(name, [text]))
    return _written(vtkXMLPolyDataWriter(), mesh)


def surface_bytes(points_m: np.ndarray, triangles: np.ndarray, maps: Mapping[str, np.ndarray]) -> bytes:
    """Triangles with data as VTK poly data (``.vtp``).

    Parameters
    ----------
    points_m : (v, 3) ndarray
        Corners [m].
    triangles : (t, 3) int ndarray
        Indices of the corners.
    maps : mapping of str to (t,) or (t, 3) ndarray
        Numbers or vectors of the triangles, by name.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

    points, cells = vtkPoints(), vtkCellArray()
    points.SetData(numpy_to_vtk(np.ascontiguousarray(points_m, float), deep=True))
    ends = np.arange(0, 3 * len(triangles) + 1, 3, dtype=np.int64)
    flat = np.ascontiguousarray(triangles, np.int64).ravel()
    cells.SetData(numpy_to_vtkIdTypeArray(ends, deep=True), numpy_to_vtkIdTypeArray(flat, deep=True))
    mesh = vtkPolyData()
    mesh.SetPoints(points)
    mesh.SetPolys(cells)
    for name, values in maps.items():
        made = numpy_to_vtk(np.ascontiguousarray(values), deep=True)
        made.SetName(name)
        mesh.GetCellData().AddArray(made)
    return _written(vtkXMLPolyDataWriter(), mesh)


def _written(writer: Any, data: Any) -> bytes:
    """What an XML writer of VTK makes of its data, compressed.

    It goes into memory: VTK's own file writing reports a full disk on stderr instead of raising. The text of appended
    data is base64, so that it is plain ASCII.
    """
    writer.SetInputData(data)
    writer.SetDataModeToAppended()
    writer.SetCompressorTypeToZLib()
    writer.WriteToOutputStringOn()
    writer.Write()
    return str(writer.GetOutputString()).encode()


def read_surface(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (v, 3) and triangles (t, 3) of a VTK file: poly data, or the skin of an unstructured grid.

    Parameters
    ----------
    path : Path or str
        ``.vtk`` (legacy), ``.vtp`` or ``.vtu``.

    Raises
    ------
    InputError
        When it is missing or holds no polygons or cells.
    """
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkObject
    from vtkmodules.vtkFiltersCore import vtkTriangleFilter
    from vtkmodules.vtkFiltersGeometry import vtkGeometryFilter
    from vtkmodules.vtkIOLegacy import vtkDataSetReader
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader, vtkXMLUnstructuredGridReader

    path = Path(path)
    expected = "VTK poly data or an unstructured grid"
    read_bytes(path, expected, 1 << 30)
    readers: dict[str, Any] = {".vtp": vtkXMLPolyDataReader, ".vtu": vtkXMLUnstructuredGridReader}
    reader = readers.get(path.suffix.lower(), vtkDataSetReader)()
    skin, triangles = vtkGeometryFilter(), vtkTriangleFilter()
    shown = vtkObject.GetGlobalWarningDisplay()
    vtkObject.GlobalWarningDisplayOff()  # VTK tells its troubles on stderr, many lines of them
    try:
        reader.SetFileName(str(path))
        reader.Update()
        data = reader.GetOutput()
        if data is None or not data.GetNumberOfCells():
            raise InputError("no polygons in this file, or it is damaged", file=path, expected=expected)
        skin.SetInputData(data)
        triangles.SetInputConnection(skin.GetOutputPort())
        triangles.PassLinesOff()
        triangles.PassVertsOff()
        triangles.Update()
    finally:
        vtkObject.SetGlobalWarningDisplay(shown)
    out = triangles.GetOutput()
    if not out.GetNumberOfPolys():
        raise InputError("no polygons in this file", file=path, expected=expected)
    index = vtk_to_numpy(out.GetPolys().GetConnectivityArray()).astype(np.int64)
    return vtk_to_numpy(out.GetPoints().GetData()).astype(float), index.reshape(-1, 3)
