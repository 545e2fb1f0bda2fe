"""Analyse: what a table does, told from its cells; exact, with a request as witness, or said to be undecided."""
