"""`python -m tongbao` is the command line."""

from tongbao.app.cli import main

main(prog_name="tongbao")
