"""Contractual laws: what their papers print, what forty digits say, and what must be true of all of them."""

from dataclasses import replace

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from custrel import from_json
from custrel.clv.beta_discrete_weibull import BetaDiscreteWeibull
from custrel.clv.shifted_beta_geometric import ShiftedBetaGeometric
from custrel.clv.tenures import Tenures
from custrel.errors import ConvergenceError, DomainError

approx = pytest.approx

LAWS = [
    ShiftedBetaGeometric(alpha=0.668, beta=3.806, unit="year"),
    BetaDiscreteWeibull(alpha=0.259, beta=1.723, c=1.584, unit="year"),
]
each_law = pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
each_kind = pytest.mark.parametrize("kind", [type(law) for law in LAWS])

# Survivors of 1,000 customers after 0, 1, ..., 12 years.
REGULAR = [1000, 631, 468, 382, 326, 289, 262, 241, 223, 207, 194, 183, 173]
HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491, 468, 445, 427, 409, 394]


def after(years, survivors):
    """What was known after so many years."""
    return Tenures.from_survivors(survivors[: years + 1], unit="year")


# -- as published -----------------------------------------------------------------------------------------------------


def test_high_end_customers_of_fader_hardie_2007():
    # The paper's text says alpha .688, a typing error for .668.
    fit = ShiftedBetaGeometric.fit(after(7, HIGH_END))
    assert approx((0.668, 3.806), abs=5e-4) == tuple(fit.model)
    assert approx(-1611.2, abs=0.05) == fit.log_likelihood


def test_regular_customers_of_fader_hardie_2007():
    fit = ShiftedBetaGeometric.fit(after(7, REGULAR))
    assert approx((0.704, 1.182), abs=5e-4) == tuple(fit.model)
    assert approx(-1680.3, abs=0.05) == fit.log_likelihood


@pytest.mark.parametrize(
    ("kind", "survivors", "years", "parameters", "log_likelihood"),
    [
        (ShiftedBetaGeometric, REGULAR, 7, (0.7040772984735162, 1.1820430262094757), -1680.265188463287),
        (ShiftedBetaGeometric, HIGH_END, 7, (0.6680883511064463, 3.806094964058267), -1611.1581473911565),
        (ShiftedBetaGeometric, REGULAR, 4, (0.7636650625645527, 1.2958302721825021), -1401.5594235774454),
        (ShiftedBetaGeometric, HIGH_END, 4, (1.280976380367425, 7.79038409526386), -1225.1349070416125),
        (
            BetaDiscreteWeibull,
            REGULAR,
            7,
            (0.45561398937163, 0.7793255083879559, 1.28345128578329),
            -1679.6028329071783,
        ),
        (
            BetaDiscreteWeibull,
            HIGH_END,
            4,
            (0.25933573151116, 1.7225514880866861, 1.58436151502285),
            -1222.7493182408218,
        ),
    ],
)
def test_maxima_on_the_series_of_fader_hardie_2007(kind, survivors, years, parameters, log_likelihood):
    fit = kind.fit(after(years, survivors))
    assert approx(parameters, rel=1e-6) == tuple(fit.model)
    assert approx(log_likelihood, abs=1e-6) == fit.log_likelihood
    assert 1000 == fit.n


@pytest.mark.parametrize(
    ("kind", "survivors", "years", "parameters"),
    [
        (BetaDiscreteWeibull, REGULAR, 4, (0.523029, 0.894283, 1.196399)),
        (BetaDiscreteWeibull, HIGH_END, 7, (0.214253, 1.426575, 1.723565)),
    ],
)
def test_six_digits_of_the_other_maxima(kind, survivors, years, parameters):
    assert approx(parameters, abs=6e-7) == tuple(kind.fit(after(years, survivors)).model)


@pytest.mark.parametrize(
    ("survivors", "percent"),
    [
        (HIGH_END, [54.661, 51.037, 48.104, 45.669, 43.604, 41.823]),
        (REGULAR, [28.75395, 25.88858, 23.65852, 21.86443, 20.38391, 19.13729]),  # at the maximum found at 30 digits
    ],
)
def test_the_next_six_years_of_fader_et_al_2018(survivors, percent):
    law = BetaDiscreteWeibull.fit(after(4, survivors)).model
    assert approx(percent, abs=6e-4) == 100 * law.survival(np.arange(5, 11))


def test_percentages_and_cohorts_of_any_length_find_the_same_law():
    whole = ShiftedBetaGeometric.fit(after(7, HIGH_END))
    percent = ShiftedBetaGeometric.fit(Tenures.from_survivors([n / 10 for n in HIGH_END[:8]], unit="year"))
    assert approx(tuple(whole.model), rel=1e-7) == tuple(percent.model)
    assert_allclose(np.sqrt(10) * whole.standard_errors, percent.standard_errors, rtol=1e-5)
    halves = Tenures.from_survivors([[n / 2 for n in HIGH_END[:8]]] * 2, unit="year")
    assert approx(tuple(whole.model), rel=1e-7) == tuple(ShiftedBetaGeometric.fit(halves).model)


