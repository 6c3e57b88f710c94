"""`python -m cli`: the command line without its installed script."""

from cli import main

main()
