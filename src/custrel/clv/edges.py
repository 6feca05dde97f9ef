"""Edges: where the likelihood of correlated rates is highest, though it bends like a roof where two bounds of m meet.

At a dependence that is held, m is a part of the lowest of its bounds. By one of them alone the likelihood is smooth and
is climbed like any other; if the bound is still the lowest at the top, the top is found. Else it may lie on the edge
where two bounds meet. The edge is climbed too, and its top is one of the likelihood if by some bound between the two
there is no slope [1]_; the law by that bound is smooth, and tells how sure the parameters are.

References
----------
.. [1] Fletcher, R. (1987). Practical Methods of Optimization, 2nd edition, chapter 14. Wiley.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import chdtrc

from custrel.clv.sarmanov import Bound
from custrel.errors import ConvergenceError
from custrel.fit import Fit, fit_law
from custrel.likelihood import likelihood_of
from custrel.stats.maximise import Hill, top_near

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from custrel.likelihood import Likelihood
    from custrel.stats.estimate import Array

__all__ = ["best_fit", "fit_at", "said_of"]

_SAME = 1e-6  # of a logarithm: two bounds that are one
_BY_CHANCE = 0.05
_FAR = 600.0  # exp(600) is a number still


@dataclass(frozen=True)
class _Edge(Hill):
    """A hill along the edge: beta follows from r, alpha and s."""

    hill: Likelihood

    def whole(self, position: Array) -> Array:
        """All four parameters, where both log odds are one, or where they add up to 0 if dependence is negative."""
        law: Any = self.hill.law.at_log(np.append(position, 0.0))
        odds, _ = law.coins.log_odds
        sought = np.logaddexp(0.0, odds if law.dependence > 0 else -odds)
        return np.append(position, np.log(law.delay / np.expm1(np.minimum(sought / law.s, _FAR))))

    def value(self, position: Array) -> float:
        return self.hill.value(self.whole(position))

    def gradient(self, position: Array) -> Array:
        place = self.whole(position)
        law: Any = self.hill.law.at_log(place)
        buys, leaves = law.coins.slopes() * np.exp(place)
        across = leaves - buys if law.dependence > 0 else leaves + buys
        gradient = self.hill.gradient(place)
        return np.asarray(gradient[:3] - gradient[3] / across[3] * across[:3])


@dataclass(frozen=True)
class _WithDependence(Hill):
    """A hill over the logarithms of the parameters and the dependence."""

    hill: Likelihood

    def at(self, position: Array) -> Likelihood:
        """The hill at that dependence, or at the nearest there is."""
        law: Any = self.hill.law
        return _hill_of(replace(law, dependence=float(np.clip(position[-1], -1.0, 1.0))), self.hill)

    def value(self, position: Array) -> float:
        return self.at(position).value(position[:-1]) if abs(position[-1]) <= 1 else -np.inf

    def gradient(self, position: Array) -> Array:
        hill = self.at(position)
        return np.append(hill.gradient(position[:-1]), _rise(hill, position[:-1]) / position[-1])


def _hill_of(law: Any, hill: Likelihood) -> Likelihood:
    """The likelihood of another law of the same customers."""
    other = copy(hill)
    other.law = law
    return other


def _rise(hill: Likelihood, place: Array) -> float:
    """Slope of the mean log-likelihood as log w grows: below 0 where w is too large."""
    law: Any = hill.law.at_log(place)
    return _mean_over_customers(lambda h: 1 - 1 / law.likelier(h), hill)


def _mean_over_customers(of: Callable[[Any], Array], hill: Likelihood) -> float:
    return float(sum(hill.each(lambda h: h.weights @ of(h), hill.blocks)) / hill.customers)


def _by_bound(law: Any, buys: float, leaves: float) -> Any:
    """The law by a bound of the height of the lowest here, which counts the log odds so often."""
    coins = replace(law, by=None).coins
    less = Bound(buys, leaves, 0.0)
    return replace(law, by=replace(less, rest=float(coins.bound.at(coins.log_odds) - less.at(coins.log_odds))))


def _by_lowest(law: Any) -> Any:
    """The law by the bound that is the lowest here."""
    lowest = replace(law, by=None).coins.bound
    return replace(law, by=Bound(float(lowest.buys), float(lowest.leaves), float(lowest.rest)))


def _is_lowest(law: Any) -> bool:
    """Whether no other bound is lower than the one that the law goes by."""
    odds = law.coins.log_odds
    return bool(replace(law, by=None).coins.bound.at(odds) - law.coins.bound.at(odds) < _SAME)


def _height(law: Any, hill: Likelihood) -> float:
    return _hill_of(law, hill).value(law.to_log())


def _top_by(law: Any, hill: Likelihood) -> Any:
    """The top of the smooth hill by the law's one bound."""
    return law.at_log(top_near(_hill_of(law, hill), law.to_log())[0])


def _top_at(law: Any, hill: Likelihood) -> Any:
    """The top at the law's dependence, by the bound that holds there or one between two on their edge."""
    top = law
    for _ in range(2):
        top = _top_by(_by_lowest(top), hill)
        if _is_lowest(top):
            return top
    edge = _Edge(_hill_of(law, hill))
    top = law.at_log(edge.whole(top_near(edge, law.to_log()[:3])[0]))
    rise, between = _level_across(top, edge.hill)
    if rise > 0 and 0 <= min(between) <= max(between) <= 1:
        return _by_bound(top, *between)
    ways = ((1.0, 0.0), (0.0, 1.0)) if law.dependence > 0 else ((0.0, 0.0), (1.0, 1.0))
    behind = [_top_by(_by_bound(top, *way), hill) for way in ways]
    return max(behind, key=lambda one: (_is_lowest(one), _height(one, hill)))


