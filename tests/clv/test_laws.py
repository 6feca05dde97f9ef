"""What must be true of every law of purchases: one list of specimens, one list of statements."""

import inspect
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad

from custrel import History, clv, from_json
from custrel.clv import (
    BGBB,
    BGNBD,
    MBGNBD,
    NBD,
    BGCNBDk,
    CorrelatedParetoNBD,
    GGompertzNBD,
    MBGCNBDk,
    ParetoGGG,
    ParetoNBD,
)
from custrel.clv.horizon import discount_per_unit, horizon_in
from custrel.clv.law import PurchaseLaw
from custrel.errors import DomainError
from custrel.stats.draw import SharedNumbers

approx = pytest.approx


@dataclass(frozen=True)
class Specimen:
    """A law as found in the wild, and which of its parameters are times, or parts of one to a unit of time."""

    law: PurchaseLaw
    times: tuple[str, ...]
    paces: tuple[str, ...] = ()
    crowds: int = 100
    """How many are fitted to count how often intervals hold the truth: fewer where a fit takes a second."""


SPECIMENS = [
    Specimen(BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426), times=("alpha",)),
    Specimen(MBGNBD(r=0.525, alpha=6.183, a=0.891, b=1.614), times=("alpha",)),
    Specimen(NBD(r=0.385, alpha=12.072), times=("alpha",)),
    Specimen(ParetoNBD(r=0.553, alpha=10.578, s=0.606, beta=11.669), times=("alpha", "beta")),
    Specimen(GGompertzNBD(r=0.8, alpha=1.5, b=0.12, s=0.6, beta=20.0), times=("alpha",), paces=("b",), crowds=60),
    Specimen(BGCNBDk(r=0.6, alpha=1.5, a=0.8, b=2.4, k=2), times=("alpha",)),
    Specimen(
        CorrelatedParetoNBD(r=0.9, alpha=3.0, s=0.8, beta=6.0, dependence=0.7),
        times=("alpha", "beta", "delay"),
        crowds=20,
    ),
    Specimen(MBGCNBDk(r=0.9, alpha=2.0, a=0.9, b=1.6, k=3), times=("alpha",), crowds=60),
]
IN_STEPS = {BGBB}  # its times are whole opportunities: test_bgbb.py says the same of it
BY_FUTURES = {ParetoGGG}  # what it expects are means over a number of futures: so does test_paretoggg.py
SPECIMEN_OF = {type(specimen.law): specimen for specimen in SPECIMENS}

each_law = pytest.mark.parametrize("law", [s.law for s in SPECIMENS], ids=lambda law: type(law).__name__)


def stretched(law, c):
    """The same customers by a clock on which all takes c times as long."""
    own = SPECIMEN_OF[type(law)]
    longer = {name: c * getattr(law, name) for name in own.times}
    return replace(law, **longer, **{name: getattr(law, name) / c for name in own.paces})


def people(x, silence, T):
    """Customers by count, share of T that is silent, and T; they bought at nearly equal times."""
    x, T = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(T, dtype=float))
    t_x = np.where(x > 0, T * (1 - np.asarray(silence)), 0.0)
    return History(
        x=x,
        t_x=t_x,
        T=T,
        log_gaps=np.where(x > 0, x * np.log(np.maximum(t_x, 1e-300) / np.maximum(x, 1)) - 0.1 * x, 0.0),
    )


def fitted(law, h):
    """The fit of that kind of law; what stands beside the parameters is given, not looked for."""
    return type(law).fit(h, **{name: getattr(law, name) for name in ("k", "dependence") if hasattr(law, name)})


CROWD = people(
    x=[0, 0, 1, 1, 2, 5, 29, 200], silence=[0, 0, 0, 0.9, 0.3, 0.1, 0.02, 0.5], T=[39, 2, 39, 39, 27, 35, 39, 60]
)


# -- the wide box -----------------------------------------------------------------------------------------------------


def between(low, high):
    """Numbers spread evenly over orders of magnitude."""
    return st.floats(np.log(low), np.log(high)).map(lambda v: float(np.exp(v)))


edges = st.sampled_from([1e-4, 0.5, 1.0, 2.0, 1e6])
parameters = between(1e-4, 1e6) | edges
counts = st.sampled_from([0, 0, 1, 2, 3, 10, 100, 1000, 5000])
spans = between(1e-2, 1e5)
silences = st.sampled_from([0.0, 1 - 1e-6]) | st.floats(0, 0.999)
horizons = between(1e-3, 1e5)


