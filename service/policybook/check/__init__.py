"""Draft to book: names known, types right, dates whole, no cycle. The only maker of a Book."""
