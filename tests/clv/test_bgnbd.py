"""BG/NBD: what its papers print, and what fifty digits say."""

import itertools

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from custrel import History, Interactions
from custrel.clv import BGNBD
from custrel.datasets import cdnow_frame

approx = pytest.approx

# The maximum on the CDNOW sample, computed at 35 digits from the raw log (exact days / 7, same-day orders merged).
MAXIMUM = (0.24259452243015708, 4.413602019013504, 0.7929220172255975, 2.425906776826332)
STANDARD_ERRORS = (0.012557378067872242, 0.37822405985380597, 0.1857338213721818, 0.7054142597948337)
LAW = BGNBD(*MAXIMUM)


@pytest.fixture(scope="module")
def log():
    columns = {"occurred_at": "date", "amount": "spend"}
    return Interactions.from_frame(cdnow_frame(), kind="purchase", columns=columns)


@pytest.fixture(scope="module")
def cdnow(log):
    return log.history(until="1997-09-30", unit="week")


@pytest.fixture(scope="module")
def fit(cdnow):
    return BGNBD.fit(cdnow)


def grouped(values, x):
    """Sums over customers with 0, 1, ..., 6 and with 7 or more repeat purchases."""
    return np.bincount(np.minimum(x, 7).astype(int), weights=values, minlength=8)


# -- as published -----------------------------------------------------------------------------------------------------


def test_table_2_of_fader_hardie_lee_2005(fit):
    assert approx((0.243, 4.414, 0.793, 2.426), abs=5e-4) == tuple(fit.model)
    assert approx(-9582.4, abs=0.05) == fit.log_likelihood
    assert fit.n == 2357


def test_the_maximum_on_cdnow_to_seven_digits(fit):
    assert approx(MAXIMUM, rel=1e-7) == tuple(fit.model)
    assert approx(-9582.42920667393, abs=1e-8) == fit.log_likelihood


def test_the_standard_errors_on_cdnow_to_six_digits(fit):
    assert approx(STANDARD_ERRORS, rel=1e-6) == tuple(fit.standard_errors)


def test_cdnow_customers_by_their_number_of_repeat_purchases(cdnow):
    # Customers by the number of repeat purchases in 39 weeks: observed, expected, and how far they are apart.
    observed = np.array([1411, 439, 214, 100, 62, 38, 29, 64])
    expected = np.array(
        [
            *(1407.6843465907964, 460.3234630422444, 192.461413962008, 101.16419622683115),
            *(59.84707879785837, 38.119705468930974, 25.549108014218877, 71.85068789711158),
        ]
    )
    assert observed.tolist() == grouped(np.ones(2357), cdnow.x).tolist()
    exact = [LAW.probability_of_new(n, cdnow.T).sum() for n in range(7)]
    assert approx(expected, rel=1e-9) == np.array([*exact, 2357 - sum(exact)])
    assert approx(4.821108022428077, rel=1e-8) == np.sum((observed - expected) ** 2 / expected)


@pytest.mark.parametrize(
    ("week", "purchases"),
    [
        (1 / 7, 0.00781366773880876),
        (1.0, 0.05318429150321248),
        (3.0, 0.15063083921425158),
        (223 / 7, 1.040490114694859),
        (32.0, 1.0437320427562526),
        (39.0, 1.195010040651755),
        (52.0, 1.4440123973398633),
        (78.0, 1.8579583901132164),  # spreadsheets with a truncated series say 1.8576
    ],
)
def test_expected_repeat_purchases_of_a_new_cdnow_customer(week, purchases):
    assert approx(purchases, rel=1e-12) == float(LAW.expected_purchases_of_new(week))


def test_expected_purchases_of_the_cdnow_customers_in_the_held_out_39_weeks(cdnow, log):
    expected = LAW.expected_purchases(cdnow, 39)
    assert approx(1653.4086979425388, rel=1e-10) == expected.sum()
    actual = log.purchases_between("1997-10-01", "1998-06-30", customers=cdnow).purchases
    assert actual.sum() == 1882


