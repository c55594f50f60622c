"""Whole sequences on the coil of a scenario: the sheet of their exposure."""

from emdose.scenarios.sequences.sheet import SequenceSheet, sequence_sheet

__all__ = ["SequenceSheet", "sequence_sheet"]
