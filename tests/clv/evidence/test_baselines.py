"""Baselines: numbers by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from custrel import History
from custrel.clv.evidence.baselines import MeanOfAll, RecencyRule, SameAsBefore
from custrel.errors import ConvergenceError, DomainError

H = History(x=[4, 2, 1, 0, 0], t_x=[36, 10, 2, 0, 0], T=[40, 40, 20, 30, 0])


def test_the_mean_of_all_is_their_purchases_by_their_time():
    model = MeanOfAll.fit(H)
    assert 7 / 130 == model.rate
    assert_allclose(np.full(5, 7 / 130 * 26), model.expected_purchases(H, 26))
    assert_allclose(model.expected_purchases(H, 26), model.expected_purchases(H, "182D"))


def test_customers_who_share_a_row_count_as_many():
    one, other = (
        History(x=[3, 0], t_x=[9, 0], T=[12, 8], n=[2, 5]),
        History(x=[3] * 2 + [0] * 5, t_x=[9] * 2 + [0] * 5, T=[12] * 2 + [8] * 5),
    )
    assert MeanOfAll.fit(other) == MeanOfAll.fit(one)
    assert RecencyRule.fit(other) == RecencyRule.fit(one)


def test_who_was_watched_for_no_time_tells_no_mean():
    with pytest.raises(ConvergenceError, match="MeanOfAll: 2 customers were watched for no time at all"):
        MeanOfAll.fit(History(x=[0, 0], t_x=[0, 0], T=[0, 0]))


def test_who_was_silent_for_longer_than_the_patience_is_gone():
    model = RecencyRule.fit(H, patience=18)
    assert RecencyRule(18.0) == model == RecencyRule.fit(H, patience="126D")
    assert_allclose([4 / 40 * 10, 0, 1 / 20 * 10, 0, 0], model.expected_purchases(H, 10))
    assert_allclose([4 / 40 * 10, 0, 0, 0, 0], RecencyRule(17.9).expected_purchases(H, 10))


def test_patience_is_a_quantile_of_the_mean_times_between_purchases():
    h = History(x=[1] * 10 + [0], t_x=[*range(10, 0, -1), 0], T=[40] * 11)
    assert RecencyRule(9.0) == RecencyRule.fit(h)
    assert RecencyRule(5.0) == RecencyRule.fit(h, share=0.5)
    assert RecencyRule(9.0) == RecencyRule.fit(H)  # of the mean times 9, 5 and 2


def test_where_nobody_came_back_nobody_is_expected_to():
    h = History(x=[0, 0], t_x=[0, 0], T=[9, 5])
    assert [0.0, 0.0] == RecencyRule.fit(h).expected_purchases(h, 10).tolist()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"share": 90}, "between 0 and 1, got 90"),
        ({"patience": "soon"}, "a duration such as '365D'"),
        ({"patience": -1}, "0 or more, got -1"),
    ],
)
def test_a_patience_that_is_none_is_refused(wrong, words):
    with pytest.raises(DomainError, match=words):
        RecencyRule.fit(H, **wrong)


def test_what_came_in_the_span_before_comes_again_in_as_long():
    model = SameAsBefore.fit(H, purchases=[3, 0, 1, 0, 0], span=26)
    assert_allclose([3, 0, 1, 0, 0], model.expected_purchases(H, 26))
    assert_allclose([1.5, 0, 0.5, 0, 0], model.expected_purchases(H, "91D"))


@pytest.mark.parametrize("wrong", [{"purchases": [1, 2], "span": 26}, {"purchases": [0] * 5, "span": 0}])
def test_counts_of_others_or_of_no_time_are_refused(wrong):
    with pytest.raises(DomainError, match="needs the purchases of each of 5 customers within a span above 0"):
        SameAsBefore.fit(H, **wrong)


def test_others_than_those_counted_cannot_be_asked_for():
    model = SameAsBefore.fit(H, purchases=[3, 0, 1, 0, 0], span=26)
    with pytest.raises(DomainError, match="knows 5 customers, the history has 2"):
        model.expected_purchases(H.take([0, 1]), 26)


@pytest.mark.parametrize("fit", [MeanOfAll.fit, RecencyRule.fit, lambda h: SameAsBefore.fit(h, purchases=[1], span=1)])
def test_what_is_no_history_is_refused(fit):
    with pytest.raises(DomainError, match="needs a History.*got ndarray"):
        fit(np.ones(1))