def laws_in(values):
    """Any law, its parameters drawn from these values."""
    kinds = [s.law for s in SPECIMENS]
    return st.sampled_from(kinds).flatmap(
        lambda law: st.builds(replace, st.just(law), **dict.fromkeys(law.names(), values))
    )


def single(x, silence, T):
    return people([x], [silence], [T])


wide = given(law=laws_in(parameters), h=st.builds(single, counts, silences, spans), t=horizons)


def tried(times):
    """So many examples, the same ones each time: the build must not depend on luck."""
    return settings(max_examples=times, deadline=None, derandomize=True, database=None)


tame_laws = laws_in(between(0.05, 20.0))
tame_customers = st.builds(single, st.integers(0, 30), st.floats(0, 0.99), between(1.0, 100.0))
tame = given(law=tame_laws, h=tame_customers, t=between(0.1, 100.0))


def test_every_exported_law_has_a_specimen():
    exported = {thing for thing in map(vars(clv).get, clv.__all__) if inspect.isclass(thing)}
    assert {law for law in exported if issubclass(law, PurchaseLaw)} == SPECIMEN_OF.keys() | IN_STEPS | BY_FUTURES


def assert_finite(law, h, t):
    answers = {
        "log_likelihood": law.log_likelihood(h),
        "score": law.score(h),
        "p_alive": law.p_alive(h),
        "p_active": law.p_active(h, t),
        "expected_purchases": law.expected_purchases(h, t),
        "probability": [law.probability(n, h, t) for n in (0, 1, 2, 200, 5000)],
        "discounted": law.discounted_expected_purchases(h, t, annual_discount_rate=0.1),
    }
    assert [] == [name for name, answer in answers.items() if not np.all(np.isfinite(answer))]


@wide
@tried(60)
def test_every_answer_is_finite_on_the_whole_box(law, h, t):
    assert_finite(law, h, t)


@pytest.mark.slow
@wide
@tried(1000)
def test_every_answer_is_finite_on_the_whole_box_wherever_one_looks(law, h, t):
    assert_finite(law, h, t)


@wide
@tried(60)
def test_probabilities_lie_between_0_and_1(law, h, t):
    chances = [law.p_alive(h), law.p_active(h, t), *(law.probability(n, h, t) for n in (0, 1, 7, 1000))]
    assert np.min(chances) >= 0
    assert np.max(chances) <= 1 + 1e-9


@wide
@tried(60)
def test_nothing_is_expected_at_once_and_more_the_longer_we_wait(law, h, t):
    assert_array_equal(0.0, law.expected_purchases(h, 0.0))
    expected = law.expected_purchases(h, t * np.linspace(0.0, 1.0, 12)[:, None])[:, 0]
    assert np.all(np.diff(expected) >= -1e-10 * expected[1:])


@wide
@tried(60)
def test_nobody_is_expected_to_buy_less_often_than_the_law_says_they_buy_at_all(law, h, t):
    # At least one purchase happens with P(active), so the mean count is at least that.
    assert law.p_active(h, t) <= law.expected_purchases(h, t) * (1 + 1e-8) + 1e-12


@wide
@tried(60)
def test_the_first_event_and_its_complement_share_one_truth(law, h, t):
    assert_allclose(1 - law.p_active(h, t), law.probability(0, h, t), rtol=1e-9, atol=1e-12)


@given(
    law=laws_in(parameters),
    x=counts.filter(bool),
    t_x=spans,
    extra=st.lists(between(1e-3, 1e4), min_size=2, max_size=2),
)
@tried(100)
def test_the_longer_the_silence_the_less_likely_a_customer_is_alive(law, x, t_x, extra):
    T = t_x + np.cumsum([0.0, *extra])
    alive = law.p_alive(History(x=np.full(3, x), t_x=np.full(3, t_x), T=T))
    assert np.all(np.diff(alive) <= 1e-12)


@wide
@tried(30)
def test_a_discount_rate_of_zero_discounts_nothing(law, h, t):
    assert_allclose(
        law.expected_purchases(h, t), law.discounted_expected_purchases(h, t, annual_discount_rate=0.0), rtol=1e-14
    )


