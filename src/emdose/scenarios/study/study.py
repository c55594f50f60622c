"""A study: what is uncertain about a scenario or a function, and what follows from it."""

from __future__ import annotations

import hashlib
import inspect
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emdose.checks import flag, is_number, one_of, positive, text, whole, within
from emdose.errors import InputError
from emdose.io.disk.run_files import to_json
from emdose.scenarios import kinds
from emdose.scenarios.loading import load
from emdose.scenarios.shared.scenario import LoadedScenario
from emdose.scenarios.study import methods, samples
from emdose.scenarios.study.arms import Stratum, StudyArm, cases
from emdose.scenarios.study.claim import SHARED, claimed
from emdose.scenarios.study.executors import executor as executor_of
from emdose.scenarios.study.findings.cases import StudyCase
from emdose.scenarios.study.findings.finished_run import FinishedRun
from emdose.scenarios.study.findings.model_checks import FEWEST
from emdose.scenarios.study.result import StudyResult
from emdose.scenarios.study.runner import SAMPLES, Runner, SampleStore
from emdose.scenarios.study.uncertain_inputs import Variation
from emdose.solvers.progress import watched
from emdose.solvers.running import Progress, callback
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.uncertainty.laws import Law

METHODS = ("budget", "chaos", "monte-carlo")
COARSER = 2.0
"""Over the spacing of the scenario, that of the grid which the sensitivities of a budget come from."""