def test_by_hand():
    law = ShiftedBetaGeometric(alpha=1.0, beta=1.0, unit="year")  # S(t) = 1 / (1 + t)
    t = np.arange(1, 8)
    assert_allclose(1 / (1 + t), law.survival(t), rtol=1e-14)
    assert_allclose(t / (t + 1), law.retention_rate(t), rtol=1e-14)
    assert_allclose(1 / (t * (t + 1)), law.churn_probability(t), rtol=1e-14)
    # The sum of v^t / (1 + t) is -log(1 - v) / v, with v = 1 / 1.1.
    assert approx(1.1 * np.log(11), rel=1e-14) == float(law.discounted_expected_lifetime(annual_discount_rate=0.1))
    residual = law.discounted_expected_residual_lifetime(0, annual_discount_rate=0.1)
    assert approx(1.1 * (1.1 * np.log(11) - 1), rel=1e-14) == float(residual)


def test_equation_6_of_fader_hardie_2010():
    # DERL of who is alive for n periods: (beta + n - 1) / (alpha + beta + n - 1) 2F1(1, beta + n; alpha + beta + n; v).
    law, n = LAWS[0], 5
    alpha, beta, v = mp.mpf(0.668), mp.mpf(3.806), 1 / mp.mpf(1.1)
    expected = (beta + n - 1) / (alpha + beta + n - 1) * mp.hyp2f1(1, beta + n, alpha + beta + n, v)
    assert approx(float(expected), rel=1e-14) == float(
        law.discounted_expected_residual_lifetime(n - 1, annual_discount_rate=0.1)
    )


# -- forty digits -----------------------------------------------------------------------------------------------------

mp.mp.dps = 40

WORST: dict[str, tuple[float, object]] = {}


def off(expected, actual, name, at):
    """Relative error; the worst of each name is printed by `pytest -s`."""
    error = float(abs(mp.mpf(float(actual)) - expected) / abs(expected))
    if error >= WORST.get(name, (0.0, None))[0]:
        WORST[name] = (error, at)
    return error


@pytest.fixture(scope="module", autouse=True)
def _print_the_worst():
    yield
    for name, (error, at) in WORST.items():
        print(f"\nworst relative error of {name}: {error:.1e} at {at}", end="")  # noqa: T201


def exact_log_beta(alpha, beta, c, t):
    """log B(alpha, beta + t^c), with digits to spare for what is subtracted from it."""
    u = t**c
    with mp.workdps(mp.mp.dps + 15 + 2 * int(mp.log10(u + 10))):
        return mp.loggamma(beta + u) - mp.loggamma(alpha + beta + u)


def exact_log_survival(letters, t, age=0):
    alpha, beta, c, t, age = map(mp.mpf, (*letters, t, age))
    with mp.workdps(mp.mp.dps + 10 + 2 * int(c * mp.log10(age + t + 1))):
        return exact_log_beta(alpha, beta, c, age + t) - exact_log_beta(alpha, beta, c, age)


def law_of(letters, **known):
    """With c = 1 the shifted-beta-geometric law."""
    alpha, beta, c = letters
    return ShiftedBetaGeometric(alpha, beta, **known) if c == 1 else BetaDiscreteWeibull(alpha, beta, c, **known)


BOX = [
    (0.668, 3.806, 1.0),
    (1e-4, 1e6, 1.0),
    (1e6, 1e-4, 1.0),
    (1e6, 1e6, 1.0),
    (1e-4, 1e-4, 1.0),
    (0.259, 1.723, 1.584),
    (1e-4, 1e6, 0.01),
    (1e-4, 1e-4, 0.01),
    (1e6, 1e6, 0.01),
    (1e-4, 1e6, 20.0),
    (0.3, 1e-4, 20.0),
    (30.0, 1e3, 0.5),
    (5.0, 1e6, 3.0),
]
each_place = pytest.mark.parametrize("letters", BOX, ids=str)


@each_place
def test_survival_against_forty_digits(letters):
    law = law_of(letters)
    for t in (1, 2, 7, 1000, 100_000):
        for age in (0, 1, 30, 100_000):
            expected = exact_log_survival(letters, t, age)
            assert off(expected, law.log_conditional_survival(t, age), "log S", (letters, t, age)) < 1e-12
            if expected > -690:
                assert off(mp.exp(expected), law.conditional_survival(t, age), "S", (letters, t, age)) < 1e-11


@each_place
def test_leaving_against_forty_digits(letters):
    law = law_of(letters)
    for t in (1, 2, 7, 1000, 100_000):
        here, stays = exact_log_survival(letters, t - 1), exact_log_survival(letters, 1, t - 1)
        if here > -680:
            left = mp.exp(here) * -mp.expm1(stays)
            assert off(left, law.churn_probability(t), "P(T = t)", (letters, t)) < 1e-11
            row = Tenures([t], [True], unit="month")
            # Where nearly all leave at once the log-likelihood is tiny, and so is its error beside 1.
            assert abs(law.log_likelihood(row)[0] - mp.log(left)) < 1e-12 * max(1, abs(mp.log(left)))
        if stays > -690:
            assert off(mp.exp(stays), law.retention_rate(t), "r(t)", (letters, t)) < 1e-11


