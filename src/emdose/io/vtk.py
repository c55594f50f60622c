"""Voxel maps for ParaView."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from emdose.errors import InputError
from emdose.io import atomic
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
