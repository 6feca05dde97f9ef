"""BG/CNBD-k and MBG/CNBD-k: what many digits say, what simulated customers do, and where they meet other laws."""

import itertools
import json

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from custrel import History, from_json
from custrel.clv import BGNBD, MBGNBD, NBD, compare, phases
from custrel.clv.bgcnbdk import BGCNBDk, RegularLaw
from custrel.clv.horizon import discount_per_unit
from custrel.clv.mbgcnbdk import MBGCNBDk
from custrel.clv.phases import Phases
from custrel.datasets import cdnow
from custrel.errors import ConvergenceError, DomainError
from custrel.stats.draw import SharedNumbers

approx = pytest.approx

LAWS = [BGCNBDk, MBGCNBDk]
PAIRS = [(BGCNBDk, BGNBD), (MBGCNBDk, MBGNBD)]
LETTERS = (0.6, 13.0, 0.793, 2.426)
each_law = pytest.mark.parametrize("law", LAWS)
each_pair = pytest.mark.parametrize(("regular", "random"), PAIRS)
each_k = pytest.mark.parametrize("k", [1, 2, 3, 10])

ROWS = [
    (0, 0.0, 0.0),
    (0, 0.0, 39.0),
    (1, 39.0, 39.0),
    (1, 1e-3, 39.0),
    (2, 30.43, 38.86),
    (29, 37.0, 39.0),
    (1000, 38.5, 39.0),
    (5000, 900.0, 1000.0),
    (5000, 1000.0, 1000.0),
    (0, 0.0, 1e5),
]


def history(*rows):
    """Customers whose purchases came at times a little apart from a beat."""
    x, t_x, T = np.array(rows).T
    return History(x=x, t_x=t_x, T=T, log_gaps=x * np.log(np.where(x > 0, 0.8 * t_x / np.maximum(x, 1), 1.0)))


CROWD = history(*ROWS)


@pytest.fixture(scope="module")
def bought():
    return cdnow().history(until="1997-09-30", unit="week", log_gaps=True)


@pytest.fixture(scope="module", params=[BGCNBDk, pytest.param(MBGCNBDk, marks=pytest.mark.slow)])
def beat(request):
    """Customers who buy by a beat of three."""
    law = request.param(r=1.5, alpha=6.0, a=0.8, b=1.5, k=3)
    rng = np.random.default_rng(20160901)
    return law, law.simulate(rng.uniform(40.0, 80.0, 4000), rng).history(log_gaps=True)


# -- where it is the BG/NBD -------------------------------------------------------------------------------------------


