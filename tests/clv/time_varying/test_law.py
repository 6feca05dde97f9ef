"""Time-varying Pareto/NBD: against integrals over whom it does not know, against its plain kin, and against simulation."""

from dataclasses import replace

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import roots_genlaguerre
from scipy.stats import binom

from custrel import History, Interactions, from_json
from custrel.clv import ParetoNBD
from custrel.clv.horizon import discount_per_unit
from custrel.clv.time_varying.law import TimeVaryingParetoNBD
from custrel.clv.time_varying.paths import CovariatePaths
from custrel.design import design_of
from custrel.errors import ConvergenceError, DomainError
from custrel.history import PurchaseTimes

approx = pytest.approx
PLAIN = ParetoNBD(r=0.8, alpha=6.0, s=0.7, beta=9.0, unit="week")
NOBODY = np.zeros(0, dtype=np.intp), np.zeros(0)


def pattern(n, weeks, rng, *, step=1.0, season=True):
    """Paths of n customers without purchases: a wave that is the same for all, a price of their own, and a region."""
    T = rng.uniform(0.5 * weeks, weeks, n)
    pieces = np.ceil(T / step).astype(int)
    who, start = np.repeat(np.arange(n), pieces), np.concatenate([np.arange(one) * step for one in pieces])
    since = rng.integers(0, 26, n)
    known = {
        "wave": np.sin(2 * np.pi * (start + since[who]) / 26),
        "price": rng.normal(10.0, 2.0, who.size),
        "web": (rng.random(n) < 0.4)[who].astype(float),
    }
    return CovariatePaths.along(PurchaseTimes(*NOBODY, T), customer=who, start=start, covariates=known)


def bought(paths, times):
    """The same paths with purchases."""
    told = {name: values[paths.level] for name, values in paths.covariates.items()}
    return CovariatePaths.along(times, customer=paths.customer, start=paths.start, covariates=told)


def law_of(paths, effects, *, law=PLAIN, names=("wave", "price", "web")):
    """A law with these effects on purchases, and as many on leaving."""
    designs = {process: design_of(list(names), paths.covariates) for process in ("purchase", "dropout")}
    return TimeVaryingParetoNBD(law, np.asarray(effects, dtype=float), designs)


def crowd(n, weeks, seed, effects=(0.5, -0.05, 0.3, 0.4, 0.05, -0.5), **more):
    """A law, and customers who live by it."""
    rng = np.random.default_rng(seed)
    paths = pattern(n, weeks, rng, **more)
    law = law_of(paths, effects)
    return law, bought(paths, law.simulate(paths, rng))


def one_customer(starts, T, moments, a, c):
    """A law that moves purchases by a and leaving by c in pieces with these starts, and a customer."""
    times = PurchaseTimes(np.zeros(len(moments), dtype=int), np.array(moments, dtype=float), T=np.array([float(T)]))
    known = {"a": np.array(a, dtype=float), "c": np.array(c, dtype=float)}
    paths = CovariatePaths.along(times, customer=[0] * len(starts), start=starts, covariates=known)
    return {"purchase": design_of("a", {"a": np.arange(3.0)}), "dropout": design_of("c", {"c": np.arange(3.0)})}, paths


# -- the likelihood ---------------------------------------------------------------------------------------------------


def test_the_likelihood_is_the_mean_over_whom_we_do_not_know():
    """Each customer has rates of their own: integrate the likelihood of known rates over both gamma distributions."""
    designs, paths = one_customer([0, 2, 3], 5.0, [1.0, 2.5], [1.0, 1.8, 0.6], [1.0, 0.2, 1.9])
    law = TimeVaryingParetoNBD(ParetoNBD(1.4, 2.0, 1.2, 3.0), np.array([0.7, -0.4]), designs)
    A, C = np.exp(0.7 * np.array([0.0, 0.8, -0.4])), np.exp(-0.4 * np.array([0.0, -0.8, 0.9]))  # counted from 1

    def shown(rates, t):
        return sum(
            rate * max(0.0, min(t, end) - start) for rate, start, end in zip(rates, (0, 2, 3), (2, 3, 5), strict=True)
        )

    def known(lam, mu):
        stays = np.exp(-lam * shown(A, 5.0) - mu * shown(C, 5.0))
        left = 0.0
        for a, c, start, end in zip(A[1:], C[1:], (2.5, 3.0), (3.0, 5.0), strict=True):
            both = lam * a + mu * c
            left += (
                mu * c * np.exp(-lam * shown(A, start) - mu * shown(C, start)) * -np.expm1(-both * (end - start)) / both
            )
        return lam**2 * A[0] * A[1] * (stays + left)

    (lam, p), (mu, q) = (
        (nodes / rate, weights / weights.sum())
        for nodes, weights, rate in ((*roots_genlaguerre(60, 0.4), 2.0), (*roots_genlaguerre(60, 0.2), 3.0))
    )
    mean = p @ known(lam[:, None], mu) @ q
    assert approx(np.log(mean), abs=1e-9) == float(law.log_likelihood(paths)[0])


