"""How a number of a customer's moves the processes of a law."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from custrel.clv import BGNBD, GammaGamma, ParetoNBD, ShiftedBetaGeometric
from custrel.errors import DomainError

approx = pytest.approx
Z = np.array([-0.7, 0.0, 1.3])


def test_customers_who_are_moved_buy_so_many_times_as_fast():
    law = ParetoNBD(r=0.6, alpha=10.0, s=0.6, beta=12.0)
    moved = law.hastened("purchase", Z)
    assert_allclose(law.r / law.alpha * np.exp(Z), moved.r / moved.alpha)
    faster = law.hastened("dropout", Z)
    assert_allclose(law.survival_of_new(5 * np.exp(Z)), faster.survival_of_new(5.0))


def test_the_odds_of_leaving_move_and_how_much_customers_are_alike_stays():
    law = BGNBD(r=0.2, alpha=4.0, a=0.8, b=2.4)
    moved = law.hastened("dropout", Z)
    assert_allclose(law.a / law.b * np.exp(Z), moved.a / moved.b)
    assert_allclose(law.a + law.b, moved.a + moved.b)


def test_mean_values_move_by_a_factor():
    law = GammaGamma(p=6.0, q=4.0, gamma=15.0)
    assert_allclose(law.population_mean * np.exp(Z), law.hastened("spend", Z).population_mean)


def test_two_moves_add_up():
    law = BGNBD(r=0.2, alpha=4.0, a=0.8, b=2.4)
    one, two = law.hastened("dropout", Z).hastened("dropout", 2 * Z), law.hastened("dropout", 3 * Z)
    assert_allclose([one.a, one.b], [two.a, two.b])


def test_draws_and_customers_make_a_table():
    law = BGNBD(r=np.full((5, 1), 0.2), alpha=4.0, a=np.full((5, 1), 0.8), b=2.4)
    assert (5, 3) == law.hastened("dropout", Z).a.shape


def test_what_the_law_knows_beside_its_parameters_stays():
    assert "month" == BGNBD(r=0.2, alpha=4.0, a=0.8, b=2.4, unit="month").hastened("purchase", Z).unit


def test_the_law_that_is_moved_is_left_as_it_was():
    law = ShiftedBetaGeometric(alpha=0.7, beta=3.0)
    law.hastened("dropout", Z)
    assert_array_equal([0.7, 3.0], tuple(law))


def test_a_process_that_the_law_does_not_have_is_refused():
    with pytest.raises(DomainError, match="purchase"):
        GammaGamma(p=6.0, q=4.0, gamma=15.0).hastened("purchase", Z)
