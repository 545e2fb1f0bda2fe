"""The engine: cells matched by durable-rules, the reference that judges it, and the self-check of a book."""