def _level_across(law: Any, hill: Likelihood) -> tuple[float, tuple[float, float]]:
    """On an edge, how the likelihood rises with w; and how often the bound by which it is level counts the log odds."""
    place = law.to_log()
    there: Any = hill.law.at_log(place)  # whose gradient is asked: on the edge the last digit says which bound is lower
    odds, rise = there.coins.slopes() * np.exp(place), _rise(hill, place)
    lowest = there.coins.bound
    unbound = hill.gradient(place) + rise * (lowest.buys * odds[0] + lowest.leaves * odds[1])
    buys, leaves = odds @ unbound / np.sum(odds * odds, axis=1) / rise
    return rise, (float(buys), float(leaves))


def _tops_towards(end: float, nested: Any, hill: Likelihood) -> tuple[Any, Any]:
    """The top at an end of the dependence; and the one on the way there, if the likelihood falls again before."""
    law = replace(nested, dependence=end)
    last = _top_at(law, hill)
    begins = _mean_over_customers(lambda h: law.likelier(h) - 1, hill)
    if begins <= 0 or _rise(_hill_of(last, hill), last.to_log()) >= 0:
        return last, last
    return last, _top_between(_by_lowest(law), hill)


def _top_between(law: Any, hill: Likelihood) -> Any:
    """The top over parameters and dependence, by the law's one bound; at most where another one is lower."""
    start = np.append(law.to_log(), law.dependence / 2)
    *place, part = top_near(_WithDependence(_hill_of(law, hill)), start)[0]
    found = replace(law, dependence=float(np.clip(part, -1.0, 1.0))).at_log(np.array(place))
    end = replace(found, dependence=float(np.sign(part)), by=None)
    return _by_lowest(replace(end, dependence=end.dependence * min(1.0, float(found.coins.w / end.coins.w))))


def fit_at(nested: Fit[Any], law: Any, data: Any) -> Fit[Any]:
    """The fit at the dependence of a law.

    Parameters
    ----------
    nested
        The fit of independent rates.
    law
        The law at its parameters, with a dependence.
    data
        What it was fitted to.
    """
    with likelihood_of(law, data) as hill:
        top = _top_at(law, hill)
    return _fit_from(top, nested, data)


def _fit_from(top: Any, nested: Fit[Any], data: Any) -> Fit[Any]:
    """The fit at a top that was found, proved by its one bound."""
    fit: Fit[Any] = fit_law(data, [top])
    name, went = type(top).__name__, nested.diagnosis
    if not _is_lowest(fit.model):
        said = f"{name}: where two bounds of m meet, the likelihood of {fit.n:,} customers has no peak"
        raise ConvergenceError(said, fit.diagnosis, fit.log_likelihood)
    diagnosis = replace(fit.diagnosis, starts=went.starts, agreeing=went.agreeing)
    return replace(fit, model=replace(fit.model, by=None), diagnosis=diagnosis)


def best_fit(nested: Fit[Any], data: Any) -> Fit[Any]:
    """The fit at the best dependence: the highest of the tops on the ways from independent rates to both ends.

    Parameters
    ----------
    nested
        The fit of independent rates; the one that is returned is never below it.
    data
        What it was fitted to.
    """
    with likelihood_of(nested.model, data) as hill:
        ways = [_tops_towards(end, nested.model, hill) for end in (-1.0, 1.0)]
        (low, below), (high, above) = ([_height(top, hill) * data.customers for top in pair] for pair in ways)
    best = ways[above > below][1]
    fit = _fit_from(best, nested, data) if max(above, below) > nested.log_likelihood else nested
    tried = {-1.0: low, 0.0: nested.log_likelihood, 1.0: high, fit.model.dependence: fit.log_likelihood}
    findings = (*fit.diagnosis.findings, *said_of(fit.model, fit.log_likelihood - nested.log_likelihood, tried))
    return replace(fit, chosen=1, diagnosis=replace(fit.diagnosis, findings=findings))


def said_of(law: Any, gain: float, tried: Mapping[float, float]) -> list[str]:
    """What the dependence gains, and whether more of it would gain more, in words."""
    ratio = 2 * gain
    peaks = "; ".join(f"{dependence:.3g}: {tried[dependence]:,.2f}" for dependence in sorted(tried))
    p, size = float(chdtrc(1, ratio)), f"a correlation of {float(law.correlation):.3g}"
    head = "These data ask for a correlation" if p < _BY_CHANCE else "These data do not ask for a correlation"
    found = [
        f"Dependence {law.dependence:.3g}, {size}, was chosen by the log-likelihood; dependence and its peak: {peaks}.",
        f"{head}: twice what it gains over the ParetoNBD is {ratio:.2f}, and chance gains as much with p = {p:.2g}.",
    ]
    if abs(law.dependence) == 1:
        most = "largest" if law.dependence > 0 else "smallest"
        found.append(f"The correlation sits at the {most} that this family allows with a delay of {law.delay:.4g}.")
    return found
