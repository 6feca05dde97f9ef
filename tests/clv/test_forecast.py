"""Forecast: the distribution of purchases to come over chance and parameters, of customers and of groups in total."""

import sys
import tracemalloc
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import gamma, nbinom, norm, pearson3

from custrel import History
from custrel.clv import BGBB, BGNBD, MBGNBD, NBD, BGCNBDk, GammaGamma, GGompertzNBD, ParetoNBD
from custrel.clv.forecast import forecast
from custrel.datasets import cdnow as log_of_cdnow
from custrel.errors import DomainError

module = sys.modules["custrel.clv.forecast"]  # whose name on the face is the function
approx = pytest.approx


@pytest.fixture(scope="module")
def some(cdnow):
    """Customers of all kinds, some of them alike."""
    return cdnow.take(np.argsort(cdnow.x, kind="stable")[::40])


@pytest.fixture(scope="module")
def held(cdnow):
    """What each customer of CDNOW bought in the 39 weeks that were held out."""
    return log_of_cdnow().purchases_between("1997-10-01", "1998-06-30", customers=cdnow).purchases


@pytest.fixture(scope="module")
def surely(fit):
    """A fit that leaves no doubt, so that only chance is left."""
    return replace(fit, log_covariance=1e-14 * fit.log_covariance)


def bounds(table):
    return table[["low", "high"]].to_numpy()


def lives(law, h, t, times, seed):
    """Purchases within t of each customer of a history, so many times, one purchase and one chance after the other."""
    rng = np.random.default_rng(seed)
    shape = times, len(h)
    alive = rng.random(shape) < law.p_alive(h)
    rate = rng.gamma(law.r + h.x, 1 / (law.alpha + h.T), shape)
    leaves = rng.beta(law.a, law.b + h.x, shape)
    bought, time = np.zeros(shape, dtype=int), np.zeros(shape)
    while alive.any():
        time += rng.exponential(1, shape) / rate
        alive &= time <= t
        bought += alive
        alive &= rng.random(shape) >= leaves
    return bought


# -- customers --------------------------------------------------------------------------------------------------------


def test_each_customers_bounds_are_those_of_the_mean_of_the_probabilities(fit, some):
    table = forecast(fit, some, 39, draws=30, seed=2, level=0.8)
    n = np.arange(120).reshape(-1, 1, 1)
    chance = fit.draws(30, seed=2).probability(n, some, 39).mean(axis=1)
    below = np.cumsum(chance, axis=0)
    assert_array_equal(np.argmax(below >= 0.1, axis=0), table["low"])
    assert_array_equal(np.argmax(below >= 0.9, axis=0), table["high"])
    assert_allclose(fit.model.expected_purchases(some, 39), table["value"], rtol=1e-12)
    assert table["customer_id"].tolist() == some.customer_id.tolist()
    assert table["low"].dtype.kind == "i"


def test_bounds_are_what_happens_to_simulated_customers(surely, some):
    few = some.take(slice(30, 59, 4))
    bought = lives(surely.model, few, 39, 40_000, seed=1)
    table = forecast(surely, few, 39, draws=2)
    inside = np.mean((table["low"].to_numpy() <= bought) & (bought <= table["high"].to_numpy()), axis=0)
    below = np.mean(bought < table["low"].to_numpy(), axis=0)
    above = np.mean(bought > table["high"].to_numpy(), axis=0)
    assert np.all(inside > 0.895)
    assert np.all(below < 0.053)
    assert np.all(above < 0.053)
    assert np.any(above > 0.02)  # the next smaller number would be too small


def test_doubt_about_the_parameters_widens_what_chance_alone_would(fit, surely, cdnow):
    once = cdnow.take(cdnow.x == 1)
    doubted = replace(fit, log_covariance=40 * fit.log_covariance)
    draws = {"draws": 60}
    widths = [np.diff(bounds(forecast(one, once.take(slice(9)), 39, **draws))).sum() for one in (surely, fit, doubted)]
    assert widths[0] <= widths[1] < widths[2]
    totals = [np.diff(bounds(forecast(one, once, 39, by="all", **draws))).sum() for one in (surely, fit)]
    assert totals[1] > 1.1 * totals[0]


