"""From what a record promises to checks of whole columns: rows and columns have one truth, the record's fields."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import narwhals.stable.v2 as nw
from annotated_types import Ge, Gt
from pydantic import AwareDatetime, StringConstraints

from custrel.frames import fits
from custrel.records import NotAfter, Within

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

    from custrel.records import Record

__all__ = ["Column", "columns_of", "field_breaches", "not_whole", "pair_breaches"]


@dataclass(frozen=True)
class Column:
    """What one column of a kind holds and promises, read off the record's field.

    Parameters
    ----------
    name
        Name of the field.
    holds
        ``id``, ``moment``, ``number``, ``whole``, ``flag`` or ``text``.
    required
        Whether every row must have it.
    at_least, above
        Lower bounds of a number.
    choices
        The texts that are allowed, any if there are none.
    pattern
        The form a text must have.

    Examples
    --------
    >>> from custrel.records import Purchase
    >>> column = columns_of(Purchase)["amount"]
    >>> column.holds, column.required, column.at_least
    ('number', True, 0.0)
    """

    name: str
    holds: str
    required: bool
    at_least: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str | None = None


@cache
def columns_of(kind: type[Record]) -> Mapping[str, Column]:
    """The columns that a frame of this kind may have; a scale is two columns, its lowest and its highest score."""
    found = [column for name, field in kind.model_fields.items() for column in _columns(name, field)]
    return MappingProxyType({column.name: column for column in found})


def _columns(name: str, field: FieldInfo) -> Iterator[Column]:
    plain, facts = _unwrapped(field)
    if tuple in plain:
        yield from (Column(f"{name}_{end}", "number", required=False) for end in ("low", "high"))
    elif dict not in plain and name != "kind":
        holds = next(word for test, word in _HOLDS if test(plain))
        yield Column(
            name,
            holds,
            field.is_required(),
            at_least=next((float(str(fact.ge)) for fact in facts if isinstance(fact, Ge)), None),
            above=next((float(str(fact.gt)) for fact in facts if isinstance(fact, Gt)), None),
            choices=next((get_args(fact) for fact in facts if get_origin(fact) is Literal), ()),
            pattern=next((_text_of(fact.pattern) for fact in facts if isinstance(fact, StringConstraints)), None),
        )


_HOLDS = (
    (lambda plain: {int, str} <= plain, "id"),
    (lambda plain: AwareDatetime in plain, "moment"),
    (lambda plain: bool in plain, "flag"),
    (lambda plain: plain & {Decimal, float}, "number"),
    (lambda plain: int in plain, "whole"),
    (lambda _: True, "text"),
)


def _text_of(pattern: Any) -> str | None:
    return None if pattern is None else str(getattr(pattern, "pattern", pattern))


def _unwrapped(field: FieldInfo) -> tuple[set[Any], list[Any]]:
    """The plain types of a field and all facts said of them, through unions and annotations."""
    plain: set[Any] = set()
    facts = list(field.metadata)
    open_parts = [field.annotation]
    while open_parts:
        part = open_parts.pop()
        if get_origin(part) is Annotated:
            inner, *said = get_args(part)
            open_parts.append(inner)
            facts.extend(said)
        elif get_origin(part) is Literal:
            facts.append(part)
        elif get_origin(part) in {tuple, dict}:
            plain.add(get_origin(part))
        elif get_args(part):
            open_parts.extend(get_args(part))
        else:
            plain.add(part)
    return plain, facts


def field_breaches(column: Column, dtype: Any) -> Mapping[str, nw.Expr]:
    """For each way in which a row can break the field's promise: the reason, and the mark of the rows that do."""
    value = nw.col(column.name)
    name = column.name
    marks: dict[str, nw.Expr] = {}
    if column.required:
        marks[f"{name} is missing"] = value.is_null()
    if column.holds in {"text", "id"} and dtype == nw.String:
        marks[f"{name} is empty"] = value == ""
    if column.holds in {"number", "whole"}:
        marks[f"{name} is not finite"] = (value == float("inf")) | (value == float("-inf"))
    if column.holds == "whole":
        marks[f"{name} is not a whole number"] = not_whole(value)
    if column.at_least is not None:
        marks[f"{name} is below {column.at_least:g}"] = value < column.at_least
    if column.above is not None:
        marks[f"{name} is not above {column.above:g}"] = value <= column.above
    if column.choices:
        marks[f"{name} is none of {', '.join(column.choices)}"] = ~value.is_in(list(column.choices)) & ~value.is_null()
    if column.pattern:
        marks[f"{name} does not have the form {column.pattern}"] = ~fits(value, column.pattern) & ~value.is_null()
    return {reason: mark.fill_null(value=False) for reason, mark in marks.items()}


def not_whole(number: nw.Expr) -> nw.Expr:
    """Whether a number has a fraction, or is too large for floats to tell it from the next."""
    small = nw.when(number.abs() < 2**53).then(number)
    return ((small > small.floor()) | (number.abs() >= 2**53)).fill_null(value=False)


def pair_breaches(kind: type[Record], names: set[str]) -> Mapping[str, nw.Expr]:
    """The same for what two fields promise each other, where both columns are there."""
    marks: dict[str, nw.Expr] = {}
    for promise in kind.promises:
        if isinstance(promise, NotAfter) and {promise.earlier, promise.later} <= names:
            marks[f"{promise.earlier} lies after {promise.later}"] = nw.col(promise.earlier) > nw.col(promise.later)
        if isinstance(promise, Within):
            marks |= _scale_breaches(promise, names)
    return {reason: mark.fill_null(value=False) for reason, mark in marks.items()}


def _scale_breaches(promise: Within, names: set[str]) -> Mapping[str, nw.Expr]:
    ends = [name for name in (f"{promise.scale}_low", f"{promise.scale}_high") if name in names]
    if len(ends) < 2:
        return {f"{promise.scale} has one end only": ~nw.col(name).is_null() for name in ends}
    low, high = map(nw.col, ends)
    marks = {
        f"{promise.scale} has one end only": low.is_null() != high.is_null(),
        f"{promise.scale} does not rise": low >= high,
    }
    if promise.value in names:
        value = nw.col(promise.value)
        marks[f"{promise.value} lies outside {promise.scale}"] = (value < low) | (value > high)
    return marks
