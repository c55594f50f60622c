"""Which tests run which lines, and in what order a mutant meets them."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import coverage
import pytest


class Recorder:
    """A pytest plugin: the duration of every test that passes, and a coverage context per test."""

    def __init__(self, recording: coverage.Coverage) -> None:
        self.recording, self.failed = recording, set[str]()
        self.seconds: dict[str, float] = defaultdict(float)

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        if isinstance(collector, pytest.Module):  # what runs while a file is loaded belongs to all of its tests
            self.recording.switch_context(collector.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item):
        self.recording.switch_context(item.nodeid)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.outcome != "passed":
            self.failed.add(report.nodeid)


class Chosen:
    """A pytest plugin: only the tests of a list, in its order."""

    def __init__(self, tests: Iterable[str]) -> None:
        self.rank = {name: i for i, name in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((i for i in items if i.nodeid in self.rank), key=lambda i: self.rank[i.nodeid])


def record(tree: Path, targets: Iterable[str], rooms: Iterable[str], out: Path) -> None:
    """Run the tests of folders or files and write {"seconds": {test: s}, "lines": {file: {line: [tests]}}} to ``out``.

    Runs inside a process of its own whose working folder is ``tree``. Tests that fail or skip are left out.
    """
    include = [str(tree / "src" / "emdose" / room / "*") for room in rooms]
    recording = coverage.Coverage(data_file=None, include=include, config_file=False)
    plugin = Recorder(recording)
    recording.start()
    pytest.main(["-q", "-n0", "-p", "no:cacheprovider", "--continue-on-collection-errors", *targets], plugins=[plugin])
    recording.stop()
    passed = {name: round(s, 3) for name, s in plugin.seconds.items() if name not in plugin.failed}
    of_file: dict[str, list[str]] = defaultdict(list)
    for name in passed:
        of_file[name.partition("::")[0]].append(name)
    lines: dict[str, dict[int, list[str]]] = {}
    for path in recording.get_data().measured_files():
        by_line = recording.get_data().contexts_by_lineno(path)
        lines[str(Path(path).relative_to(tree))] = {
            n: [t for t in tests if t in passed] for n, tests in by_line.items()
        }
    out.with_suffix(".partial").write_text(json.dumps({"seconds": passed, "lines": lines}))
    out.with_suffix(".partial").rename(out)


class Coverings:
    """The recorded runs, asked for the tests of a statement."""

    def __init__(self, tree: Path, records: Iterable[Path]) -> None:
        self.tree, self.seconds = tree, dict[str, float]()
        self.lines: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        for path in records:
            record = json.loads(path.read_text())
            self.seconds |= record["seconds"]
            for name, by_line in record["lines"].items():
                for line, tests in by_line.items():
                    self.lines[name][int(line)] |= set(tests)

    def of(self, path: str, line: int) -> set[str]:
        """Tests that run the statement around a line; for a constant, those that run a line that names it."""
        tree = ast.parse((self.tree / path).read_text(encoding="utf-8"))
        inner = max(
            (s for s in ast.walk(tree) if isinstance(s, ast.stmt) and s.lineno <= line <= _end(s)),
            key=lambda s: (s.lineno, -_end(s)),
        )
        if isinstance(inner, ast.FunctionDef):  # a default value: whoever calls the function
            return self._among(path, range(inner.body[0].lineno, (inner.end_lineno or line) + 1))
        if any(inner in ast.walk(f) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef)):
            return self._among(path, range(inner.lineno, _end(inner) + 1))
        # What runs at import runs in whatever test imports it first: ask who uses it instead.
        names = {n.id for n in ast.walk(inner) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        return self._naming(names) or self._among(path, self.lines[path])

    def _among(self, path: str, lines: Iterable[int]) -> set[str]:
        return set().union(*(self.lines[path].get(n, set()) for n in lines))

    def _naming(self, names: set[str]) -> set[str]:
        if not names:
            return set()
        pattern, found = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b"), set[str]()
        for path in list(self.lines):
            text = (self.tree / path).read_text(encoding="utf-8").splitlines()
            found |= self._among(path, [n for n, row in enumerate(text, 1) if pattern.search(row)])
        return found

    def order(self, tests: Iterable[str], wanted: Callable[[str], bool], budget_s: float) -> list[str]:
        """Those tests, fastest first, then their neighbours in the same files (who may share a fixture's run)."""
        tests = {t for t in tests if wanted(t)}
        files = {t.partition("::")[0] for t in tests}
        near = {t for t in self.seconds if t.partition("::")[0] in files} - tests
        chosen: list[str] = []
        for group, part in ((tests, 0.7), (near, 0.3)):
            left = part * budget_s
            for name in sorted(group, key=lambda t: (self.seconds[t], t)):
                if left <= 0:
                    break
                chosen.append(name)
                left -= self.seconds[name]
        return chosen


def _end(statement: ast.stmt) -> int:
    """Last line of a statement, of a compound one its header's."""
    body = getattr(statement, "body", None)
    return max(statement.lineno, body[0].lineno - 1) if body else statement.end_lineno or statement.lineno
