"""What other laws of purchases are asked: lifetime values, doubt, forecasts and backtests of customers with paths."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from custrel import History, Interactions, from_json
from custrel.clv import BGNBD, GammaGamma, LifetimeValue, ParetoNBD
from custrel.clv.doubt import predict
from custrel.clv.evidence.backtest import backtest
from custrel.clv.forecast import forecast
from custrel.clv.horizon import discount_per_unit
from custrel.clv.time_varying.foreseen import ForeseenHistory
from custrel.clv.time_varying.law import TimeVaryingParetoNBD
from custrel.clv.time_varying.paths import CovariatePaths
from custrel.design import design_of
from custrel.errors import DomainError
from custrel.history import PurchaseTimes
from custrel.stats.draw import SharedNumbers

approx = pytest.approx

START = pd.Timestamp("2021-01-04")
TRUTH = ParetoNBD(r=0.9, alpha=9.0, s=0.9, beta=12.0, unit="week")
CHANGES = [0, 44, 52, 96, 104]  # weeks: a season of eight weeks a year
SEASON = pd.DataFrame({"date": START + pd.to_timedelta([7 * one for one in CHANGES], "D"), "high": [0, 1, 0, 1, 0]})


def day(weeks):
    """The last day of a week."""
    return START + pd.Timedelta(days=7 * weeks - 1)


def log_of(n, seed):
    """Customers of 104 weeks who buy three times as often in the season, and what they spend."""
    rng = np.random.default_rng(seed)
    born = rng.integers(0, 26, n)
    who, at = np.repeat(np.arange(n), 5), np.tile(CHANGES, n)
    since = np.maximum(at - born[who], 0.0)
    later = at > born[who]
    later[::5] = True
    high = np.tile(SEASON["high"], n)[later]
    nobody = PurchaseTimes(np.zeros(0, dtype=int), np.zeros(0), T=105.0 - born)
    every = CovariatePaths.along(nobody, customer=who[later], start=since[later], covariates={"high": high})
    law = TimeVaryingParetoNBD(TRUTH, np.log([3.0]), {"purchase": design_of("high", every.covariates)})
    times = law.simulate(every, rng)
    days = np.append(7 * born[times.customer] + np.floor(times.time * 7), 7 * born)
    customer = np.append(times.customer, np.arange(n))
    amount = (20 * rng.gamma(4.0, 0.25, n))[customer] * rng.gamma(6.0, 1 / 6, customer.size)
    table = {"customer_id": customer, "occurred_at": START + pd.to_timedelta(days, "D"), "amount": amount.round(2)}
    return Interactions.from_frame(pd.DataFrame(table), kind="purchase")


@pytest.fixture(scope="module")
def log():
    return log_of(500, 1)


@pytest.fixture(scope="module")
def paths(log):
    return CovariatePaths.of(log, SEASON, until=day(90))


@pytest.fixture(scope="module")
def h(paths):
    return paths.with_scenario(SEASON[SEASON["date"] > day(90)])


@pytest.fixture(scope="module")
def fit(paths):
    return TimeVaryingParetoNBD.fit(paths, purchase="high", dropout="high")


@pytest.fixture(scope="module")
def ltv(fit, h):
    return LifetimeValue.of(fit, GammaGamma.fit(h))


@pytest.fixture(scope="module")
def still(fit):
    """The same fit with effects of zero, and its kin without covariates, both without doubt about the parameters."""
    sure = 1e-16 * np.eye(6)
    zero = replace(fit, model=replace(fit.model, effects=np.zeros(2)), log_covariance=sure)
    return zero, replace(fit, model=fit.model.law, log_covariance=sure[:4, :4])


def figures(table):
    return table[["value", "low", "high"]].to_numpy(dtype=float)


# -- a history that carries its paths ---------------------------------------------------------------------------------


def test_it_is_the_history_of_its_customers(paths, h):
    for name in ("x", "t_x", "T", "spend", "customer_id"):
        assert_array_equal(getattr(paths.history, name), getattr(h, name))
    assert str(h).endswith("watched for up to 89.86 weeks, high known so far and to come")
    plain = ParetoNBD.fit(h)
    assert approx(ParetoNBD.fit(paths.history).log_likelihood, abs=1e-9) == plain.log_likelihood
    assert_allclose(plain.model.expected_purchases(paths.history, 9), plain.model.expected_purchases(h, 9), rtol=1e-12)


def test_who_takes_customers_takes_their_paths(h):
    for rows in ([3, 1], slice(None, 9), h.x > 2, []):
        some = h.take(rows)
        assert_array_equal(some.customer_id, some.paths.customer_id)
        assert_array_equal(some.customer_id, some.to_come.customer_id)
        assert_array_equal(some.x, some.paths.sums(some.paths.bought) if len(some) else [])
    known = h.with_covariates(pd.DataFrame({"customer_id": h.customer_id, "age": 1.0 * h.customer_id}))
    assert_array_equal(h.customer_id[[3, 1]], known.take([3, 1]).covariates["age"])
    assert isinstance(known, ForeseenHistory)


def test_customers_are_alike_where_their_paths_are(log, h):
    shared, rows = h.collapse()
    assert len(shared) < len(h)
    assert len(h) == shared.customers
    for name in ("x", "t_x", "T"):
        assert_array_equal(getattr(h, name), getattr(shared.take(rows), name))
    assert_array_equal(
        h.paths.sums(h.paths.length * h.paths.start), shared.paths.sums(shared.paths.length * shared.paths.start)[rows]
    )
    north = pd.DataFrame({"customer_id": h.customer_id, "north": h.customer_id % 2})
    apart = CovariatePaths.of(log, [SEASON, north], until=day(90)).with_scenario([SEASON, north], whole=True)
    known, rows = apart.collapse()
    assert len(h) > len(known) > len(shared)
    assert_array_equal(h.customer_id % 2, known.paths.covariates["north"][known.paths.level[known.paths.first]][rows])


def test_paths_of_others_are_refused(paths):
    later = CovariatePaths.of_new(SEASON, first_purchase=day(90), t=30, customers=[0, 1])
    with pytest.raises(DomainError, match="paths must tell of each of 500 customers; these are of 2"):
        paths.with_scenario(later)


def test_a_scenario_of_the_whole_time_is_cut_at_the_end_of_observation(paths, h, fit):
    whole = paths.with_scenario(SEASON, whole=True)
    assert_array_equal(fit.model.expected_purchases(h, 20), fit.model.expected_purchases(whole, 20))
    with pytest.raises(DomainError, match="3 of 5 rows are not after the end of observation"):
        paths.with_scenario(SEASON)


def test_a_scenario_given_with_the_question_comes_first(fit, paths, h):
    as_it_is = fit.model.expected_purchases(h, 20, scenario="carry_forward")
    assert_array_equal(fit.model.expected_purchases(paths, 20, scenario="carry_forward"), as_it_is)
    assert np.all(as_it_is < fit.model.expected_purchases(h, 20))


# -- chances and futures ----------------------------------------------------------------------------------------------


def test_chances_of_many_numbers_are_those_of_each(fit, h):
    some, draws = h.take(slice(0, 30)), fit.draws(5, seed=1)
    n = np.arange(4)
    together = draws.probability(n.reshape(-1, 1, 1), some, 20)
    assert (4, 5, 30) == together.shape
    assert_allclose([draws.probability(int(one), some, 20) for one in n], together, rtol=1e-11, atol=1e-15)
    own = np.arange(30) % 4
    assert_allclose(together[own, :, np.arange(30)].T, draws.probability(own, some, 20), rtol=1e-11, atol=1e-15)


def test_chances_add_up_to_what_is_expected(fit, h):
    n = np.arange(300)
    chances = fit.model.probability(n[:, None], h.take(slice(0, 60)), 20)
    assert_allclose(np.ones(60), chances.sum(axis=0), rtol=1e-7)
    assert_allclose(fit.model.expected_purchases(h, 20)[:60], n @ chances, rtol=1e-5)
    assert_allclose(1 - chances[0], fit.model.p_active(h, 20)[:60], rtol=1e-10)


def test_futures_average_to_what_is_expected(fit, h):
    some, numbers, delta = (
        h.take(np.argsort(h.x)[[-1, -9, -40, 250]]),
        SharedNumbers(40_000, 1),
        discount_per_unit(0.5, "week"),
    )
    future = fit.model.future(some, numbers)
    bought, worth, early = (np.zeros(future.rate.size) for _ in range(3))
    for cells, times in future.purchases(20.0, numbers):
        assert np.all((times > 0) & (times <= 20))
        bought[cells] += 1
        worth[cells] += np.exp(-delta * times)
        early[cells] += times <= 8
    at = fit.model.discounted_expected_purchases(some, 20, annual_discount_rate=0.5)
    for found, expected in (
        (bought, fit.model.expected_purchases(some, 20)),
        (early, fit.model.expected_purchases(some, 8)),
        (worth, at),
    ):
        each = found.reshape(future.rate.shape)
        assert np.all(np.abs(each.mean(axis=0) - expected) < 4 * each.std(axis=0) / np.sqrt(40_000))
    zero = (bought == 0).reshape(future.rate.shape).mean(axis=0)
    assert_allclose(fit.model.probability(0, some, 20), zero, atol=0.01)


# -- doubt and forecasts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "asked", "named"),
    [
        ("p_alive", (), {}),
        ("p_alive", (9.0,), {}),
        ("p_active", ("63D",), {}),
        ("expected_purchases", (), {"t": 20}),
        ("discounted_expected_purchases", (20.0,), {"annual_discount_rate": 0.1}),
        ("probability", (2, 20.0), {}),
    ],
)
def test_bounds_are_those_of_the_draws(fit, h, quantity, asked, named):
    some = h.take(slice(0, 40))
    table = predict(fit, quantity, some, *asked, draws=20, seed=3, level=0.8, **named)
    place = (asked[0], some, *asked[1:]) if quantity == "probability" else (some, *asked)
    assert_allclose(getattr(fit.model, quantity)(*place, **named), table["value"], rtol=1e-10)
    each = np.sort(getattr(fit.draws(20, seed=3), quantity)(*place, **named), axis=0)
    assert_allclose(each[[1, 17]], table[["low", "high"]].T, rtol=1e-10)


def test_a_customers_figures_do_not_depend_on_who_else_is_asked_about(fit, h, ltv):
    rows = [400, 3, 17]
    for asked in (
        partial(predict, fit, "expected_purchases", t=20, draws=50),
        partial(forecast, fit, horizon=20, draws=10),
    ):
        assert_allclose(figures(asked(h=h))[rows], figures(asked(h=h.take(rows))), rtol=1e-11)
    every, few = (ltv.predict(one, horizon=20, draws=50) for one in (h, h.take(rows)))
    assert_allclose(every.iloc[rows, 1:].to_numpy(dtype=float), few.iloc[:, 1:].to_numpy(dtype=float), rtol=1e-11)


def test_a_law_whose_effects_are_zero_answers_as_its_kin(still, h, paths):
    zero, plain = still
    one, other = (forecast(fit, at, 20, draws=10) for fit, at in ((zero, h), (plain, paths.history)))
    assert_allclose(figures(one), figures(other), rtol=1e-9)
    one, other = (forecast(fit, at, 20, draws=10, by="all") for fit, at in ((zero, h), (plain, paths.history)))
    assert_allclose(figures(one), figures(other), rtol=1e-9)


def test_known_seasons_move_the_forecast(fit, paths, h):
    quiet = paths.with_scenario("carry_forward")
    one, other = (forecast(fit, at, 14, draws=20, by="all") for at in (h, quiet))
    assert one["low"][0] > other["high"][0]


# -- lifetime value ---------------------------------------------------------------------------------------------------


def test_value_is_spend_times_purchases(ltv, fit, h):
    table = ltv.predict(h, horizon=20, margin=0.3, annual_discount_rate=0.1, level=None)
    worth = fit.model.discounted_expected_purchases(h, 20, annual_discount_rate=0.1)
    assert_allclose(0.3 * ltv.spend_.model.expected_spend(h) * worth, table["clv"], rtol=1e-12)
    assert_allclose(fit.model.p_alive(h), table["p_alive"], rtol=1e-12)
    assert_allclose(fit.model.expected_purchases(h, 20), table["expected_purchases"], rtol=1e-12)


def test_with_effects_of_zero_values_and_bounds_are_those_of_its_kin(still, ltv, h, paths):
    both = [LifetimeValue.of(one, ltv.spend_) for one in still]
    for by in (None, "all"):
        one, other = (
            law.predict(at, horizon=20, draws=100, annual_discount_rate=0.1, by=by)
            for law, at in zip(both, (h, paths.history), strict=True)
        )
        last = ["clv", "low", "high"]
        assert_allclose(one[last].to_numpy(dtype=float), other[last].to_numpy(dtype=float), rtol=1e-5)


def test_bounds_of_values_hold_most_of_what_came(log, ltv, h):
    came = log.purchases_between(day(90) + pd.Timedelta(days=1), day(104), customers=h).amount
    table = ltv.predict(h, horizon=14, level=0.9, draws=300)
    assert np.mean((table["low"] <= came) & (came <= table["high"])) > 0.88
    total = ltv.predict(h, horizon=14, level=0.98, draws=300, by="all")
    assert total["low"][0] < came.sum() < total["high"][0]


def test_static_covariates_of_spend_stand_beside_paths(fit, h):
    known = h.with_covariates(pd.DataFrame({"customer_id": h.customer_id, "age": 20.0 + h.customer_id % 7}))
    ltv = LifetimeValue.of(fit, GammaGamma.fit(known, spend=["age"]))
    assert np.all(np.isfinite(ltv.predict(known, horizon=20, draws=50)["high"]))


def test_json_brings_it_back(ltv, h):
    some = h.take(slice(0, 9))
    pd.testing.assert_frame_equal(ltv.predict(some, horizon=9), from_json(ltv.to_json()).predict(some, horizon=9))


# -- backtests --------------------------------------------------------------------------------------------------------


def test_a_backtest_cuts_paths_at_each_cutoff(log):
    fitted = partial(TimeVaryingParetoNBD.fit, purchase="high")
    laws = {"season": fitted, "plain": ParetoNBD}
    asked = {"cutoffs": [day(60), day(90)], "horizon": 14, "changing": SEASON, "baselines": False}
    table = backtest(log, laws, **asked)
    paths = CovariatePaths.of(log, SEASON, until=day(60))
    to_come = paths.with_scenario(SEASON[SEASON["date"] > day(60)])
    assert approx(fitted(paths).model.expected_purchases(to_come, 14).sum(), rel=1e-9) == table["total_expected"][0]
    plain = ParetoNBD.fit(paths.history).model.expected_purchases(paths.history, 14)
    assert approx(plain.sum(), rel=1e-9) == table["total_expected"][1]
    late = table[table["cutoff"] == table["cutoff"].max()].set_index("law")
    assert late.loc["season", "log_score"] > late.loc["plain", "log_score"] + 0.02
    assert abs(late.loc["season", "total_error"]) < 0.25 < abs(late.loc["plain", "total_error"])
    unknown = backtest(log, {"season": fitted}, **asked | {"cutoffs": [day(90)], "scenario": "carry_forward"})
    assert unknown["total_expected"][0] < 0.7 * late.loc["season", "total_expected"]


def test_a_backtest_says_what_it_wants(log):
    asked = {"cutoffs": [day(60)], "horizon": 14}
    with pytest.raises(DomainError, match="scenario must be one of"):
        backtest(log, [BGNBD], **asked, changing=SEASON, scenario="guessed")
    with pytest.raises(DomainError, match="needs CovariatePaths.* got History"):
        backtest(log, {"season": partial(TimeVaryingParetoNBD.fit, purchase="high")}, **asked)


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_paths_alone_do_not_say_what_is_to_come(fit, paths, ltv):
    for asked in (
        lambda: predict(fit, "expected_purchases", paths, 20),
        lambda: forecast(fit, paths, 20),
        lambda: ltv.predict(paths, horizon=20),
    ):
        with pytest.raises(DomainError, match=r"must know what is to come of .*: give paths.with_scenario\(...\)"):
            asked()


def test_lifetime_values_come_of_fits(fit, h):
    for law in (fit, TimeVaryingParetoNBD):
        with pytest.raises(
            DomainError, match=r"laws with covariates that change, come by LifetimeValue.of\(fit, fit\)"
        ):
            LifetimeValue(purchases=law).fit(h)


def test_a_history_without_paths_is_refused(fit, paths):
    with pytest.raises(DomainError, match="needs CovariatePaths, .* got History"):
        forecast(fit, paths.history, 20)


def test_horizons_reach_as_far_as_the_scenario(fit, paths, ltv):
    nobody = PurchaseTimes(np.zeros(0, dtype=int), np.zeros(0), T=np.full(500, 10.0))
    later = CovariatePaths.along(
        nobody, customer=np.arange(500), start=np.zeros(500), covariates={"high": np.ones(500)}
    )
    short = paths.with_scenario(later)
    assert np.all(ltv.predict(short, horizon=10, draws=20)["clv"] > 0)
    with pytest.raises(DomainError, match="paths must reach 11 weeks from T for each of 500 customers; these reach 10"):
        ltv.predict(short, horizon=11)
    with pytest.raises(DomainError, match="a horizon must be a finite number of weeks"):
        ltv.predict(short, horizon=np.inf)


def test_it_says_what_it_answers(fit, h):
    with pytest.raises(DomainError, match="a method of TimeVaryingParetoNBD.*expected_purchases"):
        predict(fit, "mean_dropout", h)
    assert isinstance(h.distinct(), History)
