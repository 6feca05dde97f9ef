"""PIT: places of counts by their definition, uniform for customers of the law itself, and what tells laws that fail."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest, nbinom

from custrel import History, datasets
from custrel.clv import (
    BGNBD,
    NBD,
    ParetoGGG,
)
from custrel.clv.evidence import pit
from custrel.clv.evidence.pit import RandomisedPIT, randomised_pit
from custrel.errors import DomainError

approx = pytest.approx

N = NBD(r=0.8, alpha=12.0)


def crowd(law, n, seed=1, later=20):
    """Histories of customers of a law who joined in one of 13 weeks, and what they bought within 20 weeks after."""
    rng = np.random.default_rng(seed)
    T = rng.integers(27, 40, n).astype(float)
    lives = law.simulate(T + later, rng)
    return lives.history(T, log_gaps=law.needs_log_gaps), lives.count(before=T + later) - lives.count(before=T)


@pytest.fixture(scope="module")
def bought(cdnow):
    return datasets.cdnow().purchases_between("1997-10-01", "1998-06-30", customers=cdnow)


# -- by its definition ------------------------------------------------------------------------------------------------


def test_what_was_bought_within_T_falls_where_the_negative_binomial_says():
    h, _ = crowd(N, 500)
    found, p = randomised_pit(N, h, seed=1), 12 / (12 + h.T)
    assert_allclose(nbinom.cdf(h.x - 1, 0.8, p), found.below, atol=1e-13)
    assert_allclose(nbinom.cdf(h.x, 0.8, p), found.upto, atol=1e-13)
    v = (found.values - found.below) / (found.upto - found.below)
    assert kstest(v, "uniform").pvalue > 0.01


def test_what_was_bought_later_falls_where_it_says_given_the_history():
    h, later = crowd(N, 500)
    found, p = randomised_pit(N, h, later, 20, seed=1), (12 + h.T) / (32 + h.T)
    assert_allclose(nbinom.cdf(later - 1, 0.8 + h.x, p), found.below, atol=1e-12)
    assert_allclose(nbinom.cdf(later, 0.8 + h.x, p), found.upto, atol=1e-12)


def test_hundreds_of_purchases_are_added_up_to_the_last_digits():
    x = np.array([0, 1, 2, 3, 7, 8, 63, 64, 65, 127, 128, 300, 700])
    h = History(x=x, t_x=np.where(x > 0, 30.0, 0.0), T=np.full(x.size, 39.0))
    law = NBD(r=2.0, alpha=0.2)
    found, p = randomised_pit(law, h, seed=1), 0.2 / 39.2
    assert_allclose(nbinom.cdf(x - 1, 2.0, p), found.below, atol=1e-12)
    assert_allclose(nbinom.cdf(x, 2.0, p), found.upto, atol=1e-12)


def test_the_chances_of_all_lesser_counts_are_below(law):
    h, later = crowd(law, 5, seed=2)
    inside, after = randomised_pit(law, h, seed=1), randomised_pit(law, h, later, 20, seed=1)
    for i in range(5):
        one = h.take([i])
        assert approx(sum(law.probability_of_new(n, one.T)[0] for n in range(int(h.x[i]))), abs=1e-9) == inside.below[i]
        assert approx(sum(law.probability(n, one, 20)[0] for n in range(int(later[i]) + 1)), abs=1e-9) == after.upto[i]


def test_places_of_its_own_customers_are_uniform(law):
    h, later = crowd(law, 40 if isinstance(law, ParetoGGG) else 400, seed=3)
    for found in (randomised_pit(law, h, seed=1), randomised_pit(law, h, later, 20, seed=1)):
        assert np.all((found.below >= 0) & (found.below < found.upto) & (found.upto <= 1))
        assert found.p > 1e-3


# -- the numbers drawn ------------------------------------------------------------------------------------------------


def test_one_seed_gives_the_same_places_and_another_gives_others(cdnow, fit):
    one, again, other = (randomised_pit(fit, cdnow, seed=seed).values for seed in (1, 1, 2))
    assert_array_equal(one, again)
    assert not np.any(one == other)


def test_customers_made_with_the_same_seed_do_not_share_its_numbers():
    u = np.random.default_rng(1).random(3000)
    v = RandomisedPIT("NBD", np.zeros(3000), np.ones(3000), seed=1).values
    assert abs(np.corrcoef(u, v)[0, 1]) < 0.06


def test_a_place_does_not_depend_on_who_else_is_there(cdnow, fit, bought):
    some = randomised_pit(fit, cdnow.take(slice(0, 50)), bought.purchases[:50], 39, seed=1)
    assert_allclose(randomised_pit(fit, cdnow, bought, 39, seed=1).values[:50], some.values, rtol=1e-12)


def test_blocks_of_customers_change_nothing(cdnow, fit, bought, monkeypatch):
    whole = randomised_pit(fit, cdnow, bought, 39, seed=1)
    monkeypatch.setattr(pit, "_CELLS", 100)
    parts = randomised_pit(fit, cdnow, bought, 39, seed=1)
    assert_allclose(whole.values, parts.values, rtol=1e-12)


def test_horizons_and_laws_may_be_each_customers_own():
    h, later = crowd(N, 40)
    t, alpha = np.linspace(5, 40, 40), np.linspace(6, 24, 40)
    own = NBD(r=0.8, alpha=alpha)
    inside, after = randomised_pit(own, h, seed=1), randomised_pit(own, h, later, t, seed=1)
    for i in (0, 17, 39):
        alone, one = NBD(r=0.8, alpha=alpha[i]), h.take([i])
        assert approx(randomised_pit(alone, one, seed=1).upto[0]) == inside.upto[i]
        assert approx(randomised_pit(alone, one, later[[i]], t[i], seed=1).upto[0]) == after.upto[i]


def test_a_horizon_may_be_a_duration(cdnow, fit, bought):
    weeks, days = (randomised_pit(fit, cdnow, bought, t, seed=1) for t in (39, "273D"))
    assert_array_equal(weeks.values, days.values)


# -- figures ----------------------------------------------------------------------------------------------------------


def test_distance_and_p_are_those_of_kolmogorov_and_smirnov(cdnow, fit, bought):
    found = randomised_pit(fit, cdnow, bought, 39, seed=1)
    exact = kstest(found.values, "uniform", method="exact")
    assert approx((exact.statistic, exact.pvalue), rel=1e-9) == (found.distance, found.p)
    assert (
        "BGNBD: places of 2,357 customers, 0.021 from uniform at most, p = 0.25 (Kolmogorov-Smirnov, seed 1)"
    ) == repr(found)


def test_shares_are_the_mean_over_many_seeds():
    h, _ = crowd(N, 80)
    found = randomised_pit(N, h, seed=0)
    table = found.table(bins=5)
    drawn = [np.histogram(replace(found, seed=seed).values, bins=5, range=(0, 1))[0] / 80 for seed in range(2000)]
    assert_allclose(np.mean(drawn, axis=0), table["share"], atol=4e-3)


def test_equation_2_of_czado_gneiting_and_held_by_hand():
    found = RandomisedPIT("NBD", np.array([0.0, 0.5, 0.3]), np.array([0.5, 0.9, 0.3]), seed=1)
    assert_allclose([1 / 6, 1 / 6 + 1 / 3, 0.625 / 3, 0.375 / 3], found.table(bins=4)["share"])


def test_a_count_that_cannot_be_is_in_the_lowest_or_the_highest_bin():
    found = RandomisedPIT("NBD", np.array([0.0, 1.0]), np.array([0.0, 1.0]), seed=1)
    assert_allclose([0.5, 0, 0, 0.5], found.table(bins=4)["share"])


@pytest.mark.parametrize("bins", [1, 7, 10])
def test_shares_add_up_to_one(bins, cdnow, fit):
    table = randomised_pit(fit, cdnow, seed=1).table(bins=bins)
    assert ["above", "upto", "share", "low", "high"] == list(table.columns)
    assert approx(1) == table["share"].sum()
    assert_allclose(np.arange(bins) / bins, table["above"], atol=1e-15)
    assert_allclose(table["upto"][:-1], table["above"][1:])


def test_bars_of_a_law_that_is_right_leave_the_band_as_often_as_it_says():
    left = []
    for seed in range(150):
        table = randomised_pit(N, crowd(N, 300, seed)[0], seed=1).table(level=0.9)
        left.append(np.mean((table["share"] < table["low"]) | (table["share"] > table["high"])))
    assert 0.07 < np.mean(left) < 0.13


def test_where_customers_differ_more_than_the_law_knows_the_bars_rise_at_both_ends():
    rng = np.random.default_rng(4)
    rate = rng.gamma(2.0, 0.25, 4000)
    x = rng.poisson(rate * 40)
    h = History(x=x, t_x=np.where(x > 0, 39.0, 0.0), T=np.full(4000, 40.0))
    table = randomised_pit(NBD(r=8.0, alpha=16.0), h, seed=1).table()
    assert np.all(table["share"].iloc[[0, 9]] > table["high"].iloc[[0, 9]])
    assert np.all(table["share"].iloc[3:6] < table["low"].iloc[3:6])


def test_where_more_comes_than_was_foretold_the_bars_rise_to_the_right():
    h, _ = crowd(N, 2000)
    found = randomised_pit(NBD(r=0.8, alpha=36.0), h, seed=1)
    assert found.p < 1e-6
    assert found.table()["share"].iloc[-1] > 0.13


def test_on_cdnow_the_nbd_is_found_wanting_by_what_came_later(cdnow, bought):
    found = {law: randomised_pit(law.fit(cdnow), cdnow, bought, 39, seed=1) for law in (BGNBD, NBD)}
    assert found[NBD].p < 1e-20
    assert found[BGNBD].p > 0.02
    assert found[NBD].table()["share"].iloc[0] > 0.11


@pytest.mark.slow
def test_p_is_far_too_large_for_the_counts_that_were_fitted_and_about_right_for_later_ones():
    law, inside, after = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426), [], []
    for seed in range(150):
        h, later = crowd(law, 2357, seed, later=39)
        fit = BGNBD.fit(h)
        inside.append(randomised_pit(fit, h, seed=seed).p)
        after.append(randomised_pit(fit, h, later, 39, seed=seed).p)
    assert np.mean(np.array(inside) < 0.1) < 0.03
    assert 0.02 < np.mean(np.array(after) < 0.05) < 0.12


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_the_table_leaves_in_the_library_of_the_history(library, cdnow, fit):
    pytest.importorskip(library)
    table = randomised_pit(fit, replace(cdnow, like=library), seed=1).table()
    assert type(table).__module__.startswith(library)


# -- what it refuses --------------------------------------------------------------------------------------------------

H = History(x=[0, 2], t_x=[0, 3], T=[9, 9])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"model": "NBD"}, "randomised_pit needs a fit of a law of purchases"),
        ({"model": NBD(r=[[0.4], [0.5]], alpha=12.0)}, "one law for all, or one for each of 2 customers"),
        ({"model": NBD(r=0.4, alpha=12.0, unit="day")}, "counts days, the history counts weeks"),
        ({"h": H.distinct()}, "a row for each customer, one or more: not h.distinct"),
        ({"h": H.take(slice(0, 0)), "bought": []}, "one or more"),
        ({"t": None}, "purchases need t"),
        ({"bought": None}, "t needs purchases"),
        ({"bought": [1]}, r"the purchases of each of 2 customers, got shape \(1,\)"),
        ({"bought": ["a", "b"]}, "bought must hold numbers of purchases"),
        ({"bought": [0.5, -1]}, "whole numbers of purchases, 0 or more; 2 of 2 are not"),
        ({"bought": [np.inf, np.nan]}, "whole numbers of purchases, 0 or more; 2 of 2 are not"),
        ({"t": -1}, "a horizon must be a finite number"),
        ({"t": [1, 2, 3]}, "a horizon must be one number, or one for each customer"),
        ({"seed": -1}, "seed must be a whole number, 0 or more"),
    ],
)
def test_what_has_no_place_is_refused(wrong, words):
    with pytest.raises(DomainError, match=words):
        randomised_pit(**({"model": NBD(r=0.4, alpha=12.0), "h": H, "bought": [0, 1], "t": 9, "seed": 1} | wrong))


def test_purchases_of_other_customers_are_refused(cdnow, fit, bought):
    with pytest.raises(DomainError, match="bought counts other customers"):
        randomised_pit(fit, cdnow.take(np.arange(len(cdnow))[::-1]), bought, 39, seed=1)


@pytest.mark.parametrize(("asked", "words"), [({"bins": 0}, "bins must be"), ({"level": 1}, "level must lie between")])
def test_tables_that_cannot_be_are_refused(asked, words):
    with pytest.raises(DomainError, match=words):
        randomised_pit(N, H, seed=1).table(**asked)
