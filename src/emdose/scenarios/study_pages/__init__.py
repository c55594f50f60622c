"""One page for all samples of a study, as of many runs."""

from emdose.scenarios.study_pages.pages import group_table, write_group_page

__all__ = ["group_table", "write_group_page"]
