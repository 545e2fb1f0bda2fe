"""Why a formula can have no result."""


class FormulaError(ValueError):
    """A computation has no result: division by zero, a date that does not exist, a year the calendar does not hold."""
