r"""Forecast: how many purchases will customers make within a horizon, each of them and groups in total?

Two things are not known: the parameters of the law, of which there are draws, and chance, by which customers with the
same parameters buy more or less. The forecast is the distribution of the number of purchases over both.

Of one customer it is the mean over the draws of the probabilities of n purchases. Nothing of chance is drawn by lot.
In each draw customers are independent, so that the total of a group has a distribution of its own: the convolution of
theirs. Where their total is so skew that its third cumulant is above half the cube of its standard deviation (a few
customers, or a short horizon), it is convolved, by Fourier transforms. Elsewhere the first three cumulants, which add
up, say all: a shifted gamma distribution (Pearson's type III) has the same ones, and its error is below 0.003 of
probability. The distribution over both is then the mean over the draws, in each of which all customers move together.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import gammainc

from custrel.checked import checked_level
from custrel.clv.doubt import CELLS, checked_customers, drawn_from, kind_of, refuse_shared_rows, shared_rows
from custrel.clv.groups import grouped
from custrel.clv.horizon import horizon_in
from custrel.errors import DomainError
from custrel.frames import leave

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from custrel.clv.doubt import Drawn
    from custrel.clv.groups import Groups
    from custrel.history import History
    from custrel.stats.estimate import Array

__all__ = ["forecast"]

STEP = 16  # numbers of purchases asked about at a time
SUMS = 1 << 20  # draws x groups held at a time
REST = 1e-7  # of probability: what may be left out
SKEW = 0.5  # of a total: beyond it customers are convolved
TIE = 1e-12  # of probability: as near as rounding comes


def forecast(
    fit: Any,
    h: History,
    horizon: float | str,
    *,
    level: float = 0.9,
    draws: int = 200,
    seed: int = 0,
    by: Any = None,
) -> Any:
    """How many purchases will be made within the horizon, by each customer or by groups of them in total.

    The interval holds the doubt about the parameters and the chance in the purchases. Low and high are whole numbers,
    so that an interval holds the number that comes with a probability of `level` at least: for a customer who hardly
    buys, with much more. What is expected, and how far that may be off, is asked of `predict`.

    Parameters
    ----------
    fit
        A `Fit` of a law of purchases, whose parameters are drawn by Laplace's approximation, or a `Posterior`, whose
        own draws are taken.
    h
        The history. A customer's figures, and a group's, do not depend on who else is asked about.
    horizon
        How long after T, in the unit of the history, or a duration such as ``"365D"``.
    level
        The probability that the number of purchases lies between low and high, bounds included: as little of the rest
        below as above.
    draws, seed
        How many draws of the parameters, and where they start; a `Posterior` has its own. As chance is added up and
        not drawn, few will do: the bounds of a total move with the seed by a thirtieth of their distance.
    by
        None for a row for each customer. For totals: ``"all"``; or labels, one for each customer in the history's
        order; or several by name, as ``{"channel": ..., "year": ...}``.

    Returns
    -------
    Frame of the history's library, a row for each customer: customer_id, value, low, high; or for each group: its
    label under ``group`` or the names given, n (its customers), value, low, high. The value is the expected number at
    the fitted parameters, of a posterior the mean over its draws.

    Raises
    ------
    DomainError
        If the fit is none of a law of purchases, the horizon is not one number, or the labels do not fit.

    Notes
    -----
    Time goes with draws x distinct histories x numbers of purchases: CDNOW's customers take 3 seconds under the BG/NBD,
    their total 7, and a small group, which is convolved by itself, 0.2; the Pareto/NBD takes twice as long, and a law
    that knows no probabilities but by futures, the Pareto/GGG, far too long for more than a few draws. Memory grows
    with the customers' own columns only.

    Examples
    --------
    >>> from custrel import clv
    >>> from custrel.datasets import cdnow_summary
    >>> h = cdnow_summary()
    >>> fit = clv.BGNBD.fit(h)
    >>> forecast(fit, h.take([0, 1]), 39).round(2)
      customer_id  value  low  high
    0       00004   1.23    0     4
    1       00018   0.20    0     1
    >>> forecast(fit, h, 39, by="all", draws=50).round(0)
      group     n   value   low  high
    0   all  2357  1653.0  1517  1828
    """
    checked_customers(h, asked="forecast")
    level, drawn = checked_level(level), drawn_from(fit, draws, seed, asked="forecast")
    if not hasattr(kind_of(drawn.law), "probability"):
        raise DomainError(f"forecast needs a fit of a law of purchases, got one of {kind_of(drawn.law).__name__}")
    t = horizon_in(h, horizon)
    if np.ndim(t):
        raise DomainError(f"horizon must be one number or duration, got an array of shape {np.shape(t)}")
    tails = (1 - level) / 2, (1 + level) / 2
    if by is None:
        refuse_shared_rows(h)
        shared, place = shared_rows(drawn.law, h)
        low, high = _of_each(drawn.law, shared, t, tails)[:, place]
        columns: dict[str, Any] = {"customer_id": h.customer_id, "value": _expected(drawn, shared, t)[place]}
        return leave({**columns, "low": low, "high": high}, like=h.like)
    groups = grouped(by, len(h))
    value, low, high = _of_groups(drawn, h, groups, t, tails)
    bounds = {"low": low.astype(np.int64), "high": high.astype(np.int64)}
    return leave({**groups.columns(h.weights), "value": value, **bounds}, like=h.like)


def _expected(drawn: Drawn, h: History, t: Any) -> Array:
    """What is expected of each row: at the fitted parameters, of a posterior on average."""
    law, found = drawn.law if drawn.fitted is None else drawn.fitted, np.empty(len(h))
    for rows, some in _blocks(h, drawn.draws):
        found[rows] = np.atleast_2d(law.expected_purchases(some, t)).mean(axis=0)
    return found


def _blocks(h: History, cells: int) -> Iterator[tuple[slice, History]]:
    """Some rows at a time, each of so many cells."""
    size = max(1, CELLS // cells)
    for start in range(0, len(h), size):
        rows = slice(start, start + size)
        yield rows, h.take(rows)


def _chances(law: Any, h: History, t: Any, rest: float = REST) -> Iterator[tuple[NDArray[np.intp], Array]]:
    """Numbers n of purchases, from 0 on, and their probabilities ``(n, draws, rows)``, until hardly any is left."""
    alive = law.p_alive_now(h)
    if_alive = law.expected_purchases(h, t) / np.where(alive > 0, alive, 1.0)
    seen = np.zeros(())
    for start in itertools.count(0, STEP):
        n = start + np.arange(STEP)
        chances = law.probability(n.reshape(-1, 1, 1), h, t)
        yield n, chances
        more = chances.sum(axis=0)
        seen = seen + more
        if np.all((seen > 1 - rest) | ((more < rest) & (n[-1] > if_alive))):  # rounding may lose a little
            return


def _of_each(law: Any, h: History, t: Any, tails: tuple[float, float]) -> NDArray[np.int64]:
    """The smallest numbers of purchases that are not exceeded with the probabilities of both tails."""
    found = np.zeros((2, len(h)), dtype=np.int64)
    for rows, some in _blocks(h, STEP * _draws(law)):
        seen = np.zeros(len(some))
        for _, chances in _chances(law, some, t, rest=TIE):
            below = seen + np.cumsum(chances.mean(axis=1), axis=0)
            for bound, tail in zip(found, tails, strict=True):
                bound[rows] += np.sum(below < tail - TIE, axis=0)
            seen = below[-1]
            if np.all(seen >= tails[1] - TIE):
                break
    return found


def _draws(law: Any) -> int:
    return int(np.size(next(iter(law))))


def _of_groups(drawn: Drawn, h: History, groups: Groups, t: Any, tails: tuple[float, float]) -> Array:
    """What is expected of each group, and the bounds of its total."""
    if np.any(h.weights != np.rint(h.weights)):
        raise DomainError("forecast: n must be whole numbers of customers")
    found, sizes = np.empty((3, len(groups))), np.zeros(len(groups), dtype=np.intp)
    for some, rows in groups.parts(max(1, SUMS // drawn.draws)):
        shared, place = shared_rows(drawn.law, h.take(rows))
        members = groups.members(some, rows, place, h.weights, len(shared))
        found[0, some] = members.sums(_expected(drawn, shared, t), slice(None))
        parts = _blocks(shared, STEP * drawn.draws)
        sums = (members.sums(_cumulants(drawn.law, few, t), where) for where, few in parts)
        total = sum(sums, np.zeros((3, drawn.draws, some.stop - some.start)))
        found[1:, some], sizes[some] = _smooth(total, tails)
    for some, rows in groups.parts(1):
        if size := int(sizes[some.start]):
            shared, _ = shared_rows(drawn.law, h.take(rows))
            below = np.cumsum(_convolved(drawn.law, shared, t, size))
            found[1:, some.start] = [np.sum(below < tail * below[-1] - TIE) for tail in tails]
    return found


def _cumulants(law: Any, h: History, t: Any) -> Array:
    """Mean, variance and third cumulant of each row's purchases in each draw: ``(3, draws, rows)``."""
    moments: Any = 0
    for n, chances in _chances(law, h, t):
        moments = moments + np.tensordot(n ** np.arange(1.0, 4.0)[:, None], chances, axes=1)
    one, two, three = moments
    return np.stack([one, two - one**2, three - 3 * one * two + 2 * one**3])