@each_place
def test_score_against_forty_digits(letters):
    law, ages = law_of(letters), (1, 2, 100_000)
    scores = law.score(Tenures([*ages, *ages], [True] * 3 + [False] * 3, unit="month"))
    for column, (t, ended) in enumerate((t, ended) for ended in (True, False) for t in ages):
        for position, (_, value) in enumerate(zip(law, letters, strict=False)):

            def at(x, position=position, t=t, ended=ended):
                moved = [*letters[:position], x, *letters[position + 1 :]]
                with mp.workdps(60):
                    stays = exact_log_survival(moved, 1, t - 1)
                    return exact_log_survival(moved, t - ended) + (mp.log(-mp.expm1(stays)) if ended else 0)

            step = mp.mpf(value) * mp.mpf("1e-25")
            expected = (at(mp.mpf(value) + step) - at(mp.mpf(value) - step)) / (2 * step) * value
            # Per unit of the logarithm, where the search moves.
            assert abs(expected - mp.mpf(float(scores[position, column])) * value) < 1e-10 * max(1, abs(expected))


@pytest.mark.parametrize(("c", "t"), [(100.0, 50_000), (20.0, 10**9), (1e4, 2), (9e6, 7)])
def test_a_clock_beyond_the_largest_float_goes_on(c, t):
    # u = t^c has no float any more, S has: with u that large it is (Gamma(alpha + beta) / Gamma(beta)) u^-alpha.
    law, alpha, beta = BetaDiscreteWeibull(0.001, 2.0, c), mp.mpf(0.001), mp.mpf(2.0)
    constant = mp.loggamma(alpha + beta) - mp.loggamma(beta)
    assert off(constant - alpha * c * mp.log(t), law.log_conditional_survival(t, 0), "log S beyond", (c, t)) < 1e-12
    stays = -alpha * c * mp.log1p(1 / mp.mpf(t))
    assert off(stays, law.log_conditional_survival(1, t), "log r beyond", (c, t)) < 1e-12
    assert np.all(np.isfinite(law.score(Tenures([t, t + 1], [False, True], unit="day"))))


# Sums of S(age + k) / S(age) / (1 + d)^k over k >= 0, at forty digits: alpha, beta, c, age, d and the sum.
# `exact_sum` makes them again.
SUMS = [
    (0.668, 3.806, 1.584, 0, 0.1, 4.2768777418934255613),
    (0.2593, 1.7225, 1.584, 4, 0.1, 7.6533278365674450679),
    (0.2593, 1.7225, 1.584, 0, 1e-4, 373.84035645159686113),
    (200.0, 1.0, 0.01, 0, 0.05, 1.0878443385134901211),
    (50.0, 1e5, 3.0, 0, 0.01, 11.114336254598616596),
    (0.01, 1e4, 20.0, 7, 0.02, 36.531942499859469382),
    (1e-4, 1e-4, 0.01, 0, 1e-3, 500.99486777095647027),
    (1e6, 1e6, 1.3, 0, 0.1, 1.659250647592958796),
    (5.0, 1e6, 1.0, 0, 1e-4, 9529.0092528958829713),
    (2.0, 1.0, 0.7, 0, 0.0, 3.8496022711285659962),
    (0.1, 5.0, 20.0, 0, 0.0, 2.7309811777894637648),
    (3.0, 2.0, 0.5, 1000, 0.0, 2292.8148839121577039),
]


def summed(letters, age, d):
    """The same by the law."""
    law = BetaDiscreteWeibull(*letters, unit="year")
    return law.sum_of_survival(np.asarray(float(age)), np.inf, float(np.log1p(d)))


def exact_sum(letters, age, d, terms=120):
    """The first terms, then Euler and Maclaurin's formula, its integral on the scale of log k."""
    alpha, beta, c, age, delta = map(mp.mpf, (*letters, age, mp.log1p(d)))
    start = exact_log_beta(alpha, beta, c, age)

    def term(k):
        return mp.exp(exact_log_beta(alpha, beta, c, age + k) - start - k * delta)

    head = mp.fsum(term(mp.mpf(k)) for k in range(terms))
    last = mp.log(80 / delta / terms) if delta else 75 / (alpha * c - 1)
    if last <= 0:
        return head
    on_log = mp.quad(lambda x: term(terms * mp.exp(x)) * terms * mp.exp(x), mp.linspace(0, last, int(last / 2) + 2))
    slopes = [mp.diff(term, mp.mpf(terms), order) for order in (1, 3, 5, 7)]
    bend = mp.fsum(s / w for s, w in zip(slopes, (-12, 720, -30240, 1209600), strict=True))
    return head + on_log + term(mp.mpf(terms)) / 2 + bend


