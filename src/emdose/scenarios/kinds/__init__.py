"""Kinds of scenario, a folder each."""