def test_a_customers_figures_do_not_depend_on_who_else_is_asked_about(fit, some):
    together = forecast(fit, some, 39, draws=40)
    rows = np.random.default_rng(0).permutation(len(some))[:9]
    alone = forecast(fit, some.take(rows), 39, draws=40)
    assert_array_equal(bounds(together)[rows], bounds(alone))
    assert_allclose(together["value"].to_numpy()[rows], alone["value"], rtol=1e-12)


def test_intervals_nest_by_level(fit, some):
    half, most, nearly = (forecast(fit, some, 39, draws=20, level=level) for level in (0.5, 0.9, 1 - 1e-12))
    for one, other in ((half, most), (most, nearly)):
        assert np.all((other["low"] <= one["low"]) & (one["high"] <= other["high"]))
    assert np.all(nearly["high"] < 1000)


def test_nothing_is_bought_within_no_time(fit, some):
    assert np.all(bounds(forecast(fit, some, 0, draws=5)) == 0)
    table = forecast(fit, some, 0, draws=5, by=some.x)
    assert np.all(bounds(table) == 0)
    assert np.all(table["value"] == 0)


def test_a_horizon_may_be_a_duration(fit, some):
    assert_array_equal(bounds(forecast(fit, some, 39, draws=5)), bounds(forecast(fit, some, "273D", draws=5)))


def test_a_customer_who_buys_by_the_hundred_is_followed_to_the_end():
    fit = NBD.fit(NBD(r=2.0, alpha=0.1, unit="week").simulate(np.full(300, 50.0), np.random.default_rng(1)).history())
    h = History(x=[2000], t_x=[49.0], T=[50.0])
    r, alpha = tuple(fit.model)
    sure = replace(fit, log_covariance=1e-14 * fit.log_covariance)
    table = forecast(sure, h, 10.0, draws=2)
    rng = np.random.default_rng(2)
    bought = rng.poisson(10 * rng.gamma(r + 2000, 1 / (alpha + 50), 200_000))
    assert_allclose(np.quantile(bought, [0.05, 0.95]), bounds(table)[0], atol=2)


# -- totals -----------------------------------------------------------------------------------------------------------


def test_a_group_of_one_is_that_customer(fit, some):
    each = forecast(fit, some, 39, draws=20)
    alone = forecast(fit, some, 39, draws=20, by=np.arange(len(some)))
    assert_array_equal(bounds(each), bounds(alone))
    assert_allclose(each["value"], alone["value"], rtol=1e-12)


@pytest.mark.parametrize("size", [2, 5, 20, 100])
def test_totals_are_what_happens_to_simulated_customers(surely, cdnow, size):
    few = cdnow.take(np.random.default_rng(size).permutation(len(cdnow))[:size])
    bought = lives(surely.model, few, 39, 4_000, seed=size).sum(axis=1)
    low, high = bounds(forecast(surely, few, 39, draws=2, by="all"))[0]
    for bound, tail in ((low, 0.05), (high, 0.95)):
        slack = 4 * np.sqrt(0.05 * 0.95 / 4000)
        assert np.mean(bought <= bound) > tail - slack
        assert np.mean(bought < bound) < tail + slack


def test_in_each_draw_all_customers_move_together(fit, cdnow):
    """Parameters and customers by lot: a total in each draw."""
    doubted = replace(fit, log_covariance=9 * fit.log_covariance)
    law = doubted.draws(120, seed=5)
    few = cdnow.take(cdnow.x > 9)
    rng = np.random.default_rng(1)
    totals = []
    for r, alpha, a, b in np.concatenate(list(law), axis=1):
        alone = BGNBD(float(r), float(alpha), float(a), float(b))
        totals.append(lives(alone, few, 39, 40, seed=int(rng.integers(1 << 30))).sum(axis=1))
    low, high = bounds(forecast(doubted, few, 39, draws=120, seed=5, by="all"))[0]
    assert_allclose(np.quantile(totals, [0.05, 0.95]), [low, high], atol=0.06 * np.std(totals))
    assert np.mean(np.std(totals, axis=1)) < 0.9 * np.std(totals)


