import numpy as np
import pandas as pd
import pytest
from matplotlib import dates
from numpy.testing import assert_allclose

from custrel.errors import DomainError, SchemaError
from custrel.feedback.over_time.control_chart import control_chart
from custrel.feedback.over_time.smoothed import smoothed
from custrel.plots.feedback_trend import SIGNAL, feedback_trend

MONTHS = pd.date_range("2024-01-01", periods=24, freq="MS")
SHARES = pd.DataFrame(
    {
        "period": MONTHS,
        "value": [0.5, 0.6, 0.4, 0.9, *[0.47] * 9, *[0.6, 0.5, 0.4] * 3, 0.6, 0.5],
        "n": 100,
        "boxes": "4, 5",
    }
).assign(low=lambda df: df["value"] - 0.05, high=lambda df: df["value"] + 0.07)
CHART = control_chart(SHARES, over_dispersion=False)


def line(ax, number=0):
    """Heights of a line, and where."""
    return np.asarray(ax.lines[number].get_ydata(), dtype=float)


def diamonds(ax):
    """Heights of the filled and of the hollow diamonds."""
    found = [one for one in ax.lines if one.get_marker() == "D"]
    assert {SIGNAL} >= {one.get_color() for one in found}
    return {one.get_markerfacecolor() == "none": list(one.get_ydata()) for one in found}


def test_the_first_line_is_that_of_the_values():
    ax = feedback_trend(SHARES)
    assert_allclose(SHARES["value"], line(ax))
    assert "Share of answers, period by period" == ax.get_title(loc="left")


def test_intervals_are_bars():
    (bars,) = feedback_trend(SHARES).containers
    ends = [path.vertices[:, 1] for path in bars.lines[2][0].get_paths()]
    assert_allclose(SHARES[["low", "high"]], ends)
    assert not feedback_trend(SHARES.drop(columns="low")).containers


def test_limits_are_steps_as_wide_as_a_period():
    ax = feedback_trend(CHART)
    drawn = [np.asarray(one.get_ydata(), dtype=float) for one in ax.lines if one.get_linestyle() == "--"]
    assert {48} == {one.size for one in drawn}
    assert_allclose(CHART["lower"], drawn[0][::2])
    assert_allclose(CHART["upper"], drawn[1][1::2])
    assert ["centre", "limit", "limit"] == sorted(text.get_text() for text in ax.texts)


def test_signals_are_diamonds_filled_where_they_lie_outside():
    found = diamonds(feedback_trend(CHART))
    assert [0.9] == found[False]
    assert [0.47, 0.47] == found[True]
    assert "Share of answers: 3 of 24 periods are signals" == feedback_trend(CHART).get_title(loc="left")
    calm = control_chart(SHARES.head(3))
    assert {} == diamonds(feedback_trend(calm))
    assert "Share of answers: no signal in 3 periods" == feedback_trend(calm).get_title(loc="left")


@pytest.mark.parametrize("gap", ["no answers", "no row"])
def test_lines_break_where_periods_are_missing(gap):
    lacking = SHARES.assign(value=SHARES["value"].where(SHARES.index != 5), n=SHARES["n"].where(SHARES.index != 5, 0))
    lacking = lacking if gap == "no answers" else lacking.dropna()
    for frame in (lacking, control_chart(lacking)):
        drawn = line(feedback_trend(frame))
        assert [5] == np.flatnonzero(np.isnan(drawn)).tolist()
        assert 24 == drawn.size


def test_months_of_unlike_lengths_are_no_gaps():
    assert np.isfinite(line(feedback_trend(SHARES))).all()


def test_a_level_is_drawn_with_its_band_and_the_values_seen():
    levels = smoothed(SHARES)
    ax = feedback_trend(levels)
    assert_allclose(levels["value"], line(ax))
    assert_allclose(SHARES["value"], line(ax, 1))
    assert 1 == len(ax.collections)
    assert {"level", "observed"} == {text.get_text() for text in ax.texts}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"promoters": 0.5, "detractors": 0.1}, "Net Promoter Score, points"),
        ({"boxes": "5"}, "share of answers"),
        ({"measure": "mean"}, "mean, points"),
        ({"kind": "nps"}, "Net Promoter Score, points"),
        ({}, "value"),
    ],
)
def test_what_the_value_is_is_told_by_the_columns(columns, said):
    frame = SHARES[["period", "value"]].assign(**columns)
    assert said == feedback_trend(frame).get_ylabel()
    assert "ease, points" == feedback_trend(frame, of="ease, points").get_ylabel()


def test_shares_are_written_in_percent():
    ax = feedback_trend(SHARES)
    assert "60 %" == ax.yaxis.get_major_formatter()(0.6, 0)


def test_few_periods_are_marked_by_their_dates_and_many_as_there_is_room():
    ax = feedback_trend(SHARES.head(3))
    assert ["2024-01-01", "2024-02-01", "2024-03-01"] == [label.get_text() for label in ax.get_xticklabels()]
    assert isinstance(feedback_trend(SHARES).xaxis.get_major_formatter(), dates.ConciseDateFormatter)
    numbered = SHARES.assign(period=range(1, 25))
    ax = feedback_trend(numbered)
    assert all(float(tick).is_integer() for tick in ax.get_xticks())


def test_one_period_is_a_point():
    ax = feedback_trend(SHARES.head(1))
    assert [0.5] == line(ax).tolist()
    ax.figure.draw_without_rendering()


def test_a_chart_with_one_period_left_is_drawn():
    feedback_trend(CHART.head(1)).figure.draw_without_rendering()


def test_the_order_of_rows_does_not_matter():
    assert_allclose(line(feedback_trend(SHARES)), line(feedback_trend(SHARES[::-1])))


def test_iso_text_is_a_date():
    text = SHARES.assign(period=SHARES["period"].dt.strftime("%Y-%m-%d"))
    assert_allclose(line(feedback_trend(SHARES)), line(feedback_trend(text)))


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_a_frame_of_any_library_is_drawn(library):
    pytest.importorskip("pyarrow")
    table = pytest.importorskip("polars").from_pandas(SHARES)
    chart = control_chart(table if library == "polars" else table.to_arrow(), over_dispersion=False)
    assert diamonds(feedback_trend(CHART)) == diamonds(feedback_trend(chart))


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (SHARES.drop(columns="value"), SchemaError, "no column 'value' for a picture of a trend"),
        (SHARES.assign(value="much"), SchemaError, "a picture of a trend wants numbers"),
        (SHARES.assign(period="soon"), SchemaError, "column 'period' cannot be read"),
        (SHARES.head(0), DomainError, "wants a period with a value; none of 0 rows"),
        (SHARES.assign(value=np.nan), DomainError, "wants a period with a value; none of 24 rows"),
        (pd.concat([SHARES, SHARES]), DomainError, "draw the rows of one group at a time"),
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong, error, words):
    with pytest.raises(error, match=words):
        feedback_trend(wrong)
