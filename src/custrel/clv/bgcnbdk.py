r"""BG/CNBD-k: while here, customers buy with some regularity; after any repeat purchase they may leave.

As in the BG/NBD each customer leaves after a repeat purchase with a probability p of their own, Beta(a, b) among
customers. But a purchase is every k-th event of a Poisson process whose rate :math:`\lambda` is Gamma(r, alpha) among
customers: times between purchases are Erlang-k, more alike the larger k is, and their mean is :math:`k / \lambda`. With
k = 1 it is the BG/NBD.

It wants, for each customer, the number of repeat purchases x, the time of the last one t_x, the time watched T, and the
sum of the logarithms of the times between purchases, which tells how regular they are. Prefer it where people buy by a
rhythm, as they do groceries: it sees sooner that a customer is late. Where it chooses k = 1, purchases come at random.

The expectation that the papers print for k > 1 is an approximation [1]_ [2]_. The one here is exact: a customer may
have been on the way to the next purchase when we stopped looking, and `living` knows the chances of how far.

References
----------
.. [1] Platzer, M., & Reutterer, T. (2016). Ticking Away the Moments: Timing Regularity Helps to Better Predict Customer
   Activity. Marketing Science 35(5), 779-799. https://doi.org/10.1287/mksc.2015.0963
.. [2] Reutterer, T., Platzer, M., & Schröder, N. (2021). Leveraging purchase regularity for predicting customer
   behavior the easy way. International Journal of Research in Marketing 38(1), 194-215.
   https://doi.org/10.1016/j.ijresmar.2020.09.002
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np
from scipy.special import expit, gammaln

from custrel.checked import checked_count
from custrel.clv.bgnbd import BGNBD, geometric
from custrel.clv.law import Living, PurchaseLaw, log_gaps_of
from custrel.clv.phases import Phases, log_chances_of_phases
from custrel.clv.story import Future, checked_watch, counts_of, times_with_gaps
from custrel.covariates import Asked, asked_of
from custrel.errors import ConvergenceError
from custrel.fit import Fit, fit_law
from custrel.history import checked_history, even_log_gaps
from custrel.stats.moves import Faster, Likelier
from custrel.stats.special import by_count, digamma_rising, log_rising, same_for_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from custrel.history import History, PurchaseTimes
    from custrel.stats.draw import SharedNumbers
    from custrel.stats.estimate import Array

__all__ = ["BGCNBDk", "RegularLaw"]

MOST = 12  # times between purchases that are more alike than this come from a calendar
Law = TypeVar("Law", bound="RegularLaw")


@dataclass(frozen=True, eq=False)
class RegularLaw(PurchaseLaw):
    """What the BG/CNBD-k and the MBG/CNBD-k share; they differ in whether one may leave before a repeat purchase.

    Parameters
    ----------
    r, alpha
        Shape and rate of the gamma distribution of the rates of events: purchases come at a mean rate of r / (k alpha).
    a, b
        Parameters of the beta distribution of leaving after a purchase.
    k
        Events that a purchase takes.
    """

    r: float | Array
    alpha: float | Array
    a: float | Array
    b: float | Array
    k: int = field(default=2, kw_only=True)

    gammas = (("r", "alpha"),)
    betas = (("a", "b"),)
    moves = MappingProxyType({"purchase": Faster("alpha"), "dropout": Likelier("a", "b")})
    limits: ClassVar[Mapping[tuple[str, bool], str]] = BGNBD.limits
    needs_log_gaps: ClassVar[bool] = True

    @property
    @abstractmethod
    def before(self) -> int:
        """Chances to leave before the first repeat purchase."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "k", checked_count(f"{type(self).__name__}: k", self.k))

    def to_dict(self) -> dict[str, Any]:
        """The parameters as plain numbers or nested lists, k, and the unit where it is known."""
        return super().to_dict() | {"k": self.k}

    def log_likelihood(self, h: History) -> Array:
        r"""Still there with j < k events since t_x, or left just after the last purchase.

        With :math:`y = (T - t_x) / (\alpha + T)`, and m = 1 if there is a chance to leave at once, else 0, it is

        .. math:: \frac{e^{(k - 1) \sum \log gap}}{\Gamma(k)^x} \frac{\Gamma(r + kx)}{\Gamma(r)} \alpha^r
                  \Big[ \frac{B(a, b + x + m)}{B(a, b)} \frac{\sum_{j < k} (r + kx)_j\, y^j / j!}{(\alpha + T)^{r + kx}}
                  + \frac{B(a + 1, b + x + m - 1)}{B(a, b)} \frac{1}{(\alpha + t_x)^{r + kx}} \Big] ,

        the second term only where there was a chance to leave.
        """
        r, alpha, a, b, k, x = *self, self.k, h.x
        gaps = (k - 1) * log_gaps_of(h, f"{type(self).__name__} with k = {k}") - x * gammaln(k) if k > 1 else 0.0
        events = by_count(lambda shape, count: log_rising(shape, k * count), r, x)
        passed = x + self.before
        chances = events + by_count(log_rising, b, passed) - by_count(log_rising, a + b, passed)
        phases, _ = self._phases(h)
        stays = -k * x * np.log(alpha + h.T) - r * np.log1p(h.T / alpha) + phases
        left = np.log(a / self._last_chance(x)) - k * x * np.log(alpha + h.t_x) - r * np.log1p(h.t_x / alpha)
        return np.asarray(gaps + chances + np.logaddexp(stays, np.where(passed > 0, left, -np.inf)))

    def _last_chance(self, x: Array) -> Array:
        """What b had grown to when the customer last had a chance to leave."""
        return np.asarray(self.b + np.maximum(x + self.before, 1) - 1)

    def _phases(self, h: History) -> tuple[Array, Array]:
        """Log of how much likelier less than k events are than none since t_x; and the chances of each phase."""
        r, alpha, _, _ = self
        r, y = np.broadcast_arrays(r + self.k * h.x, (h.T - h.t_x) / (alpha + h.T))
        return log_chances_of_phases(r, y, self.k)

    def _having_left(self, h: History) -> tuple[Array, Array, Array]:
        """Log odds of having left after the last purchase, how long that is in logs, and the chances of the phases."""
        r, alpha, a, _ = self
        silence = np.log1p((h.T - h.t_x) / (alpha + h.t_x))
        phases, chances = self._phases(h)
        odds = np.log(a / self._last_chance(h.x)) + (r + self.k * h.x) * silence - phases
        return np.where(h.x + self.before > 0, odds, -np.inf), silence, chances

    def score(self, h: History) -> Array:
        """Derivatives of the log-likelihood in r, alpha, a, b, for parameters that are numbers."""
        r, alpha, a, b, k, x = *self, self.k, h.x
        z, silence, chances = self._having_left(h)
        left, stays = expit(z), expit(-z)
        harmonic = np.cumsum([np.zeros_like(x), *(1 / (r + k * x + i) for i in range(k - 1))], axis=0)
        passed, total = x + self.before, by_count(digamma_rising, a + b, x + self.before)
        events = by_count(lambda shape, count: digamma_rising(shape, k * count), r, x)
        late = left * (r + k * x) * (h.T - h.t_x) / (alpha + h.t_x) + stays * _mean_phase(chances)
        return np.stack(
            [
                events - np.log1p(h.T / alpha) + left * silence + stays * np.sum(chances.T * harmonic, axis=0),
                (r * h.T / alpha - k * x - late) / (alpha + h.T),
                left / a - total,
                by_count(digamma_rising, b, passed) - total - left / self._last_chance(x),
            ]
        )

    def p_alive_now(self, h: History) -> Array:
        """Probability that the customer has not left by T: the first term of the likelihood over both."""
        return np.asarray(expit(-self._having_left(h)[0]))

    def living(self, h: History) -> Living:
        """Events add to r, time to alpha, and chances not taken to b; of the phases since t_x each has its chance."""
        r, alpha, a, b, k = *self, self.k
        if k == 1:
            return BGNBD(r + h.x, alpha + h.T, a, b + h.x + self.before)
        _, chances = self._phases(h)
        return Phases(r + k * h.x, alpha + h.T, a, b + h.x + self.before, k, chances)

    def alike(self, h: History) -> tuple[History, NDArray[np.intp]]:
        """Customers of equal x, t_x and T: how long they are silent tells how far the next purchase has come."""
        return super().alike(h) if self.k == 1 else replace(h, log_gaps=None, covariates={}).collapse()

    def _begun(self) -> tuple[float | Array, Living]:
        """Probability of not leaving at once, and what a customer does who has not: phase 0 for certain."""
        r, alpha, a, b, k = *self, self.k
        passed = b / (a + b) if self.before else 1.0
        b = b + self.before
        return passed, BGNBD(r, alpha, a, b) if k == 1 else Phases(r, alpha, a, b, k, np.ones(1))

    def survival_of_new(self, t: float | Array) -> Array:
        """Stayed after each purchase that was made within t."""
        passed, begun = self._begun()
        return np.asarray(passed * begun.survival_of_new(t))

    def expected_purchases_of_new(self, t: float | Array) -> Array:
        """Exact also for k > 1, where the papers approximate.

        Examples
        --------
        By hand, where every second event of a rate of 1 is a purchase and nobody leaves: t / 2 - (1 - exp(-2 t)) / 4.

        >>> import math
        >>> law = BGCNBDk(r=1e6, alpha=1e6, a=1e-4, b=1e6, k=2)
        >>> round(float(law.expected_purchases_of_new(1.0)), 4), round(1 / 2 - (1 - math.exp(-2)) / 4, 4)
        (0.2838, 0.2838)
        """
        passed, begun = self._begun()
        return np.asarray(passed * begun.expected_purchases_of_new(t))

    def discounted_purchases_of_new(self, t: Array, delta: float) -> Array:
        """Each purchase that is expected, discounted from its moment."""
        passed, begun = self._begun()
        if delta == 0:
            return self.expected_purchases_of_new(t)
        return np.asarray(passed * begun.discounted_purchases_of_new(t, delta))

    def activity_of_new(self, t: float | Array) -> Array:
        """The first repeat purchase takes k events."""
        passed, begun = self._begun()
        return np.asarray(passed * begun.activity_of_new(t))

    def probability_of_new(self, n: int | Array, t: float | Array) -> Array:
        """Still here after n purchases, or left at the n-th; or left at once."""
        passed, begun = self._begun()
        return np.asarray(passed * begun.probability_of_new(n, t) + (1 - passed) * (np.asarray(n) == 0))

    def probability_later_of_new(self, n: int | Array, t: float | Array, since: Array) -> Array:
        """Still there at `since`, whatever was bought until then, and n purchases after it."""
        passed, begun = self._begun()
        return np.asarray(passed * begun.probability_later_of_new(n, t, since))

    def mean_purchase_rate(self, h: History) -> Array:
        """Posterior mean of the rate of purchases, a k-th of that of events: known until T, or until t_x if left."""
        r, alpha, _, _ = self
        z, _, chances = self._having_left(h)
        shown = r + self.k * h.x
        there = (shown + _mean_phase(chances)) / (alpha + h.T)
        return np.asarray((expit(-z) * there + expit(z) * shown / (alpha + h.t_x)) / self.k)

    def mean_dropout(self, h: History) -> Array:
        """Posterior mean of the probability of leaving after a purchase: those who left took their last chance."""
        _, _, a, b = self
        return np.asarray((a + 1 - self.p_alive_now(h)) / (a + b + h.x + self.before))

    @property
    def time_scale(self) -> float | Array:
        """The time of an event at the mean rate, or alpha where that is less."""
        return self.alpha / (1 + self.r)

    def future(self, h: History, numbers: SharedNumbers) -> Future:
        """By the story: the phase, the rate that it tells of, and purchases until one of them is the last."""
        r, alpha, a, b, k = *self, self.k
        x, who = counts_of(h.x, r, a, b)
        here = numbers.uniform() < self.p_alive_now(h)
        _, chances = self._phases(h)
        u, reached = numbers.uniform(), np.cumsum(chances, axis=-1)
        phase = np.sum(u[..., None] > reached[..., :-1], axis=-1)
        own = r if same_for_all(r) else np.concatenate([r] * k, axis=-1)
        shapes = own + (k * x + np.arange(k)[:, None]).ravel()
        draw = np.arange(numbers.draws)[:, None]
        rate = numbers.gamma(shapes)[draw, phase * x.size + who] / (alpha + h.T)
        p = numbers.beta(a, b + x + self.before)[:, who]
        stays_for = np.where(here, geometric(p, numbers.uniform()), 0)
        return _RegularFuture(rate / k, stays_for, k=k, phase=phase)

    def simulate(self, T: Array, rng: np.random.Generator, *, unit: str | None = None) -> PurchaseTimes:
        """New customers by the story, exactly and in continuous time; parameters as for `BGNBD.simulate`."""
        T = checked_watch(T)
        rate = rng.gamma(self.r, 1 / np.asarray(self.alpha), T.size)
        stays_for = geometric(rng.beta(self.a, self.b, T.size), 1 - rng.random(T.size)) - self.before
        shape = np.full(T.size, float(self.k))
        return times_with_gaps(shape, rate, T, rng, T=T, unit=unit or self.unit).first(stays_for)

    @classmethod
    def starts(cls, h: History, k: int = 1) -> list[Self]:
        """Those of the BG/NBD, by a clock on which a purchase takes k events."""
        return [cls(r, k * alpha, a, b, k=k) for r, alpha, a, b in BGNBD.starts(h)]

    @classmethod
    def fit(
        cls,
        h: History,
        k: int | None = None,
        *,
        purchase: str | Sequence[str] | None = None,
        dropout: str | Sequence[str] | None = None,
        shared: str | Sequence[str] = (),
    ) -> Fit[Self]:
        """The parameters with the highest likelihood, and the k with the highest of all if it is not given.

        Parameters
        ----------
        h
            The history; for k > 1 it must carry the sums of the logarithms of the times between purchases.
        k
            Events that a purchase takes. If not given, k goes up from 1 until the likelihood fell twice in a row, 12 at
            most; `Fit.chosen` is then 1, and the diagnosis says what was tried.
        purchase, dropout, shared
            Covariates, as for `BGNBD.fit`.

        Raises
        ------
        ConvergenceError
            If the likelihood has no peak, at the likeliest k if it was not given; the message says why.
        """
        columns = {"purchase": purchase, "dropout": dropout}
        known, moved = asked_of(cls, checked_history(h, law=cls.__name__), columns, shared)
        told = cls._told_by(known)
        if k is None:
            return _best_of(cls, _apart_from_gaps(told), _lift(told, cls.__name__), moved)
        lift = _lift(told, f"{cls.__name__} with k = {k}") if checked_count("k", k) > 1 else 0.0
        return _fit_with(cls, _apart_from_gaps(told), lift, k, moved=moved)