def test_expected_purchases_in_the_held_out_weeks_by_those_in_the_first_39(cdnow):
    # Mean expected purchases in weeks 40 to 78, by purchases in weeks 1 to 39.
    by_count = [0.22508732611461624, 0.5231311733631224, 1.044134121678258, 1.5202795129714246]
    by_count += [2.1638657993334793, 2.6538458849174513, 3.5040422987037165, 6.157190507877628]
    expected = grouped(LAW.expected_purchases(cdnow, 39), cdnow.x) / grouped(np.ones(2357), cdnow.x)
    assert approx(by_count, rel=1e-10) == expected


def test_the_largest_forecast_with_three_repeat_purchases(cdnow):
    assert approx(2.556, abs=5e-4) == LAW.expected_purchases(cdnow, 39)[cdnow.x == 3].max()


def test_p_alive_of_the_cdnow_customers(cdnow):
    alive = LAW.p_alive(cdnow)
    assert approx(0.8134398264911828, rel=1e-10) == alive.mean()
    assert set(alive[cdnow.x == 0]) == {1.0}


def test_p_alive_by_hand():
    # 1 / (1 + a / (b + x - 1) ((alpha + T) / (alpha + t_x))^(r + x)) with x = 2, t_x = 3, T = 9.
    odds = 1 / (2 + 2 - 1) * ((1 + 9) / (1 + 3)) ** (2 + 2)
    assert approx(1 / (1 + odds)) == BGNBD(2, 1, 1, 2).p_alive(History(x=[2], t_x=[3], T=[9]))[0]


def test_customers_who_never_came_back_are_alive_yet_not_all_active():
    h = History(x=[0, 0], t_x=[0, 0], T=[39, 3])
    assert LAW.p_alive(h).tolist() == [1.0, 1.0]
    quiet, fresh = LAW.p_active(h, 39)
    assert quiet < fresh < 1
    # No dropout can hide in their silence: P(none in t) is that of the rate alone.
    assert (
        approx((4.413602019013504 + 39) ** 0.24259452243015708 / (4.413602019013504 + 78) ** 0.24259452243015708)
        == 1 - quiet
    )


def test_the_customer_of_note_004():
    # Fader and Hardie's worked example, its times rounded to two digits as they print them.
    customer = History(x=[2], t_x=[30.43], T=[38.86])
    assert approx(1.226, abs=5e-4) == BGNBD(0.243, 4.414, 0.793, 2.426).expected_purchases(customer, 39)[0]


# -- fifty digits -----------------------------------------------------------------------------------------------------

mp = mpmath.mp.clone()  # a precision of its own
mp.dps = 50

LAWS = [
    MAXIMUM,
    (0.2426, 4.41, 1.0, 2.4259),  # a = 1, where the printed expectation divides by zero
    (0.2426, 4.41, 0.3, 0.4),  # a + b < 1, where it takes the logarithm of a negative number
    (0.5, 4.41, 0.5, 0.5),  # a + b = 1
    (3.0, 0.01, 1e-4, 2.4),
    (0.8, 10.0, 0.8, 1e-4),
    (1e-4, 1e4, 1.0, 1e-4),
    (0.2426, 4.41, 1e6, 1e6),
    (0.2426, 4.41, 1e-4, 1e6),
    (30.0, 100.0, 2.0, 1e4),
    (300.0, 1e4, 1.5, 2.5),
]
ROWS = [
    (0, 0.0, 0.0),
    (0, 0.0, 39.0),
    (1, 39.0, 39.0),
    (1, 1e-3, 39.0),
    (2, 30.43, 38.86),
    (29, 37.0, 39.0),
    (1000, 38.5, 39.0),
    (5000, 900.0, 1000.0),
    (0, 0.0, 1e5),
]
each_law = pytest.mark.parametrize("letters", LAWS, ids=str)


def history(*rows):
    x, t_x, T = np.array(rows).T
    return History(x=x, t_x=t_x, T=T)


def exact(letters, row):
    return *map(mp.mpf, letters), int(row[0]), mp.mpf(row[1]), mp.mpf(row[2])


def exact_log_likelihood(r, alpha, a, b, x, t_x, T):
    """Equation (6) of the paper, as printed."""
    stays = mp.rf(b, x) / mp.rf(a + b, x) * (alpha + T) ** -(r + x)
    left = a * mp.rf(b, x - 1) / mp.rf(a + b, x) * (alpha + t_x) ** -(r + x) if x else 0
    return mp.log(mp.rf(r, x)) + r * mp.log(alpha) + mp.log(stays + left)