@wide
@tried(15)
def test_discounted_value_falls_with_the_rate(law, h, t):
    values = [law.discounted_expected_purchases(h, t, annual_discount_rate=d)[0] for d in (0.0, 0.01, 0.1, 0.5, 3.0)]
    assert np.all(np.diff(values) <= 1e-9 * values[0])


@wide
@tried(15)
def test_discounted_value_adds_up_over_horizons(law, h, t):
    # What the rest of the horizon adds lies between its purchases discounted from its end and from its beginning.
    delta = discount_per_unit(0.1, h.unit)
    ends = t * np.array([0.0, 0.01, 0.1, 0.3, 1.0])
    value = np.array([law.discounted_expected_purchases(h, s, annual_discount_rate=0.1)[0] for s in ends])
    added = np.diff(law.expected_purchases(h, ends[:, None])[:, 0])
    slack = 1e-8 * (value[-1] + added)
    assert np.all(np.diff(value) <= np.exp(-delta * ends[:-1]) * added + slack)
    assert np.all(np.diff(value) >= np.exp(-delta * ends[1:]) * added - slack)


@wide
@tried(25)
def test_a_batch_of_one_equals_the_batch(law, h, t):
    crowd = people(
        x=[*CROWD.x, h.x[0]],
        silence=[*(1 - CROWD.t_x / CROWD.T), 0.0],
        T=[*CROWD.T, h.T[0]],
    )
    crowd = replace(crowd, t_x=np.append(crowd.t_x[:-1], h.t_x), log_gaps=np.append(crowd.log_gaps[:-1], h.log_gaps))
    for answer in (
        law.log_likelihood,
        law.p_alive,
        lambda who: law.expected_purchases(who, t),
        lambda who: law.probability(3, who, t),
        lambda who: law.discounted_expected_purchases(who, t, annual_discount_rate=0.1),
    ):
        assert_array_equal(answer(h), answer(crowd)[-1:])


@given(law=laws_in(parameters), h=st.builds(single, counts, silences, spans), t=horizons, c=between(1e-3, 1e3))
@tried(60)
def test_the_unit_of_time_is_ours_to_choose(law, h, t, c):
    other = stretched(law, c)
    assume(all(1e-4 < value < 1e6 for value in other))
    slow = replace(h, t_x=c * h.t_x, T=c * h.T, log_gaps=h.log_gaps + h.x * np.log(c))
    scale = 1 + np.abs(law.log_likelihood(h))
    assert_allclose(
        (law.log_likelihood(h) - h.x * np.log(c)) / scale, other.log_likelihood(slow) / scale, rtol=0, atol=1e-11
    )
    assert_allclose(law.p_alive(h), other.p_alive(slow), rtol=1e-8, atol=1e-13)
    assert_allclose(law.expected_purchases(h, t), other.expected_purchases(slow, c * t), rtol=1e-8, atol=1e-13)
    assert_allclose(law.probability(2, h, t), other.probability(2, slow, c * t), rtol=1e-8, atol=1e-13)


@wide
@tried(60)
def test_ever_fewer_customers_are_alive(law, h, t):
    alive = [law.p_alive(h), *(law.p_alive(h, s) for s in (1e-3 * t, t, 1e3 * t))]
    assert np.all(np.diff(alive, axis=0) <= 1e-12)
    assert np.min(alive) >= 0
    assert_allclose(law.p_alive(h), law.p_alive(h, 1e-30 * h.T), rtol=1e-6)


@wide
@tried(30)
def test_what_comes_later_is_what_the_future_says(law, h, t):
    # Nobody who has left buys; whoever is there at t buys by the same story.
    assert_allclose(law.probability(1, h, t), law.probability(1, h, t, since=1e-30 * h.T), rtol=1e-6, atol=1e-300)
    none = law.probability(0, h, t, since=t)
    assert np.all((0 <= none) & (none <= 1 + 1e-12))
    assert np.all(none >= (1 - law.p_alive(h, t)) * (1 - 1e-9))
    assert np.all(1 - none <= law.p_active(h, 2 * t) + 1e-9)