@each_pair
def test_with_k_of_1_it_is_the_law_of_random_purchases(regular, random):
    one, other, since = regular(*LETTERS, k=1), random(*LETTERS), np.array(7.0)
    blind = History(CROWD.x, CROWD.t_x, CROWD.T)
    for answer in (
        lambda law: law.log_likelihood(blind),
        lambda law: law.score(blind),
        lambda law: law.p_alive(blind),
        lambda law: law.p_alive(blind, 13.0),
        lambda law: law.p_active(blind, 39.0),
        lambda law: law.expected_purchases(blind, 39.0),
        lambda law: law.probability(2, blind, 39.0),
        lambda law: law.probability(2, blind, 39.0, since=13.0),
        lambda law: law.mean_purchase_rate(blind),
        lambda law: law.mean_dropout(blind),
        lambda law: law.expected_purchases_of_new(np.array([1.0, 39.0, np.inf])),
        lambda law: law.probability_of_new(np.arange(5), 39.0),
        lambda law: law.probability_later_of_new(np.arange(5), 39.0, since),
        lambda law: law.activity_of_new(39.0),
        lambda law: law.survival_of_new(39.0),
    ):
        assert_allclose(answer(other), answer(one), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("letters", [(0.25, 4.4, 0.8, 2.4), (30.0, 7.0, 1.0, 5.0), (3.0, 0.5, 0.3, 0.4)], ids=str)
def test_sums_over_phases_with_k_of_1_are_the_law_of_random_purchases(letters):
    # One phase, but not one line of the BG/NBD: sums over n against means over p.
    sums, law, t, since = Phases(*letters, 1, np.ones(1)), BGNBD(*letters), np.array([0.0, 0.1, 39.0, 1e4]), 7.0
    assert_allclose(law.expected_purchases_of_new(t), sums.expected_purchases_of_new(t), rtol=1e-11)
    assert_allclose(law.survival_of_new(t), sums.survival_of_new(t), rtol=1e-11)
    assert_allclose(law.activity_of_new(t), sums.activity_of_new(t), rtol=1e-12)
    n = np.array([[0], [1], [7], [60]])
    assert_allclose(law.probability_of_new(n, t), sums.probability_of_new(n, t), rtol=1e-11, atol=1e-290)
    later = law.probability_later_of_new(n, t[1:], np.asarray(since))
    assert_allclose(later, sums.probability_later_of_new(n, t[1:], since), rtol=1e-10, atol=1e-290)


@pytest.mark.parametrize(("law", "height"), [(BGCNBDk, -9582.42920667393), (MBGCNBDk, -9582.13571555375)])
def test_cdnow_customers_buy_at_random(law, height, bought):
    fit = law.fit(bought)
    assert fit.model.k == 1
    assert approx(height, abs=1e-8) == fit.log_likelihood
    assert "k = 1 was chosen by the log-likelihood; k and its peak: 1: -9,582." in str(fit.diagnosis)
    assert approx(2 * (4 + 1) - 2 * fit.log_likelihood) == fit.aic


# -- many digits ------------------------------------------------------------------------------------------------------

mp = mpmath.mp.clone()  # a precision of its own
mp.dps = 30


def exact_parts(letters, k, m, row):
    """Stayed with j = 0 .. k-1 events since t_x, and left at t_x: the likelihood of the times but for the gaps."""
    r, alpha, a, b = map(mp.mpf, letters)
    x, t_x, T = int(row[0]), mp.mpf(row[1]), mp.mpf(row[2])
    head = alpha**r * mp.rf(r, k * x) / mp.factorial(k - 1) ** x
    passed = mp.rf(b, x + m) / mp.rf(a + b, x + m)
    phases = [
        mp.rf(r + k * x, j) / mp.factorial(j) * (T - t_x) ** j * (alpha + T) ** -(r + k * x + j) for j in range(k)
    ]
    left = a * mp.rf(b, x + m - 1) / mp.rf(a + b, x + m) * (alpha + t_x) ** -(r + k * x) if x + m else mp.mpf(0)
    return [head * passed * phase for phase in phases], head * left


BOX = [
    LETTERS,
    (1e-4, 1e4, 1.0, 1e-4),
    (300.0, 1e4, 1.5, 2.5),
    (5e3, 1e6, 1e-4, 2.4),
    (3.0, 0.01, 1e6, 1e6),
]
each_letters = pytest.mark.parametrize("letters", BOX, ids=str)


@each_letters
@each_law
@each_k
def test_log_likelihood_and_p_alive_against_thirty_digits(law, letters, k):
    one, m = law(*letters, k=k), law.before
    for i, row in enumerate(ROWS):
        stays, left = exact_parts(letters, k, m, row)
        true = mp.log(mp.fsum(stays) + left) + (k - 1) * mp.mpf(float(CROWD.log_gaps[i]))
        assert abs(true - mp.mpf(float(one.log_likelihood(CROWD)[i]))) < 1e-11 * max(1, abs(true), row[0])
        alive = mp.fsum(stays) / (mp.fsum(stays) + left)
        if alive > 1e-290:
            assert approx(float(alive), rel=1e-9) == one.p_alive(CROWD)[i]


@each_letters
@each_law
@pytest.mark.parametrize("k", [3, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 10))])
def test_score_against_thirty_digits(law, letters, k):
    one = law(*letters, k=k)
    for row, slopes in zip(ROWS, one.score(CROWD).T, strict=True):
        for i, slope in enumerate(slopes):
            step = mp.mpf(letters[i]) * mp.mpf("1e-13")

            def height(s, i=i, row=row, step=step):
                moved = [mp.mpf(one) + s * step * (place == i) for place, one in enumerate(letters)]
                stays, left = exact_parts(moved, k, law.before, row)
                return mp.log(mp.fsum(stays) + left)

            true = (height(1) - height(-1)) / (2 * step) * letters[i]
            assert abs(true - mp.mpf(float(slope)) * letters[i]) < 1e-9 * max(1, abs(true), k * row[0], letters[0])


