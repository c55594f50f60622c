"""Print pip constraints that pin every dependency of pyproject.toml to the lowest version it allows.

    python .ci/lowest.py test > lowest.txt
    python -m pip install --constraint lowest.txt ".[test]"

The arguments are the extras that are pinned too. The floors stand in pyproject.toml alone.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def pins(extras: list[str]) -> list[str]:
    """A line "name==floor" for every dependency, and for those of the named extras."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(d for e in extras for d in project["optional-dependencies"][e])]
    found = []
    for requirement in wanted:
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*>=\s*([0-9][0-9a-z.]*)", requirement)
        if match is None:
            raise SystemExit(f"no floor in {requirement!r}; write name>=version")
        found.append(f"{match[1]}=={match[2]}")
    return found


if __name__ == "__main__":
    print("\n".join(pins(sys.argv[1:])))
