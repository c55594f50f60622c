"""The public names of leads, loaded when they are first used."""

from .lead import Lead as Lead
