"""Run the command line with ``python -m dlogreg``."""

from dlogreg.cli import main

if __name__ == "__main__":
    main(prog_name="dlogreg")
