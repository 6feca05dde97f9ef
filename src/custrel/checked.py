"""What the caller gave, checked: numbers that every room asks for."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

from custrel.errors import DomainError

__all__ = ["checked_count", "checked_level", "checked_number"]


def checked_level(level: float) -> float:
    """A level strictly between 0 and 1.

    >>> checked_level(95)
    Traceback (most recent call last):
    custrel.errors.DomainError: level must lie between 0 and 1, got 95
    """
    if not 0 < checked_number("level", level) < 1:
        raise DomainError(f"level must lie between 0 and 1, got {level}")
    return level


def checked_number(name: str, value: Any) -> float:
    """A finite number of 0 or more.

    >>> checked_number("margin", "a lot")
    Traceback (most recent call last):
    custrel.errors.DomainError: margin must be a finite number, 0 or more, got 'a lot'
    """
    if not isinstance(value, Real) or not np.isfinite(float(value)) or value < 0:
        raise DomainError(f"{name} must be a finite number, 0 or more, got {value!r}")
    return float(value)


def checked_count(name: str, value: Any, *, least: int = 1) -> int:
    """A whole number of 1, or another least number, or more.

    >>> checked_count("draws", 0)
    Traceback (most recent call last):
    custrel.errors.DomainError: draws must be a whole number, 1 or more, got 0
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise DomainError(f"{name} must be a whole number, {least} or more, got {value!r}")
    return int(value)
