"""Exit codes, the same for every command."""

from __future__ import annotations

SUCCESS = 0
FINDINGS = 1
USAGE = 2
FAULT = 3

# The mark keeps click from running the lines together.
EPILOG = """\b
Exit codes:
  0  success
  1  findings, refused input, or failed tests
  2  wrong usage of the command
  3  a fault of policybook or of its environment
"""
