"""The result of a run, whatever its kind and whatever route it came by: the numbers, and every file made of them."""

from __future__ import annotations

import html
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from emdose.errors import InputError
from emdose.io import touchstone
from emdose.io.disk import atomic
from emdose.io.disk.run_files import LOCK_FILE, REPORT_FILE, SUMMARY_FILE, SUMS, summary_text, sums
from emdose.io.maps import labelled
from emdose.io.maps.labelled import Contents
from emdose.scenarios.shared.results import exports, rows
from emdose.scenarios.shared.results.rows import rounded
from emdose.validity import Validity
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.circuits.network import Network
    from emdose.scenarios.shared.kind import Kind

FIRST_NUMBERS = 8
"""Numbers that the text of a run shows."""


@read_only
@dataclass(frozen=True, eq=False)
class Run(ABC):
    """What a run found, whether a scenario made it, or Python, or a folder holds it; each kind adds what it knows.

    Parameters
    ----------
    folder : Path or None
        The result folder; None for a run that has not been saved.
    summary : dict
        What summary.json holds: "quantities", "checks", "validity", "provenance", "scenario" and more.
    kind : Kind, optional
        The kind of scenario that can draw its page; known to what :func:`emdose.read_result` gives.
    """

    folder: Path | None
    summary: dict[str, Any]
    kind: Any = field(default=None, kw_only=True, repr=False)

    # ---- what it says --------------------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        """Name of the scenario."""
        return str(self._header.get("name") or "unnamed")

    @property
    def quantities(self) -> Mapping[str, Mapping[str, Any]]:
        """Every number by name: "value", "unit", "uncertainty", perhaps "note", "location_m" and others."""
        found: Mapping[str, Mapping[str, Any]] = self.summary["quantities"]
        return found

    @property
    def uncertainty(self) -> Mapping[str, Mapping[str, Any] | None]:
        """What is uncertain of every number, by name: "expanded", "k", "kind" and "basis"; None where none is known."""
        return {name: entry.get("uncertainty") for name, entry in self.quantities.items()}

    @property
    def checks(self) -> Sequence[Mapping[str, Any]]:
        """Rows of the table of limits."""
        found: Sequence[Mapping[str, Any]] = self.summary.get("checks") or []
        return found

    @property
    def validity(self) -> Validity:
        """How far to trust it: "valid", "questionable" or "not valid", and why."""
        return Validity.of_dict(self.summary["validity"])

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Versions, hashes, engine, date."""
        found: Mapping[str, Any] = self.summary["provenance"]
        return found

    @property
    def network(self) -> Network | None:
        """Scattering parameters of the coil's feeds; None where there is no network."""
        return None

    # ---- files ---------------------------------------------------------------------------------------------------
    def report(self, path: Path | str | None = None) -> Path:
        """Write the page, one self-contained HTML file, and give its name.

        Parameters
        ----------
        path : Path or str, optional
            The file, or a folder that it is put into; by default ``report.html`` in the result folder.

        Raises
        ------
        InputError
            Without a path, for a run that has not been saved.
        OutputError
            When it cannot be written; an older page stays as it was.
        """
        target = Path(path) if path is not None else self._home() / REPORT_FILE
        if target.is_dir() or (path is not None and not target.suffix):
            target = target / REPORT_FILE
        atomic.write_text(target, self.page())
        return target

    def page(self) -> str:
        """The page as HTML text; the reasons alone when the run is not valid."""
        if not self.validity.is_valid:
            from emdose.report.pages import withheld

            return withheld.render(self.summary, self.folder or "")
        return self._kind().page(self)

    def save(self, folder: Path | str) -> Self:
        """Write a result folder, and give the run that lies there.

        It holds result.h5, summary.json, scenario.lock.toml and the other files of a run: :func:`emdose.read_result`
        and the commands ``emdose report``, ``check`` and ``compare`` take it. One that lies in a folder is copied.

        Raises
        ------
        InputError
            When there is something else in the folder.
        OutputError
            When it cannot be written.
        """
        place = Path(folder)
        if place.exists() and (not place.is_dir() or (any(place.iterdir()) and not (place / LOCK_FILE).exists())):
            raise InputError("not a result folder of emdose", file=place, expected="an empty or new folder")
        if self.folder is not None and place.exists() and place.resolve() == self.folder.resolve():
            return self
        place.mkdir(parents=True, exist_ok=True)
        with atomic.staging(place) as stage:
            if self.folder is None:
                self._write(stage)
                files = [*stage.names, SUMMARY_FILE]
                told = {**self.summary, "files": files, SUMS: sums(stage.paths)}
                stage.path(SUMMARY_FILE).write_text(summary_text(told), encoding="utf-8")
            else:
                for name in (*self.summary.get("files", []), LOCK_FILE, SUMMARY_FILE):
                    if name not in stage.names and (self.folder / name).is_file():
                        shutil.copyfile(self.folder / name, stage.path(name))
        return replace(self, folder=place)

    def to_vti(self, path: Path | str, quantities: Sequence[str] | None = None, *, background: float = np.nan) -> Path:
        """Write the maps as a VTK image (``.vti``) for ParaView: numbers, vectors as real and imaginary part, labels.

        Parameters
        ----------
        path : Path or str
            The file.
        quantities : sequence of str, optional
            Names of maps, as :meth:`to_xarray` has them; by default all on the grid of the body.
        background : float
            What stands outside of where a map means something.

        Raises
        ------
        NotValidError
            When the run is not valid: such maps stay where they are, in its folder.
        InputError
            For a name that is not there.
        OutputError
            When it cannot be written.
        """
        self._require_valid()
        target = exports.with_ending(path, ".vti")
        atomic.write_bytes(target, exports.vti(labelled.contents(self), quantities, background))
        return target

    def to_nifti(
        self, path: Path | str, quantities: Sequence[str] | None = None, *, background: float = np.nan
    ) -> list[Path]:
        """Write maps as NIfTI, on the voxels and with the affine of the body, so that they lie over its segmentation.

        Parameters
        ----------
        path : Path or str
            A folder, for one file a map named after it; or a name that ends in ``.nii`` or ``.nii.gz`` for one map.
        quantities : sequence of str, optional
            Names of maps; by default all that are real numbers or labels, and the magnitude of others.
        background : float
            What stands outside of where a map means something.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        NotValidError
            As :meth:`to_vti`.
        InputError
            For a name that is not there.
        OutputError
            When one cannot be written; none is left then.
        """
        self._require_valid()
        place, held = Path(path), labelled.contents(self)
        one = place.name.lower().endswith((".nii", ".nii.gz"))
        if one and quantities is None:
            quantities = [next(iter(held.quantities))]
        files = exports.nifti(held, quantities, background, self._affine_mm(), packed=not place.name.endswith(".nii"))
        if one and len(files) != 1:
            expected = "one name; a folder for several"
            raise InputError("several maps for one file", file=place, field="quantities", expected=expected)
        if one:
            files = {place.name: next(iter(files.values()))}
        folder = place.parent if one else place
        folder.mkdir(parents=True, exist_ok=True)
        with atomic.staging(folder) as stage:
            for name, content in files.items():
                stage.path(name).write_bytes(content)
        return [folder / name for name in files]

    def to_csv(self, folder: Path | str) -> list[Path]:
        """Write every table as CSV: quantities, checks, tissues, convergence, and budgets where there are some.

        Raises
        ------
        OutputError
            When one cannot be written; none is left then.
        """
        place, tables = Path(folder), rows.tables_of(self.summary)
        place.mkdir(parents=True, exist_ok=True)
        with atomic.staging(place) as stage:
            for name, table in tables.items():
                stage.path(f"{name}.csv").write_text(rows.csv_text(table), encoding="utf-8")
        return [place / f"{name}.csv" for name in tables]

    def to_touchstone(self, path: Path | str) -> Path:
        """Write the network of the coil's feeds as a Touchstone file.

        Raises
        ------
        InputError
            When the run has no network.
        OutputError
            When it cannot be written.
        """
        network = self.network
        if network is None:
            raise InputError(
                "this run has no network", found=self.name, expected="a coil of metal and capacitors, with feeds"
            )
        return touchstone.write_touchstone(network, path)

    # ---- other forms ---------------------------------------------------------------------------------------------
    def to_xarray(self, quantities: Sequence[str] | None = None) -> Any:
        """The maps as an ``xarray.Dataset``; see :func:`emdose.to_xarray`."""
        return labelled.to_xarray(self, quantities)

    def plot(self, quantity: str | None = None, **more: Any) -> Any:
        """A picture of a map: slices through its peak; arguments as of :func:`emdose.plot`."""
        from emdose.report.plotting import plot

        return plot(self, quantity, **more)

    def figure(self, plane: str | Sequence[str] = "axial", quantity: str | None = None, **more: Any) -> Any:
        """A figure for a paper, with unit, colour bar and scale bar; see :func:`emdose.report.maps.paper.figure`.

        Parameters
        ----------
        plane : "axial", "coronal", "sagittal" or a sequence of them
            What is cut.
        quantity : str, optional
            Name of a map, as :meth:`to_xarray` has them, or as on the page; by default the one that the page begins
            with.
        **more
            "at_m", "top", "colours", "outlines", "width_mm".

        Raises
        ------
        NotValidError
            As :meth:`to_vti`.
        InputError
            For a name or a plane that is not there.
        """
        from emdose.report.maps import paper

        self._require_valid()
        maps = None if self.kind is None else self._kind().maps(self)
        known = set() if maps is None else {name for layer in maps.layers for name in (layer.key, layer.title)}
        on_page = maps is not None and (quantity is None or quantity in known)
        return paper.figure(maps if on_page else self, plane, quantity, **more)

    # ---- what a kind adds ----------------------------------------------------------------------------------------
    @abstractmethod
    def _contents(self) -> Contents:
        """Its maps by name, the one that it is about first."""

    def _write(self, stage: atomic.Stage) -> None:  # noqa: ARG002 - for runs that Python makes
        """Put all files but the summary into a stage, for a run that was not read from a folder."""
        raise InputError("this run cannot be saved", found=type(self).__name__, expected="a run that was read")

    def _affine_mm(self) -> np.ndarray | None:
        """Affine from voxels to the coordinates of the file that the body came from [mm]; None for that of the grid."""
        return None

    def _require_valid(self) -> None:
        """What goes on to other programs carries no word of the gate: it stops here."""
        self.validity.require(self.folder or self.name)

    def _home(self) -> Path:
        if self.folder is None:
            raise InputError("this run has no folder yet", field="path", expected="a file name, or .save(folder) first")
        return self.folder

    def _kind(self) -> Kind[Any]:
        if self.kind is None:
            raise InputError("this run does not know its kind", expected="em.read_result(folder)")
        known: Kind[Any] = self.kind
        return known

    @property
    def _header(self) -> Mapping[str, Any]:
        return (self.summary.get("scenario") or {}).get("scenario") or {}

    # ---- text ----------------------------------------------------------------------------------------------------
    def _told(self) -> Iterator[tuple[str, str]]:
        """Name and text of the first numbers, and how many there are."""
        named = list((self.summary.get("quantities") or {}).items())
        for name, entry in named[:FIRST_NUMBERS]:
            yield name, rounded(entry)
        if not named:
            yield "no numbers", ""
        if len(named) > FIRST_NUMBERS:
            yield f"{len(named) - FIRST_NUMBERS} more in .quantities", ""

    def _title(self) -> str:
        state = (self.summary.get("validity") or {}).get("state", "not judged")
        return f"{type(self).__name__} '{self.name}', {state}, {self.folder or 'not saved'}"

    def __str__(self) -> str:
        return "\n".join([self._title(), *(f"  {f'{name}: {text}' if text else name}" for name, text in self._told())])

    def _html(self) -> str:
        cells = "".join(
            f"<tr><td style='text-align:left'>{html.escape(n)}</td><td>{html.escape(t)}</td></tr>"
            for n, t in self._told()
        )
        return f"<table><caption><b>{html.escape(self._title())}</b></caption><tbody>{cells}</tbody></table>"


@labelled.contents.register
def _(value: Run) -> Contents:
    return value._contents()