@dataclass(frozen=True, eq=False)
class BGCNBDk(RegularLaw):
    r"""The BG / CNBD-k law of Platzer and Reutterer (2016) [1]_; see also [2]_.

    Parameters
    ----------
    r, alpha
        Shape and rate of the gamma distribution of the rates of events: purchases come at a mean rate of r / (k alpha)
        per unit of time.
    a, b
        Parameters of the beta distribution of leaving after a repeat purchase: its mean is a / (a + b).
    k
        How regular purchases are: times between them are Erlang-k. 1 is no regularity at all, the BG/NBD.

    Raises
    ------
    DomainError
        If a parameter is not positive and finite, or k no whole number of 1 or more.

    References
    ----------
    .. [1] Platzer, M., & Reutterer, T. (2016). Ticking Away the Moments: Timing Regularity Helps to Better Predict
       Customer Activity. Marketing Science 35(5), 779-799. https://doi.org/10.1287/mksc.2015.0963
    .. [2] Reutterer, T., Platzer, M., & Schröder, N. (2021). Leveraging purchase regularity for predicting customer
       behavior the easy way. International Journal of Research in Marketing 38(1), 194-215.
       https://doi.org/10.1016/j.ijresmar.2020.09.002

    Examples
    --------
    A customer bought every 5 weeks, then not for 20 or 30 weeks. Who buys regularly would have come back by then.

    >>> from custrel import History
    >>> h = History(x=[5, 5], t_x=[25, 25], T=[45, 55])
    >>> [BGCNBDk(r=1.0, alpha=5.0 * k, a=1.0, b=5.0, k=k).p_alive(h).round(2).tolist() for k in (1, 3)]
    [[0.3, 0.12], [0.23, 0.04]]
    """

    before = 0