def _smooth(cumulants: Array, tails: tuple[float, float]) -> tuple[Array, NDArray[np.intp]]:
    """Bounds by Pearson's type III in each draw; and where a total is too skew for it, how many numbers it may be."""
    mean, variance, third = cumulants
    spread = np.sqrt(np.maximum(variance, 0.0))
    sure = spread < 1e-6  # of a purchase
    skew = np.where(sure, np.inf, third / np.where(sure, 1.0, spread) ** 3)
    too_skew = np.mean(np.abs(skew), axis=0) > SKEW
    widest = np.max(mean + 20 * spread, axis=0) + 2 * STEP
    size = np.where(too_skew, 2 ** np.ceil(np.log2(widest)), 0).astype(np.intp)
    few = ~too_skew
    found = np.zeros((2, mean.shape[1]))
    for bound, tail in zip(found, tails, strict=True):
        bound[few] = _smallest(mean[:, few], spread[:, few], skew[:, few], tail)
    return found, size


def _smallest(mean: Array, spread: Array, skew: Array, tail: float) -> Array:
    """The smallest whole number that is not exceeded with a probability, by halving: of each group."""
    low = np.full(mean.shape[1], -1.0)
    high = np.ceil(np.max(mean + 20 * spread, axis=0, initial=0))
    while np.any(high - low > 1):
        middle = np.floor((low + high) / 2)
        below = _pearson((middle + 0.5 - mean) / spread, skew).mean(axis=0) < tail
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray(high)


