"""Books, test tables, calendars and clauses in the one canonical layout: text to text, meaning and comments kept."""
