r"""PIT: does each customer's count of purchases fall where the law says such counts fall?

A law gives each customer a distribution function F of purchases. Where the law is right, the place of the count n that
came is uniform between 0 and 1: the probability integral transform. Counts come in steps, so a customer's place is
taken at random from the step that F takes at n [1]_ [2]_,

.. math:: u = F(n - 1) + v\,(F(n) - F(n - 1)), \quad v \sim \mathrm{U}(0, 1) .

Means and totals tell whether a law is right on average; this tells whether the spread about them is right, too. Too
many places near 0 and 1 say that customers differ more than the law knows, too many in the middle that they differ
less; too many near 0 that less came than was foretold.

For a picture nothing need be drawn: each customer's step is spread evenly over the bins it reaches into, which is the
mean over all v [1]_.

References
----------
.. [1] Czado, C., Gneiting, T., & Held, L. (2009). Predictive Model Assessment for Count Data. Biometrics 65(4),
   1254-1261. https://doi.org/10.1111/j.1541-0420.2009.01191.x
.. [2] Dunn, P. K., & Smyth, G. K. (1996). Randomized Quantile Residuals. Journal of Computational and Graphical
   Statistics 5(3), 236-244. https://doi.org/10.1080/10618600.1996.10474708
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from custrel.checked import checked_count, checked_level
from custrel.clv.evidence.chances import law_of, of_rows
from custrel.clv.horizon import horizon_in
from custrel.errors import DomainError
from custrel.frames import leave

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from custrel.clv.law import PurchaseLaw
    from custrel.fit import Fit
    from custrel.history import History
    from custrel.stats.estimate import Array

__all__ = ["RandomisedPIT", "randomised_pit"]

_CELLS = 1 << 17  # counts x customers at a time
_LONGEST = 64  # counts at a time
_STREAM = 1254  # a stream of its own: the caller's default_rng(seed) may have made these very customers


@dataclass(frozen=True, eq=False, repr=False)
class RandomisedPIT:
    """Where each customer's count falls in its distribution; it prints as a sentence.

    Parameters
    ----------
    law
        Name of the law.
    below, upto
        Probability of fewer purchases than came, F(n - 1), and of no more, F(n), ``(customers,)``.
    seed
        Where the random numbers start: the i-th customer gets the i-th number of the stream, which is not that of
        ``numpy.random.default_rng(seed)``.
    like
        The library whose frames answers leave as.

    Examples
    --------
    >>> found = RandomisedPIT("NBD", below=np.array([0.0, 0.75]), upto=np.array([0.5, 1.0]), seed=1)
    >>> found.values.round(3)  # half of 0.604, and 0.75 and a quarter of 0.061
    array([0.302, 0.765])
    """

    law: str
    below: Array
    upto: Array
    seed: int
    like: str = "pandas"

    @property
    def values(self) -> Array:
        """A number between 0 and 1 for each customer, all of them equally likely if the law is right."""
        v = np.random.default_rng([_STREAM, self.seed]).random(self.below.size)
        return np.asarray(self.below + v * (self.upto - self.below))

    @property
    def distance(self) -> float:
        """Kolmogorov and Smirnov's: the farthest that the shares of `values` up to any u are from u.

        >>> RandomisedPIT("NBD", below=np.array([0.25, 0.75]), upto=np.array([0.25, 0.75]), seed=1).distance
        0.25
        """
        u, n = np.sort(self.values), self.values.size
        steps = np.arange(n) / n
        return float(max(np.max(u - steps), np.max(steps + 1 / n - u)))

    @property
    def p(self) -> float:
        """How likely a distance as large would be by chance, if the law is right, parameters and all.

        Parameters fitted to these very counts make it much too large: a law that fails is wrong, but one that passes
        may be, too. Fitted to what came before, they hardly matter: of 200 simulated crowds like CDNOW's 4.5 % had a p
        below 0.05. Where most customers buy nothing, much of a place is chance: of 40 seeds that held a BG/NBD of CDNOW
        against the 39 weeks that followed, half gave less than 0.08, one 0.0003 and one 0.61. `table` has no such
        chance in it.
        """
        from scipy.stats import kstwo  # which takes half a second to import

        return float(kstwo.sf(self.distance, self.values.size))

    def table(self, *, bins: int = 10, level: float = 0.95) -> Any:
        r"""Shares of all customers whose place is in each bin, as a frame.

        Parameters
        ----------
        bins
            How many bins of equal width.
        level
            How often the share of a bin lies between low and high if the law is right. Steps that reach into several
            bins scatter less than a draw from each would: the band is made of the customers' own. Bars of a law that
            was fitted to these very counts hardly ever leave it; fitted to what came before, 8 % leave a band of 95 %.

        Returns
        -------
        Frame with a row for each bin: above, upto (its edges), share, low, high.

        Examples
        --------
        The step of the first customer fills half of the unit interval, that of the second a quarter.

        >>> found = RandomisedPIT("NBD", below=np.array([0.0, 0.75]), upto=np.array([0.5, 1.0]), seed=1)
        >>> found.table(bins=2)[["above", "upto", "share"]]
           above  upto  share
        0    0.0   0.5    0.5
        1    0.5   1.0    0.5
        """
        edges = np.linspace(0.0, 1.0, checked_count("bins", bins) + 1)
        z, even, n = float(ndtri(0.5 + checked_level(level) / 2)), 1 / bins, self.below.size
        share, scatter = np.empty((2, bins))
        before = np.zeros(n)
        for i, edge in enumerate(edges[1:]):
            reached = self._reached(edge)
            share[i], scatter[i] = np.mean(reached - before), np.mean((reached - before - even) ** 2)
            before = reached
        half = z * np.sqrt(scatter / n)
        low, high = np.maximum(0.0, even - half), np.minimum(1.0, even + half)
        return leave({"above": edges[:-1], "upto": edges[1:], "share": share, "low": low, "high": high}, like=self.like)

    def _reached(self, u: float) -> Array:
        """How much of each customer's step lies up to u: equation (2) of Czado, Gneiting & Held."""
        step = self.upto - self.below
        some = step > 0
        inside = np.where(some, (u - self.below) / np.where(some, step, 1.0), self.below <= u)
        return np.clip(inside, 0.0, 1.0)

    def __repr__(self) -> str:
        rest = f"p = {self.p:.2g} (Kolmogorov-Smirnov, seed {self.seed})"
        return f"{self.law}: places of {self.below.size:,} customers, {self.distance:.3f} from uniform at most, {rest}"


