r"""Influence: which single customers move the parameters of a fitted law, and how far?

To leave a customer out and fit again, for each of them, would take as many fits as there are customers. One step of
Newton's method from the peak says nearly the same at once [1]_ [2]_: without customer i the logarithms of the
parameters move by :math:`\Delta_i = -V s_i`, where V is their covariance and :math:`s_i` the customer's score, the
derivative of their own log-likelihood. Cook's distance, here :math:`\Delta_i' V^{-1} \Delta_i`, is how far that is in
all: twice what the log-likelihood of all customers would lose by the move [1]_.

The step is nearly exact for a customer among many. It is short, by a tenth to a fifth, for one who moves a parameter by
about its standard error.

References
----------
.. [1] Cook, R. D. (1986). Assessment of Local Influence. Journal of the Royal Statistical Society B 48(2), 133-169.
   https://doi.org/10.1111/j.2517-6161.1986.tb01398.x
.. [2] Pregibon, D. (1981). Logistic Regression Diagnostics. Annals of Statistics 9(4), 705-724.
   https://doi.org/10.1214/aos/1176345513
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from custrel.checked import checked_count
from custrel.errors import DomainError
from custrel.frames import leave
from custrel.likelihood import BLOCK, kept
from custrel.stats.family import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from custrel.likelihood import Rows
    from custrel.stats.estimate import Array

__all__ = ["Influence", "influence_of"]

NOTABLE = 1.0  # standard errors: who moves a parameter farther than chance does is worth a look
_NAMED = 3  # movers that a sentence names
_SHOWN = ("customer_id", "x", "t_x", "T", "spend", "age", "ended", "n")


@dataclass(frozen=True, eq=False, repr=False)
class Influence:
    """What each customer moves, the most influential one first; it prints as sentences.

    Parameters
    ----------
    law
        Name of the law.
    who
        Column to values, ``(rows,)``: who the customers are, or what rows of alike customers hold.
    customers
        How many there are in all.
    log_likelihood
        Of a customer of each row.
    shift
        Parameter to values, ``(rows,)``: how far its logarithm would move if the customer were left out, in units of
        its standard error; effects of covariates move as they are.
    distance
        Cook's distance of all parameters together.
    like
        The library whose frames answers leave as.

    Examples
    --------
    >>> from custrel.clv import MBGNBD
    >>> from custrel.datasets import cdnow_summary
    >>> h = cdnow_summary()
    >>> MBGNBD.fit(h).influence(h)
    Influence of 2,357 customers on MBGNBD
    1 customer moves alpha by more than its standard error: 19339 (x = 21, t_x = 4.714, T = 29.29) by 1.08.
    """

    law: str
    who: Mapping[str, NDArray[Any]]
    customers: int
    log_likelihood: Array
    shift: Mapping[str, Array]
    distance: Array
    like: str = "pandas"

    def __repr__(self) -> str:
        return "\n".join((f"Influence of {self.customers:,} customers on {self.law}", *self.findings))

    @property
    def findings(self) -> tuple[str, ...]:
        """Sentences: who moves a parameter by more than its standard error, or how far it is from that."""
        found = [self._movers(name, np.abs(moved)) for name, moved in self.shift.items()]
        return tuple(said for said in found if said) or (self._nobody(),)

    def table(self, *, top: int | None = None) -> Any:
        """A row for each customer, the most influential one first, as a frame of the caller's library.

        Columns: those of `who`; log_likelihood; for each parameter ``shift_`` and its name; distance.

        Parameters
        ----------
        top
            How many rows; all if not given.
        """
        rows = slice(None if top is None else checked_count("top", top))
        shifts = {f"shift_{name}": moved for name, moved in self.shift.items()}
        columns = {**self.who, "log_likelihood": self.log_likelihood, **shifts, "distance": self.distance}
        return leave({name: values[rows] for name, values in columns.items()}, like=self.like)

    def _movers(self, parameter: str, moved: Array) -> str:
        rows = np.flatnonzero(moved > NOTABLE)
        if not rows.size:
            return ""
        rows = rows[np.argsort(-moved[rows], kind="stable")]
        n = round(float(self.who["n"][rows].sum())) if "n" in self.who else rows.size
        named = "; ".join(f"{self._name(row)} by {moved[row]:.2f}" for row in rows[:_NAMED])
        others = f"; and {rows.size - _NAMED:,} more" if rows.size > _NAMED else ""
        one = n == 1
        head = (
            f"{n:,} customer{'' if one else 's'} move{'s' if one else ''} {parameter} by more than its standard error"
        )
        return f"{head}{'' if one else ', each of them alone'}: {named}{others}."

    def _nobody(self) -> str:
        most = {name: int(np.argmax(np.abs(moved))) for name, moved in self.shift.items()}
        parameter = max(most, key=lambda name: abs(self.shift[name][most[name]]))
        row = most[parameter]
        by = f"{parameter} by {abs(self.shift[parameter][row]):.2f} of it"
        return f"No customer moves a parameter by more than its standard error; the most is {by}: {self._name(row)}."

    def _name(self, row: int) -> str:
        told = {name: values[row] for name, values in self.who.items() if name not in {"customer_id", "n"}}
        history = ", ".join(
            f"{name} = {value if value.dtype == bool else f'{value:.4g}'}" for name, value in told.items()
        )
        return f"{self.who['customer_id'][row]} ({history})" if "customer_id" in self.who else f"one with {history}"


def influence_of(fit: Any, data: Rows | None = None) -> Influence:
    """How far each parameter would move if a customer were left out, for each of them, by one step [1]_ [2]_.

    Parameters
    ----------
    fit
        A fit of any law.
    data
        The `History` or `Tenures` that it was made from, so that customers come back under their own names. Without
        it, the rows that the fit keeps: of customers who are alike, one row, and in `n` how many they are; what it
        tells is then of leaving out one of them.

    Raises
    ------
    DomainError
        If the data are not those that were fitted, or they are not given for a fit that came from JSON.

    References
    ----------
    .. [1] Cook, R. D. (1986). Assessment of Local Influence. Journal of the Royal Statistical Society B 48(2),
       133-169. https://doi.org/10.1111/j.2517-6161.1986.tb01398.x
    .. [2] Pregibon, D. (1981). Logistic Regression Diagnostics. Annals of Statistics 9(4), 705-724.
       https://doi.org/10.1214/aos/1176345513

    Examples
    --------
    A customer of CDNOW bought 21 times within 5 weeks, and then never again.

    >>> from custrel.clv import BGNBD, MBGNBD
    >>> from custrel.datasets import cdnow_summary
    >>> h = cdnow_summary()
    >>> BGNBD.fit(h).influence(h)
    Influence of 2,357 customers on BGNBD
    No customer moves a parameter by more than its standard error; the most is alpha by 0.78 of it: ...
    >>> MBGNBD.fit(h).influence().table(top=2)[["x", "t_x", "shift_r", "shift_alpha"]].round(2)
        x    t_x  shift_r  shift_alpha
    0  21   4.71     0.84         1.08
    1  25  27.29     0.19         0.28
    """
    rows = _checked_rows(fit, data)
    score = np.concatenate([fit.model.score(block) for block in rows.blocks(BLOCK)], axis=1)
    each = np.concatenate([fit.model.log_likelihood(block) for block in rows.blocks(BLOCK)])
    _refuse_other_rows(fit, rows, each)
    slope = score * fit.model.stretch(fit.model.to_log())[:, None]
    moved = -fit.log_covariance @ slope
    distance = np.einsum("pi,pi->i", -slope, moved)
    first = np.argsort(-distance, kind="stable")
    errors = np.sqrt(np.diag(fit.log_covariance))
    shift = dict(zip(fit.model.names(), (moved / errors[:, None])[:, first], strict=True))
    who = {name: values[first] for name, values in _columns(fit, rows).items()}
    return Influence(name_of(fit.model), who, fit.n, each[first], shift, distance[first], rows.like)


def _checked_rows(fit: Any, data: Any) -> Rows:
    """The customers that tell the law something."""
    if data is None:
        return kept(fit.data, "influence needs")
    if not all(hasattr(data, name) for name in ("weights", "blocks", "take")):
        raise DomainError(f"influence needs the History or Tenures that were fitted, got {type(data).__name__}")
    law = getattr(fit.model, "law", fit.model)
    rows: Rows = law.told_by(data) if hasattr(law, "told_by") else data
    return rows


def _refuse_other_rows(fit: Any, rows: Rows, each: Array) -> None:
    """The likelihoods of the customers add up to that of the fit, if they are those it was made from."""
    total = float(rows.weights @ each)
    if not abs(total - fit.log_likelihood) < 1e-6 * (1 + abs(fit.log_likelihood)):
        raise DomainError(
            f"influence: the fit was made from {fit.n:,} customers with a log-likelihood of {fit.log_likelihood:,.2f}; "
            f"that of these {rows.customers:,.0f} is {total:,.2f}: give the data that were fitted"
        )


def _columns(fit: Any, rows: Any) -> dict[str, NDArray[Any]]:
    """Who they are, and what the law was told of them."""
    told = getattr(rows, "told", rows)  # behind the columns of covariates
    left_out = set() if hasattr(getattr(fit.model, "law", fit.model), "told_by") else {"spend"}
    left_out |= {"customer_id"} if getattr(told, "n", None) is not None else set()
    found = {name: getattr(told, name, None) for name in _SHOWN if name not in left_out}
    known = {name: np.asarray(values) for name, values in found.items() if values is not None}
    return known | ({"x": known["x"].astype(np.int64)} if "x" in known else {})
