"""Groups: which there are, and how their table leaves in the caller's library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.errors import DomainError
from custrel.frames import leave

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Groups"]


@dataclass(frozen=True, eq=False)
class Groups:
    """Labels of groups, and the library of their table.

    Parameters
    ----------
    labels
        A column for each thing that makes a group, ``(size,)`` each.
    size
        How many groups there are; one without labels is that of all.

    Examples
    --------
    >>> groups = Groups({"region": np.array(["north", "south"], dtype=object)}, 2)
    >>> groups.number_of({"region": np.array(["south", "north", "south"], dtype=object)})
    array([1, 0, 1])
    """

    labels: Mapping[str, NDArray[Any]]
    size: int

    def number_of(self, labels: Mapping[str, NDArray[Any]]) -> NDArray[np.intp]:
        """Number of the group of each row, of rows whose groups are all there."""
        import pandas as pd

        rows = max((column.size for column in labels.values()), default=0)
        code = np.zeros(self.size + rows, dtype=np.int64)
        for name, known in self.labels.items():
            both = np.concatenate([known.astype(object), labels[name].astype(object)])
            codes, distinct = pd.factorize(both, use_na_sentinel=False)
            # Combined codes are made small again, so that many columns do not overflow.
            code = np.unique(code * (len(distinct) + 1) + codes, return_inverse=True)[1].reshape(-1)
        order = np.argsort(code[: self.size], kind="stable")
        return order[np.searchsorted(code[: self.size], code[self.size :], sorter=order)]

    def refuse(self, names: Sequence[str]) -> None:
        """Refuse labels that bear the name of a column of answers."""
        if taken := [name for name in self.labels if name in names]:
            raise DomainError(f"by={taken[0]!r} is a name of the answer's own columns: rename that column")


def leave_groups(parts: Sequence[tuple[Groups, Mapping[str, NDArray[Any]]]], like: str) -> Any:
    """Tables of groups under each other as a frame of the caller's library; a label that a part lacks is missing."""
    names = list(parts[0][0].labels)
    labels = {
        name: np.concatenate([groups.labels.get(name, np.full(groups.size, None, dtype=object)) for groups, _ in parts])
        for name in names
    }
    columns = {name: np.concatenate([columns[name] for _, columns in parts]) for name in parts[0][1]}
    table = {**labels, **columns}
    return leave(table, like=like, missing=[name for name, values in table.items() if values.dtype.kind == "f"])
