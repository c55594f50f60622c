"""The public names of validation, loaded when they are first used."""

from . import cases as cases
from . import closed_forms as closed_forms
