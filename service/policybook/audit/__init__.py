"""The decision log: what was decided, kept so that it can be found, proved unaltered, and decided again."""
