"""NBD: the maximum on CDNOW, and counts by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import nbinom

from custrel import History
from custrel.clv import NBD
from custrel.datasets import cdnow_summary

approx = pytest.approx


def test_the_maximum_on_cdnow_to_seven_digits():
    fit = NBD.fit(cdnow_summary())
    assert approx((0.3847661357687849, 12.072022844836905), rel=1e-7) == tuple(fit.model)
    assert approx(-9763.657614672615, abs=1e-8) == fit.log_likelihood
    assert approx((0.020985376163156516, 0.8087231817767796), rel=2e-6) == tuple(fit.standard_errors)


def test_counts_are_negative_binomial():
    n = np.arange(40)
    assert_allclose(
        nbinom.pmf(n, 0.385, 12.0 / (12.0 + 39.0)), NBD(0.385, 12.0).probability_of_new(n, 39.0), rtol=1e-11
    )


def test_everybody_stays_and_buys_at_their_rate():
    law, h = NBD(1.0, 4.0), History(x=[2, 0], t_x=[5, 0], T=[8, 6])
    assert [1.0, 1.0] == law.p_alive(h, 1e6).tolist()
    assert [0.25, 0.1] == law.mean_purchase_rate(h).tolist()
    assert [0.0, 0.0] == law.mean_dropout(h).tolist()
    assert approx([3.0, 1.2]) == law.expected_purchases(h, 12).tolist()
    assert [np.inf, np.inf] == law.expected_purchases(h, np.inf).tolist()


def test_the_likelihood_is_that_of_the_times():
    # One customer, one purchase: the integral of l e^(-l T) over l ~ Gamma(1, 4) is 4 / (4 + T)^2.
    assert approx(np.log(4 / 12**2)) == NBD(1.0, 4.0).log_likelihood(History(x=[1], t_x=[2], T=[8]))[0]
