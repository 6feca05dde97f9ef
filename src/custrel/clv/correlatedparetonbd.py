r"""Correlated Pareto/NBD: who buys often may also leave sooner, or later.

As in the Pareto/NBD each customer buys at a constant rate :math:`\lambda` and leaves for good at a constant rate
:math:`\mu`. Rates of buying differ among customers as Gamma(r, alpha), rates of leaving as Gamma(s, beta). But the two
have to do with each other, by a density of Sarmanov's family [1]_ [2]_:

.. math:: g_1(\lambda)\, g_2(\mu)\, \big[1 + m\, (e^{-c\lambda} - \phi_1)\, (e^{-c\mu} - \phi_2)\big], \quad
          \phi_1 = \Big(\frac{\alpha}{\alpha + c}\Big)^r, \quad \phi_2 = \Big(\frac{\beta}{\beta + c}\Big)^s .

Park and Fader [3]_ joined gamma distributions so, Danaher and Hardie [4]_ beta distributions, and Bachmann, Meierer and
Näf [5]_ those of the Pareto/NBD, with c = 1. All that the two rates have in common is whether a customer buys, and
whether they leave, within the delay c (`custrel.clv.sarmanov` tells it by two coins).

It wants, for each customer, the number of repeat purchases x, the time of the last one t_x, and the time watched T.
Prefer it to ask whether the Pareto/NBD may take the rates as independent. The correlation that the family can hold is a
small one where few buy or leave within the delay: a longer delay can hold more, until nearly all do.

References
----------
.. [1] Sarmanov, O. V. (1966). Generalized Normal Correlation and Two-Dimensional Fréchet Classes. Doklady Akademii Nauk
   SSSR 168(1), 32-35.
.. [2] Lee, M.-L. T. (1996). Properties and Applications of the Sarmanov Family of Bivariate Distributions.
   Communications in Statistics: Theory and Methods 25(6), 1207-1222. https://doi.org/10.1080/03610929608831759
.. [3] Park, Y.-H., & Fader, P. S. (2004). Modeling Browsing Behavior at Multiple Websites. Marketing Science 23(3),
   280-303.
.. [4] Danaher, P. J., & Hardie, B. G. S. (2005). Bacon with Your Eggs? Applications of a New Bivariate Beta-Binomial
   Distribution. The American Statistician 59(4), 282-286.
.. [5] Bachmann, P., Meierer, M., & Näf, J. (2021). The Role of Time-Varying Contextual Factors in Latent Attrition
   Models for Customer Base Analysis. Marketing Science 40(4), 783-809. https://doi.org/10.1287/mksc.2020.1254
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from custrel.clv.edges import best_fit, fit_at
from custrel.clv.horizon import horizon_in
from custrel.clv.newborn import ByNewborn
from custrel.clv.paretonbd import ParetoNBD
from custrel.clv.rounded import best_moved_fit, moved_fit_at
from custrel.clv.sarmanov import Coins, Together, chances_of, mean_weight, means_over_time, watched_for
from custrel.clv.story import Future, checked_watch, counts_of, times_of_purchases
from custrel.covariates import asked_of
from custrel.errors import ConvergenceError, DomainError
from custrel.fit import Fit, fit_law
from custrel.history import checked_history
from custrel.stats.special import by_count, digamma_rising, same_for_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from custrel.clv.law import Living
    from custrel.clv.sarmanov import Bound, Rounded
    from custrel.history import History, PurchaseTimes
    from custrel.stats.draw import SharedNumbers
    from custrel.stats.estimate import Array

__all__ = ["CorrelatedParetoNBD"]


@dataclass(frozen=True, eq=False)
class CorrelatedParetoNBD(ByNewborn):
    r"""The Pareto / NBD law with correlated rates, by Sarmanov's family [1]_, as in [2]_.

    Parameters
    ----------
    r, alpha
        Shape and rate of the gamma distribution of purchase rates: their mean is r / alpha per unit of time.
    s, beta
        Shape and rate of the gamma distribution of rates of leaving: their mean is s / beta per unit of time.
    dependence
        From -1 to 1, which part m is of the largest that the family allows for these parameters and this delay, or
        below 0 of the smallest. 0 is the Pareto/NBD; above 0 frequent buyers leave sooner. A number, or an array that
        broadcasts with the parameters. `correlation` says what it amounts to.
    delay
        The c of the family: a time in the law's unit, 1 if it is not said.
    by
        Which bound of m to go by, while the law is fitted; else the lowest, which may be another for each customer.

    Raises
    ------
    DomainError
        If a parameter or the delay is not positive and finite, or dependence does not lie between -1 and 1.

    Notes
    -----
    No density is negative for :math:`-1 / \max(\phi_1 \phi_2, (1 - \phi_1)(1 - \phi_2)) \le m \le 1 / \max(\phi_1
    (1 - \phi_2), (1 - \phi_1) \phi_2)`. Only where nearly all customers buy, or leave, within the delay is the bound
    lower than that: no case of both coins becomes more than 10,000 times as likely as by chance.

    References
    ----------
    .. [1] Sarmanov, O. V. (1966). Generalized Normal Correlation and Two-Dimensional Fréchet Classes. Doklady Akademii
       Nauk SSSR 168(1), 32-35.
    .. [2] Bachmann, P., Meierer, M., & Näf, J. (2021). The Role of Time-Varying Contextual Factors in Latent Attrition
       Models for Customer Base Analysis. Marketing Science 40(4), 783-809. https://doi.org/10.1287/mksc.2020.1254

    Examples
    --------
    With all parameters 1 both coins are fair, m is 4 at most, and the correlation 4 times (1/2 times 1/4) squared.

    >>> law = CorrelatedParetoNBD(r=1.0, alpha=1.0, s=1.0, beta=1.0, dependence=1.0)
    >>> float(law.m.round(6)), float(law.correlation.round(6))
    (4.0, 0.25)
    """

    r: float | Array
    alpha: float | Array
    s: float | Array
    beta: float | Array
    dependence: float | Array = field(default=0.0, kw_only=True)
    delay: float | Array = field(default=1.0, kw_only=True)
    by: Bound | Rounded | None = field(default=None, kw_only=True, repr=False)

    gammas = ParetoNBD.gammas
    moves = ParetoNBD.moves
    limits: ClassVar[Mapping[tuple[str, bool], str]] = ParetoNBD.limits

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        dependence, delay = _numbers(f"{name}: dependence", self.dependence), _numbers(f"{name}: delay", self.delay)
        _refuse(np.abs(dependence) <= 1, f"{name}: dependence must lie between -1 and 1", dependence)
        _refuse((delay > 0) & np.isfinite(delay), f"{name}: delay must be positive and finite", delay)
        beside = {"dependence": dependence, "delay": delay}
        if not same_for_all(*beside.values()):  # whoever has a number of their own has parameters of their own
            beside["r"] = np.broadcast_to(self.r, np.broadcast_shapes(*map(np.shape, (self.r, dependence, delay))))
        for field_name, values in beside.items():
            object.__setattr__(self, field_name, values if np.ndim(values) else float(values))

    def to_dict(self) -> dict[str, Any]:
        """The parameters, dependence and delay as plain numbers or nested lists, and the unit where it is known."""
        return super().to_dict() | {
            "dependence": np.asarray(self.dependence).tolist(),
            "delay": np.asarray(self.delay).tolist(),
        }

    @property
    def independent(self) -> ParetoNBD:
        """The law with the same margins, whose rates are independent."""
        return ParetoNBD(*self, unit=self.unit)

    @property
    def coins(self) -> Coins:
        """Whether customers buy, and whether they leave, within the delay."""
        return Coins(ParetoNBD(*self), self.dependence, self.delay, self.by)

    @property
    def m(self) -> Array:
        """The coefficient of Sarmanov's family."""
        with np.errstate(over="ignore"):  # where hardly anybody buys nothing within the delay, it is beyond measure
            return np.asarray(self.coins.w * np.exp(sum(self.coins.exponents)))

    @property
    def correlation(self) -> Array:
        r"""Correlation of the rates of buying and of leaving among customers.

        .. math:: m\, \phi_1 \phi_2\, \frac{\sqrt{r}\, c}{\alpha + c} \frac{\sqrt{s}\, c}{\beta + c}

        Examples
        --------
        The largest and the smallest that rates such as CDNOW's may have:

        >>> for dependence in (1, -1):
        ...     law = CorrelatedParetoNBD(0.553, 10.578, 0.606, 11.669, dependence=dependence)
        ...     print(float(law.correlation.round(4)))
        0.077
        -0.0039
        """
        r, alpha, s, beta = self
        both = self.delay / (alpha + self.delay) * (self.delay / (beta + self.delay))
        return np.asarray(self.coins.w * np.sqrt(r * s) * both)

    def log_likelihood(self, h: History) -> Array:
        """That of the Pareto/NBD, and the logarithm of how many times as likely the history is here."""
        with np.errstate(invalid="ignore", over="ignore"):  # by one bound that is not the lowest, it may be no density
            return np.asarray(self.independent.log_likelihood(h) + np.log(self.likelier(h)))

    def likelier(self, h: History) -> Array:
        """How many times as likely each history is as it would be if the rates were independent.

        Examples
        --------
        >>> from custrel import History
        >>> law = CorrelatedParetoNBD(0.553, 10.578, 0.606, 11.669, dependence=1)
        >>> law.likelier(History(x=[0, 10], t_x=[0, 30], T=[39, 39])).round(3)
        array([1.004, 0.908])
        """
        here, gone = self._parts(h)
        return np.asarray(here + gone)

    def _parts(self, h: History) -> tuple[Array, Array]:
        """The same of those who are still there, and of those who have left: weights, times the chances of each."""
        (here,), (gone,) = self._means(lambda *known: (mean_weight(*known),), h)
        return here, gone

    def _means(
        self, of: Callable[..., tuple[Array, ...]], h: History, *beside: Any
    ) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Means of those still there and of those who have left, given independent rates, times the chances of each."""
        r, alpha, s, beta = self
        given, there = (*self.coins.cases(), *beside), self.independent.p_alive_now(h)
        here = of(r + h.x, alpha + h.T, s, beta + h.T, *given)
        gone = means_over_time(of, (r + h.x, alpha + h.t_x, s + 1, beta + h.t_x), h.T - h.t_x, given)
        return tuple(there * one for one in here), tuple((1 - there) * one for one in gone)

    def score(self, h: History) -> Array:
        """Derivatives of the log-likelihood in r, alpha, s, beta at this dependence.

        They are means of those of customers whose moment of leaving is known (Fisher's identity); where two bounds of
        m meet and there is no derivative, the mean of those to both sides.
        """
        moved = self.coins.slopes_of_cases()
        (weight, *here), (more, *gone) = self._means(_known, h, *self, *(one for row in moved for one in row))
        found = [(one + other) / (weight + more) for one, other in zip(here, gone, strict=True)]
        found[0] = found[0] + by_count(digamma_rising, self.r, h.x)
        return np.stack(found)

    def p_alive_now(self, h: History) -> Array:
        """Still there, against left in the silence since t_x.

        Examples
        --------
        Where frequent buyers leave sooner, one who fell silent is less likely to be there than by chance.

        >>> from custrel import History
        >>> h = History(x=[0, 10], t_x=[0, 30], T=[39, 39])
        >>> for dependence in (0, 1):
        ...     law = CorrelatedParetoNBD(0.553, 10.578, 0.606, 11.669, dependence=dependence)
        ...     print(law.p_alive(h).round(3))
        [0.294 0.694]
        [0.302 0.679]
        """
        here, gone = self._parts(h)
        return np.asarray(here / (here + gone))

    def living(self, h: History) -> Living:
        """Purchases add to r; time adds to alpha and, since nobody left in it, to beta; the cases are weighed anew."""
        r, alpha, s, beta = self
        there = ParetoNBD(r + h.x, alpha + h.T, s, beta + h.T)
        return Together(there, self.coins.cases().given(*there))

    def newborn(self) -> Together:
        """A customer of whom nothing is known yet."""
        return Together(ParetoNBD(*self), self.coins.cases())

    def mean_purchase_rate(self, h: History) -> Array:
        """Posterior mean of the purchase rate, per unit of time."""
        return self._posterior_mean(lambda m, A, k, B, *cases: (m / A * mean_weight(m + 1, A, k, B, *cases),), h)

    def mean_dropout(self, h: History) -> Array:
        """Posterior mean of the rate of leaving, per unit of time: those who left show that theirs was high."""
        return self._posterior_mean(lambda m, A, k, B, *cases: (k / B * mean_weight(m, A, k + 1, B, *cases),), h)

    def _posterior_mean(self, of: Callable[..., tuple[Array]], h: History) -> Array:
        (here,), (gone,) = self._means(of, h)
        return np.asarray((here + gone) / self.likelier(h))

    def survival_of_new(self, t: float | Array) -> Array:
        """The Pareto distribution, (beta / (beta + t))^s: by themselves, rates of leaving are distributed as ever."""
        return ParetoNBD(*self).survival_of_new(t)

    @property
    def time_scale(self) -> float | Array:
        """The time on which survival bends."""
        return self.beta

    def future(self, h: History, numbers: SharedNumbers) -> Future:
        """By the story: the coins as they fall for one who is there, and the rates that this tells of.

        Given the coins the rates are independent, each as if its customer had been watched for the delay, too: with
        nothing that happened in it, or with a first event at some moment of it.
        """
        r, alpha, s, beta = self
        here = numbers.uniform() < self.p_alive_now(h)
        buys, leaves = self.coins.cases().drawn(r + h.x, alpha + h.T, s, beta + h.T, numbers.uniform())
        bought = alpha + h.T + watched_for(buys, r + h.x, alpha + h.T, self.delay, numbers.uniform())
        stayed = beta + h.T + watched_for(leaves, s, beta + h.T, self.delay, numbers.uniform())
        x, who = counts_of(h.x, r)
        shapes = np.concatenate(np.broadcast_arrays(r + x, r + x + 1), axis=-1)
        rate = numbers.gamma(shapes)[np.arange(numbers.draws)[:, None], who + x.size * buys] / bought
        pace = np.where(leaves, *(numbers.gamma(s + more) for more in (1, 0)))
        with np.errstate(divide="ignore", over="ignore"):  # a rate of leaving of 0 never leaves
            ends = numbers.exponential() * stayed / pace
        return Future(rate, np.where(here, np.inf, 0.0), ends)

    def simulate(self, T: Array, rng: np.random.Generator, *, unit: str | None = None) -> PurchaseTimes:
        """New customers by the story, exactly and in continuous time; parameters as for `BGNBD.simulate`.

        Examples
        --------
        >>> law = CorrelatedParetoNBD(r=0.553, alpha=10.578, s=0.606, beta=11.669, dependence=0.8)
        >>> times = law.simulate(np.full(100_000, 39.0), np.random.default_rng(1))
        >>> bool(abs(times.count(before=39.0).mean() - law.expected_purchases_of_new(39.0)) < 0.03)
        True
        """
        T = checked_watch(T)
        rate, leaving = self.rates(T.size, rng)
        with np.errstate(divide="ignore", over="ignore"):
            here = np.minimum(T, rng.standard_exponential(T.size) / leaving)
        return times_of_purchases(rate, here, rng, T=T, unit=unit or self.unit)

    def rates(self, size: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Rates of buying and of leaving of so many new customers: first the coins, then each by itself.

        Examples
        --------
        >>> law = CorrelatedParetoNBD(r=1.0, alpha=1.0, s=1.0, beta=1.0, dependence=1.0)
        >>> round(float(np.corrcoef(law.rates(100_000, np.random.default_rng(1)))[0, 1]), 2)
        0.25
        """
        r, alpha, s, beta = self
        buys, leaves = self.coins.cases().drawn(r, alpha, s, beta, rng.random(size))
        ways = (buys, r, alpha), (leaves, s, beta)
        found = [
            rng.standard_gamma(shape + event) / (scale + watched_for(event, shape, scale, self.delay, rng.random(size)))
            for event, shape, scale in ways
        ]
        return found[0], found[1]

    @classmethod
    def starts(cls, h: History) -> list[Self]:
        """Those of the Pareto/NBD, where the rates are independent."""
        return [cls(*start) for start in ParetoNBD.starts(h)]

    @classmethod
    def fit(
        cls,
        h: History,
        dependence: float | None = None,
        *,
        delay: float | str = 1.0,
        purchase: str | Sequence[str] | None = None,
        dropout: str | Sequence[str] | None = None,
        shared: str | Sequence[str] = (),
    ) -> Fit[Self]:
        """The parameters with the highest likelihood, and the dependence with the highest of all if it is not given.

        Parameters
        ----------
        h
            The history; equal rows are summed first.
        dependence
            From -1 to 1. If it is not given, the search goes from the Pareto/NBD to both ends and takes the highest
            place on the way; `Fit.chosen` is then 1, and the diagnosis says what the correlation gains. Standard errors
            are those at this dependence.
        delay
            In the unit of the history, or a duration such as ``"7D"``.
        purchase, dropout, shared
            Covariates, as for `ParetoNBD.fit`. The dependence stays one for all, a part of the largest m that each
            customer's own parameters allow; the diagnosis tells the correlation among those of `model.law`.

        Raises
        ------
        ConvergenceError
            If the likelihood has no peak; the message says why.
        DomainError
            If the dependence or the delay is none, or a covariate is unknown, missing for some customers, the same for
            all, or a combination of others.

        Examples
        --------
        >>> from custrel.datasets import cdnow_summary
        >>> fit = CorrelatedParetoNBD.fit(cdnow_summary())
        >>> round(fit.log_likelihood, 2), fit.model.dependence, round(float(fit.model.correlation), 3)
        (-9591.67, 1.0, 0.088)
        """
        columns = {"purchase": purchase, "dropout": dropout}
        known, moved = asked_of(cls, checked_history(h, law=cls.__name__), columns, shared)
        data = cls._told_by(known)
        first = replace(
            cls.starts(data)[0], unit=data.unit, delay=horizon_in(data, delay), dependence=dependence or 0.0
        )
        try:
            found: Fit[Any] = fit_law(
                data, [replace(start, unit=data.unit) for start in ParetoNBD.starts(data)], moved=moved
            )
        except ConvergenceError as error:
            said = f"{cls.__name__} without dependence is a {error}"
            raise ConvergenceError(said, error.diagnosis, error.log_likelihood) from None
        alone = found.model if moved is None else found.model.law
        law = first.at_log(alone.to_log())
        independent = replace(law, dependence=0.0)
        if moved is None:
            nested = replace(found, model=independent)
            return best_fit(nested, data) if dependence is None else fit_at(nested, law, data)
        nested = replace(found, model=replace(found.model, law=independent))
        return best_moved_fit(nested) if dependence is None else moved_fit_at(nested, replace(nested.model, law=law))


def _numbers(said: str, given: Any) -> Any:
    """A number, or an array that nobody changes."""
    try:
        values = np.array(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DomainError(f"{said} must be a number or numbers, got {given!r}") from error
    values.flags.writeable = False
    return values


def _refuse(good: Any, expected: str, values: Any) -> None:
    if not np.all(good):
        raise DomainError(f"{expected}, got {values[~good].flat[0] if values.ndim else values:g}")


def _known(m: Array, A: Array, k: Array, B: Array, *given: Array) -> tuple[Array, ...]:
    """The mean weight of customers whose moment of leaving is known, then its product with their score.

    Given are the weights of the four cases, the delay, r, alpha, s and beta, and the derivatives of each weight in
    these. The score lacks what x alone tells of r.
    """
    (both, buys, leaves, neither, delay, r, alpha, s, beta), moved = given[:9], np.reshape(np.arange(16), (4, 4))
    (silent, active), (stay, go) = chances_of(m, A, delay), chances_of(k, B, delay)
    weight = go * (both * active + leaves * silent) + stay * (buys * active + neither * silent)
    by_silence = silent * (go * (leaves - both) + stay * (neither - buys))
    by_stay = stay * (active * (buys - both) + silent * (neither - leaves))
    four = active * go, active * stay, silent * go, silent * stay
    ways = (
        (-np.log(A / alpha), -np.log1p(delay / A) * by_silence),
        (r / alpha - m / A, m * delay / (A * (A + delay)) * by_silence),
        ((k - s) / s - np.log(B / beta), -np.log1p(delay / B) * by_stay),
        (s / beta - k / B, k * delay / (B * (B + delay)) * by_stay),
    )
    cells = [sum(given[9 + i] * one for i, one in zip(column, four, strict=True)) for column in moved.T]
    return weight, *(weight * one + more + cell for (one, more), cell in zip(ways, cells, strict=True))
