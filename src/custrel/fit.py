"""Fit: a law with its parameters found, how sure they are, and in words how the finding went."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import numpy as np

from custrel import intervals, serial
from custrel.checked import checked_count, checked_level
from custrel.errors import ConvergenceError, DomainError, one_of
from custrel.frames import leave
from custrel.influence import Influence, influence_of
from custrel.likelihood import SAMPLE, Likelihood, Rows, kept, likelihood_of, sampled
from custrel.posterior import Posterior, posterior_of
from custrel.stats.family import Family, name_of
from custrel.stats.maximise import Peak, maximise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from custrel.covariates import Asked
    from custrel.stats.estimate import Array

__all__ = ["Diagnosis", "Fit", "fit_law", "fit_of_peak"]

Law = TypeVar("Law", bound=Family)

VAGUE = 5.0  # of a log parameter: a factor of 150 each way
OPEN = 1.0  # of a log parameter: a factor of 50 between the ends of a 95 % interval
FEW = 200  # customers: of so many a law of four parameters often has no peak
FAR = 4.0  # on the log scale: who went so far from the first start runs away


@serial.storable
@dataclass(frozen=True)
class Diagnosis:
    """How the search for the parameters went: figures, and in words what a user should know.

    Parameters
    ----------
    findings
        Sentences; what the data say against the law comes here too.
    gradient
        Largest slope left at the peak, per customer and log parameter.
    condition
        Condition number of the Hessian on the log scale.
    starts, agreeing
        How many starts were tried; how many ended at the same place.
    is_peak
        Whether that place is a peak.

    Examples
    --------
    >>> print(Diagnosis((), gradient=1e-9, condition=40.0, starts=3, agreeing=3))
    A peak: gradient 1e-09 per customer, condition number 40, 3 of 3 starts agree.
    """

    findings: tuple[str, ...]
    gradient: float
    condition: float
    starts: int
    agreeing: int
    is_peak: bool = True

    def __str__(self) -> str:
        figures = f"gradient {self.gradient:.0e} per customer, condition number {self.condition:.3g}"
        peak = f"{'A' if self.is_peak else 'No'} peak: {figures}, {self.agreeing} of {self.starts} starts agree."
        return "\n".join((peak, *self.findings))

    def to_dict(self) -> dict[str, Any]:
        """Plain contents."""
        return {**vars(self), "findings": list(self.findings)}

    @classmethod
    def from_dict(cls, contents: dict[str, Any]) -> Self:
        """The diagnosis that `to_dict` wrote."""
        return cls(**{**contents, "findings": tuple(contents["findings"])})


@serial.storable
@dataclass(frozen=True, eq=False, repr=False)
class Fit(Generic[Law]):
    """A fitted law: `model` is the value whose methods are the equations; the rest says how sure it is.

    Parameters
    ----------
    model
        The law at the peak of its likelihood.
    log_likelihood
        Height of the peak.
    n
        Customers that the likelihood was made of.
    log_covariance
        Covariance of the logarithms of the parameters, ``(parameters, parameters)``: the observed information inverted.
        Effects of covariates stand in it as they are, each times the spread of its covariate.
    diagnosis
        How the search went, in words.
    unit
        Unit of time of the history that was fitted.
    like
        The library whose frames answers leave as.
    chosen
        How many numbers beside the parameters were chosen by likelihood; `aic` and `bic` count them.
    data
        What was fitted, equal rows summed; JSON leaves it out.

    Examples
    --------
    >>> from custrel import History, clv
    >>> from custrel.datasets import cdnow_summary
    >>> fit = clv.BGNBD.fit(cdnow_summary())
    >>> fit
    Fit of BGNBD to 2,357 customers: r = 0.2426, alpha = 4.414, a = 0.7929, b = 2.426; log-likelihood -9,582.43
    >>> round(fit.aic, 1), round(fit.bic, 1)
    (19172.9, 19195.9)
    """

    model: Law
    log_likelihood: float
    n: int
    log_covariance: Array
    diagnosis: Diagnosis
    unit: str = "week"
    like: str = "pandas"
    chosen: int = 0
    data: Rows | None = None

    def __post_init__(self) -> None:
        k = len(self.model.names())
        covariance = np.asarray(self.log_covariance, dtype=np.float64)
        if covariance.shape != (k, k) or not np.all(np.linalg.eigvalsh(covariance) > 0):
            raise DomainError(f"Fit: log_covariance must be a positive definite matrix of {k} by {k}, got {covariance}")
        if self.n < 1 or not np.isfinite(self.log_likelihood):
            raise DomainError(
                f"Fit: n must be 1 or more and log_likelihood finite, got {self.n} and {self.log_likelihood}"
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fit) and self.model == other.model and self._beside() == other._beside()

    def __hash__(self) -> int:
        return hash((self.model, self.n, self.log_likelihood))

    def __repr__(self) -> str:
        head = f"Fit of {name_of(self.model)} to {self.n:,} customers"
        return f"{head}: {self.found}; log-likelihood {self.log_likelihood:,.2f}"

    @property
    def found(self) -> str:
        """The parameters in words, and what was chosen beside them."""
        return self.model.said

    @property
    def parameters(self) -> Array:
        """The parameters as an array, in the paper's order."""
        return np.asarray(tuple(self.model))

    @property
    def covariance(self) -> Array:
        """Covariance of the parameters themselves, by the delta method."""
        stretch = self.model.stretch(self.model.to_log())
        return np.asarray(self.log_covariance * np.outer(stretch, stretch))

    @property
    def standard_errors(self) -> Array:
        """Standard error of each parameter."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def aic(self) -> float:
        """Akaike's information criterion, smaller is better."""
        return 2 * (self.parameters.size + self.chosen) - 2 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Bayesian information criterion with n = customers, smaller is better."""
        return float(np.log(self.n)) * (self.parameters.size + self.chosen) - 2 * self.log_likelihood

    def table(self, *, level: float = 0.95, interval: str = "wald", repeats: int = 200, seed: int = 0) -> Any:
        """The parameters with their doubt, a row each, as a frame of the caller's library.

        Columns: parameter, estimate, standard_error, low, high. The interval of a law's own parameter is made on the
        log scale, so it never reaches below 0; that of a covariate's effect as it stands.

        Parameters
        ----------
        level
            The share of repeats in which such an interval holds the truth.
        interval
            ``"wald"`` from the curvature at the peak; ``"sandwich"`` that holds also where the law is not quite that of
            the data; ``"profile"`` from the height of the likelihood, which may be skew, or open to one side;
            ``"bootstrap"`` from fits to customers drawn from these.
        repeats, seed
            How many crowds the bootstrap fits, and where they start.

        Examples
        --------
        >>> from custrel import clv
        >>> from custrel.datasets import cdnow_summary
        >>> fit = clv.BGNBD.fit(cdnow_summary())
        >>> fit.table(interval="profile").round(3)
          parameter  estimate  standard_error    low   high
        0         r     0.243           0.013  0.219  0.269
        1     alpha     4.414           0.378  3.724  5.212
        2         a     0.793           0.186  0.515  1.319
        3         b     2.426           0.705  1.430  4.567
        """
        one_of("interval", interval, ["wald", "sandwich", "profile", "bootstrap"])
        checked_level(level)
        if interval == "wald":
            found = intervals.wald(self.model, self.log_covariance, level)
        elif interval == "bootstrap":
            count, start = checked_count("repeats", repeats, least=2), checked_count("seed", seed, least=0)
            found = intervals.bootstrap(
                self.model, kept(self.data, f"Fit: {interval!r} needs"), level, repeats=count, seed=start
            )
        else:
            way = intervals.sandwich if interval == "sandwich" else intervals.profile
            found = way(self.model, kept(self.data, f"Fit: {interval!r} needs"), self.log_covariance, level)
        names = np.asarray(self.model.names(), dtype=object)
        columns = {"parameter": names, "estimate": self.parameters}
        return leave(columns | dict(zip(("standard_error", "low", "high"), found, strict=True)), like=self.like)

    def draws(self, n: int, *, seed: int, method: str = "laplace", prior: Any = None) -> Law:
        """The law with `n` draws of its parameters, each ``(n, 1)``: what it answers has a row for each draw.

        Parameters
        ----------
        n
            Number of draws.
        seed
            The same seed gives the same draws.
        method, prior
            As in `posterior`, which says more about the draws.
        """
        return self._drawn(n, seed, method, prior).model

    def posterior(self, n: int, *, seed: int, method: str = "importance", prior: Any = None) -> Posterior[Law]:
        """Draws of the parameters given the data and a prior, with the diagnostics of how they were made.

        Parameters
        ----------
        n
            Number of draws.
        seed
            The same seed gives the same draws.
        method
            ``"laplace"``: the logarithms of the parameters are normal about the peak, with `log_covariance`.
            ``"importance"``: such draws, weighed by the likelihood; where the Pareto k of the weights says that this
            fails, walkers take over. ``"ensemble"``: walkers from the beginning.
        prior
            ``"polarization"``: flat in the polarization and the mean of each distribution over customers, which is
            what is taken if nothing is said (`custrel.posterior` says why). ``"log"``: flat in the logarithms of the
            parameters, as Laplace's draws are. ``"flat"``: flat in the parameters. Under these two the draws are those
            about the peak; a plateau far from it is not visited. Or distributions of some of them by name, as
            `scipy.stats` has them; the others are flat in their logarithms.
        """
        return self._drawn(n, seed, method, prior)

    def _drawn(self, n: int, seed: int, method: str, prior: Any) -> Posterior[Law]:
        given = self.model, self.data, self.log_covariance
        return posterior_of(*given, n=n, seed=seed, method=method, prior=prior, like=self.like)

    def influence(self, data: Rows | None = None) -> Influence:
        """How far each parameter would move if a customer were left out, for each of them.

        Parameters
        ----------
        data
            The `History` or `Tenures` that was fitted, so that customers come back under their own names. Without it,
            rows of customers who are alike, and in `n` how many they are.

        Examples
        --------
        A customer of CDNOW bought 21 times within 5 weeks, and then never again:

        >>> from custrel.clv import MBGNBD
        >>> from custrel.datasets import cdnow_summary
        >>> h = cdnow_summary()
        >>> MBGNBD.fit(h).influence(h).table(top=1)[["x", "t_x", "T", "shift_alpha"]].round(2)
            x   t_x      T  shift_alpha
        0  21  4.71  29.29         1.08
        """
        return influence_of(self, data)

    def remarked(self, *remarks: str) -> Self:
        """The same with more findings in its diagnosis."""
        found = (*self.diagnosis.findings, *remarks)
        return replace(self, diagnosis=replace(self.diagnosis, findings=found))

    def to_dict(self) -> dict[str, Any]:
        """Plain contents."""
        plain = {"model": serial.to_plain(self.model), "diagnosis": serial.to_plain(self.diagnosis)}
        return {**plain, **self._beside()}

    def _beside(self) -> dict[str, Any]:
        """What stands beside the model and how it was found, and the data."""
        told = {name: value for name, value in vars(self).items() if name not in {"model", "diagnosis", "data"}}
        return {**told, "log_covariance": np.asarray(self.log_covariance).tolist()}

    @classmethod
    def from_dict(cls, contents: dict[str, Any]) -> Self:
        """The fit that `to_dict` wrote."""
        parts = {name: serial.from_plain(contents[name]) for name in ("model", "diagnosis")}
        return cls(**{**contents, **parts, "log_covariance": np.asarray(contents["log_covariance"])})

    def to_json(self) -> str:
        """JSON text that `custrel.from_json` reads."""
        return serial.to_json(self)


def fit_law(data: Any, starts: Sequence[Law], findings: tuple[str, ...] = (), moved: Asked | None = None) -> Fit[Law]:
    """The peak of a law's likelihood, or a `ConvergenceError` that says why there is none.

    Parameters
    ----------
    data
        Distinct rows with their numbers: histories, or tenures; with the covariates that are asked for, if any.
    starts
        Laws with `log_likelihood` and `score`, from which to start; the first is the middle of the search box.
    findings
        What the law found in the data beforehand.
    moved
        What covariates are asked to move.
    """
    if moved is None:
        return fit_of_peak(starts, data, _climbed(starts, data), findings)
    alone = _climbed(starts, data.knowing(()))  # the law without covariates is one with covariates: never below it
    first = starts[0] if alone.at_edge.any() else starts[0].at_log(alone.position)
    around: Any = [moved.around(start) for start in (first, *starts)]
    rows = moved.rows(data)
    return fit_of_peak(around, rows, _climbed(around, rows), findings)


def _climbed(starts: Sequence[Any], data: Rows) -> Peak:
    """The highest place that the starts lead to; of many rows the first climb is done on a sample."""
    foothill = Likelihood(starts[0], sampled(data)) if len(data) > 2 * SAMPLE else None
    with likelihood_of(starts[0], data) as hill:
        return maximise(hill, [start.to_log() for start in starts], foothill=foothill)


def fit_of_peak(starts: Sequence[Any], data: Rows, peak: Peak, findings: tuple[str, ...]) -> Fit[Any]:
    """The fit at a peak, or why it is none."""
    n, is_peak = round(data.customers), peak.is_peak and _is_sharp(peak, data.customers)
    size = float(np.abs(peak.gradient).max())
    diagnosis = Diagnosis(findings, size, peak.condition, peak.starts, int(peak.agreeing), is_peak)
    if not is_peak:
        raise ConvergenceError(_why(starts[0], peak, n), diagnosis, peak.value * data.customers)
    covariance = np.asarray(np.linalg.inv(-peak.hessian) / data.customers, dtype=np.float64)
    diagnosis = replace(diagnosis, findings=(*findings, *_left_open(starts[0], np.sqrt(np.diag(covariance)))))
    return Fit(
        starts[0].at_log(peak.position),
        peak.value * data.customers,
        n,
        covariance,
        diagnosis,
        data.unit,
        data.like,
        data=data,
    )


def _left_open(law: Any, errors: Array) -> tuple[str, ...]:
    """Which parameters a peak leaves wide open, and what to do."""
    logs = len(getattr(law, "law", law).names())
    wide = [(name, error) for name, error in zip(law.names()[:logs], errors[:logs], strict=True) if error > OPEN]
    if not wide:
        return ()
    named = " and ".join(f"{name} (its logarithm has a standard error of {error:.1f})" for name, error in wide)
    advice = "do not read them, but ask what they foretell under draws: fit.posterior(...)"
    return (f"The data leave {named} open: {advice}.",)


def _is_sharp(peak: Peak, customers: float) -> bool:
    """Whether the data hold every parameter within a useful range: a standard error beyond `VAGUE` says nothing."""
    return bool(_log_errors(peak, customers).max() < VAGUE)


def _log_errors(peak: Peak, customers: float) -> Array:
    """Standard errors of the logarithms of the parameters."""
    return np.asarray(np.sqrt(np.diag(np.linalg.inv(-peak.hessian)) / customers))


def _vague(law: Any, peak: Peak, customers: int) -> str:
    """Where the peak is, and which of its parameters the data leave open."""
    errors = _log_errors(peak, customers)
    place = zip(law.names(), law.values(peak.position), strict=True)
    found = ", ".join(f"{name} = {value:.3g}" for name, value in place)
    open_ones = " and ".join(name for name, error in zip(law.names(), errors, strict=True) if error >= VAGUE / 2)
    said = f"the standard error of a logarithm is {errors.max():.3g}"
    return f"at {found} the parameters can move together, {open_ones} by far the most: {said}"


def _why(law: Any, peak: Peak, customers: int) -> str:
    """What is wrong with a likelihood that has no peak, in words."""
    head = f"{name_of(law)}: the likelihood of {customers:,} customer{'s' * (customers != 1)} has no peak"
    if hasattr(law, "running") and law.running(peak.position).any():
        return f"{head}: {_parted(law, peak)}"
    if peak.is_peak and np.abs(peak.distance).max() < FAR:
        return f"{head} sharp enough to be of use: {_vague(law, peak, customers)}"
    if peak.at_edge.any():
        gone = peak.at_edge
    elif peak.level or peak.far:
        slope, axes = np.linalg.eigh(peak.hessian)
        flattest = np.abs(axes[:, np.argmax(slope)])
        gone = flattest > flattest.max() / 3
    else:
        return f"{head} that could be reached: a slope of {np.abs(peak.gradient).max():.1e} per customer is left"
    limits = getattr(law, "limits", {})
    away = {name for name, chosen in zip(law.names(), gone, strict=True) if chosen}
    ways = [
        f"{name} runs to {law.end_of(name, away)}{limits.get((name, away > 0), '')}"
        for name, away, chosen in zip(law.names(), peak.distance, gone, strict=True)
        if chosen
    ]
    return f"{head}: {'; '.join([*ways, *_staying(law, peak, away, customers)])}"


def _parted(law: Any, peak: Peak) -> str:
    """Which covariates run away, what runs with them, and what to do."""
    k = len(law.law.names())
    effects = zip(law.names()[k:], peak.distance[k:], law.running(peak.position), strict=True)
    ways = [f"{name} runs to {law.end_of(name, away)}" for name, away, gone in effects if gone]
    along = " and ".join(name for name, gone in zip(law.names(), peak.at_edge[:k], strict=False) if gone)
    return (
        f"{' and '.join(ways)}{f' ({along} with it)' if along else ''}, since it parts customers of whom one side all "
        "do the same: leave the covariate out, or join its level with another, so that both sides differ"
    )


def _staying(law: Any, peak: Peak, away: set[str], customers: int) -> list[str]:
    """What stays while two parameters run together, and whether the customers are too few to wonder."""
    at = dict(zip(law.names(), law.values(peak.position), strict=True))
    found = [f"{a} / {b} stays at {at[a] / at[b]:.3g}" for a, b in law.gammas if {a, b} <= away]
    found += [f"{a} / ({a} + {b}) stays at {at[a] / (at[a] + at[b]):.3g}" for a, b in law.betas if {a, b} <= away]
    return found + [f"{customers:,} customers are few: watch more of them, or for longer"] * (customers < FEW)