@wide
@tried(60)
def test_posterior_means_are_those_of_a_tilted_law(law, h, t):
    assume(not hasattr(law, "dependence"))  # its four cases are weighed by r and s: test_correlatedparetonbd.py
    # To weigh each customer by the rate is to add 1 to r: the likelihoods of both laws are the posterior mean apart.
    del t
    rate, tilted = law.r / law.alpha / getattr(law, "k", 1), replace(law, r=law.r + 1)
    gain = tilted.log_likelihood(h) - law.log_likelihood(h)
    blur = 1e-9 + 1e-13 * (np.abs(law.log_likelihood(h)) + law.r * np.log1p(h.T / law.alpha) + h.x * 30)
    assert_allclose(np.log(law.mean_purchase_rate(h)), np.log(rate) + gain, rtol=0, atol=blur[0])
    for name, mean in (("a", lambda one: one.a / (one.a + one.b)), ("s", lambda one: one.s / one.beta)):
        if hasattr(law, name):
            tilted = replace(law, **{name: getattr(law, name) + 1})
            gain = tilted.log_likelihood(h) - law.log_likelihood(h)
            there = np.exp(np.log(mean(law)) + gain)
            assert_allclose(there, law.mean_dropout(h), rtol=10 * blur[0], atol=1e-300)


@wide
@tried(10)
def test_all_purchases_to_come_are_worth_no_less_than_those_within_any_horizon(law, h, t):
    for rate in (0.01, 3.0):
        part, whole = (law.discounted_expected_purchases(h, s, annual_discount_rate=rate)[0] for s in (t, np.inf))
        assert np.isfinite(whole)
        assert part <= whole * (1 + 1e-9)
    assert law.expected_purchases(h, t)[0] <= law.expected_purchases(h, np.inf)[0] * (1 + 1e-9)


# -- where sums and integrals can be taken ----------------------------------------------------------------------------


@tame
@tried(60)
def test_probabilities_sum_to_1_and_their_mean_is_the_expectation(law, h, t):
    living, n = law.living(h), np.arange(5001)[:, None]
    assume(law.expected_purchases(h, t)[0] < 50 and living.probability_of_new(n[-1], t)[0] < 1e-18)
    for chances, expected in (
        (law.probability(n, h, t)[:, 0], law.expected_purchases(h, t)[0]),
        (law.probability_of_new(n[:, 0], t), law.expected_purchases_of_new(t)),
    ):
        assume(chances[-1] < 1e-18)
        assert approx(1.0, abs=1e-9) == chances.sum()
        assert approx(expected, rel=1e-8) == n[:, 0] @ chances


@tame
@tried(8)
def test_probabilities_of_a_later_interval_sum_to_1_and_their_mean_is_the_difference_of_expectations(law, h, t):
    n, since = np.arange(3001)[:, None], 0.7 * t
    later = law.expected_purchases(h, since + t)[0] - law.expected_purchases(h, since)[0]
    assume(law.expected_purchases(h, since + t)[0] < 30)
    chances = law.probability(n, h, t, since=since)[:, 0]
    assume(chances[-1] < 1e-18)
    assert approx(1.0, abs=1e-9) == chances.sum()
    assert approx(later, rel=1e-8, abs=1e-12) == n[:, 0] @ chances


@tame
@tried(15)
def test_discounted_value_is_the_integral_of_the_discounted_rate(law, h, t):
    delta, alive, living = discount_per_unit(0.25, h.unit), law.p_alive(h)[0], law.living(h)
    rest = quad(
        lambda s: np.exp(-delta * s) * living.expected_purchases_of_new(s)[0], 0, t, epsabs=0, epsrel=1e-12, limit=200
    )
    value = alive * (np.exp(-delta * t) * living.expected_purchases_of_new(t)[0] + delta * rest[0])
    assert approx(value, rel=1e-10) == law.discounted_expected_purchases(h, t, annual_discount_rate=0.25)[0]


@pytest.mark.parametrize("t", [1.0, 52.0, 520.0, 5200.0, 1e5])
@each_law
def test_discounted_value_of_a_newborn_is_exact_for_any_horizon(law, t):
    h = people([0, 3], [0.0, 0.5], [1e-3, 39.0])
    delta = discount_per_unit(0.1, h.unit)
    living = law.living(h)
    panels = np.concatenate([[0.0], np.geomspace(1e-6, 1.0, 60) * t])
    nodes, weights = np.polynomial.legendre.leggauss(20)
    s = ((panels[1:] + panels[:-1])[:, None] + np.diff(panels)[:, None] * nodes) / 2
    w = np.diff(panels)[:, None] / 2 * weights
    curve = living.expected_purchases_of_new(s.ravel()[:, None])
    integral = (w.ravel() * np.exp(-delta * s.ravel())) @ curve
    value = law.p_alive(h) * (np.exp(-delta * t) * living.expected_purchases_of_new(t) + delta * integral)
    assert_allclose(value, law.discounted_expected_purchases(h, t, annual_discount_rate=0.1), rtol=1e-9)


