"""Matched rows to an answer: hit policies, exact outputs, required decisions, trace."""
