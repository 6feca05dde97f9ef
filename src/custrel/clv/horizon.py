"""How far ahead is asked: horizons and numbers of purchases as the caller gives them, and what a later one is worth."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.checked import checked_number
from custrel.errors import DomainError
from custrel.history import DAYS, History

if TYPE_CHECKING:
    from collections.abc import Callable

    from custrel.stats.estimate import Array

__all__ = ["FORGOTTEN", "OF_NEW", "asked_of_new", "discount_per_unit", "horizon_in", "whole_numbers"]

FORGOTTEN = 45.0  # exp(-45) is 3e-20: what comes later is worth nothing
_LETTERS = {"D": "day", "W": "week", "H": "hour", "M": "month", "Y": "year"}

OF_NEW = {
    "survival_of_new",
    "expected_purchases_of_new",
    "activity_of_new",
    "probability_of_new",
    "probability_later_of_new",
}
"""The equations of a law's file that are asked about new customers."""


def discount_per_unit(annual_discount_rate: float, unit: str) -> float:
    """The continuous rate per unit of time that an effective annual rate means.

    >>> round(365.25 / 7 * discount_per_unit(0.10, "week"), 6)  # log(1.10)
    0.09531
    """
    checked_number("annual_discount_rate", annual_discount_rate)
    return float(np.log1p(annual_discount_rate)) * DAYS[unit] / DAYS["year"]


def horizon_in(h: History, t: float | str | Array, *, endless: bool = False) -> float | Array:
    """A horizon in the unit of the history: a number as it is, a duration such as ``"365D"`` converted.

    >>> h = History(x=[0], t_x=[0], T=[4], unit="week")
    >>> horizon_in(h, 39), horizon_in(h, "364D")
    (39, 52.0)
    >>> horizon_in(h, [39, 52])
    Traceback (most recent call last):
    custrel.errors.DomainError: a horizon must be one number, or one for each customer (1 of them), got 2
    """
    t = _horizon(t, h.unit, endless=endless)
    if np.ndim(t) and np.shape(t)[-1] not in {1, len(h)}:
        raise DomainError(
            f"a horizon must be one number, or one for each customer ({len(h):,} of them), got {np.shape(t)[-1]:,}"
        )
    return t


def _horizon(t: float | str | Array, unit: str | None, *, endless: bool = False) -> float | Array:
    """A horizon in some unit, which a law made from numbers may not know."""
    units = f" of {unit}s" if unit else ""
    if isinstance(t, str):
        number, letter = t[:-1], t[-1:].upper()
        if letter not in _LETTERS or not number.replace(".", "", 1).isdecimal():
            raise DomainError(f"a horizon must be a number{units} or a duration such as '365D' or '52W', got {t!r}")
        if unit is None:
            raise DomainError(f"a horizon of {t!r} needs a law that knows its unit of time: make it with unit='week'")
        return float(number) * DAYS[_LETTERS[letter]] / DAYS[unit]
    try:
        good = (np.isfinite(t) | (endless & np.isposinf(t))) & (np.asarray(t) >= 0)
    except (TypeError, ValueError):
        good = np.array(False)  # noqa: FBT003  # an array of one truth
    if not np.all(good):
        raise DomainError(f"a horizon must be a finite number{units}, 0 or more, got {t!r}")
    return t


def whole_numbers(n: int | Array) -> Array:
    """Numbers of purchases.

    >>> whole_numbers(1.5)
    Traceback (most recent call last):
    custrel.errors.DomainError: n must be whole numbers of purchases, 0 or more, got 1.5
    """
    numbers = np.asarray(n)
    if not (
        numbers.dtype.kind in "iuf" and np.all((numbers >= 0) & (np.floor(numbers) == numbers) & np.isfinite(numbers))
    ):
        raise DomainError(f"n must be whole numbers of purchases, 0 or more, got {n!r}")
    return numbers


def asked_of_new(equation: Callable[..., Any]) -> Callable[..., Any]:
    """The same equation about new customers, whose n, t and since are checked and converted to the law's unit."""
    names = list(inspect.signature(equation).parameters)[1:]
    endless = equation.__name__ == "expected_purchases_of_new"

    def checked(law: Any, name: str, value: Any) -> Any:
        return whole_numbers(value) if name == "n" else _horizon(value, law.unit, endless=endless)

    @wraps(equation)
    def asked(self: Any, *given: Any, **named: Any) -> Any:
        if len(given) <= len(names) and named.keys() <= set(names):
            given = tuple(checked(self, name, value) for name, value in zip(names, given, strict=False))
            named = {name: checked(self, name, value) for name, value in named.items()}
        return equation(self, *given, **named)

    return asked