@given(law=tame_laws, h=tame_customers)
@tried(60)
def test_the_score_is_the_slope_of_the_log_likelihood(law, h):
    if hasattr(law, "dependence"):  # it has two slopes where two bounds meet: test_correlatedparetonbd.py
        assume(law.r != law.s or law.alpha != law.beta)
    # On the log scale, where one step suits every parameter.
    place = law.to_log()
    for slope, move in zip(law.score(h), 1e-5 * np.eye(len(place)), strict=True):
        up, down = (law.at_log(place + s * move).log_likelihood(h) for s in (1, -1))
        value = np.exp(move @ place / 1e-5)
        assert_allclose((up - down) / 2e-5, value * slope, rtol=1e-6, atol=1e-6)


# -- shapes -----------------------------------------------------------------------------------------------------------


@each_law
def test_draws_broadcast(law):
    draws = np.exp(law.to_log() + 0.3 * np.random.default_rng(5).standard_normal((3, len(law.names()))))
    together = law.at_log(np.log(draws))
    for answer in (
        lambda one: one.log_likelihood(CROWD),
        lambda one: one.p_alive(CROWD),
        lambda one: one.p_active(CROWD, 13.0),
        lambda one: one.expected_purchases(CROWD, 39.0),
        lambda one: one.expected_purchases(CROWD, 2000.0),
        lambda one: one.probability(2, CROWD, 39.0),
        lambda one: one.discounted_expected_purchases(CROWD, 39.0, annual_discount_rate=0.1),
        lambda one: one.expected_purchases_of_new(np.array([1.0, 39.0])),
        lambda one: one.probability_of_new(np.arange(4), 39.0),
    ):
        rows = np.stack([answer(law.at_log(np.log(values))) for values in draws])
        assert rows.shape == answer(together).shape
        assert_allclose(rows, answer(together), rtol=1e-12)


@each_law
def test_customers_may_have_parameters_of_their_own(law):
    own = replace(law, **{name: np.full(len(CROWD), getattr(law, name)) for name in law.names()})
    assert_allclose(law.log_likelihood(CROWD), own.log_likelihood(CROWD), rtol=1e-13)
    assert_allclose(law.expected_purchases(CROWD, 39.0), own.expected_purchases(CROWD, 39.0), rtol=1e-13)


@each_law
def test_each_customer_may_have_a_horizon_of_their_own(law):
    t = np.linspace(1.0, 60.0, len(CROWD))
    together = law.expected_purchases(CROWD, t)
    alone = [law.expected_purchases(CROWD.take([i]), t[i])[0] for i in range(len(CROWD))]
    assert_allclose(alone, together, rtol=1e-13)


@each_law
def test_an_empty_history_gets_empty_answers(law):
    nobody = History(x=[], t_x=[], T=[], log_gaps=[])
    assert law.log_likelihood(nobody).shape == (0,)
    assert law.expected_purchases(nobody, 39.0).shape == (0,)
    assert law.p_alive(nobody).shape == (0,)


@each_law
def test_a_law_that_knows_its_unit_refuses_a_history_in_another(law):
    weekly, days = replace(law, unit="week"), replace(CROWD, unit="day")
    assert_array_equal(law.p_alive(CROWD), weekly.p_alive(CROWD))
    asked = [
        lambda: weekly.log_likelihood(days),
        lambda: weekly.score(days),
        lambda: weekly.p_alive(days),
        lambda: weekly.p_active(days, 4.0),
        lambda: weekly.living(days),
        lambda: weekly.expected_purchases(days, 4.0),
        lambda: weekly.probability(1, days, 4.0),
        lambda: weekly.discounted_expected_purchases(days, 4.0, annual_discount_rate=0.1),
        lambda: weekly.future(days, SharedNumbers(10, seed=1)),
    ]
    for ask in asked:
        with pytest.raises(DomainError, match=f"this {type(law).__name__} counts weeks, the history counts days"):
            ask()
    with pytest.raises(DomainError, match="unit must be one of"):
        replace(law, unit="wek")


