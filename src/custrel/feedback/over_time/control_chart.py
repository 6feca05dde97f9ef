r"""Control chart: did the score of a month move by more than chance?

The values of the periods scatter around their common one, the *centre*, few answers more than many. Of m answers with
the variance :math:`s^2` of one, a value lies within :math:`3 s / \sqrt m` of the centre in all but 3 of 1,000 periods
[1]_; what lies outside is a *signal*, and so are eight periods in a row on one side [2]_. The variance of an answer is
pooled over the periods: :math:`p_P + p_D - (p_P - p_D)^2` for promoters less detractors, :math:`p (1 - p)` for a share.

Answers of one month are more alike than chance would have it, for something moves from month to month that is no news.
With thousands of answers every month would be a signal. So the limits are widened by Laney's :math:`\sigma_z` [3]_, the
mean distance of neighbouring z-scores by its expectation for independent normal ones, :math:`2 / \sqrt\pi`.

References
----------
.. [1] Shewhart, W. A. (1931). Economic Control of Quality of Manufactured Product. Van Nostrand.
.. [2] Western Electric Company (1956). Statistical Quality Control Handbook.
.. [3] Laney, D. B. (2002). Improved Control Charts for Attributes. Quality Engineering 14(4), 531-537.
   https://doi.org/10.1081/QEN-120006555
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.checked import checked_count, checked_number
from custrel.errors import DomainError, one_of
from custrel.feedback.over_time.periods import ENDS, Series, read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from custrel.stats.estimate import Array

__all__ = ["control_chart", "over_dispersion_of", "widening"]


def control_chart(
    periods: Any,
    by: str | Sequence[str] = (),
    *,
    limits: float = 3.0,
    over_dispersion: bool | str = "auto",
    run: int | None = 8,
    baseline: int | None = None,
    kind: str | None = None,
) -> Any:
    """Control chart of a score over its periods, for each group.

    Parameters
    ----------
    periods
        What `nps`, `csat`, `ces` or `review_score` return with ``every=...``, in any library: one row for each period
        of each group. It is the table and not the answers, so that whatever way they were read, weighted and clustered
        is that of the table. Another table wants the columns period (dates or numbers), value and n, and a `kind`.
    by
        Columns of the groups; each has a chart of its own.
    limits
        How many standard errors from the centre the limits lie.
    over_dispersion
        ``"auto"``: limits are widened by Laney's factor where it is above 1; True: it is taken below 1, too; False: it
        is told, but not taken.
    run
        So many neighbouring periods on one side of the centre are a signal; None: they are not.
    baseline
        From how many of the first periods with answers the centre and the limits are made; all if not given.
    kind
        ``"nps"``, ``"share"`` or ``"mean"``; told by the table's columns if not given.

    Returns
    -------
    A frame of the caller's library, in the order of groups and periods, with the columns of the groups, period, value,
    low and high (the interval of the value, where the table has it), centre, lower and upper (the limits), n, z
    (standard errors from the centre, widened as the limits are), signal (``"above"`` or ``"below"`` the limits,
    ``"run above"`` or ``"run below"`` the centre from the period on that completes the run, else empty),
    over_dispersion (Laney's factor as found), widened_by (as taken) and kind. A period without answers has no value, no
    limits and no signal, and ends a run; so does a period that is not in the table. A group with answers in one period
    only has no limits.

    Raises
    ------
    SchemaError
        If a column is missing, or holds something else.
    DomainError
        If no group has answers in two periods, a period stands twice in a group, or an argument is none of those above.

    Notes
    -----
    The size of a period is its n_effective, where the table has that. Limits are normal ones: of shares near 0 or 1,
    with few answers, they promise too much. If all answers are alike, nothing says how they scatter: z and
    over_dispersion are missing.

    Examples
    --------
    >>> import pandas as pd
    >>> months = pd.DataFrame({"period": [1, 2, 3, 4], "value": [0.5, 0.6, 0.5, 0.8], "n": [100, 100, 100, 100]})
    >>> chart = control_chart(months, kind="share", over_dispersion=False)
    >>> chart[["value", "centre", "lower", "upper", "z", "signal"]].round(3)  # 0.6 ± 3 sqrt(0.6 * 0.4 / 100)
       value  centre  lower  upper      z signal
    0    0.5     0.6  0.453  0.747 -2.041
    1    0.6     0.6  0.453  0.747  0.000
    2    0.5     0.6  0.453  0.747 -2.041
    3    0.8     0.6  0.453  0.747  4.082  above
    >>> round(float(chart["over_dispersion"].iloc[0]), 3)  # 2.041, 2.041 and 6.124 apart, in the mean 3.402, by 1.128
    3.015
    """
    if checked_number("limits", limits) == 0:
        raise DomainError("limits must lie above 0, got 0")
    one_of("over_dispersion", over_dispersion, ["auto", True, False])
    run = run if run is None else checked_count("run", run, least=2)
    first = baseline if baseline is None else checked_count("baseline", baseline, least=2)
    table = read(periods, by, kind, purpose="a control chart")
    charts = [_chart(one, limits, run, first, over_dispersion=over_dispersion) for one in table.series]
    ahead, behind = (
        {name: np.concatenate([chart[name] for chart in charts]) for name in names}
        for names in (("centre", "lower", "upper"), ("z", "signal", "over_dispersion", "widened_by"))
    )
    shown = {name: table.columns[name] for name in ("value", "low", "high") if name in table.columns}
    return table.leave(
        shown | ahead | {"n": table.n} | behind | {"kind": np.full(table.n.size, table.kind, dtype=object)}
    )


# -- the chart ---------------------------------------------------------------------------------------------------------


def _chart(
    series: Series, limits: float, run: int | None, first: int | None, *, over_dispersion: bool | str
) -> dict[str, NDArray[Any]]:
    """The columns of one group's chart."""
    among = series.known & (np.cumsum(series.known) <= (first or series.known.size))
    enough = among.sum() >= 2
    centre, spread = series.pooled(among) if enough else (np.nan, np.nan)
    error = np.sqrt(spread / series.size)
    z = np.divide(series.value - centre, error, out=np.full(error.shape, np.nan), where=error > 0)
    found = over_dispersion_of(np.where(among, z, np.nan), series.follows)
    factor = widening(found, asked=over_dispersion)
    reach, known = limits * factor * error, np.where(series.known, centre, np.nan)
    ends, size = ENDS[series.kind], series.value.size
    return {
        "centre": known,
        "lower": np.clip(known - reach, *ends),
        "upper": np.clip(known + reach, *ends),
        "z": z / factor,
        "signal": _signals(z / factor, series.follows, limits, run),
        "over_dispersion": np.full(size, found),
        "widened_by": np.full(size, factor if enough else np.nan),
    }


def over_dispersion_of(z: Array, follows: NDArray[np.bool_]) -> float:
    r"""Laney's :math:`\sigma_z = \overline{|z_i - z_{i-1}|} \sqrt\pi / 2`, over neighbours; NaN if there are none

    >>> round(over_dispersion_of(np.array([1.0, -1.0, 2.0]), np.array([False, True, True])), 6)  # 2.5 / 1.128379
    2.215567
    """
    steps = np.abs(np.diff(z))[follows[1:] & ~np.isnan(np.diff(z))]
    return float(steps.mean() * np.sqrt(np.pi) / 2) if steps.size else float("nan")


def widening(found: float, *, asked: bool | str) -> float:
    """By how much errors grow: as found, where that is asked for and known; ``"auto"``, where it is above 1.

    >>> [widening(found, asked="auto") for found in (1.4, 0.8, float("nan"))], widening(0.8, asked=True)
    ([1.4, 1.0, 1.0], 0.8)
    """
    least = 1.0 if asked == "auto" else 0.0
    return found if asked and found > least else 1.0


def _signals(z: Array, follows: NDArray[np.bool_], limits: float, run: int | None) -> NDArray[Any]:
    side, words = np.nan_to_num(np.sign(z)), np.full(z.size, "", dtype=object)
    if run:
        again = np.concatenate([[False], (side[1:] == side[:-1]) & (side[1:] != 0)]) & follows
        since = np.maximum.accumulate(np.where(again, 0, np.arange(z.size)))
        long = (np.arange(z.size) - since + 1 >= run) & (side != 0)
        words[long & (side > 0)], words[long & (side < 0)] = "run above", "run below"
    words[z > limits], words[z < -limits] = "above", "below"
    return words