def exactly(m, r, u):
    """Negative binomial probability of m events."""
    return mp.exp(mp.loggamma(r + m) - mp.loggamma(r) - mp.loggamma(m + 1) - r * mp.log1p(u)) * (u / (1 + u)) ** m


def at_least(m, r, u):
    """Of m events or more: the tail, or one less the head."""
    if r * u > m or u > 1:
        return 1 - mp.fsum(exactly(i, r, u) for i in range(m))
    total = term = exactly(m, r, u)
    for i in itertools.count(m):
        term *= (r + i) / (i + 1) * u / (1 + u)
        total += term
        if term < mp.eps * total * (1 - u / (1 + u)):
            return total
    raise AssertionError


@each_letters
@each_law
@pytest.mark.parametrize("k", [2, *(pytest.param(k, marks=pytest.mark.slow) for k in (3, 10))])
def test_chances_against_thirty_digits(law, letters, k):
    one, h = law(*letters, k=k), CROWD.take([0, 1, 3, 4, 5])
    for n, t in itertools.product((0, 1, 4), (0.1, 100.0)):
        for row, chance in zip(np.array(ROWS)[[0, 1, 3, 4, 5]], one.probability(n, h, t), strict=True):
            stays, left = exact_parts(letters, k, law.before, row)
            r, alpha, a, b = map(mp.mpf, letters)
            b, everything = b + int(row[0]) + law.before, mp.fsum(stays) + left
            passed = [mp.rf(b, i) / mp.rf(a + b, i) for i in range(n + 1)]
            true = left / everything * (n == 0)
            for j, weight in enumerate(stays):
                shape, u = r + k * int(row[0]) + j, mp.mpf(t) / (alpha + mp.mpf(row[2]))
                here = mp.fsum(exactly(n * k - j + i, shape, u) for i in range(k) if n * k - j + i >= 0)
                gone = (passed[n - 1] - passed[n]) * at_least(n * k - j, shape, u) if n else 0
                true += weight / everything * (passed[n] * here + gone)
            if true > 1e-290:
                assert approx(float(true), rel=1e-10) == chance