def exact_p_alive(r, alpha, a, b, x, t_x, T):
    return 1 / (1 + (a / (b + x - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x) if x else 0))


def exact_expectation(r, alpha, a, b, t):
    """Equation (9) of the paper, as printed; where a or a + b is 1 it is taken 1e-40 beside, at 100 digits."""
    with mp.workdps(100):
        a = a + mp.mpf("1e-40") * (a == 1)
        b = b + mp.mpf("1e-40") * (a + b == 1 or abs(a + b - 1) < 1e-39)
        return (a + b - 1) / (a - 1) * (1 - (alpha / (alpha + t)) ** r * gauss(r, b, a + b - 1, t / (alpha + t)))


def gauss(a, b, c, z):
    """2F1 by its series, term by term: mpmath's own may take minutes where a, b and c are large and close."""
    term = total = mp.mpf(1)
    for n in itertools.count():
        term *= (a + n) * (b + n) / ((c + n) * (n + 1)) * z
        total += term
        if abs(term) < mp.eps * abs(total) and (a + n) * (b + n) * z < (c + n) * n:
            return total
    raise AssertionError


def exact_probability(r, alpha, a, b, n, t):
    """Equation (8) of the paper, its finite sum as printed."""
    z = t / (alpha + t)
    stays = mp.rf(b, n) / mp.rf(a + b, n) * mp.rf(r, n) / mp.factorial(n) * (alpha / (alpha + t)) ** r * z**n
    if n == 0:
        return stays
    with mp.workdps(400):  # the tail may be 1e-290 of the sum that it is taken from
        z, terms = (
            t / (alpha + t),
            itertools.accumulate(range(1, n), lambda u, j: u * (r + j - 1) / j * z, initial=mp.mpf(1)),
        )
        fewer = mp.fsum(terms)
        left = a * mp.rf(b, n - 1) / mp.rf(a + b, n) * (1 - (alpha / (alpha + t)) ** r * fewer)
    return stays + left


def off(expected, actual, name, at):
    """Relative error; the worst of each name is printed by `pytest -s`."""
    apart = abs(mp.mpf(float(actual)) - expected)
    error = float(apart / abs(expected) if abs(expected) > 1e-40 else apart)
    if error >= WORST.get(name, (0.0, None))[0]:
        WORST[name] = (error, at)
    return error


WORST: dict[str, tuple[float, object]] = {}


@pytest.fixture(scope="module", autouse=True)
def _print_the_worst():
    yield
    for name, (error, at) in WORST.items():
        print(f"\nworst relative error of {name}: {error:.1e} at {at}", end="")  # noqa: T201


@each_law
def test_log_likelihood_and_p_alive_against_fifty_digits(letters):
    law, h = BGNBD(*letters), history(*ROWS)
    for row, likelihood, alive in zip(ROWS, law.log_likelihood(h), law.p_alive(h), strict=True):
        at = exact(letters, row)
        assert off(exact_log_likelihood(*at), likelihood, "log_likelihood", (letters, row)) < 1e-9
        if exact_p_alive(*at) > 1e-300:
            assert off(exact_p_alive(*at), alive, "p_alive", (letters, row)) < 1e-9


@each_law
def test_score_against_fifty_digits(letters):
    law, h = BGNBD(*letters), history(*ROWS)
    for row, slopes in zip(ROWS, law.score(h).T, strict=True):
        at = exact(letters, row)
        for i, slope in enumerate(slopes):
            step = at[i] * mp.mpf("1e-15")
            up, down = (exact_log_likelihood(*at[:i], at[i] + s, *at[i + 1 :]) for s in (step, -step))
            # Per unit of the logarithm, where the search moves: what is lost to cancellation must not steer it.
            expected = (up - down) / (2 * step)
            assert abs(expected - mp.mpf(float(slope))) * at[i] < 1e-9 * max(1, abs(expected * at[i]), at[4], at[0])


