"""The public names of audit, loaded when they are first used."""

from .finding import Evidence as Evidence
from .finding import Finding as Finding
