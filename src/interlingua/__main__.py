"""`python -m interlingua`: the command line, where no script is on the path."""

from interlingua.cli import main

main()
