"""The samples of a study, computed by an executor, kept in a folder, and told about while they come."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emdose.io.disk import atomic
from emdose.io.disk.checkpoint import FolderCheckpoint
from emdose.io.disk.run_files import to_json
from emdose.scenarios.study import runs
from emdose.scenarios.study.executors import Serial, Threads, address_of
from emdose.scenarios.study.runs import SampleOutcome
from emdose.scenarios.study.samples import Sample
from emdose.solvers.running import Event, ProgressCallback, duration, silent

SAMPLES = "samples"
STAGE = "samples"


@dataclass(frozen=True, kw_only=True)
class SampleDone(Event):
    """A sample has come, or the study says how far it is.

    Parameters
    ----------
    done, failed, cached : int
        Samples that have numbers, that have none, and that were computed before (counted among the first too).
    total : int
        Samples that are asked for so far.
    loo : float, optional
        Largest leave-one-out error of the last fit.
    seconds : float, optional
        Estimate of the time that is left [s].
    """

    stage: str = STAGE
    done: int = 0
    failed: int = 0
    cached: int = 0
    total: int = 0
    loo: float | None = None
    seconds: float | None = None

    @property
    def fraction(self) -> float | None:
        """Share of the samples that are asked for so far."""
        return (self.done + self.failed) / self.total if self.total else None

    @property
    def note(self) -> str:
        """How many of how many."""
        notes = [f"{self.done} of {self.total}"]
        notes += [f"{self.failed} failed"] if self.failed else []
        notes += [f"{self.cached} kept from before"] if self.cached else []
        notes += [f"leave-one-out error {self.loo:.2g}"] if self.loo is not None else []
        return ", ".join(notes) + (f", about {duration(self.seconds)} left" if self.seconds else "")

    @property
    def titles(self) -> Mapping[str, str]:
        """What samples are called."""
        return {STAGE: "samples of the study"}


class SampleStore:
    """Outcomes on disk, one file each, under the key of their sample; maps beside them.

    Parameters
    ----------
    folder : Path or None
        Where; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.used: set[str] = set()

    def load(self, sample: Sample) -> SampleOutcome | None:
        """What was computed of a sample; None where there is nothing, or nothing that is whole."""
        if self.folder is None:
            return None
        try:
            kept = json.loads(self._path(sample.key).read_text(encoding="utf-8"))
            if kept["key"] != sample.key:
                return None
            maps: Mapping[str, Any] | None = {}
            if kept["maps"]:
                maps = FolderCheckpoint(self.folder, sample.key).load(_stem(sample.key))
            if maps is None:
                return None
            self.used.add(_stem(sample.key))
            rest = {k: kept[k] for k in ("outputs", "units", "about", "seconds", "tries")}
            return SampleOutcome(sample.index, sample.key, sample.inputs, **rest, maps=maps, cached=True)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, outcome: SampleOutcome) -> None:
        """Keep an outcome; its numbers last, so that they are there only when all is."""
        if self.folder is None or outcome.failed:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise atomic.output_error(error, self.folder) from error
        stem = _stem(outcome.key)
        if outcome.maps:
            FolderCheckpoint(self.folder, outcome.key).save(stem, outcome.maps)
        kept = {k: getattr(outcome, k) for k in ("key", "inputs", "outputs", "units", "about", "seconds", "tries")}
        kept["maps"] = list(outcome.maps)
        atomic.write_text(self._path(outcome.key), to_json(kept, exact=True) + "\n")
        self.used.add(stem)

    def tidy(self) -> None:
        """Remove what this study has not asked for: samples of laws that have changed."""
        if self.folder is None or not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            if path.stem not in self.used:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{_stem(key)}.json"


