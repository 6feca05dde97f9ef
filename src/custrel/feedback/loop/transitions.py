"""Transitions: what became of each wave's promoters, passives and detractors in the next?

Two waves can have the same score though everybody changed sides. The matrix of the same customers shows who moved; who
answered one wave only stands in it as "no answer", so that it holds every customer of both waves once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from custrel.checked import checked_level
from custrel.errors import one_of
from custrel.feedback.loop.events import coded, refuse_nobody
from custrel.feedback.reading.answers import answers_of
from custrel.feedback.reading.question import Question, Scale
from custrel.feedback.reading.units import ratio
from custrel.frames import collect, enter, leave, mark, require
from custrel.interactions import Interactions
from custrel.moments import period_of
from custrel.readable import with_moments
from custrel.stats.proportion import BOUNDS_OF_A_SHARE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from custrel.frames import LazyFrame
    from custrel.stats.estimate import Array

__all__ = ["CLASSES", "Moves", "moves_of", "transitions"]

CLASSES = ("promoter", "passive", "detractor")
_STATES = (*CLASSES, "no answer")
_WHO, _SCORE, _WHEN, _DATE = "__who", "__score", "__when", "__date"


def transitions(
    before: Any,
    after: Any,
    score: str = "score",
    *,
    customer_id: str = "customer_id",
    at: str = "occurred_at",
    tz: str = "UTC",
    per_customer: str = "latest",
    among: str = "all",
    interval: str = "wilson",
    level: float = 0.95,
) -> Any:
    """How many customers moved from each class to each between two waves of "would you recommend us?".

    Parameters
    ----------
    before, after
        Each a frame of any library with a row for each answer (or invitation: a missing score is nobody's answer), or a
        log with survey responses. Scores are whole points from 0 to 10: 9 and 10 are promoters', 0 to 6 detractors'.
    score, customer_id
        Columns of the scores and of who answered.
    at, tz
        Column of the time of an answer, and zone of its clock; needed only if customers answered a wave several times.
    per_customer
        Which answer of a customer counts in a wave: ``"latest"`` or ``"first"``; of several at one moment the lowest.
    among
        Of whom a share is taken: ``"all"`` who were in a class, whether they answered again or not, or ``"both"``:
        those who answered both waves.
    interval
        ``"wilson"``, ``"jeffreys"``, ``"clopper_pearson"``, ``"agresti_coull"`` or ``"wald"``.
    level
        Level of the interval.

    Returns
    -------
    A frame of the library of `before` with a row for each pair of classes: from, to, n (customers), share (of those who
    come from the same class), low, high, and excluded_superseded: how many other answers these customers gave. Where
    there is nobody to take a share of, it is missing. "no answer" to "no answer" counts who was invited twice in vain.

    Raises
    ------
    SchemaError
        If a column is missing, an answer is nobody's, or customers answered several times and the time is not known.
    PromiseError
        If scores are none of 0 to 10.
    DomainError
        If an argument is none of those above.

    Examples
    --------
    Of two promoters one became a detractor, and one did not answer again:

    >>> import pandas as pd
    >>> spring = pd.DataFrame({"customer_id": ["ana", "bo", "cy"], "score": [10, 9, 8]})
    >>> autumn = pd.DataFrame({"customer_id": ["ana", "cy", "dee"], "score": [3, 8, 10]})
    >>> found = transitions(spring, autumn)
    >>> found.loc[found["n"] > 0, ["from", "to", "n", "share", "low", "high"]].round(3)
             from         to  n  share    low   high
    2    promoter  detractor  1    0.5  0.095  0.905
    3    promoter  no answer  1    0.5  0.095  0.905
    5     passive    passive  1    1.0  0.207  1.000
    12  no answer   promoter  1    1.0  0.207  1.000
    """
    one_of("among", among, ["all", "both"])
    one_of("interval", interval, BOUNDS_OF_A_SHARE)
    moves = moves_of(before, after, score, customer_id=customer_id, at=at, tz=tz, per_customer=per_customer)
    k = moves.n.astype(np.float64)
    if among == "both":
        k[3, :] = k[:, 3] = np.nan
    n = np.broadcast_to(np.nansum(k, axis=1, keepdims=True), k.shape)
    low, high = BOUNDS_OF_A_SHARE[interval](k, n, level=checked_level(level))
    share = ratio(k, n)
    states = np.array(_STATES, dtype=object)
    columns = {"from": np.repeat(states, 4), "to": np.tile(states, 4), "n": moves.n.ravel(), "share": share.ravel()}
    columns |= {"low": low.ravel(), "high": high.ravel(), "excluded_superseded": moves.superseded.ravel()}
    return leave(columns, like=moves.like, missing=["share", "low", "high"])


@dataclass(frozen=True, eq=False)
class Moves:
    """Customers by their class in two waves, in the order of `CLASSES` and without an answer last.

    Parameters
    ----------
    n
        How many there are, ``(4, 4)``: a row for each class before, a column for each class after.
    superseded
        How many other answers they gave, ``(4, 4)``.
    like
        The library of the first wave.
    """

    n: NDArray[np.int64]
    superseded: NDArray[np.int64]
    like: str


def moves_of(before: Any, after: Any, score: str, *, customer_id: str, at: str, tz: str, per_customer: str) -> Moves:
    """Count the customers of two waves by their classes; see `transitions`."""
    one_of("per_customer", per_customer, ["latest", "first"])
    asked = {"score": score, "customer_id": customer_id, "at": at, "tz": tz, "per_customer": per_customer}
    waves = [_wave(data, name, **asked) for name, data in {"before": before, "after": after}.items()]
    codes = coded(*(wave.who for wave in waves))
    customers = 1 + max(int(code.max(initial=-1)) for code in codes)
    states, superseded = np.full((2, customers), len(CLASSES)), np.zeros(customers)
    for state, wave, who in zip(states, waves, codes, strict=True):
        state[who] = wave.state
        superseded[who] += wave.superseded
    cell = len(_STATES) * states[0] + states[1]
    n, others = (np.bincount(cell, weights=one, minlength=16) for one in (np.ones(customers), superseded))
    return Moves(n.astype(np.int64).reshape(4, 4), others.astype(np.int64).reshape(4, 4), waves[0].like)


@dataclass(frozen=True, eq=False)
class _Wave:
    """Customers of a wave, each once: the place of their class, and how many other answers they gave."""

    who: NDArray[Any]
    state: NDArray[np.intp]
    superseded: NDArray[np.int64]
    like: str


def _wave(data: Any, name: str, *, score: str, customer_id: str, at: str, tz: str, per_customer: str) -> _Wave:
    import pandas as pd

    frame, like = _rows(data, score)
    require(frame, [customer_id], purpose=name)
    whose = {_WHO: nw.col(customer_id), _SCORE: nw.col(score).cast(nw.Float64)}
    found = collect(mark(frame, **whose))
    refuse_nobody(found[_WHO], customer_id, name)
    code, ids = pd.factorize(found[_WHO].astype(object))
    there = ~np.isnan(found[_SCORE].astype(np.float64))
    answers = np.bincount(code[there], minlength=len(ids))
    who, points, when = code[there], found[_SCORE][there].astype(np.float64), np.zeros(int(there.sum()), dtype=np.int64)
    if answers.max(initial=0) > 1:
        found = _with_times(frame, whose, at=at, tz=tz, purpose=f"{name}, where customers answered several times")
        who = pd.Index(ids).get_indexer(found[_WHO].astype(object))
        points, when = found[_SCORE].astype(np.float64), found[_WHEN].astype(np.int64)
    # The one that counts comes first: the latest, or first, and of several at one moment the lowest.
    order = np.lexsort((points, -when if per_customer == "latest" else when, who))
    answered, first = np.unique(who[order], return_index=True)
    state = np.full(len(ids), len(CLASSES))
    state[answered] = _class_of(points[order][first])
    return _Wave(np.asarray(ids, dtype=object), state, np.maximum(answers - 1, 0), like)


def _class_of(points: Array) -> NDArray[np.intp]:
    """The place of a score's class among `CLASSES`."""
    return np.where(points > 8, 0, np.where(points > 6, 1, 2))


def _rows(data: Any, score: str) -> tuple[LazyFrame, str]:
    """The rows of a wave, whose scores are of the scale, and the library of their frame."""
    marks = {"detractors": lambda points: points <= 6}
    question = Question.of(score, (), Scale((0, 10)), marks, {"customer_id": None}, flags=True, survey="nps")
    answers_of(data, question)
    if not isinstance(data, Interactions):
        return enter(data)
    sheet = data.sheets["survey_response"]
    return sheet.frame.filter(nw.col("survey_kind") == "nps"), sheet.like


def _with_times(
    frame: LazyFrame, whose: dict[str, nw.Expr], *, at: str, tz: str, purpose: str
) -> dict[str, NDArray[Any]]:
    """Who answered what when."""
    require(frame, [at], purpose=purpose)
    frame = frame.filter((whose[_SCORE] < float("inf")).fill_null(value=False))
    frame = with_moments(frame, at, name=_DATE, tz=tz)
    return collect(mark(frame, **whose, **{_WHEN: period_of(_DATE, "microsecond", frame.implementation.value)}))
