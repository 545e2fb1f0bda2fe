"""The typed book: kinds, formulas, tables, facts, answers. Only `check` makes a Book."""
