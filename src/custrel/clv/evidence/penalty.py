r"""Penalty: which of many covariates matter, when all are asked for at once?

Many effects fitted freely follow the chance in the data. A penalty on them is a price for each: what is climbed is the
mean log-likelihood of a customer less

.. math:: \lambda \sum_j \Big( \omega |\gamma_j| + \frac{1 - \omega}{2} \gamma_j^2 \Big) ,

with each :math:`\gamma_j` measured for a standard deviation of its covariate [1]_ [2]_. The first part, the lasso,
leaves effects at exactly 0 that are not worth their price; the second one draws all of them nearer to 0. The law's own
parameters pay nothing. How large a price is best, customers tell who were held out: cross-validation.

Effects that were shrunk have no honest interval. Look here which covariates to keep, and fit the law with those.

References
----------
.. [1] Zou, H., & Hastie, T. (2005). Regularization and Variable Selection via the Elastic Net. Journal of the Royal
   Statistical Society B 67(2), 301-320. https://doi.org/10.1111/j.1467-9868.2005.00503.x
.. [2] Friedman, J., Hastie, T., & Tibshirani, R. (2010). Regularization Paths for Generalized Linear Models via
   Coordinate Descent. Journal of Statistical Software 33(1), 1-22. https://doi.org/10.18637/jss.v033.i01
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.checked import checked_count, checked_number
from custrel.covariates import WithCovariates
from custrel.errors import DomainError
from custrel.fit import Fit
from custrel.frames import leave
from custrel.likelihood import kept, likelihood_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from custrel.likelihood import Likelihood, Rows
    from custrel.stats.estimate import Array

__all__ = ["PenaltyPath", "penalty_path"]

_CLOSE = 1e-9  # per customer: a step that promises less changes nothing
_LEAST = 1e-3  # of the largest penalty: where the path ends
_RIDGE = 1e-3  # the share of the lasso that sets the largest penalty where there is no lasso


@dataclass(frozen=True, repr=False)
class PenaltyPath:
    """A law with covariates at ever smaller penalties, and how well each tells customers who were held out.

    Parameters
    ----------
    laws
        The law at each penalty.
    penalties
        From the largest, where no effect is worth its price, to the smallest.
    log_likelihood
        Mean log-likelihood of a customer at each.
    held_out, behind_error
        The same of customers who were held out; and the standard error of how far it is behind the best, by the
        differences of each customer.
    l1_share
        The share of the lasso in the penalty.
    like
        The library whose frames answers leave as.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from custrel.clv import NBD
    >>> rng = np.random.default_rng(1)
    >>> known = {"age": rng.normal(size=500), "x": rng.normal(size=500)}
    >>> law = NBD(r=1.0, alpha=10.0).hastened("purchase", 0.5 * known["age"])
    >>> h = replace(law.simulate(np.full(500, 52.0), rng).history(), covariates=known)
    >>> penalty_path(NBD.fit(h, purchase=["age", "x"]), penalties=[10.0, 0.0]).to_frame()[["penalty", "effects"]]
       penalty  effects
    0     10.0        0
    1      0.0        2
    """

    laws: tuple[WithCovariates[Any], ...]
    penalties: Array
    log_likelihood: Array
    held_out: Array
    behind_error: Array
    l1_share: float
    like: str

    @property
    def best(self) -> WithCovariates[Any]:
        """The law that tells customers who were held out best."""
        return self.laws[int(np.argmax(self.held_out))]

    @property
    def simplest(self) -> WithCovariates[Any]:
        """The law of the largest penalty that is no more than one standard error worse than the best."""
        return self.laws[int(np.argmax(self.held_out >= self.held_out.max() - self.behind_error))]

    def to_frame(self) -> Any:
        """A row for each penalty: penalty, log_likelihood, held_out, behind_error, effects (not 0), and each one."""
        effects = np.array([law.effects for law in self.laws])
        names = self.laws[0].names()[-effects.shape[1] :]
        columns = {
            "penalty": self.penalties,
            "log_likelihood": self.log_likelihood,
            "held_out": self.held_out,
            "behind_error": self.behind_error,
            "effects": np.sum(effects != 0, axis=1),
        }
        return leave(columns | dict(zip(names, effects.T, strict=True)), like=self.like)

    def __repr__(self) -> str:
        kept_by = [int(np.sum(law.effects != 0)) for law in (self.best, self.simplest)]
        size = self.laws[0].effects.size
        return (
            f"{len(self.laws)} penalties from {self.penalties[0]:.3g} down to {self.penalties[-1]:.3g}: the best one "
            f"for customers held out keeps {kept_by[0]} of {size} effects, the simplest as good {kept_by[1]}"
        )


def penalty_path(
    fit: Fit[Any], *, l1_share: float = 1.0, penalties: Sequence[float] | int = 30, folds: int = 5, seed: int = 0
) -> PenaltyPath:
    """The effects of covariates at ever smaller penalties, with cross-validation.

    Parameters
    ----------
    fit
        A fit with covariates.
    l1_share
        The share of the lasso: 1 leaves effects at 0 that are not worth their price, 0 (ridge) shrinks all of them.
    penalties
        The penalties, or how many of them between the largest, where every effect is 0, and a thousandth of it.
    folds
        In how many parts the customers are dealt; each is held out once.
    seed
        How they are dealt.

    Raises
    ------
    DomainError
        If the fit has no covariates or came from JSON, or an argument is out of its range.

    Examples
    --------
    Of three covariates only the first one moves how often customers buy:

    >>> from dataclasses import replace
    >>> from custrel.clv import NBD
    >>> rng = np.random.default_rng(1)
    >>> known = {name: rng.normal(size=1000) for name in ("age", "x", "y")}
    >>> law = NBD(r=1.0, alpha=10.0).hastened("purchase", 0.5 * known["age"])
    >>> h = replace(law.simulate(np.full(1000, 52.0), rng).history(), covariates=known)
    >>> path = penalty_path(NBD.fit(h, purchase=["age", "x", "y"]))
    >>> path.simplest.effects.round(2)
    array([0.35, 0.  , 0.  ])
    """
    if not isinstance(getattr(fit, "model", None), WithCovariates):
        raise DomainError(f"penalty_path needs a fit with covariates, got {fit!r:.80}")
    if not 0 <= checked_number("l1_share", l1_share) <= 1:
        raise DomainError(f"l1_share must lie between 0 (ridge) and 1 (lasso), got {l1_share!r}")
    count = checked_count("folds", folds, least=2)
    rows, rng = kept(fit.data, "penalty_path needs"), np.random.default_rng(checked_count("seed", seed, least=0))
    law = _alone(fit.model, rows)
    listed = _checked(penalties, law, rows, l1_share)
    laws = _along(law, rows, listed, l1_share)
    parts = rng.multinomial(rows.weights.astype(np.int64), np.full(count, 1 / count)).T.astype(np.float64)
    told = np.concatenate([_held_out(law, rows, part, listed, l1_share) for part in parts if part.any()], axis=1)
    share = np.concatenate([part[part > 0] for part in parts]) / rows.customers
    held_out = told @ share
    behind = told[np.argmax(held_out)] - told
    error = np.sqrt(((behind - (behind @ share)[:, None]) ** 2) @ share / rows.customers)
    inside = np.array([law.log_likelihood(rows) @ rows.weights for law in laws]) / rows.customers
    return PenaltyPath(tuple(laws), listed, inside, held_out, error, float(l1_share), fit.like)


def _alone(law: WithCovariates[Any], rows: Rows) -> WithCovariates[Any]:
    """The law at its best with all effects held at 0: under a price that no effect is worth."""
    start = law.at_log(np.concatenate([law.law.to_log(), np.zeros_like(law.effects)]))
    with likelihood_of(start, rows) as likelihood:
        return _climbed(likelihood, start, 1e6, 1.0)


def _checked(penalties: Any, law: WithCovariates[Any], rows: Rows, l1_share: float) -> Array:
    """Penalties from the largest to the smallest."""
    if isinstance(penalties, int | np.integer):
        with likelihood_of(law, rows) as likelihood:
            slope = likelihood.gradient(law.to_log())[-law.effects.size :]
        largest = float(np.abs(slope).max()) / max(l1_share, _RIDGE)
        return largest * np.geomspace(1.0, _LEAST, checked_count("penalties", penalties, least=2))
    try:
        found = np.sort(np.atleast_1d(np.asarray(penalties, dtype=np.float64)))[::-1]
    except (TypeError, ValueError):
        found = np.array([np.nan])
    if found.ndim != 1 or not found.size or not np.all((found >= 0) & np.isfinite(found)):
        raise DomainError(f"penalties must be finite numbers, 0 or more, or how many of them, got {penalties!r:.80}")
    return found


def _along(law: WithCovariates[Any], rows: Rows, penalties: Array, l1_share: float) -> list[WithCovariates[Any]]:
    """The law at each penalty, each climb from where the one before ended."""
    laws = []
    with likelihood_of(law, rows) as likelihood:
        for penalty in penalties:
            law = _climbed(likelihood, law, float(penalty), l1_share)
            laws.append(law)
    return laws


def _held_out(law: WithCovariates[Any], rows: Rows, part: Array, penalties: Array, l1_share: float) -> Array:
    """Log-likelihood of each row that is held out, ``(penalties, rows)``, under laws that were fitted to the others."""
    others = rows.weights - part
    stay, out = np.flatnonzero(others > 0), rows.take(np.flatnonzero(part))
    laws = _along(law, rows.take(stay).standing_for(others[stay]), penalties, l1_share)
    return np.array([law.log_likelihood(out) for law in laws])


def _climbed(likelihood: Likelihood, law: WithCovariates[Any], penalty: float, l1_share: float) -> WithCovariates[Any]:
    """Newton steps on the likelihood less its penalty, which is no parabola at 0: each step by coordinates [2]_."""
    position = law.to_log()
    price = np.zeros((2, position.size))
    price[:, -law.effects.size :] = penalty * np.array([[l1_share], [1 - l1_share]])

    def height(place: Array) -> float:
        return likelihood.value(place) - float(price[0] @ np.abs(place) + price[1] @ place**2 / 2)

    here = height(position)
    for _ in range(100):
        gradient = likelihood.gradient(position)
        step = _step(gradient, likelihood.rough_hessian(position, gradient), position, price)
        promise = gradient @ step - float(price[0] @ (np.abs(position + step) - np.abs(position)))
        promise -= float(price[1] @ (position * step))
        if promise < _CLOSE:
            break
        there = height(position + step)
        while there < here and np.abs(step).max() > _CLOSE:
            step = step / 4
            there = height(position + step)
        if there <= here:
            break
        position, here = position + step, there
    return law.at_log(position)


def _step(gradient: Array, hessian: Array, position: Array, price: Array) -> Array:
    """The step to the top of the parabola less its price, one coordinate after another until none moves."""
    size, axes = np.linalg.eigh(hessian)
    steep = (axes * np.maximum(np.abs(size), 1e-10 * np.abs(size).max())) @ axes.T  # falls in every direction
    step = np.zeros_like(position)
    for _ in range(1000):
        before = step.copy()
        for j in range(step.size):
            free = gradient[j] - steep[j] @ step + steep[j, j] * (position[j] + step[j])
            best = np.sign(free) * max(0.0, abs(free) - price[0, j]) / (steep[j, j] + price[1, j])
            step[j] = best - position[j]
        if np.abs(step - before).max() < 1e-10:
            break
    return step
