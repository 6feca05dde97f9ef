r"""Key drivers: with what does satisfaction go together, and how well do we do there?

The outcome, such as the likelihood to recommend, is regressed on ratings of what may drive it, and the share of its
variance that is explained is divided among them (`custrel.stats.importance_of_predictors`): their *importance*. Beside
it stands their *performance*, the mean rating from 0 to 1. The two means cut the plane into four [1]_: *concentrate
here* (important, and we do badly), *keep up*, *low priority* and *possible overkill* (we do well where it matters
little).

All this is association, not cause: who is content says good things of everything, and a rating that explains much of
the answers need not move them when it is raised.

References
----------
.. [1] Martilla, J. A., & James, J. C. (1977). Importance-Performance Analysis. Journal of Marketing 41(1), 77-79.
   https://doi.org/10.1177/002224297704100112
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.checked import checked_count, checked_level, checked_number
from custrel.errors import DomainError, PromiseError, one_of
from custrel.feedback.drivers.ratings import cross_products_of, ratings_of, samples_of
from custrel.feedback.reading.question import Scale
from custrel.frames import leave
from custrel.stats.importance_of_predictors import IMPORTANCE, MOST_OF_LMG, variance_inflation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from custrel.feedback.drivers.ratings import Ratings
    from custrel.stats.cross_products import CrossProducts
    from custrel.stats.estimate import Array

__all__ = ["NOTE", "key_drivers"]

NOTE = "association, not cause"
"""What every row of the result says."""

_COLUMNS = (
    *("driver", "value", "low", "high", "share", "performance", "quadrant", "correlation", "slope", "n", "r_squared"),
    *("excluded_missing", "importance_cut", "performance_cut", "method", "note"),
)
_NOTHING = 1e-20  # of the outcome's variance: rounding
_HIGHEST_VIF = 1e8  # beyond it slopes are rounding


def key_drivers(
    answers: Any,
    outcome: str = "score",
    drivers: Sequence[str] = (),
    *,
    method: str = "relative_weights",
    interval: str | None = "bootstrap",
    level: float = 0.95,
    repeats: int = 1000,
    scale: tuple[float, float] | Mapping[str, tuple[float, float]] | None = None,
    weight: str | None = None,
    customer_id: str | None = "customer_id",
    missing: str = "raise",
    max_vif: float = 10.0,
    seed: int = 0,
) -> Any:
    r"""How much of the outcome's variance goes with each driver, and how well we do on it.

    Parameters
    ----------
    answers
        A frame of any library with a row for each answer, or a log with survey responses.
    outcome
        Column of what is to be explained.
    drivers
        Columns of what may drive it: numbers or flags, more being better. Turn round one of which less is better.
    method
        ``"relative_weights"`` [1]_, for any number of drivers, or ``"lmg"`` [2]_ [3]_, the mean gain over all orders,
        for 15 drivers at most. They seldom differ by much.
    interval
        ``"bootstrap"``, or None for none.
    level
        Level of the interval.
    repeats
        How many samples the bootstrap draws.
    scale
        Lowest and highest rating that was offered, for all drivers or by driver: performance is the mean from 0 to 1
        of it. Where it is not given, from the lowest to the highest rating seen, which depends on who answered.
    weight
        Column that says for how many customers an answer stands.
    customer_id
        Column that says who answered: the bootstrap then draws customers with all their answers. A column
        ``customer_id`` is taken where there is one; None: each answer is somebody else's.
    missing
        What to do with rows in which the outcome or a driver is missing: ``"raise"``, or ``"drop"`` to leave these rows
        out, counted.
    max_vif
        The greatest variance inflation factor of a driver that is let pass.
    seed
        Seed of the bootstrap.

    Returns
    -------
    A frame of the caller's library, the most important driver first: driver; value, low and high (the share of the
    outcome's variance that goes with it, and its interval); share (of :math:`R^2`: they sum to 1); performance (from 0
    to 1); quadrant; correlation (with the outcome); slope (points of the outcome for one of the driver, the others
    held); n; r_squared; excluded_missing; importance_cut and performance_cut (the means that part the quadrants; on a
    cut is above it); method; and note, ``"association, not cause"``.

    Raises
    ------
    SchemaError
        If a column is missing or does not hold numbers.
    PromiseError
        If values are missing (unless ``missing="drop"``) or infinite, ratings lie off the scale, or a weight is none.
    DomainError
        If a column is named twice, a driver or the outcome is constant, there are too few answers, drivers tell nearly
        the same (the variance inflation factors are named), or an argument is none of those above.

    Notes
    -----
    Sums and cross products are made where the data live, in two passes. The bootstrap needs more: of known customers,
    the columns come over; else the rows that differ, with their numbers. In a sample where a driver is constant it
    explains nothing. Bounds are quantiles of the samples, moved to hold the value where they do not. As
    a value is never below 0, an interval above 0 does not prove that a driver matters; few answers and many drivers
    explain much by chance.

    References
    ----------
    .. [1] Johnson, J. W. (2000). A Heuristic Method for Estimating the Relative Weight of Predictor Variables in
       Multiple Regression. Multivariate Behavioral Research 35(1), 1-19. https://doi.org/10.1207/S15327906MBR3501_1
    .. [2] Lindeman, R. H., Merenda, P. F., & Gold, R. Z. (1980). Introduction to Bivariate and Multivariate Analysis.
       Scott, Foresman.
    .. [3] Grömping, U. (2006). Relative Importance for Linear Regression in R: The Package relaimpo. Journal of
       Statistical Software 17(1). https://doi.org/10.18637/jss.v017.i01

    Examples
    --------
    The score is 4 + 2 staff + price and nothing else, and the drivers have nothing to do with each other: of its
    variance, four fifths go with staff.

    >>> import pandas as pd
    >>> df = pd.DataFrame({"staff": [1, 1, 3, 3] * 2, "price": [3, 5, 3, 5] * 2})
    >>> df["score"] = 4 + 2 * df["staff"] + df["price"]
    >>> found = key_drivers(df, drivers=["price", "staff"], scale=(1, 5), repeats=200)
    >>> found[["driver", "value", "performance", "quadrant", "slope"]]
      driver  value  performance           quadrant  slope
    0  staff    0.8         0.25   concentrate here    2.0
    1  price    0.2         0.75  possible overkill    1.0
    """
    drivers = _checked_drivers(outcome, drivers, method)
    one_of("missing", missing, ["raise", "drop"])
    one_of("interval", interval, ["bootstrap", None])
    bootstrap = _Bootstrap(
        checked_level(level), checked_count("repeats", repeats), checked_count("seed", seed, least=0)
    )
    ends = _ends(drivers, scale)
    ratings = ratings_of(answers, [*drivers, outcome], weight=weight, customer_id=customer_id, drop=missing == "drop")
    _refuse_off_scale(ratings, ends)
    sums = cross_products_of(ratings)
    _refuse_alike(drivers, sums, max_vif)
    value = _importance(sums, method)
    low, high = _bounds(ratings, value, method, bootstrap) if interval else np.full((2, value.size), np.nan)
    found = {"value": value, "low": low, "high": high, **_divided(value), **_described(ratings, sums, ends)}
    counts = {"n": ratings.n, "excluded_missing": ratings.excluded, "method": method, "note": NOTE}
    same = {
        name: np.full(value.size, one, dtype=object if isinstance(one, str) else None) for name, one in counts.items()
    }
    columns = {"driver": np.array(drivers, dtype=object), **found, **_quadrants(value, found["performance"]), **same}
    order = np.argsort(-value, kind="stable")
    missing_where = ["low", "high", "share"]
    return leave({name: columns[name][order] for name in _COLUMNS}, like=ratings.like, missing=missing_where)


@dataclass(frozen=True)
class _Bootstrap:
    level: float
    repeats: int
    seed: int


# -- what was asked ----------------------------------------------------------------------------------------------------


def _checked_drivers(outcome: str, drivers: Sequence[str], method: str) -> list[str]:
    one_of("method", method, IMPORTANCE)
    if isinstance(drivers, str) or not len(drivers):
        raise DomainError(f"drivers must be a list of one column or more, such as ['price', 'staff'], got {drivers!r}")
    drivers = list(drivers)
    if outcome in drivers:
        raise DomainError(f"outcome={outcome!r} is among the drivers: it cannot explain itself")
    if twice := [name for place, name in enumerate(drivers) if name in drivers[:place]]:
        raise DomainError(f"drivers name {twice[0]!r} twice")
    if method == "lmg" and len(drivers) > MOST_OF_LMG:
        raise DomainError(
            f"method='lmg' goes through all 2^{len(drivers)} sets of {len(drivers)} drivers, and takes {MOST_OF_LMG} "
            "at most: use method='relative_weights', or fewer drivers"
        )
    return drivers


def _ends(
    drivers: Sequence[str], scale: tuple[float, float] | Mapping[str, tuple[float, float]] | None
) -> dict[str, tuple[float, float]]:
    """The scale of each driver that has a declared one."""
    declared = scale if isinstance(scale, Mapping) else {} if scale is None else dict.fromkeys(drivers, scale)
    if unknown := [name for name in declared if name not in drivers]:
        raise DomainError(f"scale names {unknown[0]!r}, which is none of the drivers {drivers!r}")
    scales = {name: Scale(ends, whole=False) for name, ends in declared.items()}
    return {name: (one.low, one.high) for name, one in scales.items()}


def _refuse_off_scale(ratings: Ratings, ends: Mapping[str, tuple[float, float]]) -> None:
    for name, low, high in zip(ratings.names, ratings.low, ratings.high, strict=True):
        least, most = ends.get(name, (low, high))
        if low < least or high > most:
            raise PromiseError(
                f"driver {name!r} must lie on its scale from {least:g} to {most:g}; found {low:g} to {high:g}: say "
                "which scale was offered by scale=(lowest, highest)"
            )


def _refuse_alike(drivers: Sequence[str], sums: CrossProducts, max_vif: float) -> None:
    """Refuse drivers of which each tells nearly what others tell."""
    if not 1 <= checked_number("max_vif", max_vif) <= _HIGHEST_VIF:
        raise DomainError(f"max_vif must lie between 1 and {_HIGHEST_VIF:g}, got {max_vif:g}")
    R = sums.correlations()[:-1, :-1]
    factors = variance_inflation(R)
    alike = [place for place in np.argsort(-factors, kind="stable").tolist() if factors[place] > max_vif]
    if not alike:
        return
    figures = ", ".join(f"{drivers[place]!r} ({_figure(factors[place])})" for place in alike)
    eigenvalues = np.linalg.eigvalsh(R)
    condition = np.sqrt(eigenvalues[-1] / max(eigenvalues[0], 1e-15))
    raise DomainError(
        "drivers tell nearly the same as others do, so what goes with each cannot be told apart. Variance inflation "
        f"factors above max_vif={max_vif:g}: {figures}; condition number {_figure(condition)}. Leave one of them out, "
        "take their mean, or raise max_vif"
    )


def _figure(value: float) -> str:
    return f"{value:.1f}" if value < 1e6 else "above a million"


# -- what was found ----------------------------------------------------------------------------------------------------


def _described(ratings: Ratings, sums: CrossProducts, ends: Mapping[str, tuple[float, float]]) -> dict[str, Array]:
    """Performance, correlation and slope of each driver."""
    correlations, deviation = sums.correlations(), np.sqrt(np.diag(sums.covariance())) * ratings.range
    R, r = correlations[:-1, :-1], correlations[:-1, -1]
    seen = zip(ratings.names, ratings.low, ratings.high, strict=True)
    low, high = np.array([ends.get(name, (least, most)) for name, least, most in seen][:-1]).T
    return {
        "performance": np.clip((ratings.mean[:-1] - low) / (high - low), 0, 1),
        "correlation": r,
        "slope": np.linalg.solve(R, r) * deviation[-1] / deviation[:-1],
    }


def _importance(sums: CrossProducts, method: str) -> Array:
    correlations = sums.correlations()
    return IMPORTANCE[method](correlations[..., :-1, :-1], correlations[..., :-1, -1])


def _divided(value: Array) -> dict[str, Array]:
    """What is explained in all, and the share of each driver in it; of nothing there are no shares."""
    total = value.sum()
    share = value / total if total > _NOTHING else np.full(value.size, np.nan)
    return {"share": share, "r_squared": np.full(value.size, total)}


def _bounds(ratings: Ratings, value: Array, method: str, interval: _Bootstrap) -> tuple[Array, Array]:
    drawn = _importance(samples_of(ratings, repeats=interval.repeats, seed=interval.seed), method)
    low, high = np.quantile(drawn, [0.5 - interval.level / 2, 0.5 + interval.level / 2], axis=0)
    return np.minimum(low, value), np.maximum(high, value)


def _quadrants(value: Array, performance: Array) -> dict[str, NDArray[Any]]:
    """In which of the four fields a driver lies, and where these meet; on a line is above it."""
    cuts = value.mean(), performance.mean()
    important, good = (of >= cut - 1e-9 * abs(cut) for of, cut in zip((value, performance), cuts, strict=True))
    quadrant = np.where(
        important,
        np.where(good, "keep up", "concentrate here"),
        np.where(good, "possible overkill", "low priority"),
    )
    return {
        "quadrant": quadrant.astype(object),
        "importance_cut": np.full(value.size, cuts[0]),
        "performance_cut": np.full(value.size, cuts[1]),
    }
