from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.text import Text
from numpy.testing import assert_allclose

from custrel.errors import DomainError, SchemaError
from custrel.feedback.drivers.key_drivers import key_drivers as found_in
from custrel.frames import leave
from custrel.plots.key_drivers import key_drivers

LONG = [
    "How satisfied were you with the friendliness of our staff?",
    "The price was fair for what I got",
    "Speed of delivery after the order was placed",
    "Range of products",
    "The web site was easy to use on my telephone",
    "Handling of returns and refunds",
    "Opening hours",
    "Parking",
    "Information about the state of my order",
    "Packaging",
]


def table(names, seed=0):
    """A result for these drivers, the first one the most important."""
    rng = np.random.default_rng(seed)
    value = np.sort(rng.uniform(0.01, 0.15, len(names)))[::-1]
    performance = rng.uniform(0.3, 0.8, len(names))
    return pd.DataFrame(
        {
            "driver": names,
            "value": value,
            "low": 0.6 * value,
            "high": 1.5 * value,
            "performance": performance,
            "importance_cut": value.mean(),
            "performance_cut": performance.mean(),
            "r_squared": value.sum(),
        }
    )


def said(ax):
    return [words.get_text() for words in ax.texts]


def boxes(ax):
    ax.figure.draw_without_rendering()
    return [Text.get_window_extent(words) for words in ax.texts]


def test_each_driver_stands_at_its_performance_and_importance_with_its_interval():
    df = table(["staff", "price", "speed"])
    ax = key_drivers(df)
    assert_allclose(df[["performance", "value"]], ax.collections[0].get_offsets())
    bars = [segment[:, 1] for segment in ax.collections[1].get_segments()]
    assert_allclose(df[["low", "high"]], bars)
    assert ["staff", "price", "speed"] == said(ax)[4:]


def test_it_says_that_this_is_association_and_how_much_is_explained():
    ax = key_drivers(table(["staff", "price"]).assign(r_squared=0.38))
    assert "Key drivers: association, not cause" == ax.get_title(loc="left")
    assert "in all 38 %" in ax.get_ylabel()


def test_the_means_are_lines_and_the_quadrants_are_named_in_their_corners():
    df = table(["staff", "price", "speed"])
    ax = key_drivers(df)
    down, across = ax.lines
    assert_allclose(df["performance"].mean(), down.get_xdata())
    assert_allclose(df["value"].mean(), across.get_ydata())
    corners = {words.get_text(): words.xy for words in ax.texts[:4]}
    expected = {"CONCENTRATE HERE": (0, 1), "KEEP UP": (1, 1), "LOW PRIORITY": (0, 0), "POSSIBLE OVERKILL": (1, 0)}
    assert expected == corners


@pytest.mark.parametrize(
    ("names", "seed"), [(LONG[:3], 0), (list("abcdefghij"), 1), (LONG[:8], 2), (LONG, 3), (LONG, 4)]
)
def test_names_do_not_run_into_each_other_and_stay_within_the_axes(names, seed):
    ax = key_drivers(table(names, seed))
    there = boxes(ax)
    assert not any(one.overlaps(other) for one, other in combinations(there, 2))
    paper = ax.get_window_extent().padded(1)
    assert all(paper.x0 <= box.x0 and box.x1 <= paper.x1 and paper.y0 <= box.y0 and box.y1 <= paper.y1 for box in there)


def test_names_hide_no_driver():
    ax = key_drivers(table(LONG[:8], seed=5))
    there = boxes(ax)
    dots = ax.transData.transform(ax.collections[0].get_offsets())
    assert not any(box.contains(*dot) for box in there for dot in dots)


def test_a_name_that_stands_apart_is_tied_to_its_driver():
    crowd = table(LONG).assign(performance=0.5, value=0.1 + 0.001 * np.arange(10), performance_cut=0.5)
    tied = [words.arrow_patch.get_visible() for words in key_drivers(crowd).texts[4:]]
    alone = [words.arrow_patch.get_visible() for words in key_drivers(table(["staff"])).texts[4:]]
    assert sum(tied) >= 5
    assert [False] == alone


def test_without_intervals_there_are_points_alone():
    ax = key_drivers(table(["staff", "price"]).assign(low=np.nan, high=np.nan))
    assert [] == ax.collections[1].get_segments()
    assert 2 == len(ax.collections[0].get_offsets())


def test_one_driver_and_one_that_explains_nothing_are_drawn():
    for df in (table(["staff"]), table(["staff"]).assign(value=0.0, low=0.0, high=0.0, r_squared=0.0)):
        ax = key_drivers(df)
        low, high = ax.get_ylim()
        assert low < df["value"][0] < high


def test_names_find_their_places_on_a_small_part_of_a_figure():
    _, (left, _) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    there = boxes(key_drivers(table(LONG[3:8]), ax=left))
    assert not any(one.overlaps(other) for one, other in combinations(there, 2))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_the_result_of_any_library_is_drawn(library):
    pytest.importorskip(library)
    columns = {"staff": np.array([1.0, 1, 3, 3, 2]), "price": np.array([3.0, 5, 3, 5, 3])}
    frame = leave(columns | {"score": columns["staff"] * 2 + columns["price"]}, like=library)
    ax = key_drivers(found_in(frame, drivers=["price", "staff"], interval=None))
    assert ["staff", "price"] == said(ax)[4:]


@pytest.mark.parametrize(
    ("frame", "error", "words"),
    [
        (table(["staff"]).drop(columns="low"), SchemaError, "no column 'low' for a picture of key drivers"),
        (table(["staff"]).drop(columns="driver"), SchemaError, "no column 'driver'"),
        (table(["staff"]).assign(value="much"), SchemaError, "wants numbers in every column"),
        (table(["staff"]).assign(performance=np.nan), SchemaError, "some are missing"),
        (table(["staff"]).head(0), DomainError, "wants one driver or more"),
    ],
)
def test_what_cannot_be_drawn_is_refused(frame, error, words):
    with pytest.raises(error, match=words):
        key_drivers(frame)