# k, j, r, t / alpha, a, b; what is expected of a customer in phase j who is known to be there, and P(there at t): means
# over p, each by k-th roots of unity, at forty-five digits. `mean_over_p` makes them again.
CORNERS = [
    (2, 0, 0.25, 9.0, 0.8, 2.4, 0.67506491144641412527, 0.86818243512582149876),
    (3, 1, 1.25, 9.0, 0.8, 2.4, 2.3696525004194227606, 0.56445201888544135982),
    (3, 2, 2.3, 0.01, 1.0, 2.4, 0.022625916711282600423, 0.99334532184878679626),
    (10, 0, 0.25, 40.0, 0.8, 2.4, 0.54464210291017019384, 0.89136053154083007622),
    (10, 9, 9.5, 1e-3, 0.5, 0.5, 0.0094503155916483174088, 0.9952748422041758413),
    (3, 0, 1e6, 1e-5, 0.8, 2.4, 2.3013998844453654863, 0.53024368421865876424),
    (3, 1, 1e6, 1e3, 1.0, 2.4, 45.532204521066298858, 7.2000071553670660574e-9),
    (10, 0, 300.0, 1e5, 0.8, 5002.4, 64888.910742428561516, 0.0059992965507769724317),
    (3, 0, 1e-4, 1e9, 0.8, 0.1, 0.013728845030867201377, 0.99809731979540508375),
    (2, 0, 3.0, 100.0, 1e6, 0.5, 0.99999664645982720105, 3.8535387460205880736e-6),
    (3, 0, 30.0, 1e3, 1e6, 1e6, 2.000001000001000001, 4.0761471887876972803e-70),
    (10, 5, 1e6, 1e-4, 2.0, 1e4, 10.040805936572501398, 0.99799315855171256318),
    (3, 0, 60000.0, 0.05, 1.5, 2.5, 5.7147760062712590893, 0.00014230708906916924765),
]


@pytest.mark.parametrize(("k", "j", "r", "u", "a", "b", "purchases", "there"), CORNERS)
def test_expectation_and_survival_in_the_corners(k, j, r, u, a, b, purchases, there):
    phase = Phases(r - j, 1.0, a, b, k, np.eye(k)[j])
    assert approx(purchases, rel=1e-12) == float(phase.expected_purchases_of_new(u))
    assert approx(there, rel=1e-12) == float(phase.survival_of_new(u))


def mean_over_p(f, a, b):
    """Mean of f(p, 1 - p), by trapezoids in v with logit p = centre + width sinh v, halved until 18 digits stay."""
    a, b = mp.mpf(a), mp.mpf(b)
    width = min(mp.mpf(1), mp.sqrt((a + b) / (a * b)))
    centre = mp.log(a / b) if width < 1 else mp.mpf(0)
    top = a * mp.log(a / (a + b)) + b * mp.log(b / (a + b))

    def term(v):
        y = centre + width * mp.sinh(v)
        log_p, log_q = -mp.log1p(mp.exp(-y)), -mp.log1p(mp.exp(y))
        weight = mp.cosh(v) * mp.exp(a * log_p + b * log_q - top)
        return weight, weight * f(mp.exp(log_p), mp.exp(log_q))

    last = None
    for halvings in range(3, 9):
        step, total = mp.mpf(2) ** -halvings, [mp.mpf(0), mp.mpf(0)]
        for side in (1, -1):
            for i in itertools.count(int(side < 0)):
                parts = term(side * i * step)
                total = [one + part for one, part in zip(total, parts, strict=True)]
                if i * step > 2 and all(part < 1e-28 * one for one, part in zip(total, parts, strict=True)):
                    break
        value = total[1] / total[0]
        if last is not None and abs(value - last) < 1e-18 * value:
            return value
        last = value
    raise AssertionError


@pytest.mark.slow
@pytest.mark.parametrize(("k", "j", "r", "u", "a", "b", "purchases", "there"), CORNERS[:4])
def test_the_corners_are_what_the_definition_says(k, j, r, u, a, b, purchases, there):
    r, u = mp.mpf(r - j) + j, mp.mpf(u)

    def over_roots(p, q, f):
        """Of q^(floor((j + M) / k)), whose powers of the k-th root of q are the k-th roots of unity apart."""
        total = mp.mpf(0)
        for i in range(k):
            v = q ** (mp.mpf(1) / k) * mp.expjpi(mp.mpf(2 * i) / k)
            gap = 1 - v if i or p > 0.5 else -mp.expm1(mp.log1p(-p) / k)
            total += v ** (j + 1) / (k * q * gap) * f((1 + u * gap) ** -r)
        return mp.re(total)

    few = [at_least(n * k - j, r, u) for n in (1, 2, 3)]
    run = [mp.fsum(exactly(n * k - j + i, r, u) for i in range(k) if n * k - j + i >= 0) for n in range(3)]

    def bought(p, q):
        return over_roots(p, q, lambda z: 1 - z) if q > 1e-9 else mp.fsum(q**i * one for i, one in enumerate(few))

    def stays(p, q):
        return p * over_roots(p, q, lambda z: z) if q > 1e-9 else mp.fsum(q**i * one for i, one in enumerate(run))

    assert approx(purchases, rel=1e-14) == float(mean_over_p(bought, a, b))
    assert approx(there, rel=1e-14) == float(mean_over_p(stays, a, b))