@read_only
@dataclass(frozen=True, eq=False)
class Study:
    """What is uncertain about a scenario, or a function of one's own; each method gives a new study.

    Parameters
    ----------
    what : LoadedScenario, Path, str or callable
        A scenario of any kind or its file; or a function of named arguments that gives a number, or a mapping of
        numbers and arrays by name.

    Examples
    --------
    >>> study = em.Study("head_3t.toml").vary("phantom.tissues.grey_matter.conductivity", em.Normal(relative=0.1))
    >>> result = study.run(outputs=["psSAR10g"], runs=64)
    """

    what: Any
    variations: tuple[Variation, ...] = ()
    correlations: tuple[tuple[str, str, float], ...] = ()
    discrete: tuple[Stratum, ...] = ()
    correlation_kind: str = "pearson"

    def __post_init__(self) -> None:
        if isinstance(self.what, str | Path):
            object.__setattr__(self, "what", load(self.what))
        elif not callable(self.what) and not isinstance(self.what, LoadedScenario):
            expected = "a scenario, its file, or a function"
            raise InputError("nothing to study", field="what", found=type(self.what).__name__, expected=expected)

    @property
    def name(self) -> str:
        """Name of the scenario or the function."""
        if isinstance(self.what, LoadedScenario):
            return self.what.name
        return str(getattr(self.what, "__name__", type(self.what).__name__))

    def vary(
        self,
        path: str,
        law: Law,
        *,
        together: bool = True,
        name: str = "",
        nominal: float | None = None,
        source: str = "",
    ) -> Study:
        """The same study with one more uncertain input.

        Parameters
        ----------
        path : str
            Path into the scenario, such as ``phantom.tissues.grey_matter.conductivity`` or ``coil.centre_m[2]``, or a
            group of paths with ``*``; argument of a function.
        law : Law
            Absolute, or relative or shifted to the nominal value.
        together : bool
            Whether a group has one common factor (or shift), instead of an independent one for each of its members.
        name : str
            Short name for budgets; the path by default.
        nominal : float, optional
            Nominal value of the argument of a function; its default, or the mean of the law.
        source : str
            Where the law comes from.

        Raises
        ------
        InputError
            For a path that names nothing, or what is no law. What a law allows is looked at when the study runs.
        """
        from emdose.uncertainty.laws import Law

        text("path", path, problem="not a path")
        if not isinstance(law, Law):
            expected = "a law such as em.Normal(relative=0.1)"
            raise InputError("not a law", field=path, found=str(law), expected=expected)
        if nominal is None and not isinstance(self.what, LoadedScenario):  # whose paths are looked up when it runs
            nominal = _default(self.what, path)
        one = Variation(path, law, together, name, nominal, source)
        return replace(self, variations=(*self.variations, one))

    def correlate(self, first: str, second: str, value: float) -> Study:
        """The same study with two inputs that move together.

        Parameters
        ----------
        first, second : str
            Names or paths of inputs, or of groups of equal size, which are then correlated one by one.
        value : float
            Correlation coefficient.
        """
        within("correlation", value, -1, 1, problem="bad correlation")
        return replace(self, correlations=(*self.correlations, (first, second, float(value))))

    def strata(self, path: str, values: Sequence[Any], weights: Sequence[float] | None = None, name: str = "") -> Study:
        """The same study with a discrete input, whose values are cases of their own.

        Parameters
        ----------
        path : str
            Key of a table such as ``phantom.landmark``, or argument of a function.
        values : sequence
            Two or more numbers or words.
        weights : sequence of float, optional
            How often each is met; equal by default.
        name : str
            What it is called; the path by default.
        """
        given = list(values)
        shares = [1.0] * len(given) if weights is None else list(weights)
        if len(given) < 2 or len(set(map(str, given))) != len(given):
            raise InputError("bad strata", field=path, found=given, expected="two or more different values")
        if len(shares) != len(given) or not all(is_number(w) and w > 0 for w in shares):
            raise InputError("bad weights", field=path, found=shares, expected=f"{len(given)} numbers > 0")
        total = float(sum(shares))
        one = Stratum(path, tuple(given), tuple(w / total for w in shares), name or path)
        return replace(self, discrete=(*self.discrete, one))

    @watched
    def run(
        self,
        outputs: Sequence[str] | None = None,
        method: str = "chaos",
        runs: int | None = None,
        target: float | None = None,
        *,
        minutes: float | None = None,
        degree: int | None = None,
        seed: int = 1,
        design: str = "sobol",
        spacing_m: float | str = "own",
        coverage: float = 0.95,
        maps: Sequence[str] = (),
        trials: int | None = None,
        reduced: bool = True,
        executor: Any = "serial",
        out: Path | str | None = None,
        device: str = "auto",
        force: bool = False,
        progress: Progress = True,
        finished: FinishedRun | None = None,
    ) -> StudyResult:
        """Compute the samples, and what follows from them.

        Parameters
        ----------
        outputs : sequence of str, optional
            Names of numbers; all by default.
        method : "budget", "chaos" or "monte-carlo"
            First-order budget with one run an input; polynomial chaos; the model itself with random inputs.
        runs : int, optional
            Samples at the most.
        target : float, optional
            Leave-one-out error at which a polynomial is good enough: the design grows until then. Without it all
            ``runs`` are made at once.
        minutes : float, optional
            After so long no further sample is begun.
        degree : int, optional
            Of the polynomials; chosen by the leave-one-out error by default.
        seed, design : int, str
            Of the design: "sobol", "latin hypercube", "halton" or "random".
        spacing_m : float, "own" or "auto"
            Grid of the sensitivities of a budget [m]; "auto" is twice that of the scenario, where it has one.
        coverage : float
            Probability of the intervals.
        maps : sequence of str
            Names of maps of the kind of scenario that are kept of each sample. An output that is the peak of such a map
            comes from the polynomials of the map.
        trials : int, optional
            Random samples of the model itself beside the polynomials: whether both agree, see
            :meth:`StudyResult.compare`.
        reduced : bool
            Whether a sample may begin with the solutions of others. What it then tells depends on them, within the
            tolerance of the solver; without, a study is the same to the last bit, however it was interrupted.
        executor : str or Executor
            "serial", "threads", "processes", "dask://host:port".
        out : Path or str, optional
            Folder that keeps the samples: a study that was stopped, or is asked for more, computes only what is not
            there. By default one named after the scenario; none for a function.
        device : str
            Where to compute.
        force : bool
            Throw away what another study has left in the folder.
        progress : bool or callable, optional
            True shows a bar where somebody watches, False is quiet; or called with ``SampleDone``.
        finished : FinishedRun, optional
            A run of the nominal values that is there already.

        Raises
        ------
        InputError
            In one line, before a sample is computed, for whatever cannot be.
        NotValidError
            When there is no number at the nominal values.
        """
        start = time.perf_counter()
        options = _options(method, runs, target, degree, seed, design, outputs, trials)
        within("coverage", coverage, 0.5, 1, ends="()")
        if minutes is not None:
            positive("minutes", minutes)
        crew = executor_of(executor)
        asked: dict[str, Any] = {"maps": tuple(maps), "device": device, "reduced": flag("reduced", reduced)}
        made = arms_of(self, **asked)
        coarse = self._coarse(spacing_m, made, asked) if method == "budget" else [None] * len(made)
        folder = self._folder(out)
        identity = self.identity(seed, design)
        lock = self.what.lock() if isinstance(self.what, LoadedScenario) else ""
        claim = claimed(folder, identity, force, lock)
        try:
            store = SampleStore(None if folder is None else folder / SAMPLES)
            function = None if isinstance(self.what, LoadedScenario) else self.what
            with crew:
                crew.require_files(samples.files_of(self.what))
                shared = None if folder is None else folder / SHARED
                runner = Runner(crew, store, function, minutes, callback(progress), shared)
                known = finished if len(made) == 1 else None
                each = zip(made, coarse, strict=True)
                found = [_found(case, runner, options, one, known) for case, one in each]
            result = self._result(found, runner, options, coverage, identity, folder, time.perf_counter() - start)
            if folder is not None:
                result.write(folder)
                if len(made) > 1 and method != "budget":
                    samples.write_scenarios(
                        folder, {a.name: map(a.sample, f.X) for a, f in zip(made, found, strict=True)}
                    )
                if force:
                    store.tidy()
                shutil.rmtree(folder / SHARED, ignore_errors=True)  # large, and of use to unfinished studies alone
        finally:
            if claim is not None:
                claim.release()
        return result

    def identity(self, seed: int = 1, design: str = "sobol") -> str:
        """Hash of what is studied: the samples of two studies of one hash are those of one design."""
        what = self.what.sha256 if isinstance(self.what, LoadedScenario) else self.name
        told = {
            "what": what,
            "variations": [[v.path, v.law.to_dict(), v.together, v.nominal] for v in self.variations],
            "correlations": sorted([sorted(c[:2]), c[2]] for c in self.correlations),
            "kind": self.correlation_kind,
            "strata": [[s.path, list(s.values)] for s in self.discrete],
            "design": [seed, design],
        }
        return hashlib.sha256(to_json(told, exact=True).encode()).hexdigest()

    def _coarse(
        self, spacing_m: float | str, made: list[StudyArm], asked: Mapping[str, Any]
    ) -> Sequence[StudyArm | None]:
        """The same cases on the grid of the sensitivities; None where that is the own one."""
        none: list[StudyArm | None] = [None] * len(made)
        if spacing_m == "own" or not isinstance(self.what, LoadedScenario):
            return none
        kind = kinds.get(self.what.kind)
        try:
            own = kind.spacing_m(self.what)
        except InputError:
            if spacing_m == "auto":
                return none
            raise
        wanted = COARSER * own if spacing_m == "auto" else positive("spacing_m", spacing_m)
        if wanted == own:
            return none
        try:
            return arms_of(self, **{**asked, "maps": ()}, spacing_m=wanted)
        except InputError:
            if spacing_m == "auto":
                return none
            raise

    def _folder(self, out: Path | str | None) -> Path | None:
        if out is not None:
            return Path(out)
        if isinstance(self.what, LoadedScenario):
            return Path(f"{self.what.file.stem.removesuffix('.lock')}-study")
        return None

    def _result(
        self,
        found: Sequence[methods.Found],
        runner: Runner,
        options: methods.Options,
        coverage: float,
        identity: str,
        folder: Path | None,
        seconds: float,
    ) -> StudyResult:
        names = [n for n in found[0].names if all(n in f.names for f in found)]
        parts = [_case(f, names, options) for f in found]
        failed = tuple(runner.failed)
        notes = [note for f in found for note in f.notes]
        if failed:
            notes.insert(0, f"{len(failed)} of {len(runner.outcomes)} samples have failed; they are left out.")
        if runner.out_of_time:
            notes.append("The time that was given has ended the study.")
        good = [o for o in runner.outcomes.values() if not o.failed]
        notes += runner.shared
        return StudyResult(
            self.name,
            options.method,
            tuple(names),
            {n: found[0].nominal.units.get(n, "") for n in names},
            tuple(parts),
            failed,
            len(good),
            sum(o.cached for o in good),
            coverage,
            tuple(dict.fromkeys(notes)),
            seconds,
            identity,
            folder,
        )


