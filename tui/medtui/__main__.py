"""`python -m medtui`."""

from medtui.cli import main

main()
