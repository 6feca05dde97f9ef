r"""Posterior: what the data leave open about a law's parameters, as draws, and how far the draws can be trusted.

Customers may be nearly all alike, and no data of a usual size rule that out: then the likelihood falls to a plateau on
which a shape and a rate grow together without end, and under a prior that is flat in them, or in their logarithms, the
plateau outweighs the peak. So the prior, unless another is given, is flat in the *polarization* of each distribution
over customers [1]_, :math:`1 / (1 + r)` for Gamma(r, alpha) and :math:`1 / (1 + a + b)` for Beta(a, b), which lies
between 0 (all are alike) and 1 (all are at the extremes), and in the mean: its logarithm for a rate, itself for a
probability.

References
----------
.. [1] Sabavala, D. J., & Morrison, D. G. (1977). A Model of TV Show Loyalty. Journal of Advertising Research 17(6),
   35-43.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from custrel.checked import checked_count, checked_level
from custrel.errors import AssumptionWarning, DomainError, nearest, one_of
from custrel.frames import leave
from custrel.inference_data import inference_data
from custrel.likelihood import kept, likelihood_of
from custrel.stats.chains import effective_draws, split_r_hat, walk
from custrel.stats.family import Family, name_of
from custrel.stats.importance import importance_draws, summit
from custrel.stats.maximise import BOX

if TYPE_CHECKING:
    from collections.abc import Callable

    from custrel.likelihood import Rows
    from custrel.stats.estimate import Array

__all__ = ["Posterior", "posterior_of"]

Law = TypeVar("Law", bound=Family)

TRUSTED = 0.7  # a Pareto k beyond this needs another method
AGREED = 1.01  # an R-hat beyond this says that walkers have not met yet
ENOUGH = 100  # independent draws: fewer say little about an interval
_GROUPS = 4  # of walkers, which must agree
_EACH = 10  # walkers in a group
_STEPS = 200  # of the first walk; each further one is twice as long
_LONGEST = 25_600


@dataclass(frozen=True, repr=False)
class Posterior(Generic[Law]):
    """Draws of a law's parameters given the data and a prior.

    Parameters
    ----------
    model
        The law; each of its parameters has the shape ``(draws, 1)``, so what it answers has a row for each draw.
    method
        How the draws were made: ``"laplace"``, ``"importance"`` or ``"ensemble"``.
    prior
        The prior in words.
    effective
        How many independent draws they are worth, for the parameter that is worst off.
    k
        Of importance weights, the Pareto k of their tail: up to 0.7 they can be trusted. NaN for other methods.
    r_hat
        Of walkers, the largest split R-hat: 1.01 or less says that they agree. NaN for other methods.
    findings
        Sentences: what a user should know of how the draws were made.
    like
        The library whose frames answers leave as.

    Examples
    --------
    >>> from custrel import clv
    >>> from custrel.datasets import cdnow_summary
    >>> fit = clv.BGNBD.fit(cdnow_summary())
    >>> posterior = fit.posterior(2000, seed=1)
    >>> posterior.method, posterior.k < 0.7, posterior.effective > 1500
    ('importance', True, True)
    >>> float(posterior.model.r.mean().round(2))
    0.24
    """

    model: Law
    method: str
    prior: str
    effective: float
    k: float = float("nan")
    r_hat: float = float("nan")
    findings: tuple[str, ...] = ()
    like: str = "pandas"

    @property
    def draws(self) -> int:
        """How many draws there are."""
        return len(np.ravel(next(iter(self.model))))

    @property
    def trusted(self) -> bool:
        """Whether the diagnostics of the method find nothing wrong."""
        return not (self.k > TRUSTED or self.r_hat > AGREED) and self.effective >= min(ENOUGH, self.draws / 2)

    def __repr__(self) -> str:
        said = [f"worth {self.effective:,.0f} independent ones"]
        figures = {f"Pareto k {self.k:.2f}": self.k, f"R-hat {self.r_hat:.3f}": self.r_hat}
        said += [text for text, figure in figures.items() if np.isfinite(figure)]
        name = name_of(self.model)
        return f"Posterior of {name} under {self.prior}: {self.draws:,} draws by {self.method}, {', '.join(said)}"

    def table(self, *, level: float = 0.95) -> Any:
        """The parameters, a row each: parameter, mean, standard_deviation, low, median, high.

        Parameters
        ----------
        level
            The share of the draws between low and high, as many below as above.
        """
        tail = (1 - checked_level(level)) / 2
        places = np.concatenate(list(self.model), axis=1)
        low, median, high = np.quantile(places, [tail, 0.5, 1 - tail], axis=0)
        columns = {
            "parameter": np.asarray(self.model.names(), dtype=object),
            "mean": places.mean(axis=0),
            "standard_deviation": places.std(axis=0, ddof=1),
            "low": low,
            "median": median,
            "high": high,
        }
        return leave(columns, like=self.like)

    def to_arviz(self, data: Rows | None = None) -> Any:
        """The draws as ArviZ takes them: `InferenceData`, or a `DataTree` from its version 1 on.

        Parameters
        ----------
        data
            The customers that were fitted. With them there is a group ``log_likelihood``, which ArviZ's `loo` needs.

        Raises
        ------
        MissingExtraError
            If ArviZ is not installed.
        """
        return inference_data(self, data)


def posterior_of(
    law: Law, data: Rows | None, log_covariance: Array, *, n: int, seed: int, method: str, prior: Any, like: str
) -> Posterior[Law]:
    """Draws about a peak.

    Parameters
    ----------
    law
        The law at the peak of its likelihood.
    data
        What the likelihood is made of; the Laplace method needs none.
    log_covariance
        Covariance of the logarithms of the parameters at the peak.
    n, seed, method, prior
        As in `Fit.posterior`.
    like
        The library whose frames answers leave as.
    """
    n, rng = checked_count("draws", n), np.random.default_rng(checked_count("seed", seed, least=0))
    one_of("method", method, ["laplace", "importance", "ensemble"])
    said, log_prior = _prior(law, ("log" if method == "laplace" else "polarization") if prior is None else prior)
    centre = law.to_log()
    if method == "laplace":
        if prior is not None and prior != "log":
            raise DomainError(
                f"draws by 'laplace' are under a prior flat in logarithms; for {said} ask for 'importance'"
            )
        places = rng.multivariate_normal(centre, log_covariance, size=n, method="cholesky")
        return Posterior(law.at_log(places), method, said, float(n), like=like)
    with likelihood_of(law, kept(data, f"draws by {method!r} need")) as likelihood:
        peak = centre

        def log_density(places: Array) -> Array:
            """Inside the box of the search; beyond it there is nothing."""
            found = np.full(len(places), -np.inf)
            inside = np.all(np.abs(places - peak) < BOX, axis=1)
            found[inside] = likelihood.of_draws(places[inside]) + log_prior(places[inside])
            return found

        width = log_covariance
        if isinstance(prior, Mapping):  # which may say another thing than the data
            centre, width = summit(log_density, centre, width)
        findings: tuple[str, ...] = ()
        if method == "importance":
            drawn = importance_draws(log_density, centre, width, n, rng)
            found = Posterior(law.at_log(drawn.places), method, said, drawn.effective, k=drawn.k, like=like)
            if found.trusted:
                return found
            worth = f"a Pareto k of {drawn.k:.2f} and were worth {drawn.effective:,.0f} draws"
            findings = (f"Importance weights had {worth}: walkers took over.",)
        return _walked(law.at_log(centre), log_density, width, n, rng, said, findings, like)


def _walked(
    law: Law,
    log_density: Callable[[Array], Array],
    log_covariance: Array,
    n: int,
    rng: np.random.Generator,
    prior: str,
    findings: tuple[str, ...],
    like: str,
) -> Posterior[Law]:
    """Walk twice as long each time, forgetting what was before, until groups of walkers agree and are worth n draws."""
    size = law.to_log().size
    start = rng.multivariate_normal(law.to_log(), log_covariance, size=_GROUPS * _EACH)
    steps = _STEPS
    _, start = walk(log_density, start, steps, rng)
    while True:
        path, start = walk(log_density, start, steps, rng)
        groups = path.reshape(_GROUPS, _EACH, steps, size).swapaxes(1, 2).reshape(_GROUPS, -1, size)
        worth, r_hat = float(effective_draws(path).min()), float(split_r_hat(groups).max())
        if (worth >= n and r_hat <= AGREED) or steps >= _LONGEST:
            break
        steps *= 2
    every = path.reshape(-1, size)
    places = every[rng.permutation(len(every))[:n]] if len(every) >= n else every[rng.integers(len(every), size=n)]
    found = Posterior(law.at_log(places), "ensemble", prior, min(worth, n), r_hat=r_hat, findings=findings, like=like)
    if found.trusted:
        return found
    walked = f"After {steps:,} steps of {len(path)} walkers, worth {worth:,.0f} draws"
    said = f"{walked}, R-hat is {r_hat:.3f}: do not trust them."
    warnings.warn(said, AssumptionWarning, stacklevel=5)  # at the line that asked for the draws
    return replace(found, findings=(*findings, said))


def _prior(law: Family, prior: Any) -> tuple[str, Callable[[Array], Array]]:
    """A prior in words, and its density on the log scale of the parameters."""
    if isinstance(prior, Mapping):
        for name in prior:
            if name not in law.names():
                hint = f"{nearest(name, law.names())}; it has {', '.join(law.names())}"
                raise DomainError(f"prior: {name_of(law)} has no parameter {name!r}{hint}")
        return _given(law, prior)
    one_of("prior", prior, ["polarization", "log", "flat"])
    if prior == "log":
        return "a prior flat in the logarithms of the parameters", lambda places: np.zeros(len(places))
    if prior == "flat":
        return "a prior flat in the parameters", lambda places: np.log(law.stretch(places)).sum(axis=1)
    paired = {name for pair in (*law.gammas, *law.betas) for name in pair}
    own = set(getattr(law, "law", law).names())
    others = "" if paired == own else ", in the logarithms of the others"
    others += "" if own == set(law.names()) else ", and in the effects of covariates"
    said = f"a prior flat in the polarization and the mean of what customers differ in{others}"
    return said, lambda places: _even(law, dict(zip(law.names(), places.T, strict=True)))


def _even(law: Family, log: Mapping[str, Array]) -> Array:
    """Density of logarithms under which polarizations and means are flat."""
    total = np.zeros(len(next(iter(log.values()))))
    for shape, _ in law.gammas:
        total = total + log[shape] - 2 * np.log1p(np.exp(log[shape]))
    for a, b in law.betas:
        both = np.logaddexp(log[a], log[b])
        total = total + log[a] + log[b] - both - 2 * np.log1p(np.exp(both))
    return total


def _given(law: Family, prior: Mapping[str, Any]) -> tuple[str, Callable[[Array], Array]]:
    """Distributions of some parameters, such as `scipy.stats.gamma(2)`; the others are flat in their logarithms."""

    def log_density(places: Array) -> Array:
        total = np.zeros(len(places))
        columns = zip(law.names(), law.values(places).T, law.stretch(places).T, strict=True)
        for name, value, stretch in columns:
            if name in prior:
                total = total + prior[name].logpdf(value) + np.log(stretch)
        return total

    for name, distribution in prior.items():
        if not hasattr(distribution, "logpdf"):
            raise DomainError(
                f"prior: {name} must be a distribution such as scipy.stats.gamma(2), got {distribution!r}"
            )
    here = dict(zip(law.names(), law.values(law.to_log()), strict=True))
    for name, distribution in prior.items():
        if not np.isfinite(distribution.logpdf(here[name])):
            raise DomainError(
                f"prior: that of {name} rules out {here[name]:.4g}, which the data make likeliest and where the draws "
                "begin: give one that reaches there"
            )
    logs = set(getattr(law, "law", law).names()) - set(prior)
    free = set(law.names()) - logs - set(prior)
    others = ", flat in the logarithms of the other parameters" * bool(logs)
    others += ", flat in the other effects" * bool(free)
    return f"a prior given for {', '.join(prior)}{others}", log_density