def _pearson(z: Array, skew: Array) -> Array:
    """Distribution function of a shifted gamma number with mean 0, variance 1 and that skewness.

    >>> _pearson(np.array([0.0, -1.0]), np.array([1e-9, 2.0])).round(4)  # normal; exponential less 1
    array([0.5, 0. ])
    """
    steep = np.maximum(np.abs(skew), 1e-4)
    shape = 4 / steep**2
    below = gammainc(shape, np.maximum(shape + np.sqrt(shape) * np.where(skew < 0, -z, z), 0.0))
    return np.asarray(np.where(skew < 0, 1 - below, below))


def _convolved(law: Any, h: History, t: Any, size: int) -> Array:
    """Probabilities of a group's totals 0, 1, ..., size - 1: in each draw the convolution of its customers', averaged.

    >>> from custrel import History
    >>> from custrel.clv import NBD
    >>> h = History(x=[0, 0], t_x=[0, 0], T=[0, 0]).distinct()
    >>> _convolved(NBD(1.0, 4.0), h, 12.0, 64)[:2].round(4)  # 1/4 of 1/4; twice 1/4 of 3/16
    array([0.0625, 0.0938])
    """
    draws = _draws(law)
    waves = np.ones((size // 2 + 1, draws), dtype=complex)
    for _, some in _blocks(h, size * draws):
        chances, at = np.zeros((size, draws, len(some))), 0
        for _, more in _chances(law, some, t):
            kept = more[: size - at]
            chances[at : at + len(kept)], at = kept, at + len(kept)
            if at == size:
                break
        waves *= np.prod(np.fft.rfft(chances, axis=0) ** some.weights, axis=2)
    return np.asarray(np.fft.irfft(waves, n=size, axis=0).mean(axis=1))
