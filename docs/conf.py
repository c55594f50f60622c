"""Sphinx configuration: `python -m sphinx -W -b html docs docs/_build`."""

from __future__ import annotations

import os
import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import limits_reference
import scenario_reference

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("PYVISTA_OFF_SCREEN", "true")
scenario_reference.write(Path(__file__).parent / "generated" / "scenario_keys.md")
limits_reference.write(Path(__file__).parent / "generated" / "limits.md")

project = "emdose"
author = "The emdose developers"
copyright = "2026, The emdose developers"
release = version = installed_version("emdose")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = [
    "_build",
    "generated/scenario_keys.md",
    "generated/limits.md",
    "gallery/**/*.md5",
    "gallery/**/*.ipynb",
    "gallery/**/*.py",
    "gallery/**/*.json",
]
templates_path = ["_templates"]
html_theme = "furo"
html_title = f"emdose {release}"
html_static_path = ["_static"]
html_css_files = ["tasks.css"]

myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
# The gallery's settings hold functions, which Sphinx cannot pickle; a class name that two modules use links to either.
suppress_warnings = ["config.cache", "ref.python"]

autosummary_generate = True
autodoc_typehints = "none"  # types, shapes and units are in the docstrings
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "ignore-module-all": True}
napoleon_google_docstring = False
napoleon_use_rtype = False

sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"[\\/](0\d|10)_",  # these run here; the longer ones, tested elsewhere, are shown as text
    "ignore_pattern": r"__init__\.py",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "capture_repr": (),
    "abort_on_example_error": True,
    "plot_gallery": "True",
    "default_thumb_file": str(Path(__file__).parent / "images" / "head_3t.png"),
}

_MARKUP = re.compile(r"(``.*?``|:[\w:]+:`.*?`|`[^`]*`_?|(?<![\w*])\*[A-Za-z][^*]*[A-Za-z]\*(?![\w*]))")


def plain_text(_app: object, _what: str, _name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Escape bars and stars of formulas such as |E|^2 or E* J, which reStructuredText would take for markup."""
    in_math = False
    for i, line in enumerate(lines):
        if line.lstrip().startswith(".. math::"):
            in_math = True
        elif in_math and line.strip() and not line.startswith(" "):
            in_math = False
        if in_math:
            continue
        parts = _MARKUP.split(line)
        parts[::2] = [_escape(p) for p in parts[::2]]
        # Markup must end at a space or punctuation: ``n``^3 would not.
        parts[1::2] = [
            m + "\\ " if after[:1] in "^/" and after else m for m, after in zip(parts[1::2], parts[2::2], strict=True)
        ]
        lines[i] = "".join(parts)


def _escape(text: str) -> str:
    text = re.sub(r"(?<!\\)\|", r"\\|", text)
    text = re.sub(r"(?<![*\\])\*(?!\*)", r"\\*", text)
    return re.sub(r"(?<=\w)_(?=[\s,.;:)\]/]|$)", r"\\_", text)


def open_branch(_app: object, _page: str, _template: str, context: dict, _doctree: object) -> None:
    """Unfold only the branch of the page in its sidebar: all 300 modules beside each page took half of the build."""
    tree = context.get("toctree")
    if tree is not None:
        context["toctree"] = lambda **options: tree(**{**options, "collapse": True})


def setup(app: object) -> dict[str, bool]:
    """Register the docstring filter before napoleon sees the text, the sidebar before the theme draws it."""
    app.connect("autodoc-process-docstring", plain_text, priority=400)  # type: ignore[attr-defined]
    app.connect("html-page-context", open_branch, priority=400)  # type: ignore[attr-defined]
    return {"parallel_read_safe": True, "parallel_write_safe": True}
