"""LifetimeValue: what it says is what happens, with the doubt it claims, whoever else is asked about."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from custrel import History, from_json
from custrel.clv import BGNBD, GammaGamma, LifetimeValue
from custrel.clv.horizon import discount_per_unit
from custrel.clv.lifetime_value import _futures
from custrel.clv.lognormalspend import LogNormalSpend
from custrel.clv.spend import SpendLaw
from custrel.datasets import cdnow
from custrel.errors import ConvergenceError, CustrelError, DomainError, NotFittedError
from custrel.stats.draw import SharedNumbers

approx = pytest.approx

COLUMNS = ["customer_id", "p_alive", "expected_purchases", "expected_spend", "clv", "low", "high"]
FIGURES = COLUMNS[1:]
BUYS = BGNBD(r=0.9, alpha=6.0, a=0.8, b=3.5)
SPENDS = GammaGamma(p=6.25, q=3.74, gamma=15.44)


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
    """Customers of all kinds: never back, once, often."""
    by_count = np.argsort(history.x, kind="stable")
    return history.take(by_count[np.linspace(0, len(history) - 1, 40).astype(int)])


def same(expected, actual):
    """Equal to the last bit."""
    for name in FIGURES:
        assert_array_equal(np.asarray(expected[name]), np.asarray(actual[name]), err_msg=name)


# -- what it says -----------------------------------------------------------------------------------------------------


def test_the_columns_and_the_callers_order(ltv, some):
    mixed = some.take(np.random.default_rng(0).permutation(len(some)))
    table = ltv.predict(mixed, horizon=52, annual_discount_rate=0.10, margin=0.3, level=0.9)
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == COLUMNS
    assert table["customer_id"].tolist() == mixed.customer_id.tolist()


def test_without_discount_and_at_full_margin_value_is_spend_times_purchases(ltv, history):
    table = ltv.predict(history, horizon=39, level=None)
    buys, spends = ltv.purchases_.model, ltv.spend_.model
    assert_allclose(spends.expected_spend(history) * buys.expected_purchases(history, 39), table["clv"], rtol=1e-12)
    assert_allclose(table["expected_spend"] * table["expected_purchases"], table["clv"], rtol=1e-12)
    assert_allclose(buys.p_alive(history), table["p_alive"], rtol=1e-14)


def test_the_cdnow_customers_are_worth_what_the_fits_say(ltv, history):
    table = ltv.predict(history, horizon=39, level=None)
    assert approx(1653.4087, abs=1e-3) == table["expected_purchases"].sum()
    assert approx(0.81343983, abs=1e-7) == table["p_alive"].mean()


def test_discounting_and_margin_by_hand(ltv, some):
    table = ltv.predict(some, horizon=52, annual_discount_rate=0.10, margin=0.3, level=None)
    worth = ltv.purchases_.model.discounted_expected_purchases(some, 52, annual_discount_rate=0.10)
    assert_allclose(0.3 * ltv.spend_.model.expected_spend(some) * worth, table["clv"], rtol=1e-12)
    assert np.all(table["clv"] < 0.3 * table["expected_spend"] * table["expected_purchases"])


def test_margin_scales_value_and_bounds_alike(ltv, some):
    whole, third = (ltv.predict(some, horizon=39, margin=m, draws=200) for m in (1.0, 0.3))
    for name in ("clv", "low", "high"):
        assert_allclose(0.3 * whole[name], third[name], rtol=1e-12)
    assert np.all(ltv.predict(some, horizon=39, margin=0.0, draws=200)[["clv", "low", "high"]] == 0)


def test_a_horizon_may_be_a_duration(ltv, some):
    same(ltv.predict(some, horizon=39, draws=200), ltv.predict(some, horizon="273D", draws=200))
    year = ltv.predict(some, horizon="365D", level=None)
    assert_allclose(ltv.predict(some, horizon=365 / 7, level=None)["clv"], year["clv"], rtol=1e-13)


def test_a_horizon_of_nothing_is_worth_nothing(ltv, some):
    table = ltv.predict(some, horizon=0, draws=200)
    assert np.all(table[["expected_purchases", "clv", "low", "high"]] == 0)


def test_no_level_no_interval(ltv, some):
    assert list(ltv.predict(some, horizon=39, level=None).columns) == COLUMNS[:-2]


def test_the_answer_is_in_the_callers_library(ltv, some):
    pl = pytest.importorskip("polars")
    table = ltv.predict(replace(some, like="polars"), horizon=39, level=None)
    assert isinstance(table, pl.DataFrame)


# -- the interval -----------------------------------------------------------------------------------------------------


def test_bounds_are_in_order_and_nest_by_level(ltv, some):
    half, most, all_but_few = (ltv.predict(some, horizon=52, level=level) for level in (0.5, 0.9, 0.98))
    assert np.all(half["low"] <= half["high"])
    assert np.all(all_but_few["low"] <= most["low"])
    assert np.all(most["low"] <= half["low"])
    assert np.all(half["high"] <= most["high"])
    assert np.all(most["high"] <= all_but_few["high"])
    assert np.all(most["low"] >= 0)


def test_the_value_lies_below_the_upper_bound_of_all_who_may_come_back(ltv, history):
    table = ltv.predict(history, horizon=52, level=0.9)
    assert np.mean(table["clv"] <= table["high"]) > 0.95
    assert np.all(table["low"] <= table["clv"])
    assert np.all(np.isfinite(table[FIGURES]))


def test_discounting_lowers_the_bounds(ltv, some):
    plain, discounted = (ltv.predict(some, horizon=104, annual_discount_rate=d) for d in (0.0, 0.3))
    assert np.all(discounted["low"] <= plain["low"])
    assert np.all(discounted["high"] <= plain["high"])
    assert np.any(discounted["high"] < plain["high"])


def test_the_futures_average_to_the_value(ltv, some):
    # With parameters that leave no doubt, the mean of the realised values is the value.
    sure = [replace(fit, log_covariance=1e-12 * fit.log_covariance) for fit in (ltv.purchases_, ltv.spend_)]
    draws = 6000
    laws = tuple(fit.draws(draws, seed=1) for fit in sure)
    few = some.take(slice(18, 40, 2))
    values = _futures(few, laws, 52.0, discount_per_unit(0.1, "week"), SharedNumbers(draws, seed=2))
    value = ltv.predict(few, horizon=52, annual_discount_rate=0.1, level=None)["clv"]
    assert np.all(np.abs(values.mean(axis=0) - value) < 4 * values.std(axis=0) / np.sqrt(draws))


def test_doubt_about_the_parameters_widens_the_interval(ltv, history):
    once = history.take(np.flatnonzero(history.x == 1)[:20])  # whose future rests on what all the others did
    doubtful = LifetimeValue()
    doubtful.purchases_, doubtful.spend_ = (
        replace(fit, log_covariance=25 * fit.log_covariance) for fit in (ltv.purchases_, ltv.spend_)
    )
    width, wider = (model.predict(once, horizon=52, draws=4000)["high"].mean() for model in (ltv, doubtful))
    assert wider > 1.02 * width


@pytest.fixture(scope="module")
def lives():
    """2,000 customers by known laws, watched for 39 weeks, and what they spent in the next 39."""
    rng = np.random.default_rng(39)
    times = BUYS.simulate(np.full(2000, 78.0), rng)
    nu = rng.gamma(SPENDS.q, 1 / SPENDS.gamma, 2000)
    amount = rng.gamma(SPENDS.p, 1 / nu[times.customer])
    h, early = times.history(until=39.0), times.time <= 39.0
    with np.errstate(invalid="ignore"):
        spend = np.bincount(times.customer[early], amount[early], 2000) / h.x
    realised = np.bincount(times.customer[~early], amount[~early], 2000)
    return replace(h, spend=spend), realised


def coverage(table, realised):
    return float(np.mean((table["low"] <= realised) & (realised <= table["high"])))


def test_nine_in_ten_simulated_customers_stay_within_their_interval(lives):
    h, realised = lives
    table = LifetimeValue().fit(h).predict(h, horizon=39, level=0.9)
    back = realised > 0
    figures = coverage(table, realised), coverage(table[back], realised[back])
    print(f"\nsimulated: {figures[0]:.1%} of all within 90 %, {figures[1]:.1%} of those who came back")  # noqa: T201
    # Value is discrete at 0, where many live: an interval of 90 % must hold more than that.
    assert 0.87 <= figures[0] <= 0.97
    assert approx(realised.sum(), rel=0.1) == table["clv"].sum()


def test_nine_in_ten_customers_whose_spend_moves_with_frequency_stay_within_their_interval():
    rng, law = np.random.default_rng(40), LogNormalSpend(median=20.0, between=0.5, within=0.5, doubling=1.3)
    times = BUYS.simulate(np.full(2000, 78.0), rng)
    h, early = times.history(until=39.0), times.time <= 39.0
    level = law.median * law.doubling ** np.log2(h.x + 1) * np.exp(law.between * rng.standard_normal(2000))
    factor = np.exp(law.within * rng.standard_normal(times.customer.size) - law.within**2 / 2)
    amount = level[times.customer] * factor
    with np.errstate(invalid="ignore"):
        spend = np.bincount(times.customer[early], amount[early], 2000) / h.x
    realised = np.bincount(times.customer[~early], amount[~early], 2000)
    table = (
        LifetimeValue(spend=LogNormalSpend)
        .fit(replace(h, spend=spend))
        .predict(replace(h, spend=spend), horizon=39, level=0.9)
    )
    back = realised > 0
    figures = coverage(table, realised), coverage(table[back], realised[back])
    print(f"\nlog-normal: {figures[0]:.1%} of all within 90 %, {figures[1]:.1%} of those who came back")  # noqa: T201
    assert 0.87 <= figures[0] <= 0.97
    assert approx(realised.sum(), rel=0.1) == table["clv"].sum()


def test_half_of_the_simulated_customers_stay_within_the_narrow_interval(lives):
    h, realised = lives
    table = LifetimeValue().fit(h).predict(h, horizon=39, level=0.5)
    # Frequent customers who are there, whose value is hardly discrete.
    often = (h.x > 5) & (table["p_alive"] > 0.9)
    assert often.sum() > 100
    assert 0.43 <= coverage(table[often], realised[often]) <= 0.6


def test_nine_in_ten_cdnow_customers_stayed_within_their_interval(ltv, history, log):
    spent = log.purchases_between("1997-10-01", "1998-06-30", customers=history).amount
    table = ltv.predict(history, horizon=39, level=0.9)
    figure, often = coverage(table, spent), history.x > 1
    print(f"\nCDNOW: {figure:.1%} of all within 90 %, {coverage(table[often], spent[often]):.1%} of x > 1")  # noqa: T201
    assert 0.87 <= figure <= 0.97
    assert approx(spent.sum(), rel=0.2) == table["clv"].sum()


# -- nobody's figures depend on who else is asked about ---------------------------------------------------------------


@pytest.mark.parametrize("horizon", [13, 520])
def test_a_customers_figures_do_not_depend_on_who_else_is_in_the_call(ltv, history, some, horizon):
    together = ltv.predict(history, horizon=horizon, annual_discount_rate=0.1, draws=200).set_index("customer_id")
    few = ltv.predict(some, horizon=horizon, annual_discount_rate=0.1, draws=200)
    same(together.loc[some.customer_id], few)
    for i in range(0, len(some), 8):
        same(few.iloc[[i]], ltv.predict(some.take([i]), horizon=horizon, annual_discount_rate=0.1, draws=200))


@pytest.mark.parametrize("order", ["x", "T", "spend", "backwards", "random"])
def test_a_customers_figures_do_not_depend_on_the_order(ltv, history, order):
    rows = {
        "x": np.argsort(history.x, kind="stable"),
        "T": np.argsort(history.T, kind="stable"),
        "spend": np.argsort(-np.nan_to_num(history.spend), kind="stable"),
        "backwards": np.arange(len(history))[::-1],
        "random": np.random.default_rng(2).permutation(len(history)),
    }[order]
    as_given = ltv.predict(history, horizon=52, draws=200)
    same(as_given.iloc[rows], ltv.predict(history.take(rows), horizon=52, draws=200))


def test_equal_customers_have_equal_figures(ltv, some):
    twice = some.take(np.repeat(np.arange(len(some)), 2))
    table = ltv.predict(twice, horizon=52, draws=300)
    same(table.iloc[::2], table.iloc[1::2])


def test_a_block_of_customers_of_one_kind_does_not_move_the_others(ltv, some):
    # 131 customers fill a block at 1,000 draws: here the first blocks hold customers who never came back.
    newcomers = some.take(np.zeros(400, dtype=int))
    assert set(newcomers.x) == {0.0}
    rows = np.concatenate([np.zeros(400, dtype=int), np.arange(len(some))])
    same(ltv.predict(some, horizon=52), ltv.predict(some.take(rows), horizon=52).iloc[400:])


def test_the_seed_decides(ltv, some):
    one, two, other = (ltv.predict(some, horizon=52, draws=300, seed=seed) for seed in (1, 1, 2))
    same(one, two)
    assert np.any(one["high"] != other["high"])
    assert_array_equal(one["clv"], other["clv"])


def test_more_draws_steady_the_bounds(ltv, some):
    few, many = (
        np.std([ltv.predict(some, horizon=52, draws=draws, seed=seed)["high"] for seed in range(4)], axis=0)
        for draws in (100, 2000)
    )
    assert many.sum() < few.sum() / 2


def test_an_empty_history_gets_an_empty_table(ltv):
    nobody = History(x=[], t_x=[], T=[], spend=[])
    table = ltv.predict(nobody, horizon=39)
    assert list(table.columns) == COLUMNS
    assert len(table) == 0


# -- an estimator as scikit-learn knows them --------------------------------------------------------------------------


def test_parameters_go_in_and_out():
    ltv = LifetimeValue(purchases=BGNBD, spend=GammaGamma)
    assert {"purchases": BGNBD, "spend": GammaGamma} == ltv.get_params() == ltv.get_params(deep=True)
    assert ltv.set_params(spend=GammaGamma) is ltv
    with pytest.raises(DomainError, match="'spent'; did you mean 'spend'"):
        ltv.set_params(spent=GammaGamma)
    assert repr(ltv) == "LifetimeValue(purchases=BGNBD, spend=GammaGamma)"


def test_a_clone_knows_nothing_yet(ltv):
    copy = clone(ltv)
    assert copy.get_params() == ltv.get_params()
    assert not hasattr(copy, "purchases_")


def test_before_fit_there_is_nothing_to_predict(some):
    with pytest.raises(NotFittedError, match="call fit"):
        LifetimeValue().predict(some, horizon=39)


def test_fit_returns_itself_and_holds_both_fits(history):
    ltv = LifetimeValue()
    assert ltv.fit(history) is ltv
    assert ltv.purchases_.model == BGNBD.fit(history).model
    assert ltv.spend_.model == GammaGamma.fit(history).model


def test_a_failed_fit_leaves_nothing_half_done(history):
    nobody_back = history.take(history.x == 0)
    ltv = LifetimeValue()
    with pytest.raises(ConvergenceError):
        ltv.fit(nobody_back)
    with pytest.raises(NotFittedError):
        ltv.predict(nobody_back, horizon=39)
    # Spend that can be fitted and purchases that cannot are no better.
    alike = History(x=[3] * 50, t_x=[9] * 50, T=[39] * 50, spend=np.random.default_rng(0).gamma(5, 8, 50))
    with pytest.raises(ConvergenceError):
        ltv.fit(alike)
    with pytest.raises(NotFittedError):
        ltv.predict(alike, horizon=39)


def test_a_history_without_spend_is_refused(ltv, history):
    bare = replace(history, spend=None)
    with pytest.raises(DomainError, match="spend"):
        LifetimeValue().fit(bare)
    with pytest.raises(DomainError, match="spend"):
        ltv.predict(bare, horizon=39)


def test_a_history_in_another_unit_is_refused(ltv, some):
    with pytest.raises(DomainError, match="counts weeks, the history counts days"):
        ltv.predict(replace(some, unit="day", t_x=7 * some.t_x, T=7 * some.T), horizon=273)


@pytest.mark.parametrize(
    "wrong",
    [{"purchases": GammaGamma}, {"spend": BGNBD}, {"purchases": None}, {"spend": "GammaGamma"}, {"spend": SpendLaw}],
    ids=str,
)
def test_what_is_no_law_is_refused_when_fitting(history, wrong):
    with pytest.raises(DomainError, match=f"{next(iter(wrong))} must be a law"):
        LifetimeValue(**wrong).fit(history)
    assert repr(LifetimeValue(**wrong)).startswith("LifetimeValue(")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"horizon": -1}, "horizon"),
        ({"horizon": float("nan")}, "horizon"),
        ({"horizon": float("inf")}, "horizon"),
        ({"horizon": "soon"}, "horizon"),
        ({"horizon": 39, "margin": -0.1}, "margin"),
        ({"horizon": 39, "margin": float("nan")}, "margin"),
        ({"horizon": 39, "level": 90}, "level"),
        ({"horizon": 39, "level": 0.0}, "level"),
        ({"horizon": 39, "annual_discount_rate": -0.1}, "annual_discount_rate"),
        ({"horizon": 39, "draws": 0}, "draws"),
        ({"horizon": 39, "draws": -5}, "draws"),
        ({"horizon": np.array([1.0, 2.0])}, "horizon"),
    ],
    ids=str,
)
def test_arguments_out_of_their_domain_are_refused(ltv, some, wrong, said):
    with pytest.raises(CustrelError, match=said):
        ltv.predict(some, **wrong)


# -- another law of spend --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def other(history):
    return LifetimeValue(purchases=BGNBD, spend=LogNormalSpend).fit(history)


def test_log_normal_spend_goes_wherever_gamma_gamma_does(other, history, some):
    table = other.predict(history, horizon=39, level=None)
    assert isinstance(other.spend_.model, LogNormalSpend)
    assert_allclose(other.spend_.model.expected_spend(history), table["expected_spend"], rtol=1e-14)
    assert_allclose(table["expected_spend"] * table["expected_purchases"], table["clv"], rtol=1e-12)
    # Who never came back is expected to spend less than those who did.
    assert_allclose(other.spend_.model.population_mean, table["expected_spend"][history.x == 0], rtol=1e-14)
    assert other.spend_.model.population_mean < table["expected_spend"][history.x > 0].mean()
    assert repr(other) == "LifetimeValue(purchases=BGNBD, spend=LogNormalSpend)"
    bounds = other.predict(some, horizon=52, annual_discount_rate=0.1, margin=0.3)
    assert np.all((bounds["low"] >= 0) & (bounds["low"] <= bounds["clv"]) & np.isfinite(bounds["high"]))
    assert np.mean(bounds["clv"] <= bounds["high"]) > 0.9


def test_figures_of_log_normal_spend_depend_on_nobody_else(other, history, some):
    together = other.predict(history, horizon=52, draws=200).set_index("customer_id")
    same(together.loc[some.customer_id], other.predict(some, horizon=52, draws=200))
    same(together.loc[some.customer_id[[5]]], other.predict(some.take([5]), horizon=52, draws=200))


def test_json_brings_forecasts_of_log_normal_spend_back(other, some):
    back = from_json(other.to_json())
    assert back.get_params() == other.get_params()
    same(other.predict(some, horizon=52, draws=300), back.predict(some, horizon=52, draws=300))


# -- text, and memory -------------------------------------------------------------------------------------------------


def test_json_brings_the_same_forecasts_back(ltv, some):
    back = from_json(ltv.to_json())
    assert isinstance(back, LifetimeValue)
    assert back.get_params() == ltv.get_params()
    same(ltv.predict(some, horizon=52, draws=300), back.predict(some, horizon=52, draws=300))
    assert back.to_json() == ltv.to_json()


def peak_of(ltv, h, draws):
    tracemalloc.start()
    ltv.predict(h, horizon=52, annual_discount_rate=0.1, draws=draws)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def many(n):
    rng = np.random.default_rng(1)
    h = BUYS.simulate(rng.uniform(20.0, 60.0, n), rng).history()
    return replace(h, spend=SPENDS.simulate(h.x, rng))


def test_memory_does_not_grow_with_the_futures_of_all(ltv):
    assert peak_of(ltv, many(1500), 1000) < 60  # draws x customers alone would be 12 MB for each array of them


@pytest.mark.slow
def test_memory_for_twenty_thousand_customers_and_a_thousand_draws_stays_below_200_mb(ltv):
    assert peak_of(ltv, many(20_000), 1000) < 200