def arms_of(
    study: Study,
    *,
    maps: tuple[str, ...] = (),
    device: str = "auto",
    spacing_m: float | None = None,
    reduced: bool = True,
) -> list[StudyArm]:
    """What a study computes, one for each stratum; raises InputError for paths, laws, correlations that cannot be."""
    return cases(
        study.what,
        study.variations,
        study.correlations,
        study.discrete,
        correlation_kind=study.correlation_kind,
        maps=maps,
        device=device,
        spacing_m=spacing_m,
        reduced=reduced,
    )


def _options(
    method: str,
    runs: int | None,
    target: float | None,
    degree: int | None,
    seed: int,
    design: str,
    outputs: Sequence[str] | None,
    trials: int | None,
) -> methods.Options:
    one_of("method", method, METHODS, problem="unknown method")
    if isinstance(outputs, str):
        raise InputError("not a list of outputs", field="outputs", found=outputs, expected="a list of names")
    if runs is not None:
        whole("runs", runs, 2)
    if target is not None:
        within("target", target, 0, 1, ends="()")
    if degree is not None:
        whole("degree", degree, 1, 20)
    whole("seed", seed, 0)
    if trials is not None:
        whole("trials", trials, FEWEST)
        if method != "chaos":
            raise InputError("trials beside no polynomial", field="trials", found=method, expected='method = "chaos"')
    asked = None if outputs is None else tuple(outputs)
    return methods.Options(method, runs, target, degree, seed, design, asked, trials)


