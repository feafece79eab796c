"""`python -m services.caunoi` is `caunoi`."""

from services.caunoi.cli import main

main()
