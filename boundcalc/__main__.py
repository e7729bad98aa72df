"""`python -m boundcalc`."""

import sys

from boundcalc.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
