"""`python -m openadr_ra` is `openadr-ra`."""

from openadr_ra.cli import main

main()
