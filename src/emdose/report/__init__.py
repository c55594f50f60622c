"""Drawing tools: the frame of a page, charts, maps, tables of the page and the terminal; they know no kind of run."""