def exact(law, paths):
    """The integral at the head of the law's file, of one customer, in 20 digits."""
    with mp.workdps(20):
        rows = law._moved(paths)
        z = {process: law._shifts(rows.covariates)[process][rows.level] for process in ("purchase", "dropout")}
        A, C = ([mp.e ** mp.mpf(one) for one in z[process]] for process in ("purchase", "dropout"))
        r, alpha, s, beta = (mp.mpf(value) for value in law.law)
        x, T = mp.mpf(rows.history.x[0]), mp.mpf(rows.history.T[0])
        ends = [*(mp.mpf(one) for one in rows.start[1:]), T]
        B = D = inside = chosen = mp.mpf(0)
        for k, (start, end) in enumerate(zip(rows.start.tolist(), ends, strict=True)):
            if k in rows.silent and end > start:
                a, b = (alpha + B) / A[k], (beta + D) / C[k]
                cuts = [
                    mp.mpf(0),
                    *(
                        w
                        for w in sorted({(a + b) * mp.mpf(4) ** -j / (r + x + s) for j in range(-8, 9)})
                        if w < end - start
                    ),
                    end - start,
                ]
                area = mp.quad(lambda w, a=a, b=b: (1 + w / a) ** -(r + x) * (1 + w / b) ** -(s + 1), cuts)
                inside += (
                    s * C[k] * (1 + B / alpha) ** -r * (alpha + B) ** -x * (1 + D / beta) ** -s / (beta + D) * area
                )
            B, D = B + A[k] * (end - start), D + C[k] * (end - start)
            chosen += mp.mpf(rows.bought[k]) * mp.mpf(z["purchase"][k])
        inside += (1 + B / alpha) ** -r * (alpha + B) ** -x * (1 + D / beta) ** -s
        return float(chosen + mp.log(mp.rf(r, x)) + mp.log(inside))


@pytest.mark.parametrize(
    "parameters", [(0.55, 10.6, 0.61, 11.7), (30.0, 900.0, 0.01, 0.02), (0.02, 0.1, 40.0, 9e3), (5e3, 1e5, 5e3, 1e6)]
)
@pytest.mark.parametrize("x", [0, 40, 3000])
@pytest.mark.parametrize("T", [3.0, 500.0])
def test_in_the_wide_box_it_is_the_integral_in_20_digits(parameters, x, T):
    moments = np.linspace(0, T * 0.7, x + 1)[1:]
    designs, paths = one_customer([0, T * 0.2, T * 0.75, T * 0.8], T, moments, [1, 3, -2, 0.5], [0, 2, 4, -1])
    law = TimeVaryingParetoNBD(ParetoNBD(*parameters), np.array([0.5, 0.7]), designs)
    assert_allclose(exact(law, paths), law.log_likelihood(paths)[0], rtol=1e-11, atol=1e-10)


