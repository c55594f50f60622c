"""The public names of audit, loaded when they are first used."""

from .finding import ConventionFinding as ConventionFinding
from .finding import Evidence as Evidence
