"""`python -m policybook`."""

from policybook.cli.main import main

if __name__ == "__main__":
    main()