@pytest.mark.parametrize(
    ("k", "j", "r", "alpha", "a", "b", "delta", "worth"),
    [
        # Means over the rate of y^(k-j) 2F1(1, b; a + b; y^k) with y = rate / (rate + delta), at 25 digits.
        (3, 0, 0.6, 13.0, 0.793, 2.426, 0.0018, 2.8546988028661056695),
        (3, 2, 7.6, 52.0, 0.793, 4.426, 0.0018, 9.1945948637417045882),
        (2, 1, 40.0, 30.0, 1.5, 20.0, 0.01, 17.459103415949386879),
        (10, 4, 2.0, 100.0, 0.5, 0.7, 0.0001, 4.8315526244527409734),
        (3, 0, 600.0, 39.0, 0.8, 202.0, 0.002, 589.14688643720852745),
    ],
)
def test_all_purchases_to_come_discounted(k, j, r, alpha, a, b, delta, worth):
    phase = Phases(r - j, alpha, a, b, k, np.eye(k)[j])
    assert approx(worth, rel=1e-12) == float(phase.discounted_purchases_of_new(np.inf, delta))


@pytest.mark.parametrize(
    ("k", "j", "r", "alpha", "a", "b", "t", "delta", "worth"),
    [
        # Sums over n of S_(n-1) times the discounted density of the event nk - j, integrated at 40 digits.
        (1, 0, 0.243, 4.414, 0.793, 2.426, 52.0, 0.0018, 1.3917293441793062458),
        (3, 0, 0.6, 13.0, 0.793, 2.426, 52.0, 0.0018, 0.46254001687606089129),
        (3, 2, 7.6, 52.0, 0.793, 4.426, 104.0, 0.01, 2.6971455437856826142),
        (2, 1, 40.0, 30.0, 1.5, 20.0, 26.0, 0.1, 4.8224705562902250227),
        (12, 4, 2.0, 100.0, 0.5, 0.7, 365.0, 0.001, 0.33154811444649493696),
        (2, 0, 0.014, 4060.0, 0.4, 84.0, 2.1, 1.98, 2.0187001452100021861e-10),
        (2, 0, 0.014, 4060.0, 0.4, 84.0, 21.0, 1.98, 2.1956648000465973091e-10),
        (5, 3, 300.0, 39.0, 900.0, 7.0, 6.0, 1e-5, 1.0077837491282038382),
    ],
)
def test_purchases_within_a_time_discounted(k, j, r, alpha, a, b, t, delta, worth):
    phase = Phases(r - j, alpha, a, b, k, np.eye(k)[j])
    assert approx(worth, rel=1e-12) == float(phase.discounted_purchases_of_new(t, delta))


@pytest.mark.parametrize("k", [1, 4, 12])
def test_counting_events_back_is_what_the_integral_over_them_says(k, monkeypatch):
    rng, n = np.random.default_rng(k), 300
    j = rng.integers(0, k, n).astype(float)
    scales = [(-4, 3), (-2, 4), (-3, 3), (-3, 3), (-2, 4), (-7, 1)]
    r, alpha, a, b, t, delta = (10 ** rng.uniform(*scale, n) for scale in scales)
    counted = phases._expected(k, j, r + j, alpha, a, b, t, delta)
    monkeypatch.setattr(phases, "_few_events_back", lambda *rows: np.zeros(rows[-1].shape, dtype=bool))
    assert_allclose(counted, phases._expected(k, j, r + j, alpha, a, b, t, delta), rtol=1e-11)