def test_effects_of_zero_change_nothing():
    law, paths = crowd(60, 30, 1)
    zero, h = replace(law, effects=np.zeros(6)), paths.history
    assert_allclose(PLAIN.log_likelihood(h), zero.log_likelihood(paths), rtol=1e-12)
    assert_allclose(PLAIN.score(h), zero.score(paths)[:4], rtol=1e-8, atol=1e-12)
    assert_allclose(PLAIN.p_alive(h), zero.p_alive(paths), rtol=1e-12)
    to_come = {"scenario": "carry_forward"}
    assert_allclose(PLAIN.p_alive(h, 8), zero.p_alive(paths, 8, **to_come), rtol=1e-12)
    assert_allclose(PLAIN.expected_purchases(h, 20), zero.expected_purchases(paths, 20, **to_come), rtol=1e-12)
    assert_allclose(PLAIN.p_active(h, 20), zero.p_active(paths, 20, **to_come), rtol=1e-11)
    for n in (0, 1, 4):
        assert_allclose(PLAIN.probability(n, h, 20), zero.probability(n, paths, 20, **to_come), rtol=1e-10)
    rate = {"annual_discount_rate": 0.2}
    plain, moved = PLAIN.discounted_expected_purchases, zero.discounted_expected_purchases
    assert_allclose(plain(h, 20, **rate), moved(paths, 20, **rate, **to_come), rtol=1e-12)


def test_covariates_that_never_change_are_static_ones():
    rng = np.random.default_rng(5)
    known = {"age": rng.normal(40, 10, 400), "web": (rng.random(400) < 0.3).astype(float)}
    h = ParetoNBD(0.9, 8.0, 0.8, 10.0).hastened("purchase", 0.5 * known["web"]).simulate(np.full(400, 52.0), rng)
    paths = CovariatePaths.along(h, customer=np.arange(400), start=np.zeros(400), covariates=known)
    still = replace(h.history(), covariates=known)
    asked = {"purchase": ["age", "web"], "dropout": ["web"]}
    one, other = ParetoNBD.fit(still, **asked), TimeVaryingParetoNBD.fit(paths, **asked)
    assert approx(one.log_likelihood, abs=1e-9) == other.log_likelihood
    assert_allclose(one.model.effects, other.model.effects, rtol=1e-9, atol=1e-11)
    assert_allclose(one.standard_errors[4:], other.standard_errors[4:], rtol=1e-5)
    assert_allclose(one.model.p_alive(still), other.model.p_alive(paths), rtol=1e-9)
    later = other.model.expected_purchases(paths, 30, scenario="carry_forward")
    assert_allclose(one.model.expected_purchases(still, 30), later, rtol=1e-9)


@settings(deadline=None, derandomize=True, database=None, max_examples=20)
@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=5), st.integers(0, 5))
def test_a_cut_where_nothing_changes_changes_nothing(cuts, who):
    law, paths = crowd(6, 12, 2)
    n = len(cuts)
    at = np.array(cuts) * paths.history.T[who]
    rows = law._moved(paths)
    more = np.searchsorted(rows.start[rows.customer == who], at, side="right") - 1 + rows.first[who]
    order = np.lexsort((np.append(rows.start, at), np.append(rows.customer, np.full(n, who))))
    cut = replace(
        rows,
        customer=np.append(rows.customer, np.full(n, who))[order],
        start=np.append(rows.start, at)[order],
        level=np.append(rows.level, rows.level[more])[order],
        bought=np.append(rows.bought, np.zeros(n))[order],
    )
    assert_allclose(law.log_likelihood(paths), law.log_likelihood(cut), rtol=1e-12)
    assert_allclose(law.score(paths), law.score(cut), rtol=1e-9, atol=1e-11)


def test_the_score_is_the_slope():
    law, paths = crowd(50, 20, 3)
    place = law.to_log()
    score = law.score(paths) * law.stretch(place)[:, None]
    for way, row in zip(1e-5 * np.eye(place.size), score, strict=True):
        up, down = (law.at_log(place + move).log_likelihood(paths) for move in (way, -way))
        assert_allclose((up - down) / 2e-5, row, rtol=1e-6, atol=1e-8)


def test_an_effect_that_is_shared_is_one_number():
    law, paths = crowd(50, 20, 4)
    shared = TimeVaryingParetoNBD(PLAIN, np.array([0.5, 0.1, 0.3, -0.2, 0.4]), law.designs, shared=("wave",))
    apart = replace(law, effects=np.array([0.5, 0.1, 0.3, 0.5, -0.2, 0.4]))
    assert_array_equal(apart.log_likelihood(paths), shared.log_likelihood(paths))
    assert_allclose(apart.score(paths)[4] + apart.score(paths)[7], shared.score(paths)[4], rtol=1e-9)


