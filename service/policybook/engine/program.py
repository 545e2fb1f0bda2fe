"""STAND-IN by the lead until the engine helper's real module replaces this file."""
from policybook.cells.grid import Grid
from policybook.diagnostics import Report


class Program:
    def __init__(self, book):
        self.book = book
        self.grids = {}

    @classmethod
    def of(cls, book):
        return cls(book)

    def check(self):
        return Report(())

    def grid(self, name, era):
        if (name, era) not in self.grids:
            self.grids[name, era] = Grid(self.book, self.book.decision_by_name[name], era)
        return self.grids[name, era]

    def match(self, name, era, cell):
        g = self.grid(name, era)
        return tuple(i for i in range(len(g.rows)) if g.row_passed(i, cell))
