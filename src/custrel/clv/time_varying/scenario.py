"""Scenario: what covariates will be after the end of observation. Nothing is carried into the future unless it is said.

A scenario is

- a frame, or several, as `CovariatePaths.of` takes them, with rows after the end of observation. Until the first row
  the last known value holds, and the last one holds to the end of the horizon, as by the rule of all covariates. What
  was told without a moment goes on.
- ``"carry_forward"``: all goes on as it last was. In a list beside frames: what these are silent of does.
- paths that begin at T, one for each customer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.clv.horizon import horizon_in
from custrel.clv.time_varying.pieces import distinct_rows
from custrel.clv.time_varying.steps import changes_of, read_all
from custrel.errors import DomainError, nearest

if TYPE_CHECKING:
    from custrel.clv.time_varying.paths import CovariatePaths
    from custrel.clv.time_varying.steps import Steps
    from custrel.history import History
    from custrel.stats.estimate import Array

__all__ = ["CARRY_FORWARD", "FOREVER", "ahead"]

CARRY_FORWARD = "carry_forward"
FOREVER = 1000.0  # years: no horizon reaches further


def ahead(paths: CovariatePaths, t: float | str | Array, scenario: Any, *, whole: bool = False) -> CovariatePaths:
    """The same customers from now on, as paths that begin at T and reach t further.

    Parameters
    ----------
    paths
        The customers.
    t
        How far, in the unit of the paths, or a duration such as ``"365D"``.
    scenario
        What is said of the future.
    whole
        Whether frames tell of the past, too; then the future begins after it, and what they are silent of goes on.

    Raises
    ------
    DomainError
        If nothing is said of a covariate, or of a customer, or a row is not of the future.

    Examples
    --------
    >>> from custrel.clv.time_varying.paths import CovariatePaths
    >>> from custrel.history import PurchaseTimes
    >>> times = PurchaseTimes(customer=np.array([0]), time=np.array([2.5]), T=np.array([4.0]))
    >>> paths = CovariatePaths.along(times, customer=[0, 0], start=[0.0, 3.0], covariates={"sale": [0, 1]})
    >>> ahead(paths, 2, "carry_forward").to_frame()
       customer_id  start  length  purchases  sale
    0            0    0.0     2.0          0   1.0
    """
    _refuse_endless(t)
    span = np.broadcast_to(np.asarray(horizon_in(paths.history, t), dtype=np.float64), (len(paths),))
    nothing = np.zeros(len(paths))
    h = replace(paths.history, x=nothing, t_x=nothing, T=span, spend=None, log_gaps=None)
    if isinstance(scenario, type(paths)):
        return _as_told_by(scenario, paths, h)
    steps = _steps(scenario, paths, whole=whole)
    calendar, zero = paths.calendar, np.zeros(len(paths), dtype=np.int64)
    who, when = changes_of(steps, zero, zero if calendar is None else calendar.grains(span))
    known = {name: values[_last_levels(paths)[who]] for name, values in paths.covariates.items()}
    for one in steps:
        row = one.held(who, when)
        known |= {name: np.where(row < 0, known[name], values[row]) for name, values in one.covariates.items()}
    level, table = distinct_rows(known, who.size)
    start = np.zeros(who.size) if calendar is None else calendar.units(when)
    return type(paths).cut(h, (who, start, level), table)


def _last_levels(paths: CovariatePaths) -> Any:
    return paths.level[np.append(paths.first[1:], paths.customer.size) - 1]


def _refuse_endless(t: Any) -> None:
    if not isinstance(t, str) and np.any(np.asarray(t) == np.inf):
        raise DomainError(
            "nobody can tell what covariates will be for ever: give a horizon that ends, such as '3650D', and a "
            "scenario that reaches to it"
        )


def _steps(scenario: Any, paths: CovariatePaths, *, whole: bool) -> list[Steps]:
    """What frames say of the future, if enough is said."""
    listed = list(scenario) if isinstance(scenario, list | tuple) else [scenario]
    words = [one for one in listed if isinstance(one, str)]
    frames = [one for one in listed if not isinstance(one, str)]
    if scenario is None or not listed or set(words) - {CARRY_FORWARD}:
        raise DomainError(
            f"scenario must be a frame of covariates to come, or {CARRY_FORWARD!r} if they are to go on as they last "
            f"were; got {scenario!r:.80}: give scenario=..., or the history of paths.with_scenario(...)"
        )
    if frames and paths.calendar is None:
        raise DomainError(
            f"these paths know no dates: give the scenario as paths that begin at T, or {CARRY_FORWARD!r}"
        )
    names = list(paths.covariates)
    steps = [] if paths.calendar is None else read_all(frames, paths.calendar, paths.customer_id, names)
    if not whole:
        _refuse_the_past(steps)
    if not words and not whole:
        _refuse_silence(steps, paths)
    return steps


def _refuse_the_past(steps: list[Steps]) -> None:
    for one in steps:
        if past := int(np.sum(one.since <= 0)):
            raise DomainError(
                f"scenario: {past:,} of {one.since.size:,} rows are not after the end of observation: leave out "
                "what is known already"
            )


def _refuse_silence(steps: list[Steps], paths: CovariatePaths) -> None:
    """All that changes must be told, and of everyone."""
    told = {name for one in steps for name in one.covariates}
    always = paths.calendar.always if paths.calendar else frozenset[str]()
    advice = f"or add {CARRY_FORWARD!r} to a list of scenarios"
    if silent := [name for name in paths.covariates if name not in told | always]:
        raise DomainError(
            f"scenario says nothing of {' and '.join(map(repr, silent))}: tell it, {advice} for what is to go on as it "
            "last was"
        )
    for one in steps:
        if one.customer is not None and (lacking := len(paths) - np.unique(one.customer).size):
            raise DomainError(
                f"scenario: {lacking:,} of {len(paths):,} customers have no row: add theirs, {advice} for those who go "
                "on as they last were"
            )


def _as_told_by(later: CovariatePaths, paths: CovariatePaths, h: History) -> CovariatePaths:
    """Paths that were given as a scenario, up to the horizon."""
    if len(later) != len(paths) or np.any(later.history.T < h.T):
        raise DomainError(
            f"scenario: paths must reach {h.T.max(initial=0):g} {paths.unit}s from T for each of {len(paths):,} "
            f"customers; these reach {later.history.T.min(initial=np.inf):g} for {len(later):,}"
        )
    for name in paths.covariates:
        if name not in later.covariates:
            raise DomainError(f"scenario says nothing of {name!r}{nearest(name, later.covariates)}")
    some = later.start <= h.T[later.customer]
    return type(paths).cut(h, (later.customer[some], later.start[some], later.level[some]), later.covariates)
