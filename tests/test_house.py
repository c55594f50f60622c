"""The house rules that no linter knows: versions in step, documented names, closed doors, sourced data.

Oracle of every test here: the project's own written rules (docs/architecture.md, CONTRIBUTING.md).
"""

from __future__ import annotations

import ast
import collections
import configparser
import functools
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest
from long_files import LONGEST_FILES

import emdose

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "emdose"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULES = sorted(SOURCE.rglob("*.py"))


@functools.cache
def _nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
    return names


def test_versions_agree() -> None:
    version = PROJECT["version"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    cited = re.search(r"^version: (\S+)$", citation, re.M)
    released = re.search(r"^date-released: (\S+)$", citation, re.M)
    newest = re.search(r"^## \[(\S+)\] - (\d{4}-\d{2}-\d{2})$", changelog, re.M)
    assert cited is not None
    assert released is not None
    assert newest is not None
    assert emdose.__version__ == version == cited.group(1) == newest.group(1)
    assert released.group(1) == newest.group(2)


def test_citation_has_what_a_citation_needs() -> None:
    """Required keys of the Citation File Format 1.2.0."""
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    for key in ("cff-version", "message", "title", "authors"):
        assert re.search(rf"^{key}:", citation, re.M), key


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "LICENSE"])
def test_front_matter_is_there_and_in_the_source_distribution(name: str) -> None:
    assert (ROOT / name).stat().st_size > 100


def _public_members(module: object) -> list[tuple[str, object]]:
    found = []
    for name, member in vars(module).items():
        if name.startswith("_") or getattr(member, "__module__", None) != module.__name__:  # type: ignore[attr-defined]
            continue
        if inspect.isfunction(member) or inspect.isclass(member):
            found.append((name, member))
            if inspect.isclass(member):
                for key, value in vars(member).items():
                    plain = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
                    if not key.startswith("_") and inspect.isfunction(plain):
                        found.append((f"{name}.{key}", plain))
    return found


@pytest.mark.parametrize("name", [m.name for m in pkgutil.walk_packages(emdose.__path__, "emdose.")])
def test_every_public_name_is_documented(name: str) -> None:
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip(), f"{name} has no docstring"
    bare = [
        member
        for member, value in _public_members(module)
        # dataclasses write themselves a docstring that starts with their signature
        if not (value.__doc__ or "").strip() or (value.__doc__ or "").startswith(f"{member}(")
    ]
    assert not bare


def test_only_backend_imports_cupy() -> None:
    guilty = [
        path.relative_to(SOURCE).as_posix()
        for path in MODULES
        if any(name.split(".")[0] in {"cupy", "cupyx", "cupy_backends"} for name in _imports(path))
    ]
    assert guilty in ([], ["compute/backend.py"])


def test_files_that_are_begun_first_are_there() -> None:
    """What tests/support/long_files.py names: a name that is gone would send its file to the end of a shared run."""
    assert [name for name in LONGEST_FILES if not (ROOT / "tests" / name).is_file()] == []
    assert len(set(LONGEST_FILES)) == len(LONGEST_FILES)


def test_nothing_inside_imports_the_package_front() -> None:
    """Modules import each other, never the flat names: those would hide the layers from the import contracts."""
    rooms = {p.stem for p in SOURCE.iterdir()}
    guilty = []
    for path in MODULES:
        for node in _nodes(path):
            flat = isinstance(node, ast.Import) and any(alias.name == "emdose" for alias in node.names)
            if isinstance(node, ast.ImportFrom) and node.module == "emdose":
                flat = any(alias.name not in rooms | {"__version__"} for alias in node.names)
            guilty += [f"{path.name}:{node.lineno}"] if flat else []
    assert guilty == []


@functools.cache
def _module_imports() -> dict[str, frozenset[str]]:
    """What every module imports from the package: at its top, inside functions, and under TYPE_CHECKING."""
    names = {_dotted(path): path for path in MODULES}
    graph = {}
    for module, path in names.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        found = set()
        for node in _nodes(path):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
                source = ".".join([*base, *([node.module] if node.module else [])])
                found |= {f"{source}.{a.name}" if f"{source}.{a.name}" in names else source for a in node.names}
        graph[module] = frozenset(n for n in found if n in names and n != module)
    return graph


