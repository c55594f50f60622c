"""The house rules that no linter knows: versions in step, documented names, closed doors, sourced data.

Oracle of every test here: the project's own written rules (docs/architecture.md, CONTRIBUTING.md).
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

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


def test_modules_stay_short() -> None:
    assert {p.name: n for p in MODULES if (n := len(p.read_text(encoding="utf-8").splitlines())) > 600} == {}


def test_no_loose_ends() -> None:
    marks = re.compile(r"\b(TODO|FIXME)\b|raise NotImplementedError")
    texts = [*MODULES, *SOURCE.rglob("*.cuh")]
    assert [p.name for p in texts if marks.search(p.read_text(encoding="utf-8"))] == []


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