def randomised_pit(
    model: Fit[Any] | PurchaseLaw,
    h: History,
    bought: Any = None,
    t: float | str | Array | None = None,
    *,
    seed: int,
) -> RandomisedPIT:
    r"""Where the count of each customer falls in the distribution that a law gives it [1]_.

    Parameters
    ----------
    model
        A fit, or a law.
    h
        The history, a row for each customer.
    bought
        Purchases that each customer made after T, ``(customers,)`` in the history's order, or what
        `Interactions.purchases_between` returns for them: they are held against `probability`, given the history. If
        not given, it is the repeat purchases within T that are held against `probability_of_new`, as if nothing but T
        were known.
    t
        How long after T these purchases were counted, in the unit of the history, or a duration such as ``"273D"``.
    seed
        The same seed gives the same places. The i-th customer's depends on nothing but it, i, and their own history.

    Raises
    ------
    DomainError
        If the history has rows that stand for many customers, the law has draws for parameters, or the purchases do not
        fit the history.

    References
    ----------
    .. [1] Czado, C., Gneiting, T., & Held, L. (2009). Predictive Model Assessment for Count Data. Biometrics 65(4),
       1254-1261. https://doi.org/10.1111/j.1541-0420.2009.01191.x

    Examples
    --------
    >>> from custrel.clv import BGNBD
    >>> from custrel.datasets import cdnow, cdnow_summary
    >>> h = cdnow_summary()
    >>> bought = cdnow().purchases_between("1997-10-01", "1998-06-30", customers=h)
    >>> law = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> randomised_pit(law, h, bought, 39, seed=1)
    BGNBD: places of 2,357 customers, 0.021 from uniform at most, p = 0.24 (Kolmogorov-Smirnov, seed 1)
    """
    law, seed = law_of(model, h, asked="randomised_pit"), checked_count("seed", seed, least=0)
    if not len(h) or h.n is not None:
        raise DomainError(
            "randomised_pit needs a row for each customer, one or more: not h.distinct(), no empty history"
        )
    if bought is None and t is None:
        n, chances = h.x, _of_new(law, h)
    elif bought is not None and t is not None:
        n, chances = _held_out(bought, h), _given(law, h, horizon_in(h, t))
    else:
        raise DomainError("randomised_pit: purchases need t, how long after T they were counted, and t needs purchases")
    below, at = _below_and_at(chances, n)
    return RandomisedPIT(type(law).__name__, np.minimum(below, 1.0), np.minimum(below + at, 1.0), seed, h.like)