@each_law
def test_a_fitted_law_and_its_draws_know_their_unit(law):
    T = np.full(4000, 60.0)
    h = law.simulate(T, np.random.default_rng(3), unit="day").history(log_gaps=law.needs_log_gaps)
    fit = fitted(law, h)
    assert "day" == fit.model.unit == fit.draws(3, seed=1).unit == from_json(fit.to_json()).model.unit
    assert "day" == fit.model.simulate(T, np.random.default_rng(1)).unit


@each_law
def test_a_horizon_is_a_number_of_units_or_a_duration(law):
    for same in ("273D", "39W", "6552H"):
        assert_allclose(law.expected_purchases(CROWD, 39), law.expected_purchases(CROWD, same), rtol=1e-14)
    days = replace(CROWD, unit="day")
    assert horizon_in(days, "2W") == 14.0
    assert horizon_in(days, "1Y") == 365.25
    assert horizon_in(days, "1.5M") == approx(1.5 * 365.25 / 12)


@pytest.mark.parametrize("n", [-1, 1.5, np.nan, np.inf, "2", None, [0, 0.5]])
@each_law
def test_a_number_of_purchases_that_is_none_is_refused(law, n):
    with pytest.raises(DomainError, match="n must be whole numbers of purchases"):
        law.probability(n, CROWD, 4.0)


@pytest.mark.parametrize("t", [-1.0, np.nan, None, [1, "2D"], "soon", "D", "-3D", "1.2.3D", "²D", "12", ""])
@each_law
def test_a_horizon_that_is_none_is_refused(law, t):
    for ask in (law.expected_purchases, law.p_active, law.p_alive, lambda h, t: law.probability(1, h, 1.0, since=t)):
        with pytest.raises(DomainError, match="horizon"):
            ask(CROWD, t)


@each_law
def test_a_chance_within_endless_time_is_refused(law):
    for ask in (law.p_active, law.p_alive, lambda h, t: law.probability(1, h, t)):
        with pytest.raises(DomainError, match="horizon must be a finite number"):
            ask(CROWD, np.inf)
    for ask_of_new in (law.survival_of_new, law.activity_of_new, lambda t: law.probability_of_new(1, t)):
        with pytest.raises(DomainError, match="horizon must be a finite number"):
            ask_of_new(np.inf)


@each_law
def test_horizons_of_other_customers_are_refused(law):
    for ask in (law.expected_purchases, law.p_active, law.p_alive):
        with pytest.raises(DomainError, match=r"one for each customer \(8 of them\), got 3"):
            ask(CROWD, [1.0, 2.0, 3.0])


@each_law
def test_what_is_asked_of_new_customers_is_checked_too(law):
    weekly = replace(law, unit="week")
    assert weekly.expected_purchases_of_new("364D") == weekly.expected_purchases_of_new(t=52.0)
    assert weekly.probability_of_new(1, "364D") == weekly.probability_of_new(n=1, t=52.0)
    with pytest.raises(DomainError, match="needs a law that knows its unit of time"):
        law.survival_of_new("364D")
    for t in (-1.0, np.nan, "soon", None):
        with pytest.raises(DomainError, match="a horizon must be"):
            law.expected_purchases_of_new(t)
    with pytest.raises(DomainError, match="n must be whole numbers of purchases"):
        law.probability_of_new(1.5, 4.0)
    with pytest.raises(TypeError):
        law.survival_of_new(1.0, 2.0)


@each_law
def test_what_is_endless_stays_so_where_p_alive_is_too_small_for_a_float(law):
    long_gone = people([5000], [0.9], [100.0])
    if law.expected_purchases_of_new(np.inf) == np.inf:
        assert [np.inf] == law.expected_purchases(long_gone, np.inf).tolist()
        assert [np.inf] == law.discounted_expected_purchases(long_gone, np.inf, annual_discount_rate=0.0).tolist()
    assert np.isfinite(law.discounted_expected_purchases(long_gone, np.inf, annual_discount_rate=0.1)[0])


@each_law
def test_all_purchases_to_come_are_told_also_where_a_and_b_add_up_to_1(law):
    if hasattr(law, "a"):
        endless = replace(law, a=0.5, b=0.5)
        assert [np.inf] == endless.expected_purchases(people([2], [0.5], [30.0]), np.inf).tolist()
        assert np.inf == endless.expected_purchases_of_new(np.inf)


