"""Rounded: where the likelihood of correlated rates is highest when covariates give each customer a bound of their own.

Two bounds of m meet at another place for each customer who differs by a covariate, and there the likelihood bends like
a roof (`custrel.clv.edges`). Here the corners are rounded: m is a part of all bounds taken together, a little below the
lowest, and the likelihood is as smooth as any other. It is climbed with corners that grow ever sharper. At its top
there is no slope by bounds that lie between those of each customer, which is what makes it one of the likelihood [1]_;
the law by these bounds tells how sure the parameters are.

References
----------
.. [1] Fletcher, R. (1987). Practical Methods of Optimization, 2nd edition, chapter 14. Wiley.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.clv.edges import said_of
from custrel.clv.sarmanov import Rounded
from custrel.fit import Fit, fit_of_peak
from custrel.likelihood import kept, likelihood_of
from custrel.stats.maximise import Hill, Peak, top_near

if TYPE_CHECKING:
    from custrel.likelihood import Likelihood
    from custrel.stats.estimate import Array

__all__ = ["best_moved_fit", "moved_fit_at"]

_WIDTHS = 0.1, 0.01, 0.001  # of the corners, in log odds: at last m is 0.07 % below its bound, where two meet
_STEP = 1e-4  # of a logarithm


def _changed(model: Any, **fields: Any) -> Any:
    """The same law with covariates, but for what its law is told."""
    return replace(model, law=replace(model.law, **fields))


def _hill_of(model: Any, hill: Likelihood) -> Likelihood:
    other = copy(hill)
    other.law = model
    return other


@dataclass(frozen=True)
class _WithDependence(Hill):
    """A hill over the places of a law with covariates, and the dependence."""

    hill: Likelihood

    def at(self, position: Array) -> Likelihood:
        """The hill at that dependence, or at the nearest there is."""
        return _hill_of(_changed(self.hill.law, dependence=float(np.clip(position[-1], -1.0, 1.0))), self.hill)

    def value(self, position: Array) -> float:
        return self.at(position).value(position[:-1]) if abs(position[-1]) <= 1 else -np.inf

    def gradient(self, position: Array) -> Array:
        hill = self.at(position)
        return np.append(hill.gradient(position[:-1]), _rise(hill, position[:-1]) / position[-1])


def _rise(hill: Likelihood, place: Array) -> float:
    """Slope of the mean log-likelihood as log w grows for all."""
    model: Any = hill.law.at_log(place)
    return _mean(hill, lambda rows: 1 - 1 / model.of(rows).likelier(rows.told))


def _mean(hill: Likelihood, of: Any) -> float:
    return float(sum(hill.each(lambda rows: rows.weights @ of(rows), hill.blocks)) / hill.customers)


def _top_at(model: Any, hill: Likelihood) -> Any:
    """The top at the law's dependence, with corners of the last width."""
    for width in _WIDTHS:
        model = _changed(model, by=Rounded(width))
        model = model.at_log(top_near(_hill_of(model, hill), model.to_log())[0])
    return model


def _top_between(model: Any, hill: Likelihood) -> Any:
    """The top over parameters, effects and dependence."""
    place = np.append(model.to_log(), model.law.dependence / 2)
    for width in _WIDTHS:
        model = _changed(model, by=Rounded(width))
        place = top_near(_WithDependence(_hill_of(model, hill)), place)[0]
    return _changed(model, dependence=float(np.clip(place[-1], -1.0, 1.0))).at_log(place[:-1])


def _tops_towards(end: float, nested: Any, hill: Likelihood) -> tuple[Any, Any]:
    """The top at an end of the dependence; and the one on the way there, if the likelihood falls again before."""
    model = _changed(nested, dependence=end, by=Rounded(_WIDTHS[-1]))
    last = _top_at(model, hill)
    begins = _mean(hill, lambda rows: model.of(rows).likelier(rows.told) - 1)
    if begins <= 0 or _rise(_hill_of(last, hill), last.to_log()) >= 0:
        return last, last
    return last, _top_between(model, hill)


def _height(model: Any, hill: Likelihood) -> float:
    """The log-likelihood by the lowest bound of each customer."""
    exact = _changed(model, by=None)
    return _hill_of(exact, hill).value(exact.to_log()) * hill.customers


def _curvature(model: Any, hill: Likelihood) -> Array:
    """Second derivatives by the bounds between those of each customer that hold at the top."""

    def of(rows: Any) -> Array:
        smooth = _changed(model, by=model.of(rows).coins.bound)
        return np.asarray(smooth.log_hessian(rows, step=_STEP, central=True))

    return np.asarray(sum(hill.each(of, hill.blocks)) / hill.customers)


def _fit_from(model: Any, nested: Fit[Any], hill: Likelihood) -> Fit[Any]:
    """The fit at a top that was found."""
    place, went, exact = model.to_log(), nested.diagnosis, _changed(model, by=None)
    gradient, value = _hill_of(model, hill).gradient(place), _height(model, hill) / hill.customers
    far = place - nested.model.to_log()
    peak = Peak(place, value, gradient, _curvature(model, hill), went.starts, went.agreeing, far)
    return fit_of_peak([exact], kept(nested.data, "this needs"), peak, ())


def moved_fit_at(nested: Fit[Any], model: Any) -> Fit[Any]:
    """The fit at the dependence of a law with covariates.

    Parameters
    ----------
    nested
        The fit of independent rates with the same covariates.
    model
        The law with covariates at its place, with a dependence.
    """
    with likelihood_of(model, kept(nested.data, "this needs")) as hill:
        return _fit_from(_top_at(model, hill), nested, hill)


def best_moved_fit(nested: Fit[Any]) -> Fit[Any]:
    """The fit at the best dependence, as `custrel.clv.edges.best_fit` finds it without covariates.

    Parameters
    ----------
    nested
        The fit of independent rates with the same covariates; the one that is returned is never below it.
    """
    with likelihood_of(nested.model, kept(nested.data, "this needs")) as hill:
        ways = [_tops_towards(end, nested.model, hill) for end in (-1.0, 1.0)]
        (low, below), (high, above) = ([_height(top, hill) for top in pair] for pair in ways)
        best = ways[above > below][1]
        fit = _fit_from(best, nested, hill) if max(above, below) > nested.log_likelihood else nested
    law = fit.model.law
    tried = {-1.0: low, 0.0: nested.log_likelihood, 1.0: high, law.dependence: fit.log_likelihood}
    said = said_of(law, fit.log_likelihood - nested.log_likelihood, tried)
    return replace(fit, chosen=1).remarked(*said)