def _of_new(law: PurchaseLaw, h: History) -> Callable[[Array, NDArray[np.intp]], Array]:
    """Chances of counts, ``(counts, 1)``, of customers by their rows, within T of the first purchase."""

    def chances(n: Array, rows: NDArray[np.intp]) -> Array:
        if any(np.ndim(value) for value in law):
            return of_rows(law, rows).probability_of_new(n, h.T[rows])
        T, which = np.unique(h.T[rows], return_inverse=True)
        return np.asarray(law.probability_of_new(n, T)[:, which])

    return chances


def _given(law: PurchaseLaw, h: History, t: float | Array) -> Callable[[Array, NDArray[np.intp]], Array]:
    """The same within t after T, given the history."""

    def chances(n: Array, rows: NDArray[np.intp]) -> Array:
        own = np.asarray(t)[rows] if np.ndim(t) else t
        return of_rows(law, rows).probability(n, h.take(rows), own)

    return chances


def _below_and_at(chances: Callable[[Array, NDArray[np.intp]], Array], n: Array) -> tuple[Array, Array]:
    """Probability of fewer than n, and of n: counts are added up, of ever fewer customers, in ever longer pieces."""
    below, at = np.zeros((2, n.size))
    left: NDArray[np.intp] = np.arange(n.size)
    first, length = 0, 1
    while left.size:
        counts = np.arange(first, first + length, dtype=np.float64)[:, None]
        size = max(1, _CELLS // length)
        for start in range(0, left.size, size):
            rows = left[start : start + size]
            p = chances(counts, rows)
            below[rows] += np.sum(np.where(counts < n[rows], p, 0.0), axis=0)
            at[rows] += np.sum(np.where(counts == n[rows], p, 0.0), axis=0)
        first, length = first + length, min(2 * length, _LONGEST)
        left = left[n[left] >= first]
    return below, at


def _held_out(bought: Any, h: History) -> NDArray[np.float64]:
    try:
        counts = np.asarray(getattr(bought, "purchases", bought), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DomainError(f"randomised_pit: bought must hold numbers of purchases: {error}") from error
    if counts.shape != h.x.shape:
        raise DomainError(
            f"randomised_pit: bought must hold the purchases of each of {len(h):,} customers, got shape {counts.shape}"
        )
    if bad := int(np.sum(~((counts >= 0) & np.isfinite(counts) & (np.floor(counts) == counts)))):
        raise DomainError(
            f"randomised_pit: bought must hold whole numbers of purchases, 0 or more; {bad:,} of {len(h):,} are not"
        )
    if hasattr(bought, "customer_id") and not np.array_equal(bought.customer_id, np.asarray(h.customer_id)):
        raise DomainError("randomised_pit: bought counts other customers: ask purchases_between for customers=history")
    return counts