def test_a_customers_numbers_never_depend_on_who_else_is_asked():
    law, paths = crowd(30, 20, 6)
    asked = [
        law.log_likelihood,
        law.p_alive,
        lambda p: law.score(p)[-1],
        lambda p: law.expected_purchases(p, 9, scenario="carry_forward"),
        lambda p: law.p_active(p, 9, scenario="carry_forward"),
    ]
    for verb in asked:
        every = verb(paths)
        assert_array_equal(every, np.concatenate([verb(paths.take([i])) for i in range(30)]))
        assert_array_equal(every[::-3], verb(paths.take(slice(None, None, -3))))


def test_draws_broadcast():
    law, paths = crowd(20, 20, 7)
    rng = np.random.default_rng(1)
    places = law.to_log() + 0.1 * rng.standard_normal((5, 10))
    many = law.at_log(places)
    for i, place in enumerate(places):
        one = law.at_log(place)
        assert_allclose(one.log_likelihood(paths), many.log_likelihood(paths)[i], rtol=1e-12)
        for verb in ("expected_purchases", "p_alive", "p_active"):
            single, every = (getattr(model, verb)(paths, 9, scenario="carry_forward") for model in (one, many))
            assert_allclose(single, every[i], rtol=1e-11)


def test_many_draws_are_taken_a_few_at_a_time(monkeypatch):
    law, paths = crowd(20, 20, 7)
    many = law.at_log(law.to_log() + np.zeros((5, 10)))
    whole = many.p_alive(paths)
    monkeypatch.setattr("custrel.clv.time_varying.law._CELLS", 2 * law._moved(paths).customer.size)
    monkeypatch.setattr("custrel.clv.time_varying.law.BLOCK", 100)
    assert_array_equal(whole, many.p_alive(paths))


# -- against simulation -----------------------------------------------------------------------------------------------


def same_for_all(n, T, effects):
    """A law, and n customers whose covariates change alike."""
    starts, waves, prices = [0.0, 2.0, 5.0, 5.5], [0.0, 1.0, -0.5, 0.7], [9.0, 10.0, 10.0, 12.0]
    who = np.repeat(np.arange(n), 4)
    known = {"wave": np.tile(waves, n), "price": np.tile(prices, n)}
    times = PurchaseTimes(*NOBODY, np.full(n, float(T)))
    paths = CovariatePaths.along(times, customer=who, start=np.tile(starts, n), covariates=known)
    return law_of(paths.take([0]), effects, law=ParetoNBD(1.5, 3.0, 1.3, 6.0), names=("wave", "price")), paths


def test_what_is_expected_of_new_customers_is_what_happens():
    n = 60_000
    law, paths = same_for_all(n, 8.0, [0.8, -0.1, 0.5, 0.2])
    x = law.simulate(paths, np.random.default_rng(3)).count(before=8.0)
    one = paths.take([0])
    assert abs(x.mean() - law.expected_purchases_of_new(one)[0]) < 4 * x.std() / np.sqrt(n)
    for count in (0, 1, 2, 5):
        p = law.probability_of_new(count, one)[0]
        assert abs(np.mean(x == count) - p) < 4 * np.sqrt(p * (1 - p) / n)
    assert approx(1 - law.probability_of_new(0, one)[0], abs=1e-12) == law.activity_of_new(one)[0]