def test_the_total_of_equal_negative_binomials_is_one():
    """NBD customers of one T and x: the total of m has m times the shape."""
    h = NBD(r=0.8, alpha=5.0, unit="week").simulate(np.full(2000, 20.0), np.random.default_rng(1)).history()
    fit = NBD.fit(h)
    sure = replace(fit, log_covariance=1e-14 * fit.log_covariance)
    r, alpha = tuple(fit.model)
    for x, n in ((0, 3), (0, 40), (2, 500), (1, 100_000)):
        many = History(x=[x], t_x=[5.0 * (x > 0)], T=[20.0], n=[n], unit="week")
        total = nbinom(n * (r + x), (alpha + 20) / (alpha + 20 + 10))
        table = forecast(sure, many, 10, draws=2, by="all")
        assert_allclose(total.ppf([0.05, 0.95]), bounds(table)[0], rtol=1e-4, atol=0)
        assert approx(total.mean()) == table["value"][0]


def test_both_ways_to_a_total_agree_where_they_meet(fit, cdnow, monkeypatch):
    groups = np.arange(600) // 150
    few = cdnow.take(np.random.default_rng(3).permutation(len(cdnow))[:600])
    found = {}
    for skew in (0.0, 0.5):
        monkeypatch.setattr(module, "SKEW", skew)
        found[skew] = bounds(forecast(fit, few, 39, draws=6, by=groups))
    assert_allclose(found[0.0], found[0.5], atol=1)
    assert np.any(found[0.0] > 100)


def test_a_group_does_not_depend_on_the_others(fit, cdnow):
    by_x = np.minimum(cdnow.x, 9).astype(int)
    together = forecast(fit, cdnow, 39, draws=10, by=by_x)
    for x in (2, 8):
        alone = forecast(fit, cdnow.take(np.flatnonzero(by_x == x)[::-1]), 39, draws=10, by="all")
        assert_array_equal(bounds(together)[x], bounds(alone)[0])
        assert approx(together["value"][x], rel=1e-12) == alone["value"][0]


def test_customers_who_share_a_row_count_as_many(fit, cdnow):
    few = cdnow.distinct()
    one, other = (forecast(fit, h, 39, draws=4, by=h.x > 12) for h in (cdnow, few))
    assert_array_equal(one[["n", "low", "high"]], other[["n", "low", "high"]])
    with pytest.raises(DomainError, match="n must be whole numbers of customers"):
        forecast(fit, replace(few, n=few.n / 2), 39, by="all")


