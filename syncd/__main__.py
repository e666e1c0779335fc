"""`python -m syncd`: the same as the console script."""

from syncd.cli import main

main()
