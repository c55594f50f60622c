"""Voxel maps for ParaView."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from emdose.errors import InputError
from emdose.io import atomic
from emdose.io.files import read_bytes
from emdose.models.grid import Grid


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
    return [points[index[a:b]] for a, b in pairwise(ends)]