def _dotted(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _circles(graph: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Sets of nodes that reach each other."""
    reached = {}
    for start in graph:
        seen: set[str] = set()
        waiting = [*graph[start]]
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting += graph[node]
        reached[start] = seen
    return sorted({tuple(sorted(b for b in reached[a] if a in reached[b])) for a in graph if a in reached[a]})


def test_modules_import_in_no_circle() -> None:
    """Counting imports at the top, inside functions and for types alike."""
    assert _circles(_module_imports()) == []


def test_packages_import_in_no_circle() -> None:
    """A package is a folder: its modules, ``__init__`` included, without the folders inside, which are packages too.

    So a package may gather names from the folders inside it, as long as these take nothing from its own modules.
    The modules that lie in the root are packages of their own.
    """

    def package(module: str) -> str:
        is_folder = (SOURCE.parent / module.replace(".", "/")).is_dir()
        above = module.rpartition(".")[0]
        return module if is_folder or above == "emdose" else above

    graph: dict[str, set[str]] = {package(module): set() for module in _module_imports()}
    for importer, imported in _module_imports().items():
        graph[package(importer)] |= {package(name) for name in imported} - {package(importer)}
    assert _circles(graph) == []


def _rank_of_rooms() -> dict[str, int]:
    """The rooms by their layer in ``.importlinter``, counted from the ground."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter", encoding="utf-8")
    layers = contracts["importlinter:contract:layers"]["layers"].split("\n")
    lines = [line.strip() for line in layers if line.strip()]
    return {room.strip(): rank for rank, line in enumerate(reversed(lines)) for room in line.split("|")}


def test_lower_rooms_name_no_higher_ones() -> None:
    """Not even in a string, a docstring included; the import contracts see only imports."""
    ranks = _rank_of_rooms()

    def rank(parts: list[str]) -> int | None:
        return ranks.get(".".join(parts[:2]), ranks.get(parts[0]))

    guilty = []
    for path in MODULES:
        own = rank(_dotted(path).split(".")[1:] or [""])
        for node in _nodes(path):
            if own is not None and isinstance(node, ast.Constant) and isinstance(node.value, str):
                named = re.findall(r"\bemdose[./](\w+)[./]?(\w*)", node.value)
                higher = [n for n in named if (rank([*n]) or 0) > own]
                guilty += [f"{path.relative_to(SOURCE)}:{node.lineno} names {'.'.join(n)}" for n in higher]
    assert guilty == []


def test_closed_forms_stand_on_numpy_scipy_and_constants_alone() -> None:
    """So that an oracle shares no bug with a solver."""
    allowed = {"numpy", "scipy", "emdose.constants", "emdose.validation.closed_forms", *sys.stdlib_module_names}
    guilty = {
        f"{path.name}: {name}"
        for path in (SOURCE / "validation" / "closed_forms").rglob("*.py")
        for name in _imports(path)
        if not any(name == a or name.startswith(f"{a}.") for a in allowed)
    }
    assert guilty == set()


def test_folders_hold_at_most_twelve_modules() -> None:
    modules = [p for p in MODULES if p.name != "__init__.py"]
    count = collections.Counter(p.parent.relative_to(SOURCE).as_posix() for p in modules)
    assert {folder for folder, n in count.items() if n > 12} == set()


def test_modules_stay_short() -> None:
    long = {p.relative_to(SOURCE).as_posix() for p in MODULES if len(p.read_text(encoding="utf-8").splitlines()) > 450}
    assert long == set()


def test_a_class_name_is_defined_once() -> None:
    """What two classes are called means two things; a name that begins with an underscore does not leave its module."""
    names = [n.name for p in MODULES for n in _nodes(p) if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]
    assert {name for name, n in collections.Counter(names).items() if n > 1} == set()


def test_tests_mirror_the_rooms() -> None:
    """Every room has a folder of tests, and every folder of tests is that of a room, or is listed here."""
    apart = {"data", "device", "examples", "fuzz", "kernels", "physics", "support"}
    tests = ROOT / "tests"
    files = [p for p in tests.rglob("test_*.py") if p.parent != tests]
    folders = {p.parent.relative_to(tests) for p in files}
    assert {f.as_posix() for f in folders if f.parts[0] not in apart and not (SOURCE / f).is_dir()} == set()
    # The oracles of validation are what tests/physics is made of.
    rooms = {p.parent.name for p in SOURCE.glob("*/__init__.py")} - {"validation"}
    assert rooms - {f.parts[0] for f in folders} == set()


def test_no_loose_ends() -> None:
    marks = re.compile(r"\b(TODO|FIXME)\b|raise NotImplementedError")
    texts = [*MODULES, *SOURCE.rglob("*.cuh")]
    assert [p.name for p in texts if marks.search(p.read_text(encoding="utf-8"))] == []


PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_paths_that_a_page_names_exist(page: Path) -> None:
    """Modules and what they hold, in the page on architecture without ``emdose.`` too; files of the source."""
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"\bemdose\.([a-z_]\w*(?:\.\w+)*)", text)) - {"kinds"}  # the entry point of that name
    if page.name == "architecture.md":
        rooms = "|".join(sorted({p.stem for p in SOURCE.iterdir() if p.suffix in ("", ".py")} - {"__pycache__"}))
        named |= set(re.findall(rf"`((?:{rooms})(?:\.(?!pyi?\b|html\b)\w+)*)[`(]", text))
    assert {name for name in named if not _is_there(name)} == set()
    files = re.findall(r"`(?:src/emdose/)?([a-z_]+/[\w/]+\.(?:py|cuh|csv|toml))`", text)
    there = (ROOT, ROOT / "tests", SOURCE, SOURCE.parent)
    assert [f for f in files if not any((root / f).exists() for root in there)] == []


