"""`python -m tadmor` does what `tadmor` does."""

from tadmor.cli import main

main()
