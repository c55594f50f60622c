"""Several runs of one scenario, and what they say together: refinement of its grid."""

from emdose.scenarios.study.refinement_study import RefinementStudy, refine

__all__ = ["RefinementStudy", "refine"]
