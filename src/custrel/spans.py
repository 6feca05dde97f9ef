"""Spans: lengths of time as callers write them, such as ``"48h"`` or ``"7D"``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import numpy as np

from custrel.errors import DomainError

__all__ = ["span_in_microseconds"]

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_557_600}
_FORM = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]+)")


def span_in_microseconds(span: Any, *, name: str) -> int:
    """A span as a whole number of microseconds.

    Parameters
    ----------
    span
        A number with s, min, h, D, W, M (a month of 365.25 / 12 days) or Y (365.25 days), such as ``"2D"``; or a
        timedelta.
    name
        What the caller calls it.

    Raises
    ------
    DomainError
        If it is neither, or not longer than nothing.

    Examples
    --------
    >>> span_in_microseconds("48h", name="within") == span_in_microseconds("2D", name="within") == 172_800_000_000
    True
    >>> span_in_microseconds("30m", name="within")
    Traceback (most recent call last):
    custrel.errors.DomainError: within must be a span such as '48h' or '7D' (s, min, h, D, W, M, Y), got '30m'
    """
    length = _length(span)
    if length is None or not 0 < length < 2**62:
        raise DomainError(f"{name} must be a span such as '48h' or '7D' (s, min, h, D, W, M, Y), got {span!r}")
    return length


def _length(span: Any) -> int | None:
    if isinstance(span, np.timedelta64):
        return None if np.isnat(span) else int(span / np.timedelta64(1, "us"))
    if isinstance(span, timedelta):
        return span // timedelta(microseconds=1)
    written = _FORM.fullmatch(span) if isinstance(span, str) else None
    if written is None:
        return None
    number, letters = written.groups()
    # A small m could be a minute or a month.
    seconds = _SECONDS["y"] / 12 if letters == "M" else _SECONDS.get(letters.lower())
    return None if seconds is None else round(float(number) * seconds * 1_000_000)
