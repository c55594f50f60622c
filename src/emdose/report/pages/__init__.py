"""The frame of a page, and the rows and tables that several kinds of page share."""
