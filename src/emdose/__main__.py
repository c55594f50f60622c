"""``python -m emdose`` is the command ``emdose``."""

import os
import sys

# Where -m finds a program is no place to find numpy.py: the current folder holds data. (``-P`` leaves it out already.)
if sys.path and not sys.flags.safe_path and os.path.realpath(sys.path[0] or ".") == os.path.realpath("."):
    del sys.path[0]

from emdose.cli import main

if __name__ == "__main__":
    main()
