"""Several runs of one scenario, and what they say together: what its inputs and its grid leave uncertain."""

from emdose.scenarios.study.asked import run as run_scenario  # at the front door, where "run" alone says too little
from emdose.scenarios.study.refinement_study import RefinementStudy, refine
from emdose.scenarios.study.result import StudyResult, read_study
from emdose.scenarios.study.study import Study

__all__ = ["RefinementStudy", "Study", "StudyResult", "read_study", "refine", "run_scenario"]
