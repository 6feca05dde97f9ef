"""Goodness of fit: the chi-square of counts as papers print it, by its definition, and by what happens to true laws."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import chi2, kstest, nbinom

from custrel import History, clv
from custrel.clv import (
    BGBB,
    BGNBD,
    MBGNBD,
    NBD,
    BGCNBDk,
    ParetoNBD,
)
from custrel.clv.evidence import cells
from custrel.clv.evidence.goodness import chi_square_of_counts
from custrel.errors import DomainError

approx = pytest.approx


def crowd(law, n, seed=1):
    """Customers of a law who joined in one of 13 weeks, or a year earlier."""
    rng = np.random.default_rng(seed)
    T = rng.integers(27, 40, n).astype(float)
    return law.simulate(T, rng).history(log_gaps=law.needs_log_gaps)


def negative_binomial(h, most, r=0.8, alpha=12.0):
    """Chances of 0, 1, ..., most or more purchases of each customer, ``(cells, customers)``."""
    n = np.arange(most)[:, None]
    below = nbinom.pmf(n, r, alpha / (alpha + h.T))
    return np.vstack([below, 1 - below.sum(axis=0)])


# -- what papers print ------------------------------------------------------------------------------------------------


def test_figure_2_of_fader_hardie_lee_2005(cdnow, fit):
    found = chi_square_of_counts(fit, cdnow, most=7)
    table = found.table()
    assert ["0", "1", "2", "3", "4", "5", "6", "7+"] == table["purchases"].tolist()
    assert [1411, 439, 214, 100, 62, 38, 29, 64] == table["actual"].tolist()
    assert_allclose([1407.68, 460.32, 192.46, 101.16, 59.85, 38.12, 25.55, 71.85], table["expected"], atol=5e-3)
    assert approx(4.821108, abs=1e-5) == found.pearson == table["contribution"].sum()
    assert approx(0.19, abs=5e-3) == found.bounds[0]  # with 8 - 1 - 4 degrees of freedom, as the paper counts


def test_on_cdnow_the_pareto_nbd_is_found_wanting_and_the_bgnbd_is_not(cdnow, fit):
    found = {law: chi_square_of_counts(law.fit(cdnow), cdnow, most=7) for law in (BGNBD, ParetoNBD)}
    assert approx((4.82, 11.99), abs=5e-3) == tuple(one.statistic for one in found.values())
    assert approx((0.38, 0.039), abs=5e-3) == tuple(one.p for one in found.values())
    assert [False, True] == [one.wanting for one in found.values()]
    said = "How often 2,357 customers bought differs from what ParetoNBD expects by more than chance"
    rest = "above all 439 bought 1 times, not 397: chi-square 11.99, 5.25 degrees of freedom, p = 0.039"
    assert f"{said}, {rest}" == repr(found[ParetoNBD])


# -- by its definition ------------------------------------------------------------------------------------------------


def test_where_all_are_watched_equally_long_it_is_pearsons():
    h = NBD(r=0.8, alpha=12.0).simulate(np.full(500, 39.0), np.random.default_rng(1)).history()
    found = chi_square_of_counts(NBD(r=0.8, alpha=12.0), h, most=5)
    expected = 500 * nbinom.pmf(np.arange(5), 0.8, 12 / 51)
    expected = np.append(expected, 500 - expected.sum())
    came = np.bincount(np.minimum(h.x, 5).astype(int), minlength=6)
    pearson = np.sum((came - expected) ** 2 / expected)
    assert approx((pearson, pearson, 5.0), rel=1e-9) == (found.statistic, found.pearson, found.degrees)
    assert approx(chi2.sf(pearson, 5), rel=1e-9) == found.p
    assert (found.p, found.p) == approx(found.bounds)


def test_where_they_are_not_it_is_the_quadratic_form_of_their_own_multinomials():
    rng = np.random.default_rng(2)
    h = NBD(r=0.8, alpha=12.0).simulate(rng.uniform(0, 60, 400), rng).history()
    p = negative_binomial(h, 5)
    covariance = sum(np.diag(one) - np.outer(one, one) for one in p.T)
    apart = np.bincount(np.minimum(h.x, 5).astype(int), minlength=6) - p.sum(axis=1)
    found = chi_square_of_counts(NBD(r=0.8, alpha=12.0), h, most=5)
    assert approx(apart @ np.linalg.pinv(covariance, rcond=1e-12) @ apart, rel=1e-9) == found.statistic
    assert found.statistic > found.pearson == approx(np.sum(apart**2 / p.sum(axis=1)))


def test_the_parameters_take_their_share_of_the_degrees_of_freedom():
    h = crowd(NBD(r=0.8, alpha=12.0), 800)
    fit = NBD.fit(h)
    (r, alpha), step = fit.parameters, 1e-5
    p = negative_binomial(h, 6, r, alpha)
    covariance = sum(np.diag(one) - np.outer(one, one) for one in p.T)
    ways = ((r * np.exp(step), alpha, r * np.exp(-step), alpha), (r, alpha * np.exp(step), r, alpha * np.exp(-step)))
    slopes = [(negative_binomial(h, 6, *way[:2]) - negative_binomial(h, 6, *way[2:])).sum(axis=1) for way in ways]
    slopes = np.array(slopes).T / (2 * step)
    taken = np.trace(np.linalg.pinv(covariance, rcond=1e-12) @ slopes @ fit.log_covariance @ slopes.T)
    found = chi_square_of_counts(fit, h, most=6)
    assert approx(6 - taken, abs=0.02) == found.degrees
    assert 4 < found.degrees < 6
    assert approx((chi2.sf(found.statistic, 4), chi2.sf(found.statistic, 6)), rel=1e-9) == found.bounds
    assert found.bounds[0] < found.p < found.bounds[1]


def test_what_was_chosen_beside_the_parameters_is_taken_in_the_bounds(cdnow, fit):
    before, after = (chi_square_of_counts(one, cdnow, most=7) for one in (fit, replace(fit, chosen=1)))
    assert approx(chi2.sf(before.statistic, 2)) == after.bounds[0]
    assert before.p == after.p


@pytest.mark.parametrize(
    ("law", "most", "crowds"), [(NBD(r=0.8, alpha=12.0), 8, 60), (BGNBD(r=0.9, alpha=4.4, a=0.8, b=2.4), 4, 30)]
)
def test_of_true_laws_that_were_fitted_all_p_are_equally_likely(law, most, crowds):
    crowds = (crowd(law, 1000, seed) for seed in range(crowds))
    ps = [chi_square_of_counts(type(law).fit(h), h, most=most).p for h in crowds]
    assert kstest(ps, "uniform").pvalue > 0.01


@pytest.mark.slow
def test_counted_as_papers_do_a_true_law_is_found_wanting_too_often():
    law = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    found = [chi_square_of_counts(BGNBD.fit(h), h, most=5) for h in (crowd(law, 2357, seed) for seed in range(120))]
    assert 0.01 < np.mean([one.p < 0.05 for one in found]) < 0.1
    assert np.mean([one.bounds[0] < 0.05 for one in found]) > 0.12
    assert np.mean([one.bounds[1] < 0.05 for one in found]) < 0.04


# -- every law, every history -----------------------------------------------------------------------------------------


def test_a_law_is_not_found_wanting_by_its_own_customers(law):
    h = crowd(law, 300)
    found = chi_square_of_counts(law, h)
    table = found.table()
    assert 1e-3 < found.p <= 1
    assert 300 == table["actual"].sum() == approx(table["expected"].sum())
    assert 5 <= table["expected"].min()
    assert approx(len(table) - 1) == found.degrees


def test_a_law_whose_customers_buy_much_less_is_found_wanting(law):
    h = crowd(law, 300)
    lazy = replace(h, x=np.where(h.x > 1, 1, h.x), log_gaps=None)
    found = chi_square_of_counts(law, lazy)
    assert found.p < 1e-6
    assert found.wanting


def test_what_is_expected_is_the_sum_of_the_chances_of_all(law):
    h = crowd(law, 40)
    found = chi_square_of_counts(law, h, most=3, least_expected=0)
    expected = [law.probability_of_new(n, h.T).sum() for n in range(3)]
    assert_allclose([*expected, 40 - sum(expected)], found.expected, rtol=1e-9)
    assert_array_equal([np.sum(h.x == 0), np.sum(h.x == 1), np.sum(h.x == 2), np.sum(h.x >= 3)], found.actual)


@pytest.mark.parametrize(
    "law",
    [
        BGNBD(r=0.9, alpha=4.4, a=0.8, b=2.4),
        MBGNBD(r=0.9, alpha=6.2, a=0.9, b=1.6),
        BGCNBDk(r=0.9, alpha=2.5, a=0.8, b=2.4, k=2),
        BGBB(alpha=1.2, beta=1.5, gamma=0.7, delta=2.8),
    ],
    ids=lambda law: type(law).__name__,
)
def test_fits_of_all_kinds_are_taken(law):
    h = crowd(law, 1500)
    fit = type(law).fit(h)
    found = chi_square_of_counts(fit, h)
    cells_less_one = found.first.size - 1
    assert cells_less_one - fit.parameters.size <= found.degrees < cells_less_one
    assert 1e-3 < found.p <= 1


def test_customers_who_share_a_row_count_as_many(cdnow, fit):
    one, other = (chi_square_of_counts(fit, h) for h in (cdnow, cdnow.distinct()))
    assert approx((one.statistic, one.p, one.n)) == (other.statistic, other.p, other.n)
    assert_array_equal(one.table()["actual"], other.table()["actual"])


def test_the_order_of_customers_does_not_matter(cdnow, fit):
    turned = chi_square_of_counts(fit, cdnow.take(np.arange(len(cdnow))[::-1]))
    assert approx(chi_square_of_counts(fit, cdnow).statistic) == turned.statistic


def test_very_many_times_are_split_over_a_grid_and_nothing_moves():
    law, rng = BGNBD(r=0.9, alpha=4.4, a=0.8, b=2.4), np.random.default_rng(3)
    h = law.simulate(rng.uniform(0, 60, 9000), rng).history()
    assert np.unique(h.T).size > cells._TIMES
    found = chi_square_of_counts(law, h, most=4)
    below = [law.probability_of_new(n, h.T).sum() for n in range(4)]
    assert_allclose([*below, 9000 - sum(below)], found.expected, atol=0.01)


def test_customers_may_have_laws_of_their_own():
    T = np.tile([20.0, 35.0], 150)
    alpha = np.repeat([12.0, 5.0], 150)
    h = NBD(r=0.8, alpha=8.0).simulate(T, np.random.default_rng(4)).history()
    found = chi_square_of_counts(NBD(r=0.8, alpha=alpha), h, most=4, least_expected=0)
    halves = [
        chi_square_of_counts(NBD(r=0.8, alpha=a), h.take(alpha == a), most=4, least_expected=0) for a in (12.0, 5.0)
    ]
    assert_allclose(halves[0].expected + halves[1].expected, found.expected)


@dataclass(frozen=True)
class Moved:
    """A law that tells the law of each customer of a history."""

    law: NBD
    faster: np.ndarray

    def of(self, _history):
        return replace(self.law, alpha=self.law.alpha / self.faster)


def test_a_law_that_tells_each_customers_own_is_asked_for_it():
    h = crowd(NBD(r=0.8, alpha=12.0), 200)
    faster = np.linspace(0.5, 2, 200)
    moved, own = Moved(NBD(r=0.8, alpha=12.0), faster), NBD(r=0.8, alpha=12.0 / faster)
    assert chi_square_of_counts(own, h).statistic == chi_square_of_counts(moved, h).statistic


# -- cells ------------------------------------------------------------------------------------------------------------

some_counts = st.lists(st.floats(0.0, 50.0), min_size=1, max_size=30).map(np.array)


@given(expected=some_counts, enough=st.floats(0.1, 40.0))
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
def test_every_cell_expects_enough_and_none_is_lost(expected, enough):
    first = cells.first_of_cells(expected, enough)
    merged = np.add.reduceat(expected, first)
    assert first[0] == 0
    assert np.all(np.diff(first) > 0)
    assert approx(expected.sum()) == merged.sum()
    assert merged.size == 1 or merged.min() >= enough
    assert merged.size == 1 or np.all(np.add.reduceat(expected, first)[1:] - expected[first][1:] < enough)


def test_cells_that_nobody_fills_are_merged_at_both_ends():
    law = NBD(r=40.0, alpha=100.0)
    h = law.simulate(np.full(500, 39.0), np.random.default_rng(1)).history()
    names = chi_square_of_counts(law, h).table()["purchases"].tolist()
    assert names[0].startswith("0 to ")
    assert names[-1].endswith("+")
    assert all(name.isdigit() for name in names[1:-1] if " to " not in name)


def test_the_last_cell_begins_where_one_in_a_hundred_is_expected(cdnow, fit):
    found = chi_square_of_counts(fit, cdnow)
    assert (
        found.expected[-1] >= 23.57 > found.expected[-1] - fit.model.probability_of_new(found.first[-1], cdnow.T).sum()
    )


# -- what it says -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("least_expected", "cells_left"), [(1e6, "1 cell"), (700, "2 cells")])
def test_too_few_cells_tell_nothing_and_it_says_so(cdnow, fit, least_expected, cells_left):
    found = chi_square_of_counts(fit, cdnow, least_expected=least_expected)
    assert np.isnan([found.p, found.degrees]).all()
    assert not found.wanting
    said = f"cannot tell whether BGNBD is right: {cells_left} of enough customers leave too little to test"
    assert f"How often 2,357 customers bought {said}" == repr(found)


def test_nobody_watched_at_all_tells_nothing():
    found = chi_square_of_counts(NBD(r=0.8, alpha=12.0), History(x=[0] * 20, t_x=[0] * 20, T=[0] * 20))
    assert np.isnan(found.p)


def test_the_level_says_how_sure_the_answer_must_be(cdnow):
    fit = ParetoNBD.fit(cdnow)
    assert [True, False] == [chi_square_of_counts(fit, cdnow, most=7, level=level).wanting for level in (0.95, 0.99)]


def test_a_whole_number_k_is_named():
    law = BGCNBDk(r=0.9, alpha=2.5, a=0.8, b=2.4, k=2)
    assert "what BGCNBDk with k = 2 expects" in repr(chi_square_of_counts(law, crowd(law, 200)))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_the_table_leaves_in_the_library_of_the_history(library, cdnow, fit):
    pytest.importorskip(library)
    table = chi_square_of_counts(fit, replace(cdnow, like=library)).table()
    assert type(table).__module__.startswith(library)


# -- what it refuses --------------------------------------------------------------------------------------------------

H = History(x=[0, 2], t_x=[0, 3], T=[9, 9])


def test_a_fit_to_another_history_is_refused(cdnow, fit):
    with pytest.raises(DomainError, match="BGNBD was fitted to another history.*give fit.model"):
        chi_square_of_counts(fit, cdnow.take(cdnow.T > 30))
    shuffled = replace(cdnow, t_x=np.where(cdnow.x > 0, cdnow.T, 0.0))
    with pytest.raises(DomainError, match="BGNBD was fitted to another history"):
        chi_square_of_counts(fit, shuffled)
    assert 0 <= chi_square_of_counts(fit.model, cdnow.take(cdnow.T > 30)).p <= 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"fit": "BGNBD"}, "needs a fit of a law of purchases, or such a law, got 'BGNBD'"),
        ({"fit": NBD}, "needs a fit of a law of purchases"),
        ({"fit": clv.GammaGamma(p=2.0, q=3.0, gamma=40.0)}, "needs a fit of a law of purchases"),
        (
            {"fit": NBD(r=[[0.4], [0.5]], alpha=12.0)},
            r"one law for all, or one for each of 2 customers; r has the shape",
        ),
        ({"fit": NBD(r=[0.4, 0.5, 0.6], alpha=12.0)}, r"r has the shape \(3,\)"),
        ({"fit": NBD(r=0.4, alpha=12.0, unit="day")}, "counts days, the history counts weeks"),
        ({"h": "customers"}, "needs a History"),
        ({"h": H.take(slice(0, 0))}, "one customer or more; this one is empty"),
        ({"most": 0}, "most must be a whole number, 1 or more"),
        ({"least_expected": -1}, "least_expected must be a finite number, 0 or more"),
        ({"level": 95}, "level must lie between 0 and 1"),
    ],
)
def test_what_cannot_be_tested_is_refused(wrong, words):
    with pytest.raises(DomainError, match=words):
        chi_square_of_counts(**({"fit": NBD(r=0.4, alpha=12.0), "h": H} | wrong))