@pytest.mark.parametrize("parameters", [(0.55, 10.6, 0.61, 11.7), (300.0, 900.0, 0.01, 0.02)])
def test_chances_of_new_customers_are_the_integral_over_the_moment_of_leaving(parameters):
    """There to the end, or left at y: each time a negative binomial count of what the clock of purchases shows."""
    designs, paths = one_customer([0, 5.0, 6.0], 40.0, [], [1, 3, 0.5], [0, 4, -1])
    law = TimeVaryingParetoNBD(ParetoNBD(*parameters), np.array([0.5, 0.7]), designs)
    told = law.told(law._moved(paths))
    with mp.workdps(15):
        r, alpha, s, beta = (mp.mpf(one) for one in parameters)
        A, C = ([mp.mpf(one) for one in clock.rate] for clock in (told.buying, told.leaving))

        def count(n, shown):
            return mp.rf(r, n) / mp.factorial(n) * (alpha / (alpha + shown)) ** r * (shown / (alpha + shown)) ** n

        def chance(n):
            B = D = total = mp.mpf(0)
            for a, c, length in zip(A, C, (mp.mpf(5), mp.mpf(1), mp.mpf(34)), strict=True):

                def leaves(w, a=a, c=c, B=B, D=D):
                    return s * c / (beta + D + c * w) * (1 + (D + c * w) / beta) ** -s * count(n, B + a * w)

                total += mp.quad(leaves, [0, *(length * mp.mpf(10) ** -k for k in range(4, -1, -1))])
                B, D = B + a * length, D + c * length
            return float(total + (1 + D / beta) ** -s * count(n, B))

        exact = [chance(n) for n in (0, 1, 3, 20)]
    assert_allclose(exact, law.probability_of_new(np.array([[0], [1], [3], [20]]), paths)[:, 0], rtol=1e-9, atol=1e-13)


def test_counts_add_up():
    law, paths = same_for_all(1, 8.0, [0.8, -0.1, 0.5, 0.2])
    law = replace(law, law=ParetoNBD(1.5, 12.0, 1.3, 6.0))
    p = np.array([law.probability_of_new(count, paths)[0] for count in range(30)])
    assert approx(1.0, abs=1e-9) == p.sum()
    assert approx(law.expected_purchases_of_new(paths)[0], rel=1e-8) == p @ np.arange(30)


def seen(paths, times, t):
    """The paths and purchases as known at t, and the rest of the paths as a scenario."""
    early, late = times.time <= t, paths.start < t
    told = {name: values[paths.level] for name, values in paths.covariates.items()}
    past = replace(times, customer=times.customer[early], time=times.time[early], T=np.full(times.T.size, t))
    known = {name: values[late] for name, values in told.items()}
    now = CovariatePaths.along(past, customer=paths.customer[late], start=paths.start[late], covariates=known)
    some = (paths.start + paths.length > t) & (paths.length > 0)
    rest = PurchaseTimes(*NOBODY, times.T - t)
    start = np.maximum(paths.start[some] - t, 0.0)
    known = {name: values[some] for name, values in told.items()}
    return now, CovariatePaths.along(rest, customer=paths.customer[some], start=start, covariates=known)


def test_what_is_expected_of_known_customers_is_what_happens():
    n = 12_000
    law, paths = same_for_all(n, 8.0, [0.8, -0.1, 0.5, 0.2])
    times = law.simulate(paths, np.random.default_rng(4))
    later = times.count(before=8.0) - times.count(before=4.0)
    now, scenario = seen(paths, times, 4.0)
    expected = law.expected_purchases(now, 4, scenario=scenario)
    active = law.p_active(now, 4, scenario=scenario)
    two = law.probability(2, now, 4, scenario=scenario)
    x, waited = now.history.x, now.history.T - now.history.t_x
    for group in (x == 0, (x > 0) & (waited < 1), (x > 0) & (waited >= 1), x > 4):
        size = group.sum()
        assert abs(later[group].mean() - expected[group].mean()) < 4 * later[group].std() / np.sqrt(size)
        for happened, p in ((later > 0, active), (later == 2, two)):
            assert abs(happened[group].mean() - p[group].mean()) < 4 * np.sqrt(p[group].mean() / size)
    assert_allclose(law.expected_purchases(now.take([0, 9]), 4, scenario="carry_forward") > 0, [True, True])


def test_purchases_of_the_future_add_up_piece_by_piece():
    law, paths = same_for_all(1, 8.0, [0.8, -0.1, 0.5, 0.2])
    now, scenario = seen(paths, law.simulate(paths, np.random.default_rng(4)), 4.0)
    ts = np.linspace(0, 4, 4001)
    worth = [law.expected_purchases(now, t, scenario=scenario)[0] for t in (1.0, 1.5, 4.0)]
    steps = np.diff(
        [law.expected_purchases(now.take([0] * 4001), ts, scenario=scenario.take([0] * 4001))], axis=1
    ).ravel()
    assert approx(worth, rel=1e-9) == np.cumsum(steps)[[999, 1499, 3999]]
    delta = discount_per_unit(0.9, "week")
    middle = np.exp(-delta * (ts[1:] + ts[:-1]) / 2)
    found = law.discounted_expected_purchases(now, 4, annual_discount_rate=0.9, scenario=scenario)
    assert approx(middle @ steps, rel=1e-7) == found[0]