def test_expected_purchases_by_hand():
    # Nobody leaves, all have one rate: of Poisson events every k-th is a purchase.
    law = BGCNBDk(r=1e6, alpha=1e6, a=1e-4, b=1e6, k=2)
    assert approx(0.5 * 3 - (1 - np.exp(-6.0)) / 4, rel=1e-5) == float(law.expected_purchases_of_new(3.0))
    assert approx(4 * np.exp(-3.0), rel=1e-5) == float(law.probability_of_new(0, 3.0))


@pytest.mark.parametrize("law", [BGCNBDk, pytest.param(MBGCNBDk, marks=pytest.mark.slow)])
def test_extremes_are_finite(law):
    h = history((5000, 999.0, 1000.0), (5000, 1.0, 1000.0), (0, 0.0, 1000.0), (0, 0.0, 0.0), (1, 1e-9, 1e5))
    for letters in (LETTERS, (1e6, 1e-4, 1e-4, 1e6)):
        one = law(*letters, k=12)
        answers = [
            one.log_likelihood(h),
            one.score(h),
            one.p_alive(h),
            one.p_alive(h, 10.0),
            one.p_active(h, 1e5),
            one.expected_purchases(h, 1e5),
            one.discounted_expected_purchases(h, np.inf, annual_discount_rate=0.1),
            one.probability(3, h, 52.0),
            one.probability(3, h, 52.0, since=52.0),
            one.mean_purchase_rate(h),
            one.mean_dropout(h),
        ]
        assert all(np.all(np.isfinite(answer)) for answer in answers)
        assert np.all(one.expected_purchases(h, 1e5) >= one.p_active(h, 1e5) * (1 - 1e-9))


# -- who stands for whom ----------------------------------------------------------------------------------------------


@each_law
def test_a_batch_of_one_equals_the_batch(law):
    one = law(*LETTERS, k=3)
    for answer in (
        one.log_likelihood,
        one.p_alive,
        one.mean_purchase_rate,
        lambda h: one.p_alive(h, 13.0),
        lambda h: one.expected_purchases(h, 39.0),
        lambda h: one.probability(2, h, 39.0),
        lambda h: one.probability(2, h, 39.0, since=5.0),
        lambda h: one.discounted_expected_purchases(h, 520.0, annual_discount_rate=0.1),
    ):
        together = answer(CROWD)
        assert_array_equal([answer(CROWD.take([i]))[0] for i in range(len(CROWD))], together)


@each_law
def test_how_long_a_customer_is_silent_tells_when_the_next_purchase_is_due(law):
    one = law(r=60.0, alpha=180.0, a=1e-3, b=10.0, k=6)  # about every 18 weeks
    h = history((5, 90.0, 91.0), (5, 90.0, 105.0))
    fresh, due = one.p_active(h, 4.0)
    assert fresh < 0.02
    assert due > 0.3
    assert_array_equal(one.p_active(h, 4.0), one.p_active(History(h.x, h.t_x, h.T), 4.0))


# -- fitting ----------------------------------------------------------------------------------------------------------


def test_k_is_found_and_the_likelihood_has_one_top_in_it(beat):
    law, h = beat
    heights = [type(law).fit(h, k=k).log_likelihood for k in range(1, 6)]
    assert 3 == 1 + int(np.argmax(heights))
    assert np.all(np.diff(heights)[:2] > 0)
    assert np.all(np.diff(heights)[2:] < 0)
    fit = type(law).fit(h)
    assert (3, 1) == (fit.model.k, fit.chosen)
    assert approx(max(heights), abs=1e-6) == fit.log_likelihood
    assert approx(law.log_likelihood(h).sum(), abs=12) == fit.log_likelihood >= law.log_likelihood(h).sum()
    for k in range(1, 6):
        assert f"{k}: {heights[k - 1]:,.2f}" in str(fit.diagnosis)


