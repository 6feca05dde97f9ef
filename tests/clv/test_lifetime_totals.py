"""Totals of lifetime value: of groups, with bounds of the sum."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from custrel.clv import BGNBD, GammaGamma, LifetimeValue, LogNormalSpend
from custrel.datasets import cdnow
from custrel.errors import DomainError

approx = pytest.approx


@pytest.fixture(scope="module")
def log():
    return cdnow()


@pytest.fixture(scope="module")
def history(log):
    return log.history(until="1997-09-30", unit="week")


@pytest.fixture(scope="module")
def ltv(history):
    return LifetimeValue(purchases=BGNBD, spend=GammaGamma).fit(history)


@pytest.fixture(scope="module")
def some(history):
    return history.take(np.argsort(history.x, kind="stable")[::40])


def bounds(table):
    return table[["low", "high"]].to_numpy()


@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_a_groups_figures_are_the_sums_of_its_customers(ltv, some, rate):
    given = {"horizon": 39, "annual_discount_rate": rate, "margin": 0.3, "draws": 200}
    each, groups = ltv.predict(some, **given), ltv.predict(some, by=some.x > 1, **given)
    assert ["group", "n", "p_alive", "expected_purchases", "clv", "low", "high"] == groups.columns.tolist()
    for name in ("p_alive", "expected_purchases", "clv"):
        assert_allclose([each[name][some.x <= 1].sum(), each[name][some.x > 1].sum()], groups[name], rtol=1e-12)
    assert np.all((groups["low"] < groups["clv"]) & (groups["clv"] < groups["high"]))


def test_the_bounds_of_a_group_of_one_are_nearly_the_customers_own(ltv, some):
    often = some.take(some.x > 3)
    each = ltv.predict(often, horizon=39, draws=5000)
    alone = ltv.predict(often, horizon=39, draws=5000, by=np.arange(len(often)))
    assert_allclose(bounds(each)[:, 1], bounds(alone)[:, 1], rtol=0.06)


def test_a_totals_bounds_are_closer_than_the_sum_of_bounds_and_wider_than_the_parameters_doubt(ltv, history):
    each, total = ltv.predict(history, horizon=39), ltv.predict(history, horizon=39, by="all")
    width = np.diff(bounds(total))[0, 0]
    assert width < 0.2 * np.diff(bounds(each)).sum()
    sure = LifetimeValue()
    sure.purchases_, sure.spend_ = (
        replace(one, log_covariance=1e-12 * one.log_covariance) for one in (ltv.purchases_, ltv.spend_)
    )
    assert np.diff(bounds(sure.predict(history, horizon=39, by="all")))[0, 0] < 0.85 * width


def test_customers_are_independent_given_the_parameters(ltv, history):
    """Copies of one customer: the spread of their total grows with the root of their number."""
    sure = LifetimeValue()
    sure.purchases_, sure.spend_ = (
        replace(one, log_covariance=1e-14 * one.log_covariance) for one in (ltv.purchases_, ltv.spend_)
    )
    one = history.take(np.flatnonzero(history.x == 5)[:1])
    spreads = {}
    for n in (25, 900):
        many = one.take(np.zeros(n, dtype=int))
        spreads[n] = np.diff(bounds(sure.predict(many, horizon=39, by="all", draws=4000)))[0, 0]
    assert 5.3 < spreads[900] / spreads[25] < 6.7


def test_a_group_depends_neither_on_the_others_nor_on_the_order(ltv, history):
    by_x = np.minimum(history.x, 5).astype(int)
    together = ltv.predict(history, horizon=39, draws=200, by=by_x)
    mixed = np.random.default_rng(0).permutation(np.flatnonzero(by_x == 4))
    alone = ltv.predict(history.take(mixed), horizon=39, draws=200, by="all")
    assert_allclose(bounds(together)[4], bounds(alone)[0], rtol=1e-9)


def test_parts_of_memory_change_nothing(ltv, some, monkeypatch):
    labels = np.arange(len(some)) // 10
    whole = ltv.predict(some, horizon=39, draws=100, by=labels)
    monkeypatch.setattr("custrel.clv.lifetime_value.SUMS", 200)
    monkeypatch.setattr("custrel.clv.lifetime_value.CELLS", 700)
    assert_allclose(bounds(whole), bounds(ltv.predict(some, horizon=39, draws=100, by=labels)), rtol=1e-9)


def test_customers_who_share_a_row_count_as_many(ltv, some):
    n = 1 + np.arange(len(some)) % 3
    shared, apart = replace(some, n=n), some.take(np.repeat(np.arange(len(some)), n))
    one, other = (ltv.predict(h, horizon=39, draws=200, by="all") for h in (shared, apart))
    assert_allclose(one.iloc[0, 1:].astype(float), other.iloc[0, 1:].astype(float), rtol=1e-9)
    with pytest.raises(DomainError, match="n must be whole numbers"):
        ltv.predict(replace(some, n=n / 2), horizon=39, by="all")


def test_no_level_no_interval_and_no_horizon_no_value(ltv, some):
    assert ["group", "n", "p_alive", "expected_purchases", "clv"] == ltv.predict(
        some, horizon=39, level=None, by="all"
    ).columns.tolist()
    assert [0.0, 0.0, 0.0] == ltv.predict(some, horizon=0, by="all").iloc[0, 4:].tolist()


def test_another_law_of_spend_has_totals_too(history, some):
    other = LifetimeValue(purchases=BGNBD, spend=LogNormalSpend).fit(history)
    table = other.predict(some, horizon=39, draws=300, by="all")
    assert table["low"][0] < table["clv"][0] < table["high"][0]


def test_cdnow_spent_more_than_the_laws_foretold(ltv, history, log):
    spent = log.purchases_between("1997-10-01", "1998-06-30", customers=history).amount
    total = ltv.predict(history, horizon=39, by="all")
    assert approx(59932, abs=1) == total["clv"][0]
    assert total["high"][0] < spent.sum() < 1.07 * total["high"][0]


def test_memory_does_not_grow_with_the_futures_of_all(ltv, history):
    tracemalloc.start()
    ltv.predict(history, horizon=39, by=np.arange(len(history)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 70e6


def test_the_seed_decides(ltv, some):
    one, two, other = (bounds(ltv.predict(some, horizon=39, draws=100, by="all", seed=seed)) for seed in (1, 1, 2))
    assert_array_equal(one, two)
    assert np.all(one != other)


def test_nobody_has_a_total_of_nothing(ltv, some):
    nobody = some.take([])
    assert [0, 0.0, 0.0, 0.0, 0.0, 0.0] == ltv.predict(nobody, horizon=39, by="all").iloc[0, 1:].tolist()
    assert len(ltv.predict(nobody, horizon=39, by=[])) == 0