@dataclass(frozen=True, eq=False)
class _RegularFuture(Future):
    """A future in which the times between purchases are Erlang; the first one is under way already.

    Parameters
    ----------
    k
        Events that a purchase takes.
    phase
        Events since the last purchase, ``(draws, customers)``.
    """

    k: int = field(kw_only=True)
    phase: NDArray[np.intp] = field(kw_only=True)

    def gap(self, position: int, place: tuple[NDArray[Any], ...], numbers: SharedNumbers) -> Array:
        """Erlang; of the first one some events have happened already."""
        if position:
            events = numbers.gamma(float(self.k)).ravel()[place[0]]
        else:
            events = numbers.gamma(np.arange(1.0, self.k + 1))[place[0], self.k - self.phase[place] - 1]
        return np.asarray(events / (self.k * self.rate[place]))


def _apart_from_gaps(told: History) -> History:
    """Rows of equal x, t_x and T share the work: the times between purchases only lift the likelihood of a k."""
    data = replace(told, log_gaps=None).distinct()
    return replace(data, log_gaps=even_log_gaps(data))


def _lift(told: History, who: str) -> float:
    """What the times between purchases add to the log-likelihood beyond those of one length, for each k beyond 1."""
    return float(told.weights @ (log_gaps_of(told, who) - even_log_gaps(told)))


