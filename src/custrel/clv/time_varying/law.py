r"""Pareto/NBD whose customers buy and leave faster or slower as covariates change.

While the covariates are x, a customer buys at the rate :math:`\lambda e^{\gamma' x}` and leaves at the rate
:math:`\mu e^{\delta' x}`; :math:`\lambda` and :math:`\mu` differ among customers as in `ParetoNBD` [1]_. So purchases
have a clock of their own, which runs :math:`A = e^{\gamma' x}` times as fast as time, and leaving has one, which runs
:math:`C = e^{\delta' x}` times as fast. They show :math:`B(t) = \int_0^t A` and :math:`D(t) = \int_0^t C`, and the
likelihood of x purchases at the moments :math:`t_j`, the last one :math:`t_x`, is

.. math:: \prod_j A(t_j) \frac{\Gamma(r + x)}{\Gamma(r)} \alpha^r \beta^s \Big[
          \frac{1}{(\alpha + B(T))^{r + x} (\beta + D(T))^s}
          + s \int_{t_x}^T \frac{C(y)\, dy}{(\alpha + B(y))^{r + x} (\beta + D(y))^{s + 1}} \Big].

In a piece of time in which nothing changes both clocks run evenly, and the integral is that of `ParetoNBD` with an
alpha and a beta that the clocks have added to. All terms are positive: nothing cancels. Of the purchases the law wants
their number in each piece, and when the last one was.

References
----------
.. [1] Bachmann, P., Meierer, M., & Naef, J. (2021). The Role of Time-Varying Contextual Factors in Latent Attrition
   Models for Customer Base Analysis. Marketing Science 40(4), 783-809. https://doi.org/10.1287/mksc.2020.1254
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from custrel import serial
from custrel.clv.horizon import discount_per_unit, whole_numbers
from custrel.clv.paretonbd import ParetoNBD
from custrel.clv.story import counts_of
from custrel.clv.time_varying import by_pieces
from custrel.clv.time_varying.clocks import Clock, Levels, MovedPaths
from custrel.clv.time_varying.foreseen import ForeseenHistory
from custrel.clv.time_varying.futures import ClockFuture, moment_when, places
from custrel.clv.time_varying.paths import CovariatePaths
from custrel.clv.time_varying.scenario import ahead
from custrel.covariates import FARTHEST, WithCovariates, asked_of
from custrel.design import needed
from custrel.errors import ConvergenceError, DomainError
from custrel.fit import Fit, fit_law
from custrel.history import PurchaseTimes
from custrel.likelihood import BLOCK, Likelihood
from custrel.stats.maximise import top_near

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from custrel.clv.time_varying.pieces import Numbers
    from custrel.history import History
    from custrel.stats.draw import SharedNumbers
    from custrel.stats.estimate import Array

__all__ = ["TimeVaryingParetoNBD"]

Customers = CovariatePaths | ForeseenHistory

_CELLS = 1 << 17  # draws x pieces at a time


@serial.storable
@dataclass(frozen=True, eq=False, repr=False)
class TimeVaryingParetoNBD(WithCovariates[ParetoNBD]):
    """The Pareto / NBD law with covariates that change in time, of Bachmann, Meierer and Naef (2021) [1]_.

    Wherever customers are taken, as paths or as the history of `CovariatePaths.with_scenario`, which `LifetimeValue`,
    `predict` and `forecast` want, the answer has the shape ``(customers,)``, or ``(draws, customers)`` where the
    parameters are draws. `of` and `like` tell the `ParetoNBD` of customers whose covariates never change.

    Parameters
    ----------
    law
        The law of a customer who is average in all numbers, and of the first level in all flags and categories.
    effects
        By how much the logarithm of the rate of purchases, or of leaving, grows with each covariate.
    designs
        For ``"purchase"`` and ``"dropout"`` the columns that move it.
    shared
        Covariates whose effect is one on both.

    References
    ----------
    .. [1] Bachmann, P., Meierer, M., & Naef, J. (2021). The Role of Time-Varying Contextual Factors in Latent Attrition
       Models for Customer Base Analysis. Marketing Science 40(4), 783-809. https://doi.org/10.1287/mksc.2020.1254

    Examples
    --------
    All buy 0.1 times a week, twice as often in the sale that comes in the second of two weeks, and hardly anybody
    leaves: 0.1 + 0.2 purchases.

    >>> from custrel.design import design_of
    >>> nobody = PurchaseTimes(customer=np.zeros(0, dtype=int), time=np.zeros(0), T=np.array([2.0]))
    >>> paths = CovariatePaths.along(nobody, customer=[0, 0], start=[0, 1], covariates={"sale": [0, 1]})
    >>> designs = {"purchase": design_of("sale", paths.covariates)}
    >>> law = TimeVaryingParetoNBD(ParetoNBD(r=1, alpha=10, s=1e-9, beta=1), np.log([2.0]), designs)
    >>> law.expected_purchases_of_new(paths).round(6)
    array([0.3])
    """

    @classmethod
    def fit(
        cls,
        h: Customers,
        *,
        purchase: str | Sequence[str] | None = None,
        dropout: str | Sequence[str] | None = None,
        shared: str | Sequence[str] = (),
    ) -> Fit[Any]:
        """The parameters with the highest likelihood.

        It is never below that of `ParetoNBD`, nor below that with the covariates alone that never change: the search
        starts at both.

        Parameters
        ----------
        h
            The customers: their paths, or a history that carries them.
        purchase, dropout
            Covariates that move how often customers buy, and how soon they leave: names, or a formula.
        shared
            Covariates whose effect is to be the same on both.

        Raises
        ------
        ConvergenceError
            If the likelihood has no peak; the message says why.
        DomainError
            If no covariate is asked for, or one is unknown, the same at all times, or a combination of others.
        """
        paths = _paths_of(h, cls.__name__)
        levels = Levels.of(paths)
        wanted = {"purchase": purchase, "dropout": dropout}
        _refuse_constants(wanted, levels)
        levels, asked = asked_of(ParetoNBD, levels, wanted, shared)
        if asked is None:
            raise DomainError(
                f"{cls.__name__}: name covariates with purchase=[...] or dropout=[...]; without any this law is "
                "clv.ParetoNBD.fit(paths.history)"
            )
        rows = MovedPaths.of_designs(paths.knowing(levels.covariates), asked.designs).distinct()
        first, *others = (cls._around(asked.around(law)) for law in _starts(paths.history))
        return fit_law(rows, [first, *_without_change(first, rows), *others])

    @classmethod
    def _around(cls, law: WithCovariates[ParetoNBD]) -> Self:
        return cls(law.law, law.effects, law.designs, law.shared)

    # -- the likelihood ------------------------------------------------------------------------------------------------

    def log_likelihood(self, rows: CovariatePaths) -> Array:
        """The likelihood at the head of this file, in logarithms, of each row."""
        return self._asked(by_pieces.log_likelihood, rows)

    def score(self, rows: CovariatePaths) -> Array:
        """Its derivatives in the parameters and the effects, ``(parameters, rows)``, for a law without draws."""
        moved = self._moved(rows)
        answer = np.zeros((4 + self.effects.size, len(moved)))
        answer[:4], along = by_pieces.score(self.law, self.told(moved))
        for process, x in moved.covariates.items():
            for place, column in zip(self._places[process], x.T, strict=True):
                answer[4 + place] += moved.sums(along[process] * column[moved.level])
        return answer

    log_hessian = None  # type: ignore[assignment]  # that of static covariates; here differences of the score do

    # -- what is asked of customers ------------------------------------------------------------------------------------

    def p_alive(self, h: Customers, t: float | str | Array = 0.0, *, scenario: Any = None) -> Array:
        """Probability that the customer has not left by T, or by a time t after T.

        Parameters
        ----------
        h
            The customers.
        t
            How long after T, in the unit of the paths, or a duration such as ``"365D"``.
        scenario
            The covariates to come, as for `expected_purchases`; needed if t is not 0.
        """
        if np.ndim(t) == 0 and t == 0:
            return self.p_alive_now(h)
        return self._asked(_of_the_living(by_pieces.survival_of_new), h, self._ahead(h, t, scenario))

    def p_alive_now(self, h: Customers) -> Array:
        """Probability that the customer has not left by T."""
        return self._asked(by_pieces.p_alive, h)

    def expected_purchases(self, h: Customers, t: float | str | Array, *, scenario: Any = None) -> Array:
        """Expected purchases within t after T, given what was bought: P(alive) times those of the living.

        Parameters
        ----------
        h
            The customers: their paths, or the history that `CovariatePaths.with_scenario` makes.
        t
            Horizon in the unit of the paths, or a duration such as ``"365D"``.
        scenario
            The covariates to come: a frame, or several, with rows after the end of observation. Until the first row the
            last known value holds, and the last one holds to the end. ``"carry_forward"`` says that all covariates go
            on as they last were; in a list beside frames, that those go on of which the frames are silent. Or paths
            that begin at T, one for each customer. A history made with a scenario needs none.

        Raises
        ------
        DomainError
            If there is no scenario, it says nothing of a covariate or a customer, tells of the past, or does not reach
            to the horizon.
        """
        return self._asked(_of_the_living(by_pieces.purchases_of_new), h, self._ahead(h, t, scenario))

    def p_active(self, h: Customers, t: float | str | Array, *, scenario: Any = None) -> Array:
        """Probability of at least one purchase within t after T; parameters as for `expected_purchases`."""
        return self._asked(_of_the_living(by_pieces.activity_of_new), h, self._ahead(h, t, scenario))

    def probability(self, n: int | Array, h: Customers, t: float | str | Array, *, scenario: Any = None) -> Array:
        """Probability of exactly n purchases within t after T; the other parameters as for `expected_purchases`."""
        counts, which = _distinct(n)
        equation = _of_the_living(partial(by_pieces.probability_of_new, n=counts))
        chances = self._asked(equation, h, self._ahead(h, t, scenario))
        chances[counts == 0] += 1 - self.p_alive_now(h)
        return _chosen(chances, which)

    def discounted_expected_purchases(
        self, h: Customers, t: float | str | Array, *, annual_discount_rate: float, scenario: Any = None
    ) -> Array:
        r"""Expected purchases within t after T, each worth :math:`e^{-\delta s}` at time s.

        Parameters
        ----------
        h, t, scenario
            As for `expected_purchases`.
        annual_discount_rate
            Effective annual rate: 0.10 makes a value in a year worth 1/1.10.
        """
        delta = discount_per_unit(annual_discount_rate, h.unit)

        worth = partial(by_pieces.purchases_of_new, delta=delta)
        return self._asked(_of_the_living(worth), h, self._ahead(h, t, scenario))

    def future(self, h: ForeseenHistory, numbers: SharedNumbers) -> ClockFuture:
        """By the story: who is there buys at their own rate, and leaves at a moment of their own, each by its clock."""
        now, later = (self.told(self._moved(side)) for side in (h.paths, h.to_come))
        living = by_pieces.living(self.law, now)
        here = numbers.uniform() < by_pieces.p_alive(self.law, now)
        x, who = counts_of(h.x, self.law.r)
        rate = numbers.gamma(self.law.r + x)[:, who] / living.alpha
        with np.errstate(divide="ignore", over="ignore"):  # a rate of leaving of 0 never leaves
            shown = numbers.exponential() * living.beta / numbers.gamma(self.law.s)
        leaves = moment_when(later.paths, later.leaving, *places(shown), shown)
        stays = np.where(here, np.inf, 0.0)
        return ClockFuture(rate, stays, leaves, paths=later.paths, clock=later.buying)

    def expected_purchases_of_new(self, paths: CovariatePaths) -> Array:
        """Expected repeat purchases within T of new customers whose covariates go these paths."""
        return self._asked(by_pieces.purchases_of_new, paths)

    def survival_of_new(self, paths: CovariatePaths) -> Array:
        """Probability that new customers whose covariates go these paths have not left within T."""
        return self._asked(by_pieces.survival_of_new, paths)

    def activity_of_new(self, paths: CovariatePaths) -> Array:
        """Probability that new customers whose covariates go these paths buy again within T."""
        return self._asked(by_pieces.activity_of_new, paths)

    def probability_of_new(self, n: int | Array, paths: CovariatePaths) -> Array:
        """Probability that new customers whose covariates go these paths buy n times more within T."""
        counts, which = _distinct(n)
        return _chosen(self._asked(partial(by_pieces.probability_of_new, n=counts), paths), which)

    def simulate(self, paths: CovariatePaths, rng: np.random.Generator) -> PurchaseTimes:
        """New customers, one for each of these paths, by the story and exactly: piece by piece in continuous time.

        Parameters
        ----------
        paths
            How the covariates of each go, until T; what was bought in them does not matter.
        rng
            Source of random numbers.
        """
        told, (r, alpha, s, beta) = self.told(self._moved(paths)), self.law
        rows, buying, leaving = told.paths, told.buying, told.leaving
        with np.errstate(divide="ignore", over="ignore"):  # a rate of leaving of 0 never leaves
            leaves = rng.standard_exponential(len(rows)) / rng.gamma(s, 1 / np.asarray(beta), len(rows))
        rate = rng.gamma(r, 1 / np.asarray(alpha), len(rows))
        here = np.clip((leaves[rows.customer] - leaving.before) / leaving.rate, 0.0, rows.length)
        bought = rng.poisson(rate[rows.customer] * buying.rate * here)
        time = np.repeat(rows.start, bought) + rng.random(bought.sum()) * np.repeat(here, bought)
        who = np.repeat(rows.customer, bought)
        return PurchaseTimes(who, time[np.lexsort((time, who))], rows.history.T, rows.unit)

    # -- how they are asked --------------------------------------------------------------------------------------------

    def __getattr__(self, verb: str) -> Any:
        """What this law does not answer."""
        raise AttributeError(
            f"{type(self).__name__} has no {verb!r}; of customers whose covariates never change ask .of(frame) or "
            ".like(...), which are laws without covariates"
        )

    def _asked(self, equation: Callable[..., Array], *sides: Customers) -> Array:
        """An equation of customers, some at a time, and of some draws at a time: memory stays bounded."""
        moved = [self._moved(side) for side in sides]
        most = max(moved, key=lambda side: side.customer.size)
        answers = []
        for part in most.parts(BLOCK):
            some = [side if part.stop >= len(side) and not part.start else side.take(part) for side in moved]
            cells = max(side.customer.size for side in some)
            draws = [equation(law.law, *map(law.told, some)) for law in self._few_draws(cells)]
            answers.append(draws[0] if len(draws) == 1 else np.concatenate(draws, axis=-2))
        return np.concatenate(answers, axis=-1)

    def _few_draws(self, cells: int) -> Iterator[Self]:
        draws, step = len(self.effects) if self.effects.ndim > 1 else 1, max(1, _CELLS // max(1, cells))
        if draws <= step:
            yield self
            return
        for part in (slice(start, start + step) for start in range(0, draws, step)):
            law = ParetoNBD(*(value[part] if np.ndim(value) else value for value in self.law), unit=self.unit)
            yield replace(self, law=law, effects=self.effects[part])

    def _moved(self, h: Customers) -> MovedPaths:
        """Paths with the columns of this law's covariates, and no more pieces than these make."""
        if isinstance(h, MovedPaths):
            return h
        paths = _paths_of(h, type(self).__name__)
        self.law.refuse_another_unit(paths.unit, "the paths count")
        return MovedPaths.of_designs(self._known(paths), self.designs)

    def _known(self, paths: CovariatePaths) -> CovariatePaths:
        """No covariates but this law's; a formula does not say which these are."""
        named = [design.usual() for design in self.designs.values()]
        wanted = dict.fromkeys(name for usual in named for name in usual)
        return paths.knowing(wanted) if all(named) and wanted.keys() <= paths.covariates.keys() else paths

    def _ahead(self, h: Customers, t: float | str | Array, scenario: Any) -> CovariatePaths:
        """What is to come: by the scenario that is given, or by that of the history."""
        to_come = getattr(h, "to_come", None) if scenario is None else scenario
        return ahead(self._known(_paths_of(h, type(self).__name__)), t, to_come)

    def _shifts(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """By how much each process is moved at each level, column by column: a sum that no other row can change."""
        moved = {
            process: sum(
                self.effects[..., [place]] * column for place, column in zip(self._places[process], x.T, strict=True)
            )
            for process, x in columns.items()
        }
        return {process: np.clip(z, -FARTHEST, FARTHEST) for process, z in moved.items()}

    def told(self, rows: MovedPaths) -> by_pieces.Told:
        """Customers with the two clocks."""
        shifts = self._shifts(rows.covariates)
        return by_pieces.Told(rows, *(Clock.of(rows, shifts.get(process)) for process in ("purchase", "dropout")))


def _refuse_constants(wanted: Mapping[str, Any], levels: Levels) -> None:
    """What is the same for all customers at all times moves nothing."""
    names = {name for one in wanted.values() if one is not None for name in needed(one, levels.covariates)}
    for name in sorted(names & levels.covariates.keys()):
        held = levels.covariates[name][levels.weights > 0]
        if len(set(held.tolist())) < 2:
            raise DomainError(f"covariate {name!r} is {held[0]} for all customers at all times: it moves nothing")


def _of_the_living(equation: Callable[..., Array]) -> Callable[..., Array]:
    """P(alive) times an equation of new customers, asked of the law of those who are still there."""

    def asked(law: ParetoNBD, now: by_pieces.Told, ahead: by_pieces.Told) -> Array:
        return np.asarray(by_pieces.p_alive(law, now) * equation(by_pieces.living(law, now), ahead))

    return asked


def _starts(history: History) -> list[ParetoNBD]:
    """The peak of the law without covariates, if it has one, and its own starts."""
    try:
        peak = [ParetoNBD.fit(history).model]
    except ConvergenceError:
        if not history.x.any():
            raise
        peak = []
    return [*peak, *(replace(start, unit=history.unit) for start in ParetoNBD.starts(history))]


def _without_change(law: TimeVaryingParetoNBD, rows: MovedPaths) -> list[TimeVaryingParetoNBD]:
    """The peak of the law with no more effects than those of columns that never change, if there are such columns."""
    if not any(still.any() for still in rows.still().values()):
        return []
    place, _ = top_near(Likelihood(law, rows.without_change()), law.to_log())
    return [law.at_log(place)]


def _distinct(n: int | Array) -> tuple[Array, Numbers]:
    """The numbers of purchases that are asked for, each once, and where each of those given stands among them."""
    counts, which = np.unique(whole_numbers(n), return_inverse=True)
    return counts.astype(np.float64), which.reshape(np.shape(n))


def _chosen(chances: Array, which: Numbers) -> Array:
    """The chances of the numbers that were asked for, which may be each customer's own."""
    shape = np.broadcast_shapes(which.shape, chances.shape[1:])
    every, place = np.broadcast_to(chances, (len(chances), *shape)), np.broadcast_to(which, shape)
    return np.asarray(np.take_along_axis(every, place[None], axis=0)[0])


def _paths_of(h: Any, law: str) -> CovariatePaths:
    """The paths themselves, or those that a history carries."""
    paths = getattr(h, "paths", h)
    if not isinstance(paths, CovariatePaths):
        raise DomainError(
            f"{law} needs CovariatePaths, as CovariatePaths.of(log, frames, until=...) makes, or the history of "
            f"paths.with_scenario(...); got {type(h).__name__}"
        )
    return paths
