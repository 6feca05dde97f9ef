"""Compare: several laws, one history, one table."""

import numpy as np
import pytest

from custrel import History
from custrel.clv import BGNBD, MBGNBD, NBD, GammaGamma, ParetoNBD, compare
from custrel.clv.law import PurchaseLaw
from custrel.clv.lognormalspend import LogNormalSpend
from custrel.clv.spend import SpendLaw
from custrel.datasets import cdnow
from custrel.errors import DomainError

approx = pytest.approx


@pytest.fixture(scope="module")
def log():
    return cdnow()


@pytest.fixture(scope="module")
def history(log):
    return log.history(until="1997-09-30", unit="week")


def test_four_laws_on_cdnow_with_the_weeks_that_were_held_out(log, history):
    held = log.purchases_between("1997-10-01", "1998-06-30", customers=history)
    table = compare([NBD, ParetoNBD, BGNBD, MBGNBD], history, holdout=held, horizon="273D").set_index("law")
    assert ["MBGNBD", "BGNBD", "ParetoNBD", "NBD"] == table.index.tolist()
    assert approx([-9582.1357, -9582.4292, -9594.9762, -9763.6576], abs=1e-4) == table["log_likelihood"].tolist()
    assert approx([1576.728, 1653.409, 1665.513], abs=0.01) == table["expected"].tolist()[:3]
    assert {1882.0} == set(table["actual"])
    assert approx(1653.409 / 1882 - 1, abs=1e-5) == table["total_error"]["BGNBD"]
    assert approx(2 * 4 + 2 * 9582.4292, abs=1e-3) == table["aic"]["BGNBD"]
    assert table["parameters"]["NBD"] == "r = 0.3848, alpha = 12.07"
    assert table["diagnosis"].str.startswith("A peak").all()
    assert (table["seconds"] > 0).all()
    assert table["mean_absolute_error"].idxmax() == "NBD"


def test_a_law_without_a_peak_comes_last_and_says_why():
    h = History(x=np.full(100, 39), t_x=[39.0] * 100, T=[39.0] * 100)
    table = compare([BGNBD], h, holdout=np.ones(100), horizon=3)
    assert "has no peak" in table["diagnosis"][0]
    assert np.isnan(table["bic"][0])
    assert table["parameters"][0] == ""


def test_customers_who_share_a_row_count_as_many(history):
    few = history.take(history.T < 30).distinct()
    alone = history.take(history.T < 30)
    one, other = (
        compare([NBD], h, holdout=np.where(h.x > 0, 1.0, 0.0), horizon=10).drop(columns=["seconds"])
        for h in (few, alone)
    )
    numbers = one.select_dtypes("number").columns
    assert approx(other[numbers].to_numpy(), rel=1e-8) == one[numbers].to_numpy()


def test_laws_of_spend_are_compared_on_the_same_means(history):
    table = compare([LogNormalSpend, GammaGamma], history).set_index("law")
    assert ["GammaGamma", "LogNormalSpend"] == table.index.tolist()
    assert approx([-4055.9177, -4059.2519], abs=1e-4) == table["log_likelihood"].tolist()
    assert approx(3 * np.log(946) + 2 * 4055.9177, abs=1e-3) == table["bic"]["GammaGamma"]
    assert table["parameters"]["LogNormalSpend"].endswith("doubling = 1.117")
    assert ["parameters", "log_likelihood", "aic", "bic", "seconds", "diagnosis"] == list(table.columns)


def test_a_law_of_spend_without_a_peak_comes_last_and_says_why():
    h = History(x=[2] * 80, t_x=[9.0] * 80, T=[39.0] * 80, spend=np.random.default_rng(0).gamma(5, 8, 80))
    table = compare([LogNormalSpend], h)
    assert "every mean rests on 2 purchases" in table["diagnosis"][0]
    assert np.isnan(table["bic"][0])


def test_laws_of_spend_take_no_holdout(log, history):
    held = log.purchases_between("1997-10-01", "1998-06-30", customers=history)
    with pytest.raises(DomainError, match="laws of spend foretell no purchases: leave holdout and horizon out"):
        compare([GammaGamma], history, holdout=held, horizon=39)


@pytest.mark.parametrize(
    "laws",
    [
        [],
        [BGNBD, GammaGamma],
        ["BGNBD"],
        [BGNBD(1, 1, 1, 1)],
        [GammaGamma(1, 1, 1)],
        BGNBD,
        [PurchaseLaw],
        [SpendLaw],
        3,
        "BGNBD",
    ],
)
def test_what_is_no_law_of_purchases_or_of_spend_is_refused(history, laws):
    with pytest.raises(DomainError, match="compare needs laws of purchases.*or of spend.*all of one kind"):
        compare(laws, history)


def test_a_holdout_that_does_not_fit_is_refused(log, history):
    held = log.purchases_between("1997-10-01", "1998-06-30", customers=history)
    for given, said in (
        ({"holdout": held}, "needs its horizon"),
        ({"horizon": 3}, "needs its horizon"),
        ({"holdout": np.ones(3), "horizon": 3}, "each of 2,357 customers"),
        ({"holdout": np.full(2357, -1), "horizon": 3}, "2,357 of 2,357 are not"),
        ({"holdout": np.where(history.x > 0, np.inf, 1), "horizon": 3}, "946 of 2,357 are not"),
        ({"holdout": ["a"] * 2357, "horizon": 3}, "must hold numbers"),
        ({"holdout": held, "horizon": np.array([1.0, 2.0])}, "one for each customer"),
    ):
        with pytest.raises(DomainError, match=said):
            compare([NBD], history, **given)
    back = history.take(slice(None, None, -1))
    with pytest.raises(DomainError, match="other customers"):
        compare([NBD], back, holdout=held, horizon=39)