# -- fitting ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    law, paths = crowd(400, 50, 11)
    names = ["wave", "price", "web"]
    return law, paths, TimeVaryingParetoNBD.fit(paths, purchase=names, dropout=names)


def test_effects_are_found_again(fitted):
    law, _, fit = fitted
    z = (fit.model.effects - law.effects) / fit.standard_errors[4:]
    assert np.abs(z).max() < 3.5
    assert 0.02 < fit.standard_errors[4] < 0.2  # so that z says something
    assert ("r", "alpha", "s", "beta", "purchase: wave") == fit.model.names()[:5]


def test_the_peak_is_proved(fitted):
    _, paths, fit = fitted
    assert fit.diagnosis.is_peak
    assert fit.diagnosis.gradient < 1e-6
    assert fit.diagnosis.agreeing == fit.diagnosis.starts == 5
    assert approx(fit.log_likelihood, rel=1e-12) == float(fit.model.log_likelihood(paths).sum())
    assert np.abs(fit.model.score(paths).sum(axis=1)).max() < 1e-6 * 400


def test_it_is_never_below_the_laws_it_contains(fitted):
    _, paths, fit = fitted
    plain = ParetoNBD.fit(paths.history)
    still = paths.knowing(["web"])
    web = np.array([still.covariates["web"][still.level[first]] for first in still.first])
    static = ParetoNBD.fit(replace(paths.history, covariates={"web": web}), purchase=["web"], dropout=["web"])
    nested = TimeVaryingParetoNBD.fit(paths, purchase="web", dropout="web")
    assert approx(static.log_likelihood, abs=1e-8) == nested.log_likelihood
    assert plain.log_likelihood < static.log_likelihood < fit.log_likelihood


def test_customers_at_home_in_one_row_count_as_many(fitted):
    _, paths, fit = fitted
    twice = paths.take(np.r_[0:60, 0:60])
    few = TimeVaryingParetoNBD.fit(paths.take(slice(0, 60)), purchase="wave")
    both = TimeVaryingParetoNBD.fit(twice, purchase="wave")
    assert (60, 120, 60) == (few.n, both.n, len(both.data))
    assert approx(2 * few.log_likelihood, rel=1e-10) == both.log_likelihood
    assert_allclose(few.parameters, both.parameters, rtol=1e-6)
    assert len(fit.data) == 400


def test_numbers_are_counted_from_their_mean_over_time(fitted):
    _, paths, fit = fitted
    design = fit.model.designs["purchase"].covariates
    price = paths.covariates["price"][paths.level]
    assert approx(np.average(price, weights=paths.length)) == design[1].centre
    assert 0.0 == design[2].centre  # a flag from 0
    share = np.average(paths.covariates["web"][paths.level], weights=paths.length)
    assert approx(np.sqrt(share * (1 - share))) == design[2].spread


def test_json_brings_everything_back(fitted):
    _, paths, fit = fitted
    again = from_json(fit.to_json())
    assert fit == again
    assert isinstance(again.model, TimeVaryingParetoNBD)
    assert_array_equal(fit.model.p_alive(paths), again.model.p_alive(paths))


def test_who_never_changes_lives_by_a_law_without_covariates(fitted):
    fit = fitted[2]
    r, alpha, s, beta = fit.model.like(web=1, wave=0.5)
    wave, _, web, wave_too, _, web_too = fit.model.effects
    centre = fit.model.designs["purchase"].covariates[0].centre
    assert approx(fit.model.law.alpha * np.exp(-wave * (0.5 - centre) - web)) == alpha
    assert approx(fit.model.law.beta * np.exp(-wave_too * (0.5 - centre) - web_too)) == beta
    assert (fit.model.law.r, fit.model.law.s) == (r, s)


