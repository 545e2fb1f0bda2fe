"""Cells to durable-rules."""
