"""Test tables: what a book must answer, and how much of the book the cases visit."""
