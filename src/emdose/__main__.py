"""``python -m emdose`` is the command ``emdose``."""

from emdose.cli import main

if __name__ == "__main__":
    main()