class Runner:
    """Computes samples by an executor, serves those that are kept, and tells.

    Parameters
    ----------
    crew : Executor
        Who computes.
    store : SampleStore
        What is kept.
    function : callable, optional
        For samples of a function.
    minutes : float, optional
        After so long no further sample is begun.
    progress : callable, optional
        Called with :class:`SampleDone`.
    shared : Path, optional
        Folder in which workers of other processes leave for each other what they need again.
    """

    def __init__(
        self,
        crew: Any,
        store: SampleStore,
        function: Callable[..., Any] | None = None,
        minutes: float | None = None,
        progress: ProgressCallback | None = None,
        shared: Path | None = None,
    ) -> None:
        self.crew, self.store, self.tell = crew, store, progress or silent
        self.function, self.shared_folder = function, shared
        self.start = time.perf_counter()
        self.end = None if minutes is None else self.start + 60 * minutes
        self.outcomes: dict[str, SampleOutcome] = {}
        self.event = SampleDone()
        self._fresh, self._spent = 0, 0.0

    @property
    def failed(self) -> list[SampleOutcome]:
        """Samples without numbers."""
        return [o for o in self.outcomes.values() if o.failed]

    @property
    def shared(self) -> list[str]:
        """How many products with the operator samples took, in a sentence, where solvers tell it."""
        told = [o.about["iterations"] for o in self.outcomes.values() if o.about.get("iterations") is not None]
        if len(told) < 2:
            return []
        last = told[-max(1, len(told) // 4) :]
        text = (
            f"{sum(told) / len(told):.3g} products with the operator a sample, {sum(last) / len(last):.3g} in the last"
        )
        return [f"Samples share what was solved before: {text} quarter."]

    @property
    def out_of_time(self) -> bool:
        """Whether the minutes have gone by."""
        return self.end is not None and time.perf_counter() >= self.end

    def outcome(self, sample: Sample) -> SampleOutcome:
        """That of one sample."""
        return self.map([sample])[0]

    def map(self, samples: Sequence[Sample], total: int | None = None) -> list[SampleOutcome]:
        """Outcomes of samples in their order; those that time has not allowed to begin are left out.

        Parameters
        ----------
        samples : sequence of Sample
            What to compute.
        total : int, optional
            Samples that the whole study will ask for, when that is known.
        """
        wanted: dict[str, Sample] = {s.key: s for s in samples if s.key not in self.outcomes}
        self.event = replace(self.event, total=max(total or 0, len(self.outcomes) + len(wanted)))
        for key, sample in list(wanted.items()):
            kept = self.store.load(sample)
            if kept is not None:
                self._take(kept)
                del wanted[key]
        for outcome in self._computed(list(wanted.values())):
            self.store.save(outcome)
            self._take(outcome)
        found = [(s, self.outcomes.get(s.key)) for s in samples]
        return [replace(o, index=s.index) for s, o in found if o is not None]

    def fitted(self, loo: float) -> None:
        """Tell of a fit."""
        self.event = replace(self.event, loo=loo)
        self.tell(self.event)

    def _computed(self, samples: list[Sample]) -> Iterator[SampleOutcome]:
        def tasks() -> Iterator[Mapping[str, Any]]:
            for sample in samples:
                if self.out_of_time and self.outcomes:
                    return
                yield {**sample.task, **named, "key": sample.key}

        by_key = {s.key: s for s in samples}
        work: Callable[..., Any] = runs.solve_sample
        named: dict[str, Any] = {}
        here = isinstance(self.crew, Serial | Threads)
        if self.function is not None and here:
            work = _Called(self.function)
        elif self.function is not None:
            named["function"] = address_of(self.function)
        elif self.shared_folder is not None and not here:  # one process has it in memory
            self.shared_folder.mkdir(parents=True, exist_ok=True)
            named["shared"] = str(self.shared_folder.resolve())
        for task, found in self.crew.map(work, tasks()):
            sample = by_key[task["key"]]
            about = (sample.index, sample.key, sample.inputs)
            if isinstance(found, Mapping):
                yield SampleOutcome(*about, **found)
            else:
                yield SampleOutcome(*about, error=f"{found.error}: {found.message}", tries=found.attempts)

    def _take(self, outcome: SampleOutcome) -> None:
        self.outcomes[outcome.key] = outcome
        event = self.event
        if not outcome.cached:
            self._fresh += 1
            self._spent = time.perf_counter() - self.start
        done, failed = event.done + (not outcome.failed), event.failed + outcome.failed
        left = max(0, event.total - done - failed)
        seconds = left * self._spent / self._fresh if self._fresh else None
        if self.end is not None and seconds is not None:
            seconds = min(seconds, max(0.0, self.end - time.perf_counter()))
        cached = event.cached + outcome.cached
        self.event = replace(event, done=done, failed=failed, cached=cached, seconds=seconds)
        self.tell(self.event)


class _Called:
    """A function of one's own, which need not have a name that another process finds."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, task: Mapping[str, Any], memo: dict[str, Any]) -> dict[str, Any]:
        return runs.compute(task, memo, self.function)


def _stem(key: str) -> str:
    return key[:40]