def test_the_height_of_the_peak_is_the_likelihood_of_the_history(beat):
    law, h = beat
    fit = type(law).fit(h, k=2)
    assert 0 == fit.chosen
    assert approx(fit.model.log_likelihood(h).sum(), rel=1e-12) == fit.log_likelihood


@each_law
def test_equal_customers_are_counted_in_the_height(law):
    h = law(*LETTERS, k=2).simulate(np.full(3000, 60.0), np.random.default_rng(5)).history(log_gaps=True)
    once = law.fit(h, k=2)
    twice = law.fit(History(h.x, h.t_x, h.T, n=np.full(len(h), 2.0), log_gaps=h.log_gaps), k=2)
    assert approx(2 * once.log_likelihood, rel=1e-10) == twice.log_likelihood
    assert approx(tuple(once.model), rel=1e-5) == tuple(twice.model)


@each_law
def test_without_the_times_between_purchases_regular_ones_cannot_be_told(law):
    blind = History(CROWD.x, CROWD.t_x, CROWD.T)
    said = rf"{law.__name__}.* needs the sum of the logarithms .*: make it with log.history\(..., log_gaps=True\)"
    for ask in (lambda: law(*LETTERS, k=3).log_likelihood(blind), lambda: law.fit(blind), lambda: law.fit(blind, k=2)):
        with pytest.raises(DomainError, match=said):
            ask()
    assert np.all(np.isfinite(law(*LETTERS, k=3).expected_purchases(blind, 39.0)))  # what is to come needs no gaps


def test_random_purchases_can_be_fitted_without_the_times_between_them(bought):
    blind = History(bought.x, bought.t_x, bought.T)
    assert approx(-9582.42920667393, abs=1e-8) == BGCNBDk.fit(blind, k=1).log_likelihood


@each_law
def test_customers_who_never_come_back_tell_nothing(law):
    with pytest.raises(ConvergenceError, match="bought twice"):
        law.fit(history((0, 0.0, 10.0), (0, 0.0, 20.0)))


@pytest.mark.slow
def test_a_likelihood_without_a_peak_for_any_k_says_why():
    alike = history(*[(3, 30.0, 39.0)] * 40)
    with pytest.raises(ConvergenceError, match="BGCNBDk: the likelihood of 40 customers has no peak"):
        BGCNBDk.fit(alike)


# -- k is part of the law ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, -1, 2.5, "3", None])
@each_law
def test_a_k_that_is_no_whole_number_is_refused(law, k):
    with pytest.raises(DomainError, match=f"{law.__name__}: k must be a whole number, 1 or more"):
        law(*LETTERS, k=k)


@each_law
def test_k_is_part_of_the_law_but_not_moved(law):
    one = law(*LETTERS, k=3)
    assert "k=3" in repr(one)
    assert one == law(*LETTERS, k=3) != law(*LETTERS, k=4)
    assert ("r", "alpha", "a", "b") == law.names()
    assert 3 == one.at_log(one.to_log()).k
    assert one == from_json(one.to_json())
    assert 3 == json.loads(one.to_json())["k"]


@each_law
def test_a_fit_goes_to_text_and_back(law):
    h = law(*LETTERS, k=2).simulate(np.full(3000, 60.0), np.random.default_rng(5), unit="day").history(log_gaps=True)
    fit = law.fit(h)
    assert fit == from_json(fit.to_json())
    assert 2 == fit.draws(5, seed=1).k == from_json(fit.to_json()).model.k
    assert "day" == fit.draws(5, seed=1).unit


# -- simulated customers ----------------------------------------------------------------------------------------------