@pytest.mark.parametrize(("alpha", "beta", "c", "age", "d", "expected"), SUMS)
def test_infinite_sums_of_the_beta_discrete_weibull(alpha, beta, c, age, d, expected):
    letters = (alpha, beta, c)
    assert off(mp.mpf(expected), summed(letters, age, d), "sums", (*letters, age, d)) < 1e-13


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "beta", "c", "age", "d", "expected"), SUMS)
def test_the_sums_are_what_the_definition_says(alpha, beta, c, age, d, expected):
    with mp.workdps(30):
        assert approx(expected, rel=1e-14) == float(exact_sum((alpha, beta, c), age, d))


@each_law
def test_discounted_expected_lifetime_is_the_sum_that_mpmath_finds(law):
    letters = (*law, 1.0)[:3]
    with mp.workdps(32):
        expected = mp.nsum(lambda t: mp.exp(exact_log_survival(letters, t)) / mp.mpf(1.3) ** t, [0, mp.inf])
    assert off(expected, law.discounted_expected_lifetime(annual_discount_rate=0.3), "DEL", letters) < 1e-14


def gauss(b, c, z, depth):
    """2F1(1, b; c; z) by Gauss's continued fraction: mpmath's own may take minutes where b and c are large."""
    c, fraction = c - 1, mp.mpf(1)
    for j in range(depth, 0, -1):
        m = j // 2
        top = (
            (b + m) * (c + m) / ((c + 2 * m) * (c + 2 * m + 1))
            if j % 2
            else m * (c - b + m) / ((c + 2 * m - 1) * (c + 2 * m))
        )
        fraction = 1 - top * z / fraction
    return 1 / fraction


@pytest.mark.parametrize("d", [1e-4, 0.1, 10.0])
@pytest.mark.parametrize(("alpha", "beta"), [letters[:2] for letters in BOX if letters[2] == 1])
def test_discounted_residual_lifetime_of_the_shifted_beta_geometric_everywhere(alpha, beta, d):
    law, v = ShiftedBetaGeometric(alpha, beta, unit="year"), 1 / (1 + mp.mpf(d))
    for age in (0, 100_000):
        a, b = mp.mpf(alpha), mp.mpf(beta) + age
        with mp.workdps(20):
            expected = b / (a + b) * gauss(b + 1, a + b + 1, v, depth=2000 if d < 0.01 else 100)
        actual = law.discounted_expected_residual_lifetime(age, annual_discount_rate=d)
        assert off(expected, actual, "DERL", (alpha, beta, d, age)) < 1e-12


@pytest.mark.parametrize("alpha", [1.0001, 1.5, 3.0, 1e6])
@pytest.mark.parametrize("beta", [1e-4, 3.0, 1e6])
def test_expected_lifetime_is_the_mean_of_one_over_theta(alpha, beta):
    law, age = ShiftedBetaGeometric(alpha, beta), np.array([0.0, 7.0, 100_000.0])
    assert approx((alpha + beta - 1) / (alpha - 1), rel=1e-11) == float(law.expected_lifetime())
    assert_allclose((beta + age) / (alpha - 1), law.expected_residual_lifetime(age), rtol=1e-11)
    general = BetaDiscreteWeibull(alpha, beta, 1.0)
    assert_allclose((beta + age) / (alpha - 1), general.expected_residual_lifetime(age), rtol=1e-11)


@pytest.mark.parametrize(
    ("letters", "low", "high"),
    [
        ((102.0, 1.0, 0.01), -40, 6),
        ((101.0, 3.0, 0.01), -80, 6),
        ((1000.0, 1.0, 0.01), -3, 6),
        ((1e6, 1e6, 0.01), -0.40, -0.33),
    ],
    ids=str,
)
def test_mean_lifetimes_of_any_length(letters, low, high):
    # So long that E(T) is all but Gamma(1 + 1/c) E(lambda^(-1/c)), with lambda = -log(1 - theta); by trapezoids in its
    # logarithm from low to high, outside of which there is nothing.
    alpha, beta, c = map(mp.mpf, letters)

    def density(x):
        return mp.exp(x * (1 - 1 / c) + (alpha - 1) * mp.log(-mp.expm1(-mp.exp(x))) - beta * mp.exp(x))

    with mp.workdps(25):
        step = (mp.mpf(high) - mp.mpf(low)) / 800
        mean = step * mp.fsum(density(low + step * k) for k in range(801)) / mp.beta(alpha, beta)
        expected = mp.gamma(1 + 1 / c) * mean
    assert off(expected, BetaDiscreteWeibull(*letters).expected_lifetime(), "E(T)", letters) < 1e-12


# -- what must be true ------------------------------------------------------------------------------------------------


def between(low, high):
    """Numbers spread evenly over orders of magnitude."""
    return st.floats(np.log(low), np.log(high)).map(lambda v: float(np.exp(v)))


def tried(times):
    """So many examples, the same ones each time: the build must not depend on luck."""
    return settings(max_examples=times, deadline=None, derandomize=True, database=None)


