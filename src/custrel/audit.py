"""Audit: what was read, what was kept, and for every row that was not, why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from custrel.frames import leave

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Audit", "Finding"]


@dataclass(frozen=True)
class Finding:
    """One reason, how many rows it concerns, and some of them.

    Parameters
    ----------
    reason
        What is wrong with the rows.
    rows
        How many.
    examples
        Up to three of them.

    Examples
    --------
    >>> print(Finding("customer_id is missing", 2, ({"amount": 3.0},)))
    customer_id is missing: 2 rows, such as {'amount': 3.0}
    """

    reason: str
    rows: int
    examples: tuple[Mapping[str, Any], ...] = ()

    def __str__(self) -> str:
        such = f", such as {self.examples[0]}" if self.examples else ""
        return f"{self.reason}: {self.rows:,} row{'s' if self.rows != 1 else ''}{such}"


@dataclass(frozen=True)
class Audit:
    """What happened at the door of a log.

    A row that breaks two promises counts under both reasons, and once in `dropped`.

    Parameters
    ----------
    read, kept
        Rows that came, rows that stayed.
    findings
        Reasons with their counts and examples.
    notes
        What was settled without touching a row, in words.

    Examples
    --------
    >>> audit = Audit(read=10, kept=8, findings=(Finding("customer_id is missing", 2),))
    >>> audit.counts, audit.dropped
    ({'customer_id is missing': 2}, 2)
    >>> print(audit)
    10 rows read, 8 kept, 2 dropped
      customer_id is missing: 2 rows
    """

    read: int
    kept: int
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def dropped(self) -> int:
        """Rows that did not stay."""
        return self.read - self.kept

    @property
    def counts(self) -> dict[str, int]:
        """Rows by reason."""
        return {finding.reason: finding.rows for finding in self.findings}

    def __str__(self) -> str:
        head = f"{self.read:,} rows read, {self.kept:,} kept, {self.dropped:,} dropped"
        return "\n".join([head, *(f"  {line}" for line in (*self.findings, *self.notes))])

    def __add__(self, other: Self) -> Self:
        findings = {finding.reason: finding for finding in self.findings}
        for finding in other.findings:
            before = findings.get(finding.reason, Finding(finding.reason, 0))
            examples = (*before.examples, *finding.examples)[:3]
            findings[finding.reason] = Finding(finding.reason, before.rows + finding.rows, examples)
        notes = tuple(dict.fromkeys((*self.notes, *other.notes)))
        return type(self)(self.read + other.read, self.kept + other.kept, tuple(findings.values()), notes)

    def to_frame(self, *, like: str = "pandas") -> Any:
        """Reasons and counts, a row each.

        Parameters
        ----------
        like
            The library of the frame.
        """
        reasons = np.array([finding.reason for finding in self.findings], dtype=object)
        return leave(
            {"reason": reasons, "rows": np.array([finding.rows for finding in self.findings], dtype=np.int64)},
            like=like,
        )