def test_more_groups_than_there_is_room_for_are_taken_by_parts(fit, some, monkeypatch):
    whole = forecast(fit, some, 39, draws=10, by=np.arange(len(some)) // 12)
    monkeypatch.setattr(module, "SUMS", 20)
    monkeypatch.setattr(module, "CELLS", 500)
    assert_array_equal(bounds(whole), bounds(forecast(fit, some, 39, draws=10, by=np.arange(len(some)) // 12)))


def test_the_total_is_narrower_than_the_sum_of_the_customers_bounds(fit, cdnow):
    each, total = forecast(fit, cdnow, 39, draws=5), forecast(fit, cdnow, 39, draws=5, by="all")
    assert np.diff(bounds(total))[0] < 0.2 * np.diff(bounds(each)).sum()


def test_the_seed_decides(fit, cdnow):
    many = cdnow.take(cdnow.x == 0).distinct()
    one, two, other = (bounds(forecast(fit, many, 39, draws=20, seed=seed, by="all")) for seed in (1, 1, 2))
    assert_array_equal(one, two)
    assert np.any(one != other)


def test_pearsons_third_type_against_scipy():
    z, skew = np.linspace(-3, 6, 19), np.array([[0.5], [0.1], [0.01], [-0.4], [2.0]])
    assert_allclose(pearson3.cdf(z, skew), module._pearson(z, skew), atol=1e-9)
    assert_allclose(norm.cdf(z), module._pearson(z, np.array(0.0)), atol=1e-4)
    assert_allclose(gamma.cdf(z + 1, 1), module._pearson(z, np.array(2.0)), atol=1e-12)


def test_nobody_buys_anything(fit):
    nobody = History(x=[], t_x=[], T=[])
    assert len(forecast(fit, nobody, 39)) == 0
    assert [0, 0.0, 0, 0] == forecast(fit, nobody, 39, by="all").iloc[0, 1:].tolist()
    assert len(forecast(fit, nobody, 39, by=[])) == 0


# -- laws and posteriors ----------------------------------------------------------------------------------------------


def test_a_posterior_brings_its_own_draws(fit, some):
    posterior = fit.posterior(40, seed=1)
    table = forecast(posterior, some, 39)
    below = np.cumsum(posterior.model.probability(np.arange(90).reshape(-1, 1, 1), some, 39).mean(axis=1), axis=0)
    assert_array_equal(np.argmax(below >= 0.95, axis=0), table["high"])
    assert_allclose(posterior.model.expected_purchases(some, 39).mean(axis=0), table["value"], rtol=1e-12)


@pytest.mark.parametrize(
    "law",
    [
        ParetoNBD(0.553, 10.58, 0.606, 11.67, unit="week"),
        MBGNBD(0.525, 6.183, 0.891, 1.614, unit="week"),
        BGCNBDk(0.6, 1.5, 0.8, 2.4, k=2, unit="week"),
        GGompertzNBD(0.8, 1.5, 0.12, 0.6, 20.0, unit="week"),
        BGBB(1.204, 0.750, 0.657, 2.783, unit="week"),
    ],
    ids=lambda law: type(law).__name__,
)
def test_each_law_foretells_its_own_customers(law, fit):
    rng = np.random.default_rng(7)
    T = np.full(900, 12.0)
    times = law.simulate(T + 12, rng)
    h = times.history(until=T, log_gaps=law.needs_log_gaps)
    bought = times.count(before=T + 12) - times.count(before=T)
    sure = replace(fit, model=law, log_covariance=1e-10 * np.eye(len(law.names())), data=None)
    table = forecast(sure, h, 12, draws=2)
    assert np.mean((table["low"] <= bought) & (bought <= table["high"])) > 0.9
    low, high = bounds(forecast(sure, h, 12, draws=2, by="all", level=0.999))[0]
    assert low <= bought.sum() <= high


def test_opportunities_set_an_end_to_what_can_be_bought(fit):
    law = BGBB(50.0, 0.5, 0.01, 50.0, unit="week")
    sure = replace(fit, model=law, log_covariance=1e-10 * np.eye(4), data=None)
    h = History(x=[6] * 30, t_x=[6] * 30, T=[6] * 30)
    assert np.all(bounds(forecast(sure, h, 4, draws=2))[:, 1] == 4)
    assert bounds(forecast(sure, h, 4, draws=2, by="all", level=0.9999))[0, 1] == 120


# -- coverage ---------------------------------------------------------------------------------------------------------


def benchmark():
    """What benchmarks/coverage.py measures."""
    place = Path(__file__).parents[2] / "benchmarks" / "coverage.py"
    spec = spec_from_file_location("coverage_of_forecasts", place)
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("law", "crowds", "size"), [(0, 16, 700), (1, 6, 1500)], ids=["BGNBD", "ParetoNBD"])
def test_of_intervals_of_90_percent_nine_in_ten_hold_what_is_true_and_what_comes(law, crowds, size):
    judge = benchmark()
    rng = np.random.default_rng(11)
    found = [judge.judged(judge.LAWS[law], rng, customers=size, draws=20) for _ in range(crowds)]
    shares = {name: float(np.mean([np.mean(held[name]) for held in found])) for name in found[0]}
    print(f"\n{type(judge.LAWS[law]).__name__}: {shares}")  # noqa: T201
    slack = 3 * np.sqrt(0.09 / crowds)  # one answer of a crowd
    for name in ("expected_purchases, total", "p_alive, total", "purchases, total"):
        assert approx(0.9, abs=slack) == shares[name], name
    assert approx(0.9, abs=0.02) == shares["purchases, each, randomised"]
    assert approx(0.9, abs=3 * np.sqrt(0.09 / crowds / 4)) == shares["purchases, totals by x"]
    assert shares["purchases, each, bounds included"] > 0.92


def test_of_the_customers_of_cdnow_as_many_as_promised_bought_so_much(fit, cdnow, held):
    table = forecast(fit, cdnow, 39, draws=20)
    share = np.mean((table["low"] <= held) & (held <= table["high"]))
    print(f"\nCDNOW: {share:.1%} of customers within 90 %")  # noqa: T201
    assert 0.93 <= share <= 0.96  # most of them buy nothing, which cannot be left out


def test_cdnow_bought_more_than_a_bg_nbd_foretold(fit, cdnow, held):
    by_x = np.minimum(cdnow.x, 7).astype(int)
    table, actual = forecast(fit, cdnow, 39, draws=10, by=by_x), np.bincount(by_x, held)
    inside = (table["low"] <= actual) & (actual <= table["high"])
    assert [True, False, False, True, True, True, True, True] == inside.tolist()
    assert np.all(actual[[1, 2]] > table["high"][[1, 2]])
    total = forecast(fit, cdnow, 39, draws=20, by="all")
    assert 1882 == held.sum()
    assert total["high"][0] < 1882 < 1.06 * total["high"][0]


# -- memory -----------------------------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_customers_times_draws(surely):
    rng = np.random.default_rng(1)
    h = BGNBD(0.243, 4.414, 0.793, 2.426).simulate(np.ceil(rng.uniform(20, 40, 1500)), rng).history()
    peaks = []
    for by in (None, "all"):  # 1,500 customers x 100 draws x 16 numbers are 19 MB for each array of them
        tracemalloc.start()
        forecast(surely, h, 4, draws=100, by=by)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 18e6


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"horizon": -1}, "horizon"),
        ({"horizon": np.inf}, "horizon"),
        ({"horizon": "soon"}, "horizon"),
        ({"horizon": np.ones(59)}, "horizon must be one number or duration, got an array of shape \\(59,\\)"),
        ({"level": 90}, "level must lie between 0 and 1"),
        ({"draws": 1}, "draws must be a whole number, 2 or more"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"by": ["a"]}, "one label for each of 59 customers, got shape \\(1,\\)"),
        ({"by": "none"}, "by must be 'all'"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_refused(fit, some, named, said):
    assert len(some) == 59
    with pytest.raises(DomainError, match=said):
        forecast(fit, some, **{"horizon": 39, **named})


def test_what_is_no_fit_of_purchases_or_no_history_is_refused(fit, cdnow, some):
    with pytest.raises(DomainError, match="forecast needs a fit of a law of purchases, got one of GammaGamma"):
        forecast(GammaGamma.fit(cdnow), some, 39)
    with pytest.raises(DomainError, match="forecast needs a Fit"):
        forecast(fit.model, some, 39)
    with pytest.raises(DomainError, match="forecast needs a History"):
        forecast(fit, some.x, 39)
    with pytest.raises(DomainError, match="nobody can be told apart"):
        forecast(fit, cdnow.distinct(), 39)
    with pytest.raises(DomainError, match="counts weeks, the history counts days"):
        forecast(fit, replace(some, unit="day"), 39)
