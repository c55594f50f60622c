"""The pages of a study: what is uncertain of every output, and one page for all of its samples."""

from emdose.scenarios.study_pages.pages import (
    group_table,
    study_table,
    write_group_page,
    write_study_page,
    write_study_pages,
)

__all__ = ["group_table", "study_table", "write_group_page", "write_study_page", "write_study_pages"]