parameters = between(1e-4, 1e6) | st.sampled_from([1e-4, 0.5, 1.0, 2.0, 1e6])
laws = st.builds(ShiftedBetaGeometric, parameters, parameters, unit=st.just("year")) | st.builds(
    BetaDiscreteWeibull, parameters, parameters, between(0.01, 20.0), unit=st.just("year")
)
ages = st.sampled_from([0, 1, 2, 5, 30, 1000, 100_000])
rates = between(1e-4, 10.0)
T = np.arange(1, 41)


@given(law=laws)
@tried(40)
def test_survival_begins_at_1_and_falls(law):
    survival = law.survival(np.array([0, 1, 2, 3, 10, 100, 1000, 100_000]))
    assert 1.0 == survival[0]
    assert np.all(np.diff(survival) <= 0)
    assert survival[-1] >= 0


@given(law=laws)
@tried(40)
def test_who_has_not_left_is_still_here(law):
    assert_allclose(1 - law.survival(T), np.cumsum(law.churn_probability(T)), rtol=1e-12, atol=1e-14)


@given(law=laws)
@tried(40)
def test_survival_is_the_product_of_retention_rates(law):
    rates = law.retention_rate(T)
    assert np.all((rates >= 0) & (rates <= 1))
    assert_allclose(law.survival(T), np.cumprod(rates), rtol=1e-10, atol=1e-290)


@given(law=laws, s=ages, t=ages, age=ages)
@tried(40)
def test_to_be_here_later_is_to_be_here_until_then_and_on(law, s, t, age):
    on = law.conditional_survival(s, age) * law.conditional_survival(t, age + s)
    assert approx(float(law.conditional_survival(s + t, age)), rel=1e-10, abs=1e-290) == float(on)
    assert 1.0 == law.conditional_survival(0, age)


@given(alpha=parameters, beta=parameters, age=ages, rate=rates)
@tried(30)
def test_without_duration_dependence_the_laws_are_one(alpha, beta, age, rate):
    simple, general = (
        ShiftedBetaGeometric(alpha, beta, unit="month"),
        BetaDiscreteWeibull(alpha, beta, 1.0, unit="month"),
    )
    rows = Tenures([age, age + 1], [False, True], unit="month")
    for answer in (
        lambda law: law.log_conditional_survival(T, age),
        lambda law: law.churn_probability(T),
        lambda law: law.log_likelihood(rows),
        lambda law: law.discounted_expected_residual_lifetime(age, annual_discount_rate=rate),
    ):
        assert_allclose(answer(simple), answer(general), rtol=1e-9, atol=1e-300)
    value = np.array([[alpha], [beta]])
    assert_allclose(value * simple.score(rows), value * general.score(rows)[:2], rtol=1e-9, atol=1e-9)


@given(alpha=parameters, beta=parameters, age=ages)
@tried(40)
def test_mean_churn_is_what_is_not_retained(alpha, beta, age):
    law = ShiftedBetaGeometric(alpha, beta)
    assert_allclose(1.0, law.mean_churn(age) + law.retention_rate(age + 1), rtol=1e-14)


@given(law=laws, age=ages, rate=rates)
@tried(30)
def test_a_value_is_the_next_payment_and_the_value_after_it(law, age, rate):
    now, later = law.discounted_expected_residual_lifetime(np.array([age, age + 1]), annual_discount_rate=rate)
    stays = law.retention_rate(age + 1)
    assert approx(float(stays * (1 + later / (1 + rate))), rel=1e-10, abs=1e-290) == float(now)


@given(law=laws, rate=rates)
@tried(40)
def test_a_new_customer_is_a_payment_and_the_residual_of_age_0(law, rate):
    residual = law.discounted_expected_residual_lifetime(0, annual_discount_rate=rate, due_in=1)
    new = law.discounted_expected_lifetime(annual_discount_rate=rate)
    assert approx(float(1 + residual), rel=1e-12) == float(new)
    assert 1 <= new <= (1 + rate) / rate


@given(law=laws, age=ages, rate=rates, horizon=st.sampled_from([0, 1, 2, 63, 64, 65, 84, 100, 333]))
@tried(40)
def test_a_finite_horizon_adds_so_many_payments(law, age, rate, horizon):
    k = np.arange(horizon)
    here = law.conditional_survival(k + 1, age)
    plain = law.expected_residual_lifetime(age, horizon=horizon)
    assert approx(float(here.sum()), rel=1e-12, abs=1e-290) == float(plain)
    discounted = law.discounted_expected_residual_lifetime(age, annual_discount_rate=rate, horizon=horizon)
    assert approx(float(here @ (1 + rate) ** -k), rel=1e-12, abs=1e-290) == float(discounted)
    assert approx(float(law.survival(k).sum()), rel=1e-12) == float(law.expected_lifetime(horizon=horizon))


@given(law=laws, age=ages)
@tried(20)
def test_value_falls_with_the_rate(law, age):
    values = [
        law.discounted_expected_residual_lifetime(age, annual_discount_rate=d) for d in (1e-4, 0.01, 0.1, 1.0, 10.0)
    ]
    assert np.all(np.diff(values) <= 0)
    undiscounted = law.expected_residual_lifetime(age)
    assert_array_equal(undiscounted, law.discounted_expected_residual_lifetime(age, annual_discount_rate=0.0))
    assert undiscounted >= values[0]