def test_paths_that_docstrings_name_exist() -> None:
    """References such as :class:`~emdose.Phantom`, and files of the source that comments and texts of kernels name."""
    texts = {path: path.read_text(encoding="utf-8") for path in [*MODULES, *SOURCE.rglob("*.cuh")]}
    named = {(p.name, name) for p, text in texts.items() for name in re.findall(r":`~?emdose\.([\w.]+)`", text)}
    assert {(page, name) for page, name in named if not _is_there(name)} == set()
    files = {(p.name, f) for p, text in texts.items() for f in re.findall(r"\b((?:emdose|docs)/[\w/]+\.\w+)\b", text)}
    assert {(p, f) for p, f in files if not ((SOURCE.parent / f).exists() or (ROOT / f).exists())} == set()


def _is_there(name: str) -> bool:
    """Whether ``emdose.<name>`` is a module, or what a module holds."""
    found: object = emdose
    path = "emdose"
    for part in name.split("."):
        path += f".{part}"
        try:
            found = getattr(found, part)
        except AttributeError:
            try:
                found = importlib.import_module(path)
            except ModuleNotFoundError:
                return False
    return True


def _strings(path: Path) -> list[ast.Constant]:
    """String constants of a module that are not docstrings."""
    nodes = _nodes(path)
    statements = {id(n.value) for n in nodes if isinstance(n, ast.Expr)}
    return [n for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in statements]


def test_the_word_compliant_is_never_printed() -> None:
    """A check shows value, limit and margin; the statement that a device complies is not the program's to make."""
    guilty = [
        f"{p.name}:{n.lineno}" for p in MODULES for n in _strings(p) if re.search(r"\bcompliant\b", n.value, re.I)
    ]
    templates = [p.name for p in SOURCE.rglob("*.html*") if re.search(r"\bcompliant\b", p.read_text("utf-8"), re.I)]
    assert guilty + templates == []


@pytest.mark.parametrize("path", sorted((SOURCE / "data").glob("*.csv")), ids=lambda p: p.name)
def test_shipped_data_name_their_source(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    comments = [line for line in text.splitlines() if line.lstrip('"').startswith("#")]
    header = next(line for line in text.splitlines() if not line.lstrip('"').startswith("#"))
    assert (
        any(re.search(r"source|from|DOI|doi|licen[cs]e|join of", line, re.I) for line in comments) or "source" in header
    )


def _readme_blocks() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.S)


def _shown_code() -> dict[str, str]:
    """Every script and every block of Python that the README, the pages and the gallery show."""
    found = {f"examples/{p.name}": p.read_text(encoding="utf-8") for p in (ROOT / "examples").glob("*.py")}
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        text = page.read_text(encoding="utf-8")
        blocks = [textwrap.dedent(b) for b in re.findall(r"```python\n(.*?)```", text, re.S)]
        for block in re.findall(r"(?:^(?: {4}.*)?\n)+", re.sub(r"```.*?```", "", text, flags=re.S), re.M):
            blocks += [textwrap.dedent(block)] if "import " in block or "em." in block else []
        found |= {f"{page.relative_to(ROOT).as_posix()} block {i + 1}": b for i, b in enumerate(blocks)}
    return found


def test_scripts_import_no_deeper_than_a_room() -> None:
    """What scripts need has a name in ``emdose`` or in a room of it, so that what lies deeper may move."""
    guilty, seen = [], 0
    for place, code in _shown_code().items():
        try:
            nodes = list(ast.walk(ast.parse(code)))
        except SyntaxError:  # a block of TOML, of shell, or with an ellipsis: no script
            assert not re.search(r"emdose\.\w+\.\w+", code), place
            continue
        for node in nodes:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            seen += sum(name.split(".")[0] == "emdose" for name in names)
            guilty += [f"{place}: {name}" for name in names if name.startswith("emdose.") and name.count(".") > 1]
    assert guilty == []
    assert seen > 10


def test_readme_shows_five_scripts_of_at_most_fifteen_lines() -> None:
    blocks = _readme_blocks()
    assert len(blocks) == 5
    for block in blocks:
        lines = [line for line in block.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        assert len(lines) <= 15
        ast.parse(block)


def test_readme_scripts_are_the_examples() -> None:
    """The README quotes examples/NN_*.py, which tests/examples runs; so what it shows is what is tested."""
    scripts = [p.read_text(encoding="utf-8") for p in sorted((ROOT / "examples").glob("[0-9][0-9]_*.py"))]
    for block in _readme_blocks():
        assert any(block.strip() in script for script in scripts)


def test_readme_gives_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "python -m pip install . && emdose demo" in readme
    test_command = 'python -m pip install ".[test]" && python -m pytest'
    assert test_command in readme
    assert test_command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_readme_links_lead_somewhere() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", readme):
        if "://" not in target:
            assert (ROOT / target).exists(), target


def test_files_of_tests_have_names_of_their_own() -> None:
    """pytest imports them by these names alone; two of one name end the whole run."""
    names = collections.Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
