"""Averages of SAR over cubes of a given mass, on equal and on graded steps."""
