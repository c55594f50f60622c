"""``emdose validate``: every case beside its reference."""

from __future__ import annotations