@each_law
def test_expected_purchases_against_fifty_digits(letters):
    law, h = BGNBD(*letters), history(*ROWS)
    r, alpha, a, b = map(mp.mpf, letters)
    for ratio in (1e-6, 0.1, 1.0):  # of the horizon to the time that the rate is known for
        t = ratio * (letters[1] + h.T)
        for row, t_i, expected in zip(ROWS, t, law.expected_purchases(h, t), strict=True):
            x, _, T = row
            at = exact(letters, row)
            true = exact_p_alive(*at) * exact_expectation(r + int(x), alpha + mp.mpf(T), a, b + int(x), mp.mpf(t_i))
            if true > 1e-290:
                assert off(true, expected, "expected_purchases", (letters, row, t_i)) < 1e-9


@each_law
@pytest.mark.parametrize("n", [0, 1, 7, 60])
def test_probability_against_fifty_digits(letters, n):
    law, h = BGNBD(*letters), history(*ROWS)
    r, alpha, a, b = map(mp.mpf, letters)
    for t in (0.1, 1e3):
        for row, chance in zip(ROWS, law.probability(n, h, t), strict=True):
            alive = exact_p_alive(*exact(letters, row))
            new = exact_probability(r + int(row[0]), alpha + mp.mpf(row[2]), a, b + int(row[0]), n, mp.mpf(t))
            true = alive * new + (1 - alive) * (n == 0)
            # To buy nothing is to have left or to be there and wait: 1 - P(alive) carries rounding of its own.
            if true > 1e-290 and abs(true - mp.mpf(float(chance))) > 1e-16 * (n == 0):
                assert off(true, chance, "probability", (letters, row, n, t)) < 1e-9


# r, a, b, t / alpha and E[X(t)]: the mean over p ~ Beta(a, b) of (1 - (1 + p t / alpha)^-r) / p, at forty digits, for
# long horizons, many purchases (x adds to r and b) and the far corners. `mean_over_p` makes them again.
CORNERS = [
    (300.0, 0.8, 0.0001, 8.9, 1.0023193280939682395),
    (10000.0, 1.0, 2.4, 0.5, 18.874852890434036284),
    (30.0, 0.3, 0.4, 5.0, 28.143741470774677038),
    (1000000.0, 0.5, 0.5, 0.1, 356.82388656171623605),
    (0.2426, 0.0001, 0.0001, 9.2, 1.3311586643671166172),
    (0.0001, 0.0001, 2.4, 9.2, 0.00091991750628228340628),
    (0.2426, 0.01, 1000000.0, 100000.0, 24245.91550671881023),
    (0.2426, 1000000.0, 1000000.0, 9.2, 0.68320086371436138326),
    (1.0, 1000000.0, 0.5, 100.0, 0.99009950004949767154),
    (30.0, 49.0, 3.0, 5.0, 1.0625),
    (30.0, 100.0, 3.0, 100.0, 1.030303030303030303),
    (1000.2426, 1.0, 1002.4, 100.0, 4624.057429887266686),
    (5000.2426, 0.0001, 5002.4, 100000.0, 499498872.24616703872),
    (5000.2426, 0.7929, 5002.4, 9.1, 14835.628313814359047),
    (1000000.0, 1.0, 1000000.0, 8.9, 2292534.7571405442787),
    (0.2426, 1.0, 0.0001, 100000.0, 0.93956051430698069167),
    (0.2426, 0.0001, 1000000.0, 2.0, 0.48519999993970917525),
]


def mean_over_p(r, a, b, ratio):
    """The definition, by trapezoids in v with logit p = centre + width sinh v, halved until twenty digits stay."""
    r, a, b, ratio = map(mp.mpf, (r, a, b, ratio))
    width, centre = min(mp.mpf(1), mp.sqrt((a + b) / (a * b))), mp.log(a / b)
    top = a * mp.log(a / (a + b)) + b * mp.log(b / (a + b))
    centre = centre if width < 1 else mp.mpf(0)

    def term(v):
        y = centre + width * mp.sinh(v)
        log_p, log_q = -mp.log1p(mp.exp(-y)), -mp.log1p(mp.exp(y))
        p = mp.exp(log_p)
        weight = mp.cosh(v) * mp.exp(a * log_p + b * log_q - top)
        return weight, -weight * mp.expm1(-r * mp.log1p(p * ratio)) / p

    def trapezoids(step):
        total = [mp.mpf(0), mp.mpf(0)]
        for side in (1, -1):
            for k in itertools.count(int(side < 0)):
                weight, value = term(side * k * step)
                total = [total[0] + weight, total[1] + value]
                if k * step > 2 and weight < 1e-32 * total[0] and value < 1e-32 * total[1]:
                    break
        return total[1] / total[0]

    last = None
    for halvings in range(2, 9):
        value = trapezoids(mp.mpf(2) ** -halvings)
        if last is not None and abs(value - last) < 1e-20 * value:
            return value
        last = value
    raise AssertionError


