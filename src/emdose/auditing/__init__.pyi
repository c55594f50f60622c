"""The public names of audit, loaded when they are first used."""

from .asking import audit as audit
from .finding import ConventionFinding as ConventionFinding
from .finding import Evidence as Evidence
from .result import Audit as Audit
