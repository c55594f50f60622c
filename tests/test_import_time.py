"""`import emdose` stays light, and every public name is where it is promised."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import emdose
from emdose import models
from emdose.models import coils, implants

HEAVY = (
    "scipy",
    "matplotlib",
    "pyvista",
    "vtkmodules",
    "nibabel",
    "h5py",
    "meshio",
    "pydantic",
    "rich",
    "typer",
    "cupy",
    "jinja2",
    "psutil",
)


def test_import_loads_nothing_heavy():
    # Oracle: the list of modules of a fresh interpreter (no clock: a loaded machine must not fail this).
    code = f"import sys, emdose; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", emdose.__all__)
def test_public_name_loads(name):
    # Oracle: the list __all__ itself.
    assert getattr(emdose, name) is not None
    assert name in dir(emdose)


@pytest.mark.parametrize("room", emdose.ROOMS)
def test_a_room_is_there_before_any_of_its_names_was_used(room):
    # Oracle: a fresh interpreter, in which nothing has loaded the room.
    code = f"import emdose as em; print(em.{room}.__name__, {room!r} in dir(em))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"emdose.{room}", "True"]


def test_unknown_name_is_an_attribute_error():
    # Oracle: Python's own rule for modules.
    with pytest.raises(AttributeError, match="attribute Birdcge"):
        emdose.Birdcge  # noqa: B018


def test_the_stub_travels_with_the_package():
    # Oracle: the file system. Without the stub beside it, the front door of an installed emdose would have no names.
    for package in (emdose, models, coils, implants):
        assert Path(package.__file__).with_suffix(".pyi").is_file()


def test_what_is_named_like_a_class_is_one():
    # Oracle: Python's own naming rule (PEP 8) over the public names of the package and of its rooms.
    rooms = [p.name for p in pkgutil.walk_packages(emdose.__path__, "emdose.") if p.ispkg]
    guilty = []
    for room in [emdose, *map(importlib.import_module, rooms)]:
        names = getattr(room, "__all__", [])
        guilty += [
            f"{room.__name__}.{name}"
            for name in names
            if re.match("[A-Z].*[a-z]|EPI", name) and inspect.isroutine(getattr(room, name))
        ]
    assert guilty == []
