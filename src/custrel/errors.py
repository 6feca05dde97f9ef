"""Every exception of custrel, drawn as a tree; each message says what was expected, what was found and what to do.

::

    CustrelError
    ├── SchemaError         a frame lacks a column, or a column holds another type
    ├── PromiseError        rows break a promise of their kind (`.audit` counts them by reason)
    ├── DomainError         an argument or a parameter lies outside its domain
    ├── ConvergenceError    a likelihood without a peak (`.diagnosis` says why)
    ├── NotFittedError      an estimator was asked before it was fitted
    └── MissingExtraError   an optional package is not installed

    AssumptionWarning       a law's assumption does not hold well in these data
"""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

__all__ = [
    "AssumptionWarning",
    "ConvergenceError",
    "CustrelError",
    "DomainError",
    "MissingExtraError",
    "NotFittedError",
    "PromiseError",
    "SchemaError",
]


class CustrelError(Exception):
    """The parent of every error that custrel raises.

    Examples
    --------
    >>> issubclass(SchemaError, CustrelError)
    True
    """


class SchemaError(CustrelError, ValueError):
    """A frame lacks a column that is needed, or a column holds another type than its field.

    Examples
    --------
    >>> raise SchemaError("no column 'id'")
    Traceback (most recent call last):
    custrel.errors.SchemaError: no column 'id'
    """


class PromiseError(CustrelError, ValueError):
    """Rows break a promise of their kind; `audit` holds the counts and examples by reason.

    Examples
    --------
    >>> PromiseError("2 of 9 rows have no customer_id").audit is None
    True
    """

    def __init__(self, message: str, audit: Any = None) -> None:
        super().__init__(message)
        self.audit = audit


class DomainError(CustrelError, ValueError):
    """An argument or a parameter lies outside its domain.

    Examples
    --------
    >>> raise DomainError("rate must be positive, got -1")
    Traceback (most recent call last):
    custrel.errors.DomainError: rate must be positive, got -1
    """


class ConvergenceError(CustrelError, RuntimeError):
    """A likelihood has no peak inside its domain; `diagnosis` and `log_likelihood` say what the climb came to.

    Examples
    --------
    >>> ConvergenceError("nobody bought twice").diagnosis is None
    True
    """

    def __init__(self, message: str, diagnosis: Any = None, log_likelihood: float = float("-inf")) -> None:
        super().__init__(message)
        self.diagnosis = diagnosis
        self.log_likelihood = log_likelihood


class NotFittedError(CustrelError, ValueError, AttributeError):
    """An estimator was asked for an answer before `fit`.

    Examples
    --------
    >>> issubclass(NotFittedError, AttributeError)
    True
    """


class MissingExtraError(CustrelError, ImportError):
    """An optional package is not installed; the message names the extra that brings it.

    Examples
    --------
    >>> issubclass(MissingExtraError, ImportError)
    True
    """


class AssumptionWarning(UserWarning):
    """A law's assumption does not hold well in these data; the figure stands in the message.

    Examples
    --------
    >>> issubclass(AssumptionWarning, UserWarning)
    True
    """


def nearest(name: object, choices: Iterable[object]) -> str:
    """A hint that names the closest of the choices, or nothing.

    >>> nearest("custmer", ["customer", "date"])
    "; did you mean 'customer'?"
    """
    lowered = {str(choice).lower(): str(choice) for choice in choices}
    found = difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=0.6)
    return f"; did you mean {lowered[found[0]]!r}?" if found else ""


def one_of(name: str, value: object, choices: Iterable[object]) -> None:
    """Refuse a value that is not among the choices.

    >>> one_of("unit", "wek", ["day", "week"])
    Traceback (most recent call last):
    custrel.errors.DomainError: unit must be one of 'day', 'week', got 'wek'; did you mean 'week'?
    """
    choices = list(choices)
    if value not in choices:
        listed = ", ".join(repr(c) for c in choices)
        raise DomainError(f"{name} must be one of {listed}, got {value!r}{nearest(value, choices)}")


def need(module: str, *, extra: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

    >>> need("no_such_module", extra="plot")
    Traceback (most recent call last):
    custrel.errors.MissingExtraError: this needs 'no_such_module'; install it with: pip install "custrel[plot]"
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(f'this needs {module!r}; install it with: pip install "custrel[{extra}]"') from error