@pytest.mark.parametrize(("r", "a", "b", "ratio", "purchases"), CORNERS)
def test_expectation_in_the_corners(r, a, b, ratio, purchases):
    expected = BGNBD(r, 1.0, a, b).expected_purchases_of_new(ratio)
    assert off(mp.mpf(purchases), expected, "E[X(t)] in the corners", (r, a, b, ratio)) < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize(("r", "a", "b", "ratio", "purchases"), CORNERS)
def test_the_corners_are_what_the_definition_says(r, a, b, ratio, purchases):
    assert approx(purchases, rel=1e-15) == float(mean_over_p(r, a, b, ratio))


def test_the_printed_equation_is_the_definition():
    # Equation (9) by its hypergeometric function, and the mean over p, have nothing in common but the law.
    r, alpha, a, b = map(mp.mpf, MAXIMUM)
    assert abs(mean_over_p(r, a, b, 39 / alpha) / exact_expectation(r, alpha, a, b, mp.mpf(39)) - 1) < 1e-20


def test_the_expectation_passes_smoothly_through_a_of_1():
    near = [float(BGNBD(0.243, 4.414, a, 2.426).expected_purchases_of_new(39.0)) for a in (1 - 1e-9, 1.0, 1 + 1e-9)]
    assert_allclose(near, near[1], rtol=1e-8)


def test_the_two_ways_to_the_expectation_meet():
    # The series serves horizons up to nine times alpha, the mean over p those beyond.
    t = 9 * 4.414 * np.array([1 - 1e-12, 1 + 1e-12])
    below, above = BGNBD(0.243, 4.414, 0.793, 2.426).expected_purchases_of_new(t)
    assert below == approx(above, rel=1e-10)


# -- limits that must be told -----------------------------------------------------------------------------------------


def test_where_nobody_leaves_the_expectation_is_that_of_the_nbd():
    law = BGNBD(r=2.0, alpha=5.0, a=1e-9, b=10.0)
    assert approx(2.0 / 5.0 * 39, rel=1e-6) == float(law.expected_purchases_of_new(39.0))


def test_where_all_leave_at_once_there_is_one_purchase_at_most():
    law, rng = BGNBD(r=3.0, alpha=4.0, a=1.0, b=1e-4), np.random.default_rng(0)
    bought = law.simulate(np.full(20_000, 39.0), rng).count(before=39.0)
    assert approx(float(law.expected_purchases_of_new(39.0)), abs=0.01) == bought.mean()
    assert approx(float(law.probability_of_new(1, 39.0)), abs=0.01) == np.mean(bought == 1)


# -- the peer, where it is right --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def peer(cdnow):
    lifetimes = pytest.importorskip("lifetimes")
    fitter = lifetimes.BetaGeoFitter(penalizer_coef=0.0)
    fitter.fit(cdnow.x, cdnow.t_x, cdnow.T)
    return fitter


def test_lifetimes_finds_the_same_peak(peer, fit):
    assert approx([peer.params_[name] for name in ("r", "alpha", "a", "b")], rel=1e-3) == list(fit.model)


def test_lifetimes_expects_the_same_purchases(peer, cdnow):
    ours = BGNBD(*(peer.params_[name] for name in ("r", "alpha", "a", "b")))
    few = cdnow.take(cdnow.x < 20)
    theirs = peer.conditional_expected_number_of_purchases_up_to_time(39, few.x, few.t_x, few.T)
    assert_allclose(np.asarray(theirs), ours.expected_purchases(few, 39), rtol=1e-8)
    assert_allclose(
        np.asarray(peer.conditional_probability_alive(few.x, few.t_x, few.T)), ours.p_alive(few), rtol=1e-10
    )
    assert_allclose(
        np.asarray([peer.expected_number_of_purchases_up_to_time(t) for t in (1.0, 39.0)]).ravel(),
        ours.expected_purchases_of_new(np.array([1.0, 39.0])),
        rtol=1e-8,
    )
