"""The points at a threshold that are worth a test."""

from __future__ import annotations

import enum


class Point(enum.Enum):
    """A place worth testing at a threshold: on it, and within one least step of it (see trials.steps)."""

    JUST_BELOW = "just below"
    ON = "on"
    JUST_ABOVE = "just above"
