"""Redrawn: how a difference of two waves moves when those who answered are drawn again from those who did."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from custrel.feedback.reading.measured import REPEATS, Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from custrel.feedback.differences.waves import Waves
    from custrel.stats.estimate import Array

__all__ = ["redrawn"]

_CELLS = 4_000_000  # of a block of repeats: memory stays bounded


def redrawn(waves: Waves, mark: Callable[[Mapping[str, Array]], Array], how: Interval) -> tuple[Array, Array, Array]:
    """Bounds and p of the bootstrap: customers of both waves are drawn with both, the waves apart if there are none."""
    low, high, p = np.full((3, waves.groups.size), np.nan)
    group, rows = _side_by_side(waves, mark)
    rng, both = np.random.default_rng(how.seed), waves.customers_in_both()
    edges = np.searchsorted(group, np.arange(waves.groups.size + 1))
    for one, (start, end) in enumerate(pairwise(edges)):
        here = rows[start:end]
        of_before, of_after = here[:, 2] > 0, here[:, 4] > 0
        if not (of_before.any() and of_after.any()):
            continue
        crowds = [here] if both[one] else [here[of_before], here[~of_before]]
        sums = np.sum([np.concatenate(list(_sums(crowd, rng))) for crowd in crowds], axis=0)
        with np.errstate(invalid="ignore"):  # a draw without anybody of a wave
            moved = sums[:, 2] / sums[:, 3] - sums[:, 0] / sums[:, 1]
        moved = moved[np.isfinite(moved)]
        low[one], high[one] = np.quantile(moved, [how.tail, 1 - how.tail])
        p[one] = min(1.0, 2 * (1 + min(np.sum(moved <= 0), np.sum(moved >= 0))) / (1 + moved.size))
    return low, high, p


def _side_by_side(waves: Waves, mark: Callable[[Mapping[str, Array]], Array]) -> tuple[NDArray[np.intp], Array]:
    """Group, and number, S and W before, S and W after of each unit; those alike in one row, group by group."""
    tables = []
    for place, (units, both) in enumerate(zip((waves.before, waves.after), waves.both, strict=True)):
        table = np.zeros((units.k.size, 6))
        table[:, 0], table[:, 1] = units.group, units.k
        table[:, 2 + 2 * place], table[:, 3 + 2 * place] = mark(units.marks), units.w
        tables.append((table, both))
    (first, one), (second, other) = tables
    first[one, 4:] = second[other, 4:]
    whole = np.concatenate([first, np.delete(second, other, axis=0)])
    alike, which = np.unique(whole[:, [0, 2, 3, 4, 5]], axis=0, return_inverse=True)
    k = np.bincount(which.reshape(-1), weights=whole[:, 1], minlength=len(alike))
    return alike[:, 0].astype(np.intp), np.column_stack([k, alike[:, 1:]])


def _sums(crowd: Array, rng: np.random.Generator) -> Iterator[Array]:
    """Sums of units drawn again, block by block."""
    units, at_once = int(crowd[:, 0].sum()), max(1, _CELLS // len(crowd))
    for begun in range(0, REPEATS, at_once):
        drawn = rng.multinomial(units, crowd[:, 0] / units, size=min(at_once, REPEATS - begun))
        yield drawn @ crowd[:, 1:]
