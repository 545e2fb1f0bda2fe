"""S-FEEL: the unary tests and expressions of a cell, from text to tree and back."""
