"""Models that Python has made as tables and files of a scenario, so that whatever is run can be run again."""
