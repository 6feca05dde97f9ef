"""CSAT, CES and ratings: which figure was asked for, on which scale, in which direction."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import t

from custrel import Interactions, Review
from custrel.errors import DomainError, PromiseError
from custrel.feedback import ces, csat, review_score, satisfaction

approx = pytest.approx
FIVE = [5, 5, 4, 3, 1, 2, 4, 5]


def mean_and_half(scores, level=0.95):
    """The t interval as textbooks have it."""
    error = np.std(scores, ddof=1) / np.sqrt(len(scores))
    return np.mean(scores), t(len(scores) - 1).ppf(0.5 + level / 2) * error


@pytest.mark.parametrize(
    ("asked", "value", "boxes"),
    [
        ({}, 5 / 8, "4, 5"),
        ({"measure": "top_box"}, 3 / 8, "5"),
        ({"boxes": [1, 2]}, 2 / 8, "1, 2"),
        ({"boxes": [1, 5]}, 4 / 8, "1, 5"),
    ],
)
def test_the_boxes_that_count_stand_beside_the_share(asked, value, boxes):
    found = csat(pd.DataFrame({"rating": FIVE}), score="rating", scale=(1, 5), **asked)
    assert [value] == found["value"].tolist()
    assert [boxes] == found["boxes"].tolist()
    by_hand = satisfaction(8 * value, 8)
    assert_allclose((by_hand.low, by_hand.high), found.loc[0, ["low", "high"]].astype(float))


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_a_mean_has_students_interval(level):
    mean, half = mean_and_half(FIVE, level)
    found = csat(FIVE, scale=(0, 10), measure="mean", level=level)
    assert_allclose((mean, mean - half, mean + half), (found.value, found.low, found.high))
    up = csat(FIVE, scale=(0, 10), measure="normalised_mean", level=level)
    assert_allclose(np.array([mean, mean - half, mean + half]) / 10, (up.value, up.low, up.high))
    assert approx(found["standard_error"] / 10) == up["standard_error"]


def test_how_far_up_the_scale_counts_from_its_lowest_point():
    assert approx(0.5) == csat([1, 3, 5], scale=(1, 5), measure="normalised_mean").value


def test_good_and_bad_are_two_points_or_flags():
    assert approx(2 / 3) == csat([1, 1, 0], scale=(0, 1), measure="good_bad").value
    assert approx(2 / 3) == csat([True, True, False], scale=(0, 1), measure="good_bad").value
    df = pd.DataFrame({"good": [True, None, False]})
    assert [0.5] == csat(df, score="good", scale=(0, 1), measure="good_bad")["value"].tolist()


@pytest.mark.parametrize("measure", ["top_two_box", "top_box", "mean", "normalised_mean"])
def test_no_answer_one_answer_and_answers_all_alike_have_defined_figures(measure):
    none, one, alike = (csat(scores, scale=(1, 5), measure=measure) for scores in ([], [5], [5] * 6))
    assert np.isnan([none.value, none.low, none.high]).all()
    top = 5 if measure == "mean" else 1
    assert top == one.value == one.high == alike.value
    assert one.low < alike.low <= alike.value
    if "mean" in measure:  # of one answer nothing is known of how answers differ
        assert {"mean": 1, "normalised_mean": 0}[measure] == one.low


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"scale": (5, 1)}, "scale must rise"),
        ({"scale": 5}, "scale must be the lowest and highest score"),
        ({"scale": (1, 5.5)}, "scale must run from one whole number to another"),
        ({"scale": (1, 5), "measure": "two_top"}, "measure must be one of"),
        ({"scale": (1, 5), "measure": "good_bad"}, "good_bad wants a scale of two points"),
        ({"scale": (0, 1)}, "would be everybody"),
        ({"scale": (1, 5), "boxes": [6]}, "boxes must name some, not all"),
        ({"scale": (1, 5), "boxes": [1, 2, 3, 4, 5]}, "boxes must name some, not all"),
        ({"scale": (1, 5), "interval": "score"}, "interval must be one of 'wilson'"),
        ({"scale": (1, 5), "measure": "mean", "interval": "wilson"}, "interval must be one of 't', 'bootstrap'"),
    ],
)
def test_a_question_that_is_none_is_refused_in_words(asked, said):
    with pytest.raises(DomainError, match=said):
        csat([1, 1], **asked)


def test_counts_that_are_none_are_refused():
    with pytest.raises(DomainError, match="satisfied must lie between 0 and n"):
        satisfaction(7, 5)
    side_by_side = satisfaction([1, 0], [2, 0])
    assert [0.5, None] == [None if np.isnan(one) else one for one in side_by_side.value]


# -- Effort ----------------------------------------------------------------------------------------------------------


def test_the_two_versions_of_effort_point_opposite_ways():
    df = pd.DataFrame({"effort": [1, 1, 2, 5]})
    low_is_good = ces(df, score="effort", version=1, measure="easy")
    high_is_good = ces(df, score="effort", version=2, measure="easy")
    assert [0.75, 0.25] == [low_is_good["value"][0], high_is_good["value"][0]]
    assert ["1, 2", "5, 6, 7"] == [low_is_good["boxes"][0], high_is_good["boxes"][0]]
    assert ["lower", "higher"] == [low_is_good["better"][0], high_is_good["better"][0]]


def test_a_version_must_be_said_and_be_known():
    with pytest.raises(TypeError, match="version"):
        ces([5])
    with pytest.raises(DomainError, match="version must be 1 .* or 2"):
        ces([5], version=3)
    with pytest.raises(PromiseError, match="hold scores of the scale 1 to 5; of 1 scores 1 lie off it"):
        ces([7], version=1)
    assert 6 == ces([6], version=2).value


# -- Ratings ---------------------------------------------------------------------------------------------------------


def test_ratings_may_be_half_stars():
    mean, half = mean_and_half([4.5, 3, 2.5, 5])
    found = review_score([4.5, 3, 2.5, 5], scale=(0.5, 5))
    assert_allclose((mean, mean - half, min(mean + half, 5)), (found.value, found.low, found.high))


def test_unlike_scales_are_compared_how_far_up_they_are():
    assert approx(0.75) == review_score([4], scale=(1, 5), normalised=True).value
    assert approx(0.75) == review_score([7.5], scale=(0, 10), normalised=True).value


def test_a_log_is_asked_for_its_reviews():
    stars = [
        Review(customer_id=who, occurred_at="2024-05-04T09:30Z", rating=rating, scale=(1, 5), product=product)
        for who, rating, product in [(1, 4, "tent"), (2, 2, "tent"), (3, 5, "lamp")]
    ]
    found = review_score(Interactions.from_records(stars), scale=(1, 5), by="product")
    assert {"lamp": 5, "tent": 3} == dict(zip(found["product"], found["value"], strict=True))


@pytest.mark.parametrize("measure", ["mean", "top_two_box"])
def test_repeated_answers_of_one_customer_are_not_independent(measure):
    df = pd.DataFrame({"score": FIVE * 3, "customer_id": list(range(8)) * 3})
    known, unknown = (csat(df, scale=(1, 5), measure=measure, customer_id=who) for who in ("customer_id", None))
    assert approx(known["value"][0]) == unknown["value"][0]
    assert known["standard_error"][0] > 1.5 * unknown["standard_error"][0]
    assert known["n_effective"][0] <= 8 + 1e-9
    assert known["high"][0] - known["low"][0] > unknown["high"][0] - unknown["low"][0]