@given(law=laws)
@tried(20)
def test_a_mean_lifetime_is_finite_only_where_alpha_c_exceeds_1(law):
    exists = law.alpha * law.duration_dependence > 1
    long = float(law.expected_lifetime(horizon=10**15))
    assert np.isfinite(long)
    # A mean may exist and yet be beyond all floats: nobody's is that large where alpha is, or c is not small.
    if not exists:
        assert np.inf == law.expected_lifetime()
    elif law.duration_dependence > 0.2:
        assert long <= law.expected_lifetime() * (1 + 1e-12) < np.inf


@each_law
def test_the_unit_of_a_period_scales_the_rate(law):
    twelve = (1.1 ** (1 / 12)) - 1
    monthly = replace(law, unit="month").discounted_expected_lifetime(annual_discount_rate=0.1)
    assert approx(float(law.discounted_expected_lifetime(annual_discount_rate=twelve)), rel=1e-13) == float(monthly)


@given(law=laws, t=ages.filter(bool))
@tried(30)
def test_likelihood_and_score_are_finite_on_the_whole_box(law, t):
    rows = Tenures([t, t, 0], [True, False, False], unit="year")
    assert np.all(np.isfinite(law.score(rows)))
    likelihood = law.log_likelihood(rows)
    assert np.all(np.isfinite(likelihood))
    assert_allclose(law.log_conditional_survival(t, 0), likelihood[1], rtol=1e-14)
    assert 0 == likelihood[2]


# -- shapes -----------------------------------------------------------------------------------------------------------

ANSWERS = [
    lambda law: law.survival(np.arange(5)),
    lambda law: law.conditional_survival(3, np.arange(5)),
    lambda law: law.retention_rate(np.arange(1, 6)),
    lambda law: law.churn_probability(np.arange(1, 6)),
    lambda law: law.log_likelihood(Tenures([1, 2, 3, 4, 5], [True, True, False, True, False], unit="year")),
    lambda law: law.expected_lifetime(horizon=10),
    lambda law: law.expected_residual_lifetime(np.arange(5)),
    lambda law: law.discounted_expected_lifetime(annual_discount_rate=0.1),
    lambda law: law.discounted_expected_residual_lifetime(np.array([3, 1, 4, 1, 5]), annual_discount_rate=0.1),
]
each_answer = pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))


@each_answer
@each_law
def test_draws_broadcast(law, answer):
    places = law.to_log() + 0.3 * np.random.default_rng(5).standard_normal((3, len(law.names())))
    together = answer(law.at_log(places))
    rows = np.stack([np.broadcast_to(answer(law.at_log(place)), together.shape[1:]) for place in places])
    assert_allclose(rows, together, rtol=1e-12)


@each_law
def test_customers_may_have_parameters_of_their_own(law):
    alphas, age = np.array([0.5, 1.0, 2.0, 4.0]), np.array([2, 2, 0, 7])
    together = replace(law, alpha=alphas)
    for answer in (
        lambda one, age: one.conditional_survival(4, age),
        lambda one, age: one.expected_residual_lifetime(age),
        lambda one, age: one.discounted_expected_residual_lifetime(age, annual_discount_rate=0.1),
    ):
        alone = [answer(replace(law, alpha=a), n) for a, n in zip(alphas, age, strict=True)]
        assert_allclose(alone, answer(together, age), rtol=1e-12)


@each_law
def test_a_batch_of_one_equals_the_batch(law):
    age = np.random.default_rng(2).integers(0, 3000, 500)
    for answer in (
        lambda n: law.conditional_survival(7, n),
        lambda n: law.expected_residual_lifetime(n, horizon=10_000),
        lambda n: law.discounted_expected_residual_lifetime(n, annual_discount_rate=0.1),
    ):
        batch = answer(age)
        assert_array_equal(np.concatenate([answer(age[i : i + 1]) for i in range(20)]), batch[:20])
        assert_allclose(answer(age[0]), batch[0], rtol=1e-14)


@each_law
def test_no_customers_get_no_answers(law):
    nobody = np.array([])
    assert (0,) == law.survival(nobody).shape
    assert (0,) == law.expected_residual_lifetime(nobody).shape
    assert (0,) == law.discounted_expected_residual_lifetime(nobody, annual_discount_rate=0.1).shape


# -- simulate is the witness ------------------------------------------------------------------------------------------


def agrees(expected, sample, sigmas=4.0):
    """Whether the mean of a sample is what it should be, within its own standard error."""
    return abs(np.mean(sample) - expected) <= sigmas * np.std(sample, ddof=1) / np.sqrt(len(sample))


@pytest.fixture(
    scope="module",
    params=[
        ShiftedBetaGeometric(3.5, 9.0, unit="month"),
        ShiftedBetaGeometric(0.668, 3.806),
        BetaDiscreteWeibull(2.0, 15.0, 1.6),
        BetaDiscreteWeibull(6.0, 9.0, 0.7),
    ],
    ids=repr,
)
def witness(request):
    return request.param, request.param.simulate(100_000, np.random.default_rng(20070101))


