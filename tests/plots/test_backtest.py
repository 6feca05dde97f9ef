from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import dates
from matplotlib import pyplot as plt
from matplotlib.text import Text
from numpy.testing import assert_allclose

from custrel.errors import DomainError, SchemaError
from custrel.frames import leave
from custrel.plots.backtest import MEASURES, backtest, spread
from custrel.plots.canvas import QUIET

CUTOFFS = pd.to_datetime(["1997-06-30", "1997-09-30"])
TABLE = pd.DataFrame(
    {
        "cutoff": CUTOFFS.repeat(4),
        "law": ["NBD", "BGNBD", "GGompertzNBD", "MeanOfAll"] * 2,
        "baseline": [False, False, False, True] * 2,
        "crps": [0.26, 0.23, np.nan, 0.6, 0.24, 0.21, 0.22, 0.5],
        "total_error": [0.6, -0.1, np.nan, 0.5, 0.5, -0.2, 0.1, 0.4],
        "log_score": [-0.6, -0.5, np.nan, np.nan, -0.7, -0.6, np.nan, np.nan],
    }
)


def lines(ax):
    """Height of each law's line by the name beside it."""
    names = [text.get_text() for text in ax.texts]
    return dict(zip(names, [np.asarray(line.get_ydata()) for line in ax.lines], strict=False))


def test_each_law_has_a_line_with_its_name_beside_it():
    drawn = lines(backtest(TABLE))
    assert ["NBD", "BGNBD", "GGompertzNBD", "MeanOfAll"] == list(drawn)
    assert_allclose([0.26, 0.24], drawn["NBD"])
    assert_allclose([np.nan, 0.22], drawn["GGompertzNBD"])
    assert_allclose([0.6, 0.5], drawn["MeanOfAll"])


def test_baselines_are_grey_and_laws_have_a_colour_each():
    ax = backtest(TABLE)
    colours = [line.get_color() for line in ax.lines]
    assert QUIET == colours[3]
    assert 3 == len({*colours[:3]} - {QUIET})
    assert colours == [text.get_color() for text in ax.texts]


def test_more_laws_than_colours_differ_in_their_markers():
    many = pd.DataFrame(
        {"cutoff": CUTOFFS[0], "law": [f"law {i}" for i in range(15)], "baseline": False, "crps": 1.0 + np.arange(15)}
    )
    looks = [(line.get_color(), line.get_marker()) for line in backtest(many).lines]
    assert 15 == len(set(looks))


def test_who_has_no_value_is_named_below():
    assert "cutoff\nwithout a value: GGompertzNBD at 1 of 2" == backtest(TABLE).get_xlabel()
    ax = backtest(TABLE, measure="log_score")
    assert "cutoff\nwithout a value: GGompertzNBD, MeanOfAll" == ax.get_xlabel()
    assert ["NBD", "BGNBD"] == [text.get_text() for text in ax.texts]
    assert "cutoff" == backtest(TABLE.dropna(subset="crps").iloc[:3]).get_xlabel()


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_says_what_it_is(measure):
    ax = backtest(TABLE.rename(columns={"crps": "given"}).assign(**{measure: TABLE["crps"]}), measure=measure)
    assert MEASURES[measure] == (ax.get_title(loc="left"), ax.get_ylabel())
    zero = [line for line in ax.lines if list(line.get_ydata()) == [0, 0]]
    assert (measure in {"total_error", "bias"}) == bool(zero)


def test_few_cutoffs_are_marked_by_their_dates():
    ax = backtest(TABLE)
    ax.figure.draw_without_rendering()
    assert ["30 Jun\n1997", "30 Sep\n1997"] == [label.get_text() for label in ax.get_xticklabels()]
    months = pd.date_range("1997-01-31", periods=12, freq="MS")
    ax = backtest(pd.DataFrame({"cutoff": months, "law": "NBD", "baseline": False, "crps": 1.0}))
    assert isinstance(ax.xaxis.get_major_formatter(), dates.ConciseDateFormatter)


def test_one_cutoff_is_a_column_of_points():
    ax = backtest(TABLE[TABLE["cutoff"] == CUTOFFS[1]])
    assert all(1 == line.get_xdata().size and line.get_marker() != "None" for line in ax.lines)


def test_the_order_of_rows_does_not_matter():
    one, other = lines(backtest(TABLE)), lines(backtest(TABLE[::-1]))
    for law, values in one.items():
        assert_allclose(values, other[law])


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_frame_of_any_library_is_drawn(library):
    pytest.importorskip(library)
    columns = {name: TABLE[name].to_numpy() for name in TABLE}
    columns["cutoff"] = columns["cutoff"].astype("M8[us]")
    columns["law"] = columns["law"].astype(object)
    assert_allclose([0.23, 0.21], lines(backtest(leave(columns, like=library)))["BGNBD"])


@settings(deadline=None, derandomize=True, database=None, max_examples=60)
@given(heights=st.lists(st.floats(0, 1), min_size=1, max_size=9), gap=st.floats(0.01, 0.1))
def test_names_keep_their_order_and_their_distance(heights, gap):
    heights = np.array(heights)
    places = spread(heights, gap)
    order = np.argsort(heights, kind="stable")
    assert np.all(np.diff(places[order]) >= gap - 1e-12)
    assert places.min() >= -1e-12
    assert places.max() <= 1 + 1e-12
    if np.all(np.diff(heights[order]) >= gap):
        assert_allclose(heights, places, atol=1e-12)


@pytest.mark.parametrize("height", [2.5, 4.2, 8.0])
def test_names_do_not_run_into_each_other(height):
    _, ax = plt.subplots(figsize=(7, height), layout="constrained")
    backtest(TABLE.assign(crps=[0.3, 0.301, 0.302, 0.9] * 2), ax=ax)
    ax.figure.draw_without_rendering()
    boxes = sorted((Text.get_window_extent(text) for text in ax.texts), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 for low, high in pairwise(boxes))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"measure": "mae"}, "measure must be one of 'total_error'"),
        ({"frame": TABLE.assign(crps=np.nan)}, "no row of this backtest has a finite 'crps'"),
        ({"frame": TABLE.head(0)}, "wants rows with a cutoff each"),
        ({"frame": TABLE.assign(cutoff=pd.NaT)}, "wants rows with a cutoff each; 8 have none"),
        ({"frame": pd.concat([TABLE, TABLE])}, "a law stands at one cutoff twice"),
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong, words):
    with pytest.raises(DomainError, match=words):
        backtest(**({"frame": TABLE} | wrong))


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (TABLE.drop(columns="law"), "no column 'law' for a picture of a backtest"),
        (TABLE.assign(crps="much"), "dates in 'cutoff' and numbers in 'crps'"),
        (TABLE.assign(cutoff="soon"), "dates in 'cutoff' and numbers in 'crps'"),
    ],
)
def test_columns_that_lack_or_hold_something_else_are_refused(frame, words):
    with pytest.raises(SchemaError, match=words):
        backtest(frame)