def test_draws_and_influence_come_with_the_fit(fitted):
    _, paths, fit = fitted
    draws = fit.draws(20, seed=1).expected_purchases(paths.take(slice(0, 9)), 10, scenario="carry_forward")
    assert (20, 9) == draws.shape
    assert "purchase: wave" in list(fit.table(interval="sandwich")["parameter"])


def test_text_is_a_category_and_a_formula_is_read():
    pytest.importorskip("formulaic")
    _, paths = crowd(120, 30, 12)
    named = {**paths.covariates, "season": np.where(paths.covariates["wave"] > 0, "high", "low").astype(object)}
    told = replace(paths, covariates=named)
    text = TimeVaryingParetoNBD.fit(told, purchase="season")
    formula = TimeVaryingParetoNBD.fit(told, purchase="C(season)")
    assert ("purchase: season[low]",) == text.model.names()[4:]
    assert approx(text.log_likelihood, abs=1e-8) == formula.log_likelihood
    later = [fit.model.expected_purchases(told, 5, scenario="carry_forward") for fit in (text, formula)]
    assert_allclose(*later, rtol=1e-6)


def season_and_plain(seed):
    """Log scores of what customers buy in a high season to come: of the law that knows it, and of the one that does not."""
    rng = np.random.default_rng(seed)
    n, date = 400, pd.Timestamp("2021-01-04")
    born = rng.integers(0, 26, n) * 7
    who = np.repeat(np.arange(n), 140)
    week = np.tile(np.arange(140), n)
    high = ((week % 52) >= 44).astype(float)  # eight weeks of each year
    some = week * 7 >= born[who]
    T = 140.0 - born / 7
    start = (week * 7 - born[who])[some] / 7
    everything = CovariatePaths.along(
        PurchaseTimes(*NOBODY, T), customer=who[some], start=start, covariates={"high": high[some]}
    )
    design = design_of("high", everything.covariates)
    truth = TimeVaryingParetoNBD(ParetoNBD(0.9, 9.0, 0.9, 12.0), np.array([1.2]), {"purchase": design})
    times = truth.simulate(everything, rng)
    at = np.append(born[times.customer] + np.floor(times.time * 7), born)
    log = Interactions.from_frame(
        pd.DataFrame(
            {"customer_id": np.append(times.customer, np.arange(n)), "occurred_at": date + pd.to_timedelta(at, "D")}
        ),
        kind="purchase",
        columns={"amount": None, "currency": None},
    )
    changes = [0, 44, 52, 96, 104]
    season = pd.DataFrame({"date": date + pd.to_timedelta([7 * one for one in changes], "D"), "high": [0, 1, 0, 1, 0]})
    until = date + pd.Timedelta(days=7 * 96 - 1)
    past, to_come = season[season["date"] <= until], season[season["date"] > until]
    paths = CovariatePaths.of(log, past, until=until)
    held = log.purchases_between(until + pd.Timedelta(days=1), until + pd.Timedelta(days=56), customers=paths).purchases
    moving, plain = TimeVaryingParetoNBD.fit(paths, purchase="high").model, ParetoNBD.fit(paths.history).model
    scenario = {"scenario": to_come}
    p = np.stack([moving.probability(count, paths, 8, **scenario) for count in range(int(held.max()) + 1)])
    q = np.stack([plain.probability(count, paths.history, 8) for count in range(int(held.max()) + 1)])
    scores = [np.log(one[held, np.arange(held.size)]).sum() for one in (p, q)]
    totals = moving.expected_purchases(paths, 8, **scenario).sum(), plain.expected_purchases(paths.history, 8).sum()
    return scores, totals, held.sum()


def test_who_knows_the_season_forecasts_it_better():
    (moving, plain), (expected, other), held = season_and_plain(1)
    assert moving > plain + 10
    assert abs(expected - held) < 0.25 * held
    assert abs(other - held) > 0.4 * held


@pytest.mark.slow
def test_who_knows_the_season_nearly_always_forecasts_it_better():
    found = [season_and_plain(seed) for seed in range(2, 8)]
    assert all(moving > plain for (moving, plain), _, _ in found)
    assert all(abs(expected - held) < abs(other - held) for _, (expected, other), held in found)


