"""What the caller gave, checked: numbers that every room asks for."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from custrel.errors import DomainError

__all__ = ["checked_count", "checked_level", "checked_number", "counts_of"]


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


def counts_of(**counts: Any) -> list[NDArray[np.float64]]:
    """Counts by name as arrays of one shape: finite numbers of 0 or more.

    >>> counts_of(satisfied=[1, 2], n=5)[1]
    array([5., 5.])
    >>> counts_of(satisfied=-1, n=5)
    Traceback (most recent call last):
    custrel.errors.DomainError: satisfied must be finite counts, 0 or more, got -1
    """
    try:
        arrays = [np.asarray(count, dtype=np.float64) for count in counts.values()]
        together = np.broadcast_arrays(*arrays)
    except (TypeError, ValueError) as error:
        raise DomainError(f"{', '.join(counts)} must be counts of one shape: {error}") from error
    for (name, said), count in zip(counts.items(), arrays, strict=True):
        if not np.all((count >= 0) & (count < np.inf)):
            raise DomainError(f"{name} must be finite counts, 0 or more, got {said!r}")
    return list(together)
