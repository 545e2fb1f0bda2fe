"""Cells: the constants of a table cut each of its axes into codes; a request is a tuple of codes."""