def _fit_with(
    law: type[Law], data: History, lift: float, k: int, near: Law | None = None, moved: Asked | None = None
) -> Fit[Law]:
    """The peak for one k; from near the peak of another k, where there is one."""
    lift = (k - 1) * lift
    starts = [replace(start, unit=data.unit) for start in law.starts(data, k)]
    if near is not None:
        starts = [replace(near, alpha=near.alpha * k / near.k, k=k), starts[0]]
    try:
        fit = fit_law(data, starts, moved=moved)
    except ConvergenceError as error:
        raise ConvergenceError(f"with k = {k}, {error}", error.diagnosis, error.log_likelihood + lift) from None
    return replace(fit, log_likelihood=fit.log_likelihood + lift)


def _best_of(law: type[Law], data: History, lift: float, moved: Asked | None) -> Fit[Law]:
    """Up from k = 1, each from the peak of the one before, until two in a row are worse than the best.

    Where the likelihood of a k has no peak, what it climbed to counts: a larger k that has one must beat it.
    """
    near: Law | None = None
    found: list[Fit[Law] | ConvergenceError] = []
    while len(found) < MOST and not _fallen_twice([one.log_likelihood for one in found]):
        try:
            fit = _fit_with(law, data, lift, len(found) + 1, near, moved)
        except ConvergenceError as error:
            found.append(error)
        else:
            found.append(fit)
            near = getattr(fit.model, "law", fit.model)
    best = max(found, key=lambda one: one.log_likelihood)
    tried = "; ".join(f"{k}: {_said(one)}" for k, one in enumerate(found, start=1))
    if isinstance(best, ConvergenceError):
        message = f"{best}. No k from 1 to {len(found)} is likelier; what each climbed to: {tried}"
        raise ConvergenceError(message, best.diagnosis, best.log_likelihood)
    said = f"k = {getattr(best.model, 'law', best.model).k} was chosen by the log-likelihood; k and its peak: {tried}."
    findings = (*best.diagnosis.findings, said)
    return replace(best, chosen=1, diagnosis=replace(best.diagnosis, findings=findings))


def _fallen_twice(heights: list[float]) -> bool:
    return len(heights) > 2 and max(heights[-2:]) < max(heights[:-2])


def _said(one: Fit[Any] | ConvergenceError) -> str:
    return f"{one.log_likelihood:,.2f}" + " (no peak)" * isinstance(one, ConvergenceError)


def _mean_phase(chances: Array) -> Array:
    """Python's sum adds phase by phase, so that no customer's number depends on how many others there are."""
    return np.asarray(sum(j * chances[..., j] for j in range(chances.shape[-1])))
