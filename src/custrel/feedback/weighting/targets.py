"""Targets: which share of all customers has each label, as the caller knows it from elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from custrel.errors import DomainError, SchemaError
from custrel.frames import collect, enter, plain, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from custrel.stats.estimate import Array

__all__ = ["Margin", "margins_of", "named", "of_one_total"]

ROUNDING = 1e-3
"""How far published shares, and totals of published counts, may miss each other."""


@dataclass(frozen=True, eq=False)
class Margin:
    """One target for each label of some columns.

    Parameters
    ----------
    columns
        The columns whose labels are meant; several make cells.
    labels
        The labels: a tuple for each, with an entry for each column.
    targets
        As many customers, or such a share of them, as have each label, ``(labels,)``.

    Examples
    --------
    >>> margin = Margin.of("region", {"north": 300, "south": 100})
    >>> margin.labels, margin.shares
    ([('north',), ('south',)], array([0.75, 0.25]))
    """

    columns: tuple[str, ...]
    labels: list[tuple[Any, ...]]
    targets: Array

    @classmethod
    def of(cls, by: str | Sequence[str], targets: Any, population: str = "population") -> Margin:
        """The targets of a mapping from labels to numbers, or of a frame with a row for each label.

        Raises
        ------
        SchemaError
            If a frame lacks a column.
        DomainError
            If a label is not of these columns or stands there twice, a target is no number of 0 or more, or shares do
            not add up to 1.
        """
        columns = (by,) if isinstance(by, str) else tuple(by)
        if not columns or len(set(columns)) < len(columns):
            raise DomainError(f"by must name one column or more, none of them twice, got {by!r}")
        # A pandas series, as value_counts makes it, maps labels to numbers too.
        maps = isinstance(targets, Mapping) or (hasattr(targets, "items") and not hasattr(targets, "columns"))
        told = list(targets.items()) if maps else _rows_of(columns, targets, population)
        labels = [_label_of(columns, key) for key, _ in told]
        if twice := [label for label, times in Counter(labels).items() if times > 1]:
            raise DomainError(f"targets of {_of(columns)} hold {named(twice[0])} twice: give each label one target")
        margin = cls(columns, labels, np.array([_number(columns, key, number) for key, number in told]))
        margin._refuse_total()
        return margin

    @property
    def name(self) -> str:
        """The columns as text."""
        return ", ".join(self.columns)

    @property
    def shares(self) -> Array:
        """The targets as shares of their sum, ``(labels,)``."""
        return np.asarray(self.targets / self.targets.sum())

    def _refuse_total(self) -> None:
        total = float(self.targets.sum())
        if not total > 0:
            raise DomainError(f"targets of {_of(self.columns)} must hold a number above 0; found none")
        if self.targets.max() <= 1 and abs(total - 1) > ROUNDING:
            raise DomainError(
                f"targets of {_of(self.columns)} are shares, none of them above 1, and must add up to 1; they add up "
                f"to {total:g}: is a label missing? Counts may be given in their place"
            )


def margins_of(targets: Any, population: str = "population") -> list[Margin]:
    """The margins of a mapping from columns to their targets, all of one total.

    Raises
    ------
    DomainError
        If it is no such mapping, or the totals differ.
    """
    if not isinstance(targets, Mapping) or not targets:
        raise DomainError(f"targets must map a column, or several, to the targets of its labels, got {targets!r:.80}")
    margins = [Margin.of(by, told, population) for by, told in targets.items()]
    of_one_total(margins)
    return margins


def of_one_total(margins: Sequence[Margin]) -> None:
    """Refuse margins that cannot be of one population."""
    totals = [float(margin.targets.sum()) for margin in margins]
    if max(totals) - min(totals) > ROUNDING * max(totals):
        listed = ", ".join(f"{total:,g} for {_of(one.columns)}" for one, total in zip(margins, totals, strict=True))
        raise DomainError(
            f"targets must be of one population, so that their totals agree; they add up to {listed}: give all as "
            "counts of the same customers, or all as shares"
        )


def named(label: tuple[Any, ...]) -> str:
    """A label as it reads in a sentence.

    >>> named(("north", 30)), named(("north",))
    ("('north', 30)", "'north'")
    """
    return repr(label if len(label) > 1 else label[0])


def _of(columns: tuple[str, ...]) -> str:
    return " and ".join(map(repr, columns))


def _rows_of(columns: tuple[str, ...], targets: Any, population: str) -> list[tuple[Any, Any]]:
    try:
        frame, _ = enter(targets)
    except SchemaError as error:
        raise DomainError(
            f"targets of {_of(columns)} must be a mapping from labels to numbers, or a frame; got "
            f"{type(targets).__name__}"
        ) from error
    require(frame, [*columns, population], purpose="targets")
    table = collect(frame.select(*(nw.col(name) for name in [*columns, population])))
    labels = zip(*(map(plain, table[name]) for name in columns), strict=True)
    return list(zip(labels, map(plain, table[population]), strict=True))


def _label_of(columns: tuple[str, ...], key: Any) -> tuple[Any, ...]:
    label = tuple(map(plain, key)) if isinstance(key, tuple) else (plain(key),)
    if len(label) != len(columns) or None in label:
        wanted = f"a tuple with a label for each of {_of(columns)}" if columns[1:] else f"a label of {_of(columns)}"
        raise DomainError(f"targets must name {wanted}; found {key!r}")
    return label


def _number(columns: tuple[str, ...], key: Any, number: Any) -> float:
    try:
        value = float(number)
    except (TypeError, ValueError):
        value = float("nan")
    if not 0 <= value < float("inf"):
        raise DomainError(
            f"the target of {named(key if isinstance(key, tuple) else (key,))} of {_of(columns)} must be a finite "
            f"number, 0 or more, got {number!r}"
        )
    return value
