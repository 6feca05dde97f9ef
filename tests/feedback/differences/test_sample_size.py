"""Sample sizes: the worked cases, the way back, and simulated waves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custrel.errors import DomainError
from custrel.feedback.differences.sample_size import power_of_change, sample_size, sample_size_for_change

everything = settings(deadline=None, derandomize=True, database=None)
CASES = [
    (1, 0.05, None, 1537),
    (1, 0.1, None, 385),
    (0.61, 0.05, None, 938),
    (0.61, 0.1, None, 235),
    (1, 0.05, 5000, 1176),
]


@pytest.mark.parametrize(("variance", "margin", "population", "n"), CASES)
def test_the_worked_cases_in_points_and_in_shares(variance, margin, population, n):
    assert n == sample_size(100 * margin, unit="points", variance=variance, population=population)
    assert n == sample_size(margin, unit="share", variance=variance, population=population)


def test_a_share_varies_at_most_by_a_quarter():
    assert 385 == sample_size(0.05, unit="share") == sample_size(0.05, unit="share", variance=0.25)


def test_fewer_than_two_answers_are_never_enough_and_more_than_all_never_needed():
    assert 2 == sample_size(150, unit="points") == sample_size(5, unit="points", variance=0)
    assert 10 == sample_size(0.01, unit="points", population=10)
    assert 1 == sample_size(5, unit="points", population=1)
    assert 2 == sample_size_for_change(5, unit="points", variance=0)


@everything
@given(st.floats(0.5, 50), st.floats(0.01, 1), st.integers(2, 10**6))
def test_so_many_answers_have_the_margin_and_one_less_does_not(margin, variance, population):
    def reach(n):
        return 1.959963984540054 * np.sqrt(variance / n * (population - n) / (population - 1))

    n = sample_size(margin, unit="points", variance=variance, population=population)
    assert 100 * reach(n) <= margin * (1 + 1e-9)
    assert n == 2 or 100 * reach(n - 1) > margin * (1 - 1e-9)


@everything
@given(st.floats(2, 60), st.floats(0.05, 1), st.floats(0.05, 1), st.floats(0.3, 0.99), st.floats(-0.5, 0.9))
def test_so_many_answers_have_the_power_and_one_less_does_not(change, v, w, power, correlation):
    asked = {"unit": "points", "variance": (v, w), "correlation": correlation}
    n = sample_size_for_change(change, power=power, **asked)
    assert power_of_change(change, n, **asked) >= power - 1e-9
    assert n == 2 or power_of_change(-change, n - 1, **asked) < power + 1e-9


def test_shares_of_a_tenth_and_a_fifth_need_the_197_of_the_unpooled_formula():
    # (1.959964 + 0.841621)^2 (0.09 + 0.16) / 0.1^2 = 196.2
    assert 197 == sample_size_for_change(0.1, unit="share", variance=(0.09, 0.16))


def test_simulated_waves_detect_as_often_as_the_power_says():
    rng, n = np.random.default_rng(3), 400
    waves = [rng.multinomial(n, shares, size=20_000) / n for shares in ([0.5, 0.3, 0.2], [0.58, 0.25, 0.17])]
    (b, u), (a, w) = (((x[:, 0] - x[:, 2]), x[:, 0] + x[:, 2] - (x[:, 0] - x[:, 2]) ** 2) for x in waves)
    found = np.mean(a - b > 1.959964 * np.sqrt((u + w) / n))
    said = power_of_change(11, n, unit="points", variance=(0.61, 0.75 - 0.41**2))
    assert found == pytest.approx(said, abs=0.012)


def test_the_same_customers_twice_need_fewer_answers_the_more_alike_these_are():
    sizes = [sample_size_for_change(5, unit="points", correlation=rho) for rho in (0.0, 0.3, 0.6, 0.9)]
    assert sizes == sorted(sizes, reverse=True)
    assert 1.0 == power_of_change(5, 100, unit="points", correlation=1.0)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda: sample_size(5, unit="percent"), "unit must be one of 'points', 'share', got 'percent'"),
        (lambda: sample_size(5, unit="share"), "margin must lie between 0 and 1 in unit='share', got 5"),
        (lambda: sample_size(0, unit="points"), "margin must lie between 0 and 200 in unit='points', got 0"),
        (lambda: sample_size("a lot", unit="points"), "margin must be a finite number, 0 or more, got 'a lot'"),
        (
            lambda: sample_size(5, unit="points", variance=61),
            "variance is that of one answer on the scale of shares, at most 1, got 61",
        ),
        (lambda: sample_size(5, unit="points", population=0), "population must be 1 or more, got 0"),
        (lambda: sample_size(5, unit="points", level=95), "level must lie between 0 and 1, got 95"),
        (lambda: sample_size_for_change(5, unit="points", power=80), "power must lie between 0 and 1, got 80"),
        (
            lambda: sample_size_for_change(5, unit="points", correlation=2),
            "correlation must lie between -1 and 1, got 2",
        ),
        (
            lambda: power_of_change(5, (10, 20), unit="points", correlation=0.5),
            "customers who answer in both waves are as many before",
        ),
        (
            lambda: power_of_change(5, (10, 20, 30), unit="points"),
            "n must be one number, or that before and that after",
        ),
        (lambda: power_of_change(5, 1, unit="points"), "n must be a whole number, 2 or more, got 1"),
    ],
)
def test_bad_input_is_refused_by_its_words(asked, said):
    with pytest.raises(DomainError, match=said.replace("(", r"\(")):
        asked()
