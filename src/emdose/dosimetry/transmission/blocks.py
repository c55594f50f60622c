"""Q-matrices of large bodies and many channels, made block by block: they are never whole in the memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import whole
from emdose.dosimetry.sar import Rule
from emdose.dosimetry.transmission.qmatrix import QMatrices
from emdose.dosimetry.transmission.tissue_voxels import BLOCK, TissueVoxels
from emdose.errors import InputError, OutputError
from emdose.models.grids.grid import Grid
from emdose.values import owned

if TYPE_CHECKING:
    from emdose.dosimetry.averaging.cubic import AveragingPlan
    from emdose.models.bodies import Phantom
    from emdose.solvers.results.fields import Fields


class QMatrixBlocks:
    """Q-matrices one block after the other; every loop over them begins anew.

    Parameters
    ----------
    count : int
        Number of matrices.
    grid, ports, drive_unit, rule, averaging_mass_kg, frequency_Hz
        As of :class:`QMatrices`.
    make : callable
        Makes an iterator of their parts as :class:`QMatrices`, always the same ones in the same order.
    """

    def __init__(
        self,
        count: int,
        grid: Grid,
        ports: tuple[str, ...],
        drive_unit: str,
        rule: str,
        averaging_mass_kg: float | None,
        frequency_Hz: float | None,
        make: Callable[[], Iterator[QMatrices]],
    ) -> None:
        self.count, self.grid, self.ports, self.drive_unit, self.rule = count, grid, ports, drive_unit, rule
        self.averaging_mass_kg, self.frequency_Hz = averaging_mass_kg, frequency_Hz
        self._make = make

    def __len__(self) -> int:
        """Number of matrices."""
        return self.count

    def __iter__(self) -> Iterator[QMatrices]:
        return self._make()

    def __repr__(self) -> str:
        about = "point" if self.averaging_mass_kg is None else f"{1e3 * self.averaging_mass_kg:g} g"
        return f"QMatrixBlocks({self.count} matrices of {len(self.ports)} ports, {about})"

    @property
    def unit(self) -> str:
        """Unit of the quadratic form."""
        return "W/kg"

    def whole(self) -> QMatrices:
        """All of them in one."""
        matrices, voxel, start = np.empty(0), np.empty(self.count, np.int64), 0
        for part in self:
            if not start:
                matrices = np.empty((self.count, *part.matrices.shape[1:]), part.matrices.dtype)
            some = slice(start, start + len(part.matrices))
            matrices[some], voxel[some] = part.matrices, part.voxel
            start = some.stop
        return QMatrices(
            owned(matrices),
            owned(voxel),
            self.grid,
            self.ports,
            self.drive_unit,
            self.rule,
            self.averaging_mass_kg,
            self.frequency_Hz,
        )


def q_matrix_blocks(
    fields: Fields,
    phantom: Phantom,
    plan: AveragingPlan | None = None,
    rule: Rule = "trapezium",
    *,
    block: int = BLOCK,
    folder: Path | str | None = None,
) -> QMatrixBlocks:
    """Point or averaged Q-matrices of a body, block by block.

    Parameters
    ----------
    fields : Fields
        Fields of all ports, peak phasors per unit drive.
    phantom : Phantom
        Conductivity and density per voxel.
    plan : AveragingPlan, optional
        Averaging cubes, for 10 g or any other mass; point matrices without.
    rule : str
        SAR rule, see :func:`emdose.dosimetry.sar.point_sar`.
    block : int
        Matrices of one block.
    folder : Path or str, optional
        Where averaged matrices lie in a file without a name while they are in use, as lower triangles (4.2 GB for a
        million of 32 channels in single precision); by default where the system keeps such files.

    Raises
    ------
    InputError
        As :func:`q_matrices` and :func:`averaged`.
    OutputError
        In a loop over averaged matrices, where the folder has no room for their file.

    Notes
    -----
    The factors :math:`F_i` with :math:`Q_i = F_i^H F_i` of point matrices are taken from the fields anew in every loop.
    Averages are made entry by entry, once.
    """
    whole("block", block, 1)
    voxels = TissueVoxels.of(fields, phantom, rule)
    about = (fields.grid, tuple(fields.ports), fields.drive_unit, str(rule))
    if plan is None:

        def points() -> Iterator[QMatrices]:
            for some in voxels.slices(block):
                yield QMatrices(owned(voxels.matrices(some)), voxels.at[some], *about, frequency_Hz=fields.frequency_Hz)

        return QMatrixBlocks(len(voxels.at), *about, None, fields.frequency_Hz, points)
    if plan.shape != fields.grid.shape:
        raise InputError(
            "averaging plan does not fit the grid", field="plan", found=plan.shape, expected=str(fields.grid.shape)
        )
    cubes = AveragedEntries(voxels, plan, folder)

    def means() -> Iterator[QMatrices]:
        for start in range(0, len(cubes.voxel), block):
            some = slice(start, min(start + block, len(cubes.voxel)))
            matrices = owned(cubes.matrices(some))
            yield QMatrices(matrices, cubes.voxel[some], *about, plan.mass_kg, fields.frequency_Hz)

    return QMatrixBlocks(len(cubes.voxel), *about, plan.mass_kg, fields.frequency_Hz, means)


@dataclass(frozen=True, eq=False)
class AveragedEntries:
    """Averages of the entries of point matrices over cubes, kept in a file without a name.

    Parameters
    ----------
    voxels : TissueVoxels
        Fields in tissue.
    plan : AveragingPlan
        The cubes.
    folder : Path, str or None
        Where the file lies.
    """

    voxels: TissueVoxels
    plan: Any
    folder: Path | str | None

    @cached_property
    def voxel(self) -> np.ndarray:
        """Flat index of the voxel of every cube, (cube,)."""
        return owned(np.array(self.plan.be.to_numpy(self.plan.cube_voxel)))

    @cached_property
    def _file(self) -> Any:
        """The lower triangles, (entry, cube), in a file that is gone when nobody has it open: written entry by entry,
        read in blocks of cubes, so that no more than a block of it is in the memory."""
        n = len(self.voxels.fields.ports)
        try:
            file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115 - it lives as long as this object
            for k, m in zip(*np.tril_indices(n), strict=True):
                entry = self.voxels.entry(int(k), int(m))
                means = self.plan.be.to_numpy(self.plan.cube_means(entry.real if k == m else entry))
                file.write(np.ascontiguousarray(means, self.voxels.dtype).view(np.uint8).data)
            file.flush()
        except OSError as error:
            size = n * (n + 1) // 2 * len(self.voxel) * self.voxels.dtype.itemsize
            raise OutputError(
                f"no room for averaged matrices ({size / 1e9:.2g} GB) in {self.folder or tempfile.gettempdir()}: "
                f"{error.strerror or error}; another folder= has more"
            ) from None
        return file

    def matrices(self, some: slice) -> np.ndarray:
        """Matrices of some cubes, (cube, port, port)."""
        n = len(self.voxels.fields.ports)
        rows, columns = np.tril_indices(n)
        part = np.empty((len(rows), some.stop - some.start), self.voxels.dtype)
        for at, row in enumerate(part):
            self._file.seek((at * len(self.voxel) + some.start) * part.itemsize)
            self._file.readinto(row.view(np.uint8).data)
        out = np.empty((part.shape[1], n, n), self.voxels.dtype)
        out[:, columns, rows] = part.T.conj()
        out[:, rows, columns] = part.T
        return out
