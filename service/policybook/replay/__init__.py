"""The past decided again by edited books: what would have been otherwise."""