@each_law
def test_horizons_of_zero_have_the_shape_of_all_others(law):
    none, some, each = np.zeros((2, 1)), np.ones((2, 1)), (2, len(CROWD))
    assert each == law.p_alive(CROWD, none).shape == law.p_alive(CROWD, some).shape
    assert each == law.probability(1, CROWD, 3.0, since=none).shape == law.probability(1, CROWD, 3.0, since=some).shape


@pytest.mark.parametrize("T", [10.0, [-1.0], [np.nan], [np.inf], [[1.0]], "long", None])
@each_law
def test_a_watch_that_is_none_is_refused(law, T):
    with pytest.raises(DomainError, match="T must be a list of times"):
        law.simulate(T, np.random.default_rng(1))


@each_law
def test_laws_of_different_units_differ(law):
    assert replace(law, unit="day") == replace(law, unit="day") != replace(law, unit="week")


@pytest.mark.parametrize("rate", [-0.1, np.nan, np.inf, "much", None])
@each_law
def test_a_discount_rate_that_is_none_is_refused(law, rate):
    with pytest.raises(DomainError, match="annual_discount_rate"):
        law.discounted_expected_purchases(CROWD, 39, annual_discount_rate=rate)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, [1.0, -2.0]])
@each_law
def test_a_parameter_outside_its_domain_is_refused_at_birth(law, value):
    for name in law.names():
        with pytest.raises(DomainError, match=rf"{type(law).__name__}: {name} must be positive and finite"):
            replace(law, **{name: value})


# -- simulate is the witness ------------------------------------------------------------------------------------------


def agrees(expected, sample, sigmas=5.0):
    """Whether the mean of a sample is what it should be, within its own standard error, or one rare event."""
    error = np.std(sample, ddof=1) / np.sqrt(len(sample))
    return abs(np.mean(sample) - expected) <= sigmas * max(error, 0.2 / len(sample))


@pytest.fixture(scope="module", params=SPECIMENS, ids=lambda s: type(s.law).__name__)
def witness(request):
    """A law, and 60,000 customers who live by it: watched for 20 to 60 units, and 40 more."""
    law, rng = request.param.law, np.random.default_rng(20050601)
    T = rng.uniform(20.0, 60.0, 60_000)
    lives = law.simulate(T + 40.0, rng)
    return law, lives, lives.history(until=T, log_gaps=law.needs_log_gaps)


def test_simulated_customers_buy_as_often_as_expected(witness):
    law, lives, _ = witness
    for t in (1.0, 10.0, 60.0):
        assert agrees(law.expected_purchases_of_new(t), lives.count(before=t))


def test_simulated_counts_have_their_probabilities(witness):
    law, lives, _ = witness
    bought = lives.count(before=20.0)
    for n in range(6):
        assert agrees(law.probability_of_new(n, 20.0), bought == n)


def test_simulated_customers_do_what_their_history_said(witness):
    law, lives, h = witness
    later = lives.count(before=h.T + 40.0) - h.x
    expected, active, one = law.expected_purchases(h, 40.0), law.p_active(h, 40.0), law.probability(1, h, 40.0)
    for group in (h.x == 0, h.x == 1, (h.x > 1) & (h.x < 6), h.x > 5, (h.x > 0) & (h.t_x < h.T / 3)):
        assert agrees(0.0, (later - expected)[group])
        assert agrees(0.0, ((later > 0) - active)[group])
        assert agrees(0.0, ((later == 1) - one)[group])


def test_simulated_customers_buy_as_often_as_expected_in_a_later_interval(witness):
    law, lives, h = witness
    later = (lives.count(before=h.T + 40.0) - lives.count(before=h.T + 15.0))[:2000]
    few = h.take(slice(2000))
    for n in (0, 1):
        chance = law.probability(n, few, 25.0, since=15.0)
        for group in (few.x == 0, few.x == 1, (few.x > 1) & (few.x < 6)):
            assert agrees(0.0, ((later == n) - chance)[group])


def test_simulated_customers_who_are_alive_are_those_who_come_back(witness):
    # Given time enough, whoever is there buys again, in a law where only purchases end a relationship.
    law, _, _ = witness
    if not np.all(law.future(CROWD, SharedNumbers(8, 0)).leaves_at == np.inf):
        pytest.skip("leaving is decided by time")
    rng = np.random.default_rng(7)
    lives = law.simulate(np.full(8000, 4000.0), rng)
    h = lives.history(until=39.0)
    back = lives.count(before=4000.0) > h.x
    alive = law.p_alive(h)
    for group in (h.x == 1, h.x == 2, h.x > 4, (h.x > 0) & (h.t_x < 13)):
        assert agrees(0.0, (back - law.p_active(h, 3961.0))[group])
        assert agrees(0.0, (back - alive)[group], sigmas=6.0)


