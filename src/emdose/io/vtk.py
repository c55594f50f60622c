"""Voxel maps for ParaView."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from emdose.errors import InputError, OutputError
from emdose.io import atomic
from emdose.models.grid import Grid


def write_vti(path: Path | str, grid: Grid, maps: Mapping[str, np.ndarray]) -> None:
    """Write voxel maps as a VTK image (``.vti``, compressed) that ParaView opens.

    Parameters
    ----------
    path : Path or str
        File to write; it appears whole or not at all.
    grid : Grid
        Grid of the maps.
    maps : mapping of str to (nx, ny, nz) real ndarray
        Cell data by name; a unit belongs into the name.

    Raises
    ------
    InputError
        When a map does not fit the grid.
    OutputError
        When it cannot be written.
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
    # Into memory first: VTK's own file writing reports a full disk on stderr instead of raising.
    writer.WriteToOutputStringOn()
    if not writer.Write():
        raise OutputError(f"{path}: VTK could not encode the maps")
    atomic.write_bytes(path, writer.GetOutputString().encode())
