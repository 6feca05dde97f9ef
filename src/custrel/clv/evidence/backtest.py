"""Backtest: had we forecast from each of several days in the past, how far off would each law have been?"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from inspect import isabstract
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.clv.evidence.baselines import MeanOfAll, RecencyRule, SameAsBefore
from custrel.clv.gammagamma import GammaGamma
from custrel.clv.horizon import horizon_in
from custrel.clv.law import PurchaseLaw
from custrel.clv.spend import SpendLaw
from custrel.clv.time_varying.paths import CovariatePaths
from custrel.clv.time_varying.scenario import CARRY_FORWARD
from custrel.errors import ConvergenceError, DomainError, one_of
from custrel.frames import collect, leave, tally
from custrel.history import DAYS, History
from custrel.interactions import Interactions
from custrel.moments import GRAINS, edge, moment_of, period_of, start_of
from custrel.stats import scores
from custrel.stats.family import Family

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from numpy.typing import NDArray

    from custrel.purchases import PurchaseCounts
    from custrel.stats.estimate import Array

__all__ = ["backtest"]

AS_IT_CAME = "as_it_came"
_ROWS = 1 << 13  # customers whose chances are held at a time
_FIGURES = (
    *("total_expected", "total_error", "mean_absolute_error", "root_mean_squared_error", "bias", "log_score", "crps"),
    *("gini", "lift", "calibration_error", "value_gini", "value_lift"),
)
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("cutoff", "end"), "M8[us]"),
    **dict.fromkeys(("law", "diagnosis"), object),
    **dict.fromkeys(("customers", "total_actual"), np.int64),
    "baseline": bool,
}


@dataclass(frozen=True, eq=False)
class _Origin:
    """A day from which is forecast: what was known by then, what came within t, and what had come within t before."""

    cutoff: datetime
    end: datetime
    h: History
    t: float
    came: PurchaseCounts
    before: Array


@dataclass(frozen=True, eq=False)
class _Known:
    """What laws may know of customers beside their purchases."""

    covariates: Any
    changing: Any
    scenario: str

    def to(self, h: History, log: Interactions, cutoff: Any, told: dict[str, Any]) -> History:
        """The history that carries it."""
        h = h if self.covariates is None else h.with_covariates(self.covariates)
        if self.changing is None:
            return h
        asked = {name: value for name, value in told.items() if name != "log_gaps"}
        paths = replace(CovariatePaths.of(log, self.changing, until=cutoff, **asked), history=h)
        if self.scenario == CARRY_FORWARD:
            return paths.with_scenario(CARRY_FORWARD)
        return paths.with_scenario(self.changing, whole=True)


@dataclass(frozen=True)
class _Contestant:
    """Who takes part: a law or a baseline, and how it is fitted."""

    name: str
    fit: Callable[[_Origin], Any]
    needs_log_gaps: bool = False
    baseline: bool = False


_BASELINES = (
    _Contestant(
        "SameAsBefore",
        lambda origin: SameAsBefore.fit(origin.h, purchases=origin.before, span=origin.t),
        baseline=True,
    ),
    _Contestant("RecencyRule", lambda origin: RecencyRule.fit(origin.h), baseline=True),
    _Contestant("MeanOfAll", lambda origin: MeanOfAll.fit(origin.h), baseline=True),
)


def backtest(
    log: Interactions,
    laws: Iterable[Any] | Mapping[str, Any],
    *,
    cutoffs: Iterable[Any],
    horizon: float | str,
    until: Any = None,
    since: Any = None,
    customers: Any = None,
    covariates: Any = None,
    changing: Any = None,
    scenario: str = "as_it_came",
    unit: str = "week",
    grain: str = "day",
    spend: type[SpendLaw] | None = GammaGamma,
    baselines: bool = True,
) -> Any:
    """Fit laws to what was known by each cutoff, and hold their forecasts against what came after it.

    Each cutoff is a test of its own: all customers who bought by then are watched from their first purchase to the
    cutoff, late joiners for as short as they were there, and foretold from the cutoff, which does not count, to the end
    of the horizon, which does.

    Parameters
    ----------
    log
        The log.
    laws
        Classes such as `BGNBD`; or anything with `fit(history)` and a name, or a dictionary of names and such, or of
        functions of a history: ``{"by region": partial(BGNBD.fit, purchase="region")}``. What a fit returns, or its
        `model`, is asked for `expected_purchases(h, t)`, and for `probability(n, h, t)` if it has that.
    cutoffs
        Last moments of what is known: dates, datetimes or ISO text, each once.
    horizon
        How long after each cutoff purchases are foretold, in `unit`, or a duration such as ``"91D"``: a whole number of
        grains.
    until
        Up to when the log was kept; up to its last purchase if not given. No horizon may reach beyond.
    since, customers
        As for `Interactions.history`: leave out customers whose first purchase came before; or take these alone, as of
        one cohort (``customers=log.history(until="1997-03-31")``).
    covariates
        What laws may know of the customers beside their purchases, as for `History.with_covariates`. Nothing in it may
        be younger than the first cutoff: what came to be known later would tell of what is foretold.
    changing
        Frames of covariates that change, as for `CovariatePaths.of`, until the end of the last horizon. The history of
        each cutoff carries what they tell until then, for laws such as ``partial(TimeVaryingParetoNBD.fit,
        purchase=["season"])``; other laws do not notice.
    scenario
        What is known at a cutoff of `changing` after it: ``"as_it_came"``, as of seasons and of what was planned; or
        nothing, and so all goes on as it last was: ``"carry_forward"``.
    unit, grain
        As for `Interactions.history`.
    spend
        The law of spend by which purchases become value. None leaves value out.
    baselines
        Whether to set `SameAsBefore`, `RecencyRule` and `MeanOfAll` beside the laws.

    Returns
    -------
    Frame of the log's library with a row for each cutoff and law, and the columns cutoff, end (of the horizon), law,
    baseline (whether it is one), customers (known at the cutoff) and, of the purchases within the horizon,

    - total_actual, total_expected: of all customers together;
    - total_error: expected less actual, by actual;
    - mean_absolute_error, root_mean_squared_error, bias: of a customer's expected purchases, the last one expected less
      actual. The first is kind to who expects too little, since most customers buy nothing; the second is not;
    - log_score: mean logarithm of the chance that a customer's count had been given; higher is better;
    - crps: mean continuous ranked probability score of a customer's chances, in purchases; lower is better. A forecast
      that is one number has no log score, and its crps is its mean absolute error [1]_, as it should be: who hides the
      doubt pays for it;
    - gini, lift: how well the order of expectations is that of the counts, and how many times the mean of all the tenth
      of whom most is expected brought (`custrel.stats.scores` says how);
    - calibration_error: mean distance, over tenths of customers from low to high expectation, of their mean expected
      from the mean that came;
    - value_gini, value_lift: the same as gini and lift for the amounts that came, customers in the order of expected
      purchases times expected spend; NaN where the log has no amounts;
    - seconds (CPU time of fit and forecast) and diagnosis.

    A law whose likelihood has no peak says so in its diagnosis, and its figures are NaN.

    Raises
    ------
    DomainError
        If no law or no cutoff is given, one stands there twice, a horizon reaches beyond the end of the log, or what a
        law foretells is not a number for each customer.
    SchemaError
        If the log has no purchases.

    References
    ----------
    .. [1] Gneiting, T., & Raftery, A. E. (2007). Strictly Proper Scoring Rules, Prediction, and Estimation. Journal of
       the American Statistical Association 102(477), 359-378. https://doi.org/10.1198/016214506000001437

    Examples
    --------
    >>> from custrel.clv import BGNBD, NBD
    >>> from custrel.datasets import cdnow
    >>> table = backtest(cdnow(), [BGNBD, NBD], cutoffs=["1997-09-30"], horizon=39, baselines=False)
    >>> table[["law", "total_actual", "total_expected", "mean_absolute_error"]].round(3)
         law  total_actual  total_expected  mean_absolute_error
    0  BGNBD          1882        1653.409                0.785
    1    NBD          1882        2929.820                1.041
    """
    contestants = [*_contestants(laws), *(_BASELINES if baselines else ())]
    _refuse_names_given_twice([one.name for one in contestants])
    _refuse_other_than_spend(spend)
    spans = _spans(log, cutoffs, horizon, until, unit, grain)
    told: dict[str, Any] = {"unit": unit, "grain": grain, "log_gaps": any(one.needs_log_gaps for one in contestants)}
    told |= {"since": since, "customers": customers}
    one_of("scenario", scenario, [AS_IT_CAME, CARRY_FORWARD])
    known = _Known(covariates, changing, scenario)
    origins = [_origin(log, *span, told, known) for span in spans]
    rows = [row for origin in origins for row in _rows(origin, contestants, spend)]
    columns = {name: np.array([row[name] for row in rows], dtype=_KINDS.get(name, float)) for name in rows[0]}
    return leave(columns, like=origins[0].h.like)


def _contestants(laws: Any) -> list[_Contestant]:
    if not isinstance(laws, Iterable) or isinstance(laws, str):
        raise DomainError(f"backtest needs laws such as [BGNBD, ParetoNBD], the classes, or a dictionary, got {laws!r}")
    named = laws.items() if isinstance(laws, Mapping) else ((_name(law), law) for law in laws)
    found = [_contestant(name, law) for name, law in named]
    if not found:
        raise DomainError("backtest needs one law or more, such as [BGNBD, ParetoNBD], got none")
    return found


def _refuse_names_given_twice(names: list[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DomainError(f"backtest: {twice[0]!r} stands there twice: give laws a dictionary of names, each once")


def _refuse_other_than_spend(spend: Any) -> None:
    a_law = isinstance(spend, type) and issubclass(spend, SpendLaw) and not isabstract(spend)
    if spend is not None and not a_law:
        raise DomainError(f"backtest: spend must be a law such as GammaGamma, the class, or None, got {spend!r}")


def _name(law: Any) -> str:
    name = getattr(law, "__name__", None) or getattr(law, "name", None)
    if not isinstance(name, str):
        raise DomainError(f"backtest: {law!r:.80} has no name: give classes such as BGNBD, or a dictionary of names")
    return name


def _contestant(name: str, law: Any) -> _Contestant:
    """Anything that can be fitted to a history; a law made from numbers would be fitted anew, and is refused."""
    fit = getattr(law, "fit", None if isinstance(law, type) else law)
    of_spend = isinstance(law, type) and issubclass(law, SpendLaw)
    if not callable(fit) or isabstract(law) or isinstance(law, Family) or of_spend:
        raise DomainError(
            f"backtest needs laws of purchases such as BGNBD, the class, or objects with fit(history), got {law!r:.80}"
        )
    owner = getattr(getattr(law, "func", law), "__self__", law)  # of partial(BGCNBDk.fit, k=2)
    return _Contestant(str(name), lambda origin: fit(origin.h), getattr(owner, "needs_log_gaps", False))


def _spans(
    log: Interactions, cutoffs: Any, horizon: Any, until: Any, unit: str, grain: str
) -> list[tuple[Any, int, int]]:
    """Each cutoff as it was given, the grain it ends with and the last one of its horizon, in order of time."""
    if not isinstance(log, Interactions):
        raise DomainError(f"backtest needs a log, as Interactions.from_frame makes one, got {type(log).__name__}")
    one_of("unit", unit, DAYS)
    one_of("grain", grain, GRAINS)
    steps = _grains_in(horizon, unit, grain)
    given = [] if isinstance(cutoffs, str) or not isinstance(cutoffs, Iterable) else list(cutoffs)
    if not given:
        raise DomainError(f"cutoffs must be a list of dates such as ['1997-06-30', '1997-09-30'], got {cutoffs!r}")
    grains = [edge(start_of(one, name="cutoffs", tz=log.tz, end=True), grain, name="cutoffs") for one in given]
    if repeated := len(grains) - len(set(grains)):
        raise DomainError(
            f"cutoffs must be there once each; {repeated} of {len(grains)} are there again: {given!r:.80}"
        )
    spans = sorted(zip(grains, given, strict=True), key=lambda span: span[0])
    _refuse_unknown_ends(spans[-1][0] + steps, steps, _known(log, until, grain), grain, horizon)
    return [(one, last, last + steps) for last, one in spans]


def _grains_in(horizon: Any, unit: str, grain: str) -> int:
    """How many grains a horizon has."""
    x, t_x, T = np.zeros((3, 1))
    t = horizon_in(History(x, t_x, T, unit=unit), horizon)
    if np.ndim(t):
        raise DomainError(f"horizon must be one number or duration, got an array of shape {np.shape(t)}")
    grains = float(t) * DAYS[unit] / DAYS[grain]
    if round(grains) < 1 or abs(grains - round(grains)) > 1e-9 * grains:
        raise DomainError(
            f"horizon must be a whole number of grains, 1 or more; {horizon!r} makes {grains:.6g} {grain}s: "
            f"give a duration such as '91D', or take a finer grain"
        )
    return round(grains)


def _known(log: Interactions, until: Any, grain: str) -> tuple[int, str]:
    """The last grain that the log tells of, and how that is known."""
    if until is not None:
        return edge(start_of(until, name="until", tz=log.tz, end=True), grain, name="until"), "until"
    sheet = log.only("purchase").sheets["purchase"]
    last = collect(tally(sheet.frame, highs={"last": period_of("occurred_at", grain, sheet.library)}))["last"]
    return int(last[0]), "its last purchase; if it was kept for longer, say until="


def _refuse_unknown_ends(end: int, steps: int, known: tuple[int, str], grain: str, horizon: Any) -> None:
    last, said = known
    if end > last:
        cutoff, wanted, there, latest = (_last_of(one, grain) for one in (end - steps, end, last, last - steps))
        raise DomainError(
            f"horizon={horizon!r} after the cutoff {cutoff} ends at {wanted}, the log at {there} ({said}): "
            f"the latest possible cutoff is {latest}"
        )


def _last_of(period: int, grain: str) -> Any:
    """The last moment of a grain; of days and weeks the last day."""
    moment = moment_of(period + 1, grain) - timedelta(microseconds=1)
    return moment.date() if GRAINS[grain] >= GRAINS["day"] else moment


def _origin(log: Interactions, cutoff: Any, last: int, end: int, told: dict[str, Any], known: _Known) -> _Origin:
    grain, steps = told["grain"], end - last
    h = known.to(log.history(until=cutoff, **told), log, cutoff, told)
    between = partial(log.purchases_between, grain=grain, customers=h)
    came, before = (
        between(moment_of(one + 1, grain), moment_of(other, grain))
        for one, other in ((last, end), (last - steps, last))
    )
    t = steps * DAYS[grain] / DAYS[told["unit"]]
    repeats = before.purchases - (t > h.T)  # who joined within that time: the first purchase made them a customer
    return _Origin(_last_of(last, grain), _last_of(end, grain), h, t, came, repeats.astype(np.float64))


def _rows(origin: _Origin, contestants: list[_Contestant], spend: type[SpendLaw] | None) -> list[dict[str, Any]]:
    worth, said = _worth(spend, origin.h)
    return [_row(origin, one, worth, said) for one in contestants]


def _worth(spend: type[SpendLaw] | None, h: History) -> tuple[Array | None, str]:
    """What a purchase of each customer is expected to be worth; or why that cannot be said."""
    if spend is None or h.spend is None:
        return None, ""
    try:
        worth = spend.fit(h).model.expected_spend(h)
    except ConvergenceError as error:
        return None, f"No order by value: {error}"
    if endless := int(np.sum(~np.isfinite(worth))):
        return None, f"No order by value: {spend.__name__} expects no finite value of {endless:,} customers"
    return worth, ""


def _row(origin: _Origin, one: _Contestant, worth: Array | None, said: str) -> dict[str, Any]:
    figures, began = dict.fromkeys(_FIGURES, np.nan), time.process_time()
    try:
        fit = one.fit(origin)
        figures |= _figures(getattr(fit, "model", fit), origin, worth, one.name)
        words = str(getattr(fit, "diagnosis", ""))
    except ConvergenceError as error:
        words = str(error)
    return {
        "cutoff": origin.cutoff,
        "end": origin.end,
        "law": one.name,
        "baseline": one.baseline,
        "customers": len(origin.h),
        "total_actual": origin.came.purchases.sum(),
        **figures,
        "seconds": time.process_time() - began,
        "diagnosis": "\n".join(filter(None, (words, said))),
    }


def _figures(model: Any, origin: _Origin, worth: Array | None, name: str) -> dict[str, float]:
    expected, actual = _expected(model, origin, name), origin.came.purchases.astype(np.float64)
    figures = {"total_expected": float(expected.sum())}
    measures = ("total_error", "mean_absolute_error", "root_mean_squared_error", "bias", "gini", "lift")
    figures |= {measure: getattr(scores, measure)(expected, actual) for measure in (*measures, "calibration_error")}
    figures["crps"] = figures["mean_absolute_error"]
    if hasattr(model, "probability"):
        figures["log_score"], figures["crps"] = _count_scores(model, origin.h, origin.t, origin.came.purchases)
    if worth is not None:
        value = expected * worth, origin.came.amount
        figures |= {"value_gini": scores.gini(*value), "value_lift": scores.lift(*value)}
    return figures


def _expected(model: Any, origin: _Origin, name: str) -> Array:
    if not hasattr(model, "expected_purchases"):
        raise DomainError(f"backtest: what {name} fits has no expected_purchases(h, t): {model!r:.80}")
    expected = np.asarray(model.expected_purchases(origin.h, origin.t), dtype=np.float64)
    if expected.shape != origin.h.x.shape or not np.isfinite(expected).all():
        raise DomainError(
            f"backtest: {name} must expect a finite number of purchases of each of {len(origin.h):,} customers, "
            f"got shape {expected.shape} with {np.isfinite(expected).sum():,} finite ones"
        )
    return expected


def _count_scores(model: Any, h: History, t: float, came: NDArray[np.int64]) -> tuple[float, float]:
    """Mean log score and CRPS; customers of one history and one count share the work where one law is that of all."""
    if not (hasattr(model, "of") or (isinstance(model, PurchaseLaw) and not any(map(np.ndim, model)))):
        logs, crps = scores.count_scores(partial(_chances_of_each, model, h, t), came)
        return float(logs.mean()), float(crps.mean())
    told = h if getattr(model, "needs_log_gaps", True) else replace(h, log_gaps=None)
    rows = told.collapse()[1] * (came.max() + 1) + came
    _, first, n = np.unique(rows, return_index=True, return_counts=True)
    total = np.zeros(2)
    for start in range(0, first.size, _ROWS):
        some = slice(start, start + _ROWS)
        asked = partial(_chances, model, told.take(first[some]), t)
        total += [n[some] @ one for one in scores.count_scores(asked, came[first[some]])]
    return float(total[0] / len(h)), float(total[1] / len(h))


def _chances(model: Any, h: History, t: float, n: NDArray[np.intp], of: NDArray[np.intp]) -> Array:
    return np.asarray(model.probability(n, h.take(of), t))


def _chances_of_each(model: Any, h: History, t: float, n: NDArray[np.intp], of: NDArray[np.intp]) -> Array:
    """Of a model that knows these customers and no others, nor some of them."""
    return np.stack([np.asarray(model.probability(count, h, t))[of] for count in n.ravel().tolist()])