def test_simulated_customers_leave_when_the_law_says(witness):
    law, tenures = witness
    assert (law.unit or "year") == tenures.unit
    for t in (1, 2, 5, 12, 40):
        assert agrees(law.survival(t), tenures.age > t)
        assert agrees(law.churn_probability(t), tenures.age == t)
        assert agrees(law.conditional_survival(6, t), tenures.age[tenures.age > t] > t + 6)


def test_simulated_customers_pay_as_often_as_expected(witness):
    law, tenures = witness
    law = replace(law, unit="month")
    v = 1.1 ** (-1 / 12)
    for age in (0, 3):
        to_come = tenures.age[tenures.age > age] - age - 1
        assert agrees(law.expected_residual_lifetime(age, horizon=20), np.minimum(to_come, 20))
        derl = law.discounted_expected_residual_lifetime(age, annual_discount_rate=0.1)
        assert agrees(derl, (1 - v**to_come) / (1 - v))
    if law.alpha * law.duration_dependence > 2:  # else the sample's mean has no standard error
        assert agrees(law.expected_lifetime(), tenures.age)


@each_law
def test_who_is_watched_for_a_while_is_seen_to_leave_until_then(law):
    whole = law.simulate(2000, np.random.default_rng(1))
    watched = np.arange(2000) % 7
    seen = law.simulate(2000, np.random.default_rng(1), watched=watched)
    assert_array_equal(whole.age <= watched, seen.ended)
    assert_array_equal(np.minimum(whole.age, watched), seen.age)


def test_lifetimes_beyond_all_counting_are_open():
    tenures = ShiftedBetaGeometric(1e-4, 1.0).simulate(1000, np.random.default_rng(1))
    assert tenures.kept.sum() > 900
    assert {2.0**51} == set(tenures.age[~tenures.ended])
    assert np.all(ShiftedBetaGeometric(1.0, 1e-4).simulate(100, np.random.default_rng(1)).age == 1)


@pytest.mark.parametrize(
    "law",
    [ShiftedBetaGeometric(0.668, 3.806, unit="month"), BetaDiscreteWeibull(0.5, 2.5, 1.5, unit="month")],
    ids=repr,
)
def test_fitting_finds_the_law_that_made_the_data(law):
    rng = np.random.default_rng(11)
    fit = type(law).fit(law.simulate(20_000, rng, watched=rng.integers(0, 25, 20_000)))
    assert np.all(np.abs(fit.parameters - tuple(law)) < 4 * fit.standard_errors)
    assert np.all(fit.standard_errors < 0.3 * fit.parameters)
    assert fit.diagnosis.agreeing == fit.diagnosis.starts


# -- the fit ----------------------------------------------------------------------------------------------------------


@each_kind
def test_a_fit_is_a_table_a_text_and_draws(kind):
    fit = kind.fit(after(7, HIGH_END))
    table = fit.table(level=0.9)
    assert list(kind.names()) == table["parameter"].tolist()
    assert_array_equal(tuple(fit.model), table["estimate"])
    assert np.all((table["low"] < table["estimate"]) & (table["estimate"] < table["high"]))
    again = from_json(fit.to_json())
    assert again == fit
    assert "year" == again.model.unit == fit.unit
    draws = fit.draws(4000, seed=1)
    survival = draws.survival(np.arange(9))
    assert (4000, 9) == survival.shape
    assert approx(float(fit.model.survival(8)), abs=0.01) == np.median(survival[:, 8])
    value = fit.draws(5, seed=1).discounted_expected_lifetime(annual_discount_rate=0.1)
    assert (5, 1) == value.shape


@each_law
def test_a_law_is_text_and_back(law):
    again = from_json(law.to_json())
    assert law == again
    assert law.unit == again.unit
    assert replace(law, unit=None).unit == from_json(replace(law, unit=None).to_json()).unit


def test_a_richer_law_is_never_below_the_law_it_contains():
    for survivors, years in ((REGULAR, 4), (HIGH_END, 12)):
        tenures = after(years, survivors)
        assert BetaDiscreteWeibull.fit(tenures).log_likelihood > ShiftedBetaGeometric.fit(tenures).log_likelihood


def test_customers_in_their_first_period_are_left_out_and_told():
    young = Tenures.from_survivors([HIGH_END[:8], [250]], unit="year")
    fit = ShiftedBetaGeometric.fit(young)
    assert ("250 customers in their first year tell nothing yet and were left out.",) == fit.diagnosis.findings
    assert fit.log_covariance.tolist() == ShiftedBetaGeometric.fit(after(7, HIGH_END)).log_covariance.tolist()
    assert 1000 == fit.n


