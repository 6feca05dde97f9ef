"""Adjusted p: as published, by brute force, and what must hold for all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from custrel.errors import DomainError
from custrel.stats.multiplicity import ADJUSTMENTS, benjamini_hochberg, holm

everything = settings(deadline=None, derandomize=True, database=None)
some_p = arrays(np.float64, st.integers(1, 12), elements=st.floats(0, 1))

OF_1995 = [
    0.0001,
    0.0004,
    0.0019,
    0.0095,
    0.0201,
    0.0278,
    0.0298,
    0.0344,
    0.0459,
    0.3240,
    0.4262,
    0.5719,
    0.6528,
    0.7590,
    1.0,
]


def test_the_fifteen_p_of_benjamini_and_hochberg_1995_page_295_lose_all_but_four():
    assert 4 == np.sum(benjamini_hochberg(OF_1995) <= 0.05)
    assert 3 == np.sum(holm(OF_1995) <= 0.05)


def test_holm_multiplies_the_smallest_by_their_number_and_never_falls():
    assert_allclose(holm([0.5, 0.01, 0.02, 0.011]), [0.5, 0.04, 0.04, 0.04])


def test_comparisons_without_p_are_none():
    for adjust in ADJUSTMENTS.values():
        assert_allclose(adjust([0.01, np.nan, 0.2]), [0.02, np.nan, 0.2])
        assert_array_equal(adjust([np.nan, np.nan]), [np.nan, np.nan])
        assert 0 == adjust([]).size


@everything
@given(some_p)
def test_adjusted_p_keep_their_order_and_only_rise(p):
    order = np.argsort(p, kind="stable")
    for adjust in ADJUSTMENTS.values():
        adjusted = adjust(p)
        assert np.all(adjusted >= p - 1e-15)
        assert np.all(adjusted <= 1)
        assert np.all(np.diff(adjusted[order]) >= -1e-15)
    assert np.all(benjamini_hochberg(p) <= holm(p) + 1e-15)


@everything
@given(some_p)
def test_holm_is_the_step_down_test_done_by_hand(p):
    for level in (0.01, 0.05, 0.3):
        rejected = np.zeros(p.size, dtype=bool)
        for step, place in enumerate(np.argsort(p, kind="stable")):
            if p[place] * (p.size - step) > level:
                break
            rejected[place] = True
        assert_array_equal(rejected, holm(p) <= level)


def test_what_is_no_chance_is_refused_with_its_range():
    with pytest.raises(DomainError, match=r"p must lie between 0 and 1, got 0.2 to 1.2"):
        holm([0.2, 1.2])


def test_what_the_caller_gave_stays_as_it_was():
    p = np.array([0.01, 0.04])
    holm(p)
    assert_array_equal([0.01, 0.04], p)
