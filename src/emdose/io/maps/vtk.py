"""Voxel maps for ParaView."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.io.disk import atomic
from emdose.io.disk.files import read_bytes
from emdose.models.grids.grid import Grid


def vti_bytes(grid: Grid, maps: Mapping[str, np.ndarray]) -> bytes:
    """Voxel maps as a VTK image file (``.vti``, compressed) that ParaView opens.

    Parameters
    ----------
    grid : Grid
        Grid of the maps.
    maps : mapping of str to (nx, ny, nz) real ndarray
        Cell data by name; a unit belongs into the name.

    Raises
    ------
    InputError
        When a map does not fit the grid.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkIOXML import vtkXMLImageDataWriter

    image = vtkImageData()
    image.SetDimensions(*grid.node_shape)
    image.SetSpacing(*grid.spacing_m)
    image.SetOrigin(*grid.origin_m)
    for name, values in maps.items():
        if values.shape != grid.shape:
            raise InputError("map does not fit the grid", field=name, found=values.shape, expected=str(grid.shape))
        array = numpy_to_vtk(np.ravel(values, order="F"), deep=True)
        array.SetName(name)
        image.GetCellData().AddArray(array)
    if maps:
        image.GetCellData().SetActiveScalars(next(iter(maps)))
    writer = vtkXMLImageDataWriter()
    writer.SetInputData(image)
    writer.SetDataModeToAppended()
    writer.SetCompressorTypeToZLib()
    # Into memory: VTK's own file writing reports a full disk on stderr instead of raising.
    writer.WriteToOutputStringOn()
    writer.Write()
    return str(writer.GetOutputString()).encode()


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
    writer = vtkXMLUnstructuredGridWriter()
    writer.SetInputData(mesh)
    writer.SetDataModeToAppended()
    writer.SetCompressorTypeToZLib()
    writer.WriteToOutputStringOn()  # as for images
    writer.Write()
    # The text of appended data is base64, so that it is plain ASCII.
    return str(writer.GetOutputString()).encode()


def read_polylines(path: Path | str) -> list[np.ndarray]:
    """Points of every line of a VTK file of poly data (``.vtk``, ``.vtp``), a list of (n, 3) arrays in its own unit.

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
    reader = vtkXMLPolyDataReader() if path.suffix.lower() == ".vtp" else vtkPolyDataReader()
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
    return [points[index[a:b]] for a, b in pairwise(ends)]


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