@pytest.mark.parametrize(
    ("kind", "survivors", "words"),
    [
        (ShiftedBetaGeometric, [40], "none of 40 customers has come to a renewal"),
        (ShiftedBetaGeometric, [40, 40, 40], "none of 40 customers left, so nothing tells when they do"),
        (ShiftedBetaGeometric, [40, 0], "renewals are seen at 1 age, which cannot tell 2 parameters"),
        (ShiftedBetaGeometric, [40, 30], "watch the 40 customers for 2 months or more"),
        (BetaDiscreteWeibull, [40, 30, 25], "renewals are seen at 2 ages, which cannot tell 3 parameters"),
        (ShiftedBetaGeometric, [800, 400, 200, 100, 50], "alpha runs to infinity (all leave with one probability"),
        (ShiftedBetaGeometric, [100, 90, 70, 40, 10], "see the beta-discrete-Weibull); beta runs to infinity"),
        (ShiftedBetaGeometric, [100, 100, 100, 0], "beta runs to infinity (customers do not differ"),
        (ShiftedBetaGeometric, [100, 50, 50, 50], "alpha runs to zero (some customers leave at the first renewal"),
        (BetaDiscreteWeibull, [100, 50, 50, 50, 50], "c runs to zero (who renews once never leaves)"),
        pytest.param(
            *(BetaDiscreteWeibull, [800, 400, 200, 100, 50], "alpha runs to infinity (customers do not differ"),
            marks=pytest.mark.slow,
        ),
        (BetaDiscreteWeibull, [1000, 999, 500, 499], "c runs to infinity (whoever may leave and renews once"),
    ],
)
def test_a_likelihood_without_a_peak_says_why(kind, survivors, words):
    with pytest.raises(ConvergenceError) as raised:
        kind.fit(Tenures.from_survivors(survivors, unit="month"))
    assert words in str(raised.value)
    assert kind.__name__ in str(raised.value)


# -- what is refused --------------------------------------------------------------------------------------------------


@each_kind
def test_a_fit_wants_tenures(kind):
    with pytest.raises(
        DomainError, match="needs Tenures, as Tenures.from_survivors or Tenures.from_spans make; got list"
    ):
        kind.fit([1000, 869, 743])
    with pytest.raises(DomainError, match="add up to 1; of shares, give the counts or percentages"):
        kind.fit(Tenures.from_survivors([1.0, 0.869, 0.743, 0.653], unit="year"))


@each_law
def test_a_law_that_knows_its_unit_refuses_tenures_in_another(law):
    rows = Tenures([1, 2], [True, False], unit="month")
    for ask in (law.log_likelihood, law.score):
        with pytest.raises(DomainError, match="counts years, the tenures count months"):
            ask(rows)
    with pytest.raises(DomainError, match="unit must be one of"):
        replace(law, unit="years")


@each_law
def test_nothing_is_discounted_without_the_length_of_a_period(law):
    nameless = replace(law, unit=None)
    for ask in (
        nameless.discounted_expected_lifetime,
        lambda **rate: nameless.discounted_expected_residual_lifetime(3, **rate),
    ):
        with pytest.raises(DomainError, match="the length of a period must be known"):
            ask(annual_discount_rate=0.1)


@pytest.mark.parametrize("value", [-1, 1.5, np.nan, np.inf, "two", None, [0, 0.5]])
@each_law
def test_a_time_that_is_no_whole_period_is_refused(law, value):
    for ask in (
        law.survival,
        law.retention_rate,
        law.churn_probability,
        law.expected_residual_lifetime,
        lambda age: law.conditional_survival(1, age),
        lambda age: law.discounted_expected_residual_lifetime(age, annual_discount_rate=0.1),
    ):
        with pytest.raises(DomainError, match="must be (whole periods|numbers)"):
            ask(value)


@each_law
def test_nobody_leaves_at_age_0(law):
    for ask in (law.retention_rate, law.churn_probability):
        with pytest.raises(DomainError, match="t must be whole periods, 1 or more, got 0"):
            ask(0)


@pytest.mark.parametrize("horizon", [-1, 1.5, np.nan, "1Y", [1, 2]])
@each_law
def test_a_horizon_that_is_none_is_refused(law, horizon):
    with pytest.raises(DomainError, match="horizon must be"):
        law.expected_lifetime(horizon=horizon)


@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf, "much", None])
@each_law
def test_a_rate_or_a_wait_that_is_none_is_refused(law, value):
    with pytest.raises(DomainError, match="annual_discount_rate"):
        law.discounted_expected_lifetime(annual_discount_rate=value)
    with pytest.raises(DomainError, match="due_in"):
        law.discounted_expected_residual_lifetime(1, annual_discount_rate=0.1, due_in=value)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, [1.0, -2.0]])
@each_law
def test_a_parameter_outside_its_domain_is_refused_at_birth(law, value):
    for name in law.names():
        with pytest.raises(DomainError, match=f"{type(law).__name__}: {name} must be positive and finite"):
            replace(law, **{name: value})


@each_law
def test_a_simulation_of_none_or_of_no_time_is_refused(law):
    with pytest.raises(DomainError, match="n must be a whole number, 1 or more, got 0"):
        law.simulate(0, np.random.default_rng(1))
    with pytest.raises(DomainError, match="watched must be"):
        law.simulate(5, np.random.default_rng(1), watched=1.5)