@pytest.mark.slow
def test_intervals_hold_the_truth_at_their_rate():
    """30 crowds x 6 effects at 90 %: no more misses, and no fewer, than the binomial law allows."""
    inside = np.zeros(6)
    for seed in range(30):
        law, paths = crowd(500, 60, 100 + seed, step=6.0)
        fit = TimeVaryingParetoNBD.fit(paths, purchase=["wave", "price", "web"], dropout=["wave", "price", "web"])
        table = fit.table(level=0.9)
        inside += (table["low"][4:].to_numpy() <= law.effects) & (law.effects <= table["high"][4:].to_numpy())
    low, high = binom.ppf([0.0005, 0.9995], 30, 0.9)
    assert np.all((low <= inside) & (inside <= high))
    low, high = binom.ppf([0.005, 0.995], 180, 0.9)
    assert low <= inside.sum() <= high


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_a_law_needs_paths_and_covariates():
    _, paths = crowd(30, 20, 6)
    with pytest.raises(DomainError, match="needs CovariatePaths, as CovariatePaths.of.* makes, or .*; got History"):
        TimeVaryingParetoNBD.fit(paths.history, purchase="wave")
    with pytest.raises(DomainError, match="name covariates with purchase=.* without any this law is clv.ParetoNBD"):
        TimeVaryingParetoNBD.fit(paths)
    with pytest.raises(DomainError, match="covariate 'waves' is not known of these customers; did you mean 'wave'"):
        TimeVaryingParetoNBD.fit(paths, purchase=["waves"])
    with pytest.raises(DomainError, match="shared: 'wave' must move two processes"):
        TimeVaryingParetoNBD.fit(paths, purchase="wave", shared="wave")


def test_what_never_differs_moves_nothing():
    _, paths = crowd(30, 20, 6)
    one = replace(paths, covariates={**paths.covariates, "year": np.full(len(paths.covariates["wave"]), 2024.0)})
    with pytest.raises(
        DomainError, match="covariate 'year' is 2024.0 for all customers at all times: it moves nothing"
    ):
        TimeVaryingParetoNBD.fit(one, purchase=["wave", "year"])
    double = replace(paths, covariates={**paths.covariates, "twice": 2 * paths.covariates["wave"]})
    with pytest.raises(DomainError, match="'wave' and 'twice' tell the same"):
        TimeVaryingParetoNBD.fit(double, purchase=["wave", "twice"])


def test_customers_who_never_come_back_tell_nothing():
    paths = pattern(30, 20, np.random.default_rng(1))
    with pytest.raises(ConvergenceError, match="none of 30 customers bought twice"):
        TimeVaryingParetoNBD.fit(paths, purchase="wave")


def test_the_future_must_be_told():
    law, paths = crowd(30, 20, 6)
    with pytest.raises(DomainError, match="scenario must be a frame of covariates to come"):
        law.p_alive(paths, 5)
    with pytest.raises(DomainError, match="got None: give scenario=..., or the history of paths.with_scenario"):
        law.expected_purchases(paths, 5)
    with pytest.raises(DomainError, match="for ever: give a horizon that ends, such as '3650D', and a scenario that"):
        law.expected_purchases(paths, np.inf, scenario="carry_forward")
    with pytest.raises(DomainError, match="a horizon must be a finite number"):
        law.expected_purchases(paths, -1, scenario="carry_forward")
    with pytest.raises(DomainError, match="n must be whole numbers of purchases, 0 or more, got 1.5"):
        law.probability(1.5, paths, 5, scenario="carry_forward")


def test_another_unit_is_refused():
    law, paths = crowd(30, 20, 6)
    days = replace(paths, history=replace(paths.history, unit="day"))
    with pytest.raises(DomainError, match="counts weeks, the paths count days"):
        law.p_alive(days)


def test_what_it_does_not_answer_it_says():
    law, _ = crowd(30, 20, 6)
    with pytest.raises(AttributeError, match="has no 'mean_dropout'; of customers whose covariates never change ask"):
        law.mean_dropout  # noqa: B018
    assert isinstance(History(x=[0], t_x=[0], T=[1]), History)
