"""`python -m ossfn.adapter`: the command line."""

from ossfn.adapter.cli import main

main()
