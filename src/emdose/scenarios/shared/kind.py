"""What a kind of scenario is made of: the protocol that the core speaks with every kind, and with no other words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from emdose.checks import unknown
from emdose.errors import InputError
from emdose.scenarios.shared import toml
from emdose.scenarios.shared.convergence import summary_measures
from emdose.validity import Measure

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.compute.shared import Shared
    from emdose.report.maps.map_set import MapSet
    from emdose.report.pages.methods import Methods
    from emdose.scenarios.shared.job import BaseJob
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.scenarios.shared.tables import Header, Table


class Result(Protocol):
    """What every result can tell, whatever its kind."""

    @property
    def folder(self) -> Path | None:
        """The result folder; None for one that has not been saved."""
        ...

    @property
    def summary(self) -> dict[str, Any]:
        """summary.json."""
        ...


class Nearby(Protocol):
    """How the numbers of a finished run change when inputs move a little, without another run."""

    @property
    def words(self) -> str:
        """Where such numbers come from, in a sentence or two for the reader of a budget."""
        ...

    def __call__(self, scenario: LoadedScenario, paths: Sequence[str]) -> Mapping[str, float] | None:
        """Numbers by the names of quantities; only their changes count.

        Parameters
        ----------
        scenario : LoadedScenario
            The scenario with other values.
        paths : sequence of str
            Where its values are others than those of the run; none for the numbers to compare with.

        Returns
        -------
        mapping or None
            None where it takes a run to tell.
        """
        ...


KEPT = ("convergence", "timing_s", "provenance", "scenario", "warnings", "validity", "files", "sha256")
"""Entries that a summary keeps when its numbers are withheld."""

R = TypeVar("R", bound=Result)


class Kind(ABC, Generic[R]):
    """One kind of scenario: its tables, its job, its result, its page and its words on the terminal.

    A kind is one object of a class that derives from this one. Its parts are methods, so that each can import what it
    needs when it is asked for: a page needs no solver, a schema no page.
    """

    name: ClassVar[str]
    """What stands behind ``kind =`` in the table [scenario], and in every summary."""
    part: ClassVar[str] = "solved part"
    """What a checkpoint of an unfinished run holds several of, in the singular, for the user."""
    stages: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What the stages of its job are called on the progress bar: name of an event's stage, and the words."""
    transmits: ClassVar[bool] = False
    """Whether it solves the fields of a transmit coil that sequences can be played on: its jobs ``transmit``."""

    @abstractmethod
    def schema(self) -> type[Table]:
        """The tables of a scenario of this kind, [scenario] with its :class:`~emdose.scenarios.Header` among them."""

    def completed(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """The parsed tables with short forms spelled out, before the schema looks at them; as they are by default."""
        return raw

    @abstractmethod
    def job(self, scenario: LoadedScenario, device: str = "auto") -> BaseJob:
        """A scenario made ready to run.

        Raises
        ------
        InputError
            When its tables make no sense together.
        DeviceError
            When the device is not there.
        """

    def solved(self, exposure: Any, found: Any, header: Header, **options: Any) -> R | None:  # noqa: ARG002
        """The run that a scenario would make of what Python has solved; None, as by default, for what is not its kind.

        Parameters
        ----------
        exposure, found : object
            The question, and the answer of a solver.
        header : Header
            The table [scenario].
        **options
            "device", "progress", and keys of its tables.
        """
        return None

    def sharing_job(self, scenario: LoadedScenario, device: str, shared: Shared) -> BaseJob:
        """As :meth:`job`, of a study: what it has in common with other jobs is handed on by ``shared``."""
        job = self.job(scenario, device)
        job.shared = shared
        return job

    @abstractmethod
    def read(self, folder: Path, summary: dict[str, Any]) -> R:
        """Read back what the job wrote; ``summary`` is summary.json of that folder, already read.

        Raises
        ------
        InputError
            When files are missing or damaged.
        """

    @abstractmethod
    def page(self, result: R) -> str:
        """The report as the text of one HTML file that carries everything it shows."""

    @abstractmethod
    def tell(self, console: Console, summary: Mapping[str, Any]) -> None:
        """Print the headline numbers of a summary, and how far they can be trusted, on the terminal."""

    def maps(self, result: R) -> MapSet | None:  # noqa: ARG002
        """The maps of a run, to be set beside those of another; None, as by default, where there are none."""
        return None

    def canvas(self, scenario: LoadedScenario) -> MapSet | None:  # noqa: ARG002
        """Grid and labels that the maps of a scenario's samples lie on, without maps; None, as by default, without any.

        Parameters
        ----------
        scenario : LoadedScenario
            The scenario.
        """
        return None

    def methods(self, summary: Mapping[str, Any]) -> Methods:
        """The methods of a run as a paragraph ready for a paper, with references; by default what any run can tell."""
        from emdose.report.pages import methods

        return methods.general(summary)

    def measures(self, summary: Mapping[str, Any]) -> list[Measure]:
        """How far the run of a summary can be trusted, for :func:`emdose.validity.judge`.

        By default what its entries "convergence" and "power_balance" tell. It must do with summaries that earlier
        versions have written.
        """
        return summary_measures(summary)

    def spacing_m(self, scenario: LoadedScenario) -> float:
        """Spacing of the grid of a scenario [m], by which ``emdose refine`` calls it.

        Raises
        ------
        InputError
            When there is no grid that could be refined; always, unless a kind says otherwise.
        """
        raise InputError(
            f"a scenario of kind '{scenario.kind}' has no grid that could be refined",
            file=scenario.file,
            expected="a kind that computes on voxels of its own, such as rf",
        )

    def on_grid(self, scenario: LoadedScenario, spacing_m: float) -> dict[str, Any]:
        """Tables of the same scenario, as plain values, with a grid of another spacing [m] in every place.

        Raises
        ------
        InputError
            As :meth:`spacing_m`.
        """
        raise InputError(f"no grid of {self.spacing_m(scenario):g} m can become one of {spacing_m:g} m")

    def inputs(self, scenario: LoadedScenario) -> Mapping[str, float]:
        """Every number that a study may vary, by its path into the tables, with its nominal value.

        By default all numbers of the tables, with defaults spelled out. A kind adds what a table may set but need not,
        such as the properties of the tissues that its body has.
        """
        return toml.numbers_of({k: v for k, v in scenario.values().items() if k != "scenario"})

    def nominal(self, scenario: LoadedScenario, path: str) -> float:
        """The nominal value of one of :meth:`inputs`, which a relative law is about.

        Raises
        ------
        InputError
            When the path names nothing.
        """
        known = self.inputs(scenario)
        if path not in known:
            raise unknown("no number of this scenario", path, list(known), file=scenario.file, field="path")
        return known[path]

    def default_laws(self, scenario: LoadedScenario) -> Sequence[Mapping[str, Any]]:  # noqa: ARG002
        """What ``uncertainty = "default"`` varies: entries of ``uncertainty.inputs``, each with its source.

        None by default: a study of such a scenario states which of its inputs are uncertain.
        """
        return ()

    def default_correlations(self, paths: Sequence[str]) -> Sequence[tuple[str, str, float]]:
        """Which of some default inputs, by their paths or groups of paths, move together, and how much.

        By default what the table of default laws says of them, for those that have a law of their own in it.
        """
        from emdose.uncertainty.defaults import default_correlations

        return [(*pair, value) for pair, value in default_correlations(paths).items()]

    def nearby(self, job: BaseJob, solution: Any, summary: Mapping[str, Any]) -> Nearby | None:  # noqa: ARG002
        """How the numbers of a run of ``job`` change with its inputs to first order, from its solution and its summary.

        None by default: a budget runs the scenario for each input then.
        """
        return None

    def withheld(self, summary: Mapping[str, Any]) -> dict[str, Any]:
        """A summary that is not valid without its numbers: how it converged and where it comes from stay.

        By default "quantities", "checks", "check_inputs" and every entry of the kind's own become empty; of the power
        balance the powers of the whole stay.
        """
        kept = {k: v if k in KEPT else {} for k, v in summary.items()} | {"checks": []}
        balance = summary.get("power_balance") or {}
        return kept | {"power_balance": {k: v for k, v in balance.items() if k == "closure" or k.endswith("_W")}}

    def recheck(
        self,
        result: R,
        changes: Mapping[str, Any],  # noqa: ARG002 - for kinds that have limits
        device: str = "auto",  # noqa: ARG002
    ) -> dict[str, Any]:
        """The limits of a finished run under other circumstances, without solving again.

        Parameters
        ----------
        result : Result
            The finished run.
        changes : mapping
            What is different now, such as ``{"duty_cycle": 0.5}``.
        device : str
            Where to compute what is missing.

        Returns
        -------
        dict
            The entries "checks" (rows as of :meth:`emdose.compliance.Checks.to_dict`) and "check_inputs" of a summary.

        Raises
        ------
        InputError
            When this cannot be done; always, for a kind that has no limits.
        """
        raise InputError(
            f"a result of kind '{self.name}' has no limits that could be checked again",
            file=result.folder,
            expected="the result of a kind that has limits; emdose report shows this one",
        )