def agrees(expected, sample):
    """Whether the mean of a sample is what it should be, within 5 standard errors or one rare event."""
    error = np.std(sample, ddof=1) / np.sqrt(len(sample))
    return abs(np.mean(sample) - expected) <= 5 * max(error, 0.2 / len(sample))


@each_law
def test_simulated_customers_do_what_is_exactly_expected_of_them(law):
    # Not what the papers print for k > 1, which approximates.
    one, rng = law(r=3.0, alpha=30.0, a=0.6, b=3.0, k=4), np.random.default_rng(7)
    T = rng.uniform(20.0, 120.0, 10_000)
    lives = one.simulate(T + 60.0, rng)
    h = lives.history(until=T)
    for t in (10.0, 60.0):
        later = lives.count(before=h.T + t) - h.x
        expected, active, one_more = one.expected_purchases(h, t), one.p_active(h, t), one.probability(1, h, t)
        for group in (h.x == 0, h.x == 1, h.x > 1, h.T - h.t_x < 10, h.T - h.t_x > 40):
            assert agrees(0.0, (later - expected)[group])
            assert agrees(0.0, ((later > 0) - active)[group])
            assert agrees(0.0, ((later == 1) - one_more)[group])


@each_law
def test_futures_wait_as_long_as_the_phase_tells(law):
    one, t, draws = law(r=60.0, alpha=180.0, a=0.1, b=2.0, k=6), 40.0, 20_000
    h = history((5, 90.0, 91.0), (5, 90.0, 105.0), (0, 0.0, 10.0))
    numbers, delta = SharedNumbers(draws, seed=3), discount_per_unit(0.5, h.unit)
    count, worth, soon = (np.zeros(draws * len(h)) for _ in range(3))
    for cells, times in one.future(h, numbers).purchases(t, numbers):
        count[cells] += 1
        worth[cells] += np.exp(-delta * times)
        soon[cells[times < 5.0]] = 1
    count, worth, soon = (sums.reshape(draws, len(h)) for sums in (count, worth, soon))
    for i in range(len(h)):
        assert agrees(one.expected_purchases(h, t)[i], count[:, i])
        assert agrees(one.p_active(h, 5.0)[i], soon[:, i])
        assert agrees(one.discounted_expected_purchases(h, t, annual_discount_rate=0.5)[i], worth[:, i])


@pytest.mark.parametrize("law", [BGCNBDk, MBGCNBDk])
def test_a_k_without_a_peak_is_not_passed_over_for_one_that_is_less_likely(law):
    h = NBD(0.8, 3.0).simulate(np.full(2000, 40.0), np.random.default_rng(4)).history(log_gaps=True)
    words = r"with k = 1, .*nobody is seen to leave.* climbed to: 1: .* \(no peak\); 2: "
    with pytest.raises(ConvergenceError, match=words) as caught:
        law.fit(h)
    assert approx(NBD.fit(h).log_likelihood, abs=0.5 + 3 * (law is MBGCNBDk)) == caught.value.log_likelihood


def test_customers_who_hardly_ever_leave_are_simulated_without_a_warning():
    lives = BGCNBDk(1.0, 1.0, 0.01, 1.0, k=2).simulate(np.full(20_000, 5.0), np.random.default_rng(1))
    assert lives.time.size > 0


def test_horizons_beyond_all_measure_are_told():
    law = BGCNBDk(1.0, 1.0, 1.5, 1.0, k=2)
    assert approx(3.0) == float(law.expected_purchases_of_new(1e200))


def test_the_parent_of_both_laws_is_no_law():
    with pytest.raises(DomainError, match="needs laws of purchases"):
        compare([RegularLaw], History(x=[1], t_x=[4], T=[9]))


def test_a_comparison_asks_for_the_times_between_purchases_before_it_begins():
    h = History(x=[1, 0], t_x=[4, 0], T=[9, 9])
    with pytest.raises(DomainError, match="BGCNBDk needs the sum of the logarithms"):
        compare([BGNBD, BGCNBDk], h)