def _found(
    case: StudyArm,
    runner: Runner,
    options: methods.Options,
    coarse: StudyArm | None,
    finished: FinishedRun | None,
) -> methods.Found:
    nominal = methods.nominal_of(case, runner, finished)
    if options.method == "budget":
        return methods.first_order(case, runner, options, nominal, coarse, finished)
    work = methods.chaos if options.method == "chaos" else methods.monte_carlo
    return work(case, runner, options, nominal, case.weight)


def _case(found: methods.Found, names: Sequence[str], options: methods.Options) -> StudyCase:
    at = [found.names.index(n) for n in names]
    return StudyCase(
        found.case.name,
        found.case.weight,
        found.case.inputs,
        found.value[at],
        found.mean[at],
        found.sd[at],
        {k: v[at] for k, v in found.parts.items()},
        {k: v[at] for k, v in found.sensitivities.items()},
        {k: v[at] for k, v in found.second.items()},
        found.X,
        found.Y[:, at] if found.Y.size else found.Y,
        options.degree,
        found.nominal.about,
        found.maps,
        {n: {**peak, "place": names.index(n)} for n, peak in found.peaks.items() if n in names},
        found.trials.X,
        found.trials.Y[:, at] if found.trials.Y.size else found.trials.Y,
        found.trials.predicted[:, at] if found.trials.predicted.size else found.trials.predicted,
    )


def _default(function: Callable[..., Any], name: str) -> float | None:
    """The default of an argument, where it is a number."""
    try:
        value = inspect.signature(function).parameters[name].default
    except (TypeError, ValueError, KeyError):
        return None
    return float(value) if is_number(value) else None
