"""Values to text and back: models and fits as JSON that a person can read, never a pickle."""

from __future__ import annotations

import json
from inspect import isabstract
from typing import Any, Protocol, TypeVar

from custrel.errors import SchemaError, nearest

__all__ = ["from_json"]


FORMAT = 1


class Storable(Protocol):
    """What can be written as plain numbers, texts, lists and dictionaries."""

    def to_dict(self) -> dict[str, Any]:
        """Plain contents of the value."""
        ...


Stored = TypeVar("Stored", bound=type)
_KINDS: dict[str, Any] = {}


def storable(kind: Stored) -> Stored:
    """Register a class under its name; it needs `to_dict` and a class method `from_dict`."""
    _KINDS[kind.__name__] = kind
    return kind


def to_plain(value: Storable) -> dict[str, Any]:
    """The contents of a value under the name of its class."""
    return {"kind": type(value).__name__, **value.to_dict()}


def to_json(value: Storable) -> str:
    """A value as JSON text with its kind, so that `from_json` finds its class."""
    return json.dumps({"custrel": FORMAT, **to_plain(value)}, indent=2)


def from_plain(contents: Any) -> Any:
    """The value that `to_plain` wrote."""
    kind = contents.get("kind") if isinstance(contents, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        known = ", ".join(sorted(name for name, one in _KINDS.items() if not isabstract(one)))
        raise SchemaError(f"expected JSON of one of {known}; found kind {kind!r}{nearest(kind, _KINDS)}")
    try:
        return _KINDS[kind].from_dict({k: v for k, v in contents.items() if k not in {"kind", "custrel"}})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SchemaError(f"this JSON of kind {kind!r} lacks or mistypes a field: {error}") from error


def from_json(text: str) -> Any:
    """Read a model, a fit or a composed estimator from the text its `to_json` wrote.

    Parameters
    ----------
    text
        JSON text.

    Returns
    -------
    The value, equal to the one that was written: floats keep every digit.

    Raises
    ------
    SchemaError
        If the text is not JSON, or not of a kind that custrel writes.

    Examples
    --------
    >>> from custrel.clv import BGNBD
    >>> from_json(BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426).to_json())
    BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    """
    try:
        contents = json.loads(text)
    except (RecursionError, TypeError, ValueError) as error:
        raise SchemaError(f"expected JSON text as written by to_json(); found {str(text)[:40]!r}: {error}") from error
    if isinstance(contents, dict) and contents.get("custrel", FORMAT) != FORMAT:
        raise SchemaError(
            f"expected JSON of format {FORMAT}; found format {contents['custrel']!r}, which another version wrote"
        )
    return from_plain(contents)
