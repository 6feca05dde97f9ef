"""Squares: the tail of a weighted sum of squared normals, against closed forms and chance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import chdtrc

from custrel.stats.squares import tail_of_squares

approx = pytest.approx


@pytest.mark.parametrize("degrees", [1, 2, 3, 5, 12, 60])
@pytest.mark.parametrize("q", [1e-3, 0.1, 1.0, 3.0, 10.0, 40.0, 200.0])
def test_with_weights_of_one_it_is_chi_square_far_into_the_tail(degrees, q):
    assert approx(chdtrc(degrees, q), rel=1e-12) == tail_of_squares(q, np.ones(degrees))


@pytest.mark.parametrize("b", [0.01, 0.3, 0.99])
@pytest.mark.parametrize("q", [0.5, 5.0, 50.0])
def test_two_pairs_of_weights_are_a_sum_of_two_exponentials(b, q):
    exact = (np.exp(-q / 2) - b * np.exp(-q / (2 * b))) / (1 - b)
    assert approx(exact, rel=1e-9) == tail_of_squares(q, np.array([1.0, b, 1.0, b]))


def test_it_is_what_happens_by_chance():
    weights, rng = np.array([1.0, 1.0, 0.6, 0.13, 0.002]), np.random.default_rng(1)
    sums = rng.standard_normal((400_000, 5)) ** 2 @ weights
    for q in (0.5, 2.0, 6.0):
        assert approx(np.mean(sums > q), abs=3e-3) == tail_of_squares(q, weights)


def test_weights_of_nothing_count_nothing_and_below_zero_all_is_above():
    assert tail_of_squares(3.0, np.array([1.0, 0.7])) == tail_of_squares(3.0, np.array([0.0, 1.0, 0.7, 0.0]))
    assert [1.0, 1.0] == [tail_of_squares(q, np.ones(3)) for q in (0.0, -1.0)]


several = st.lists(st.floats(0.05, 1.0), min_size=2, max_size=9).map(np.array)


@given(weights=several, q=st.floats(0.05, 30.0), c=st.floats(0.1, 10.0))
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_it_falls_and_has_no_unit_of_its_own(weights, q, c):
    here, farther = (tail_of_squares(one, weights) for one in (q, q + 0.5))
    assert 0 <= farther < here <= 1
    assert_allclose(here, tail_of_squares(c * q, c * weights), rtol=1e-9)
    assert chdtrc(weights.size, q / weights.min()) <= here * (1 + 1e-9)
    assert here <= chdtrc(weights.size, q / weights.max()) * (1 + 1e-9)