@each_law
def test_simulated_times_are_in_order_and_within_the_watch(law):
    lives = law.simulate(np.array([10.0, 0.5, 300.0] * 100), np.random.default_rng(3))
    assert np.all((lives.time > 0) & (lives.time <= lives.T[lives.customer]))
    assert np.all(np.diff(lives.time)[np.diff(lives.customer) == 0] >= 0)
    assert np.all(np.diff(lives.customer) >= 0)


@each_law
def test_the_same_seed_gives_the_same_lives(law):
    one, two, other = (law.simulate(np.full(200, 39.0), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert_array_equal(one.time, two.time)
    assert one.time.size != other.time.size or np.any(one.time != other.time)


@each_law
def test_fitting_finds_the_law_that_made_the_data(law):
    rng = np.random.default_rng(2024)
    h = law.simulate(rng.uniform(20.0, 60.0, 20_000), rng).history(log_gaps=law.needs_log_gaps)
    fit = fitted(law, h)
    off = (fit.model.to_log() - law.to_log()) / np.sqrt(np.diag(fit.log_covariance))
    assert np.abs(off).max() < 4
    assert fit.log_likelihood >= law.log_likelihood(h).sum()


@pytest.mark.slow
@each_law
def test_intervals_hold_the_truth_as_often_as_they_say(law):
    # Of 100 crowds, each fitted by itself: 90 are expected, and 5 standard errors are 15.
    rng, held, crowds = np.random.default_rng(77), [], SPECIMEN_OF[type(law)].crowds
    half = 1.6448536269514722  # 90 %
    for _ in range(crowds):
        h = law.simulate(rng.uniform(30.0, 80.0, 3000), rng).history(log_gaps=law.needs_log_gaps)
        fit = fitted(law, h)
        off = (fit.model.to_log() - law.to_log()) / np.sqrt(np.diag(fit.log_covariance))
        held.append(np.abs(off) < half)
    share = np.sum(held, axis=0)
    print(f"\n90 % intervals of {type(law).__name__} held the truth in {share} of {crowds}", end="")  # noqa: T201
    assert np.all(np.abs(share - 0.9 * crowds) <= 1.5 * np.sqrt(crowds))


@each_law
def test_futures_are_what_the_law_expects(law):
    h, draws, t = CROWD, 20_000, 39.0
    numbers = SharedNumbers(draws, seed=11)
    future = law.future(h, numbers)
    bought = np.zeros(draws * len(h))
    for cells, times in future.purchases(t, numbers):
        assert np.all((times > 0) & (times <= t))
        bought[cells] += 1
    bought = bought.reshape(draws, len(h))
    for i, expected in enumerate(law.expected_purchases(h, t)):
        assert agrees(expected, bought[:, i])
        for n in range(4):
            assert agrees(law.probability(n, h, t)[i], bought[:, i] == n)


@each_law
def test_futures_come_at_the_times_that_the_law_expects(law):
    h, draws, t = CROWD, 10_000, 200.0
    numbers = SharedNumbers(draws, seed=12)
    future, delta = law.future(h, numbers), discount_per_unit(0.5, h.unit)
    value = np.zeros(draws * len(h))
    for cells, times in future.purchases(t, numbers):
        value[cells] += np.exp(-delta * times)
    value = value.reshape(draws, len(h))
    for i, expected in enumerate(law.discounted_expected_purchases(h, t, annual_discount_rate=0.5)):
        assert agrees(expected, value[:, i])


@given(law=laws_in(between(1e-2, 1e3)), h=st.builds(single, st.integers(0, 20), silences, between(1.0, 1e3)))
@tried(30)
def test_futures_hold_on_a_wide_box(law, h):
    assume(law.expected_purchases(h, 10.0)[0] < 300)
    future = law.future(h, SharedNumbers(50, seed=0))
    assert np.all(np.isfinite(future.rate))
    assert np.all(future.rate >= 0)
    assert np.all(future.stays_for >= 0)
