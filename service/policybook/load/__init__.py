"""YAML text to draft: the shape of a book, with the place of every part. Names and types are checked later."""
