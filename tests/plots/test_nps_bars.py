import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from custrel import feedback
from custrel.errors import DomainError, SchemaError
from custrel.plots.nps_bars import nps_bars

ANSWERS = pd.DataFrame(
    {"region": ["north"] * 4 + ["south"] * 2 + ["west"], "score": [10, 9, 7, 0, 3, 10, np.nan]},
)
REGIONS = feedback.nps(ANSWERS, by="region")


def widths(ax):
    """Widths of the bars, a row for each share."""
    return np.array([[bar.get_width() for bar in bars] for bars in ax.containers])


def names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def scores(ax):
    (beside,) = ax.child_axes
    return beside


def test_bars_are_the_shares_from_detractors_to_promoters():
    ax = nps_bars(REGIONS)
    assert_allclose(np.transpose([[0.25, 0.25, 0.5], [0.5, 0, 0.5], [0, 0, 0]]), widths(ax))
    assert ["detractors", "passives", "promoters"] == [text.get_text() for text in ax.get_legend().get_texts()]
    assert ["north\nn = 4", "south\nn = 2", "west\nn = 0"] == names(ax)
    assert "region" == ax.get_ylabel()


def test_shares_bear_their_percentages_where_there_is_room():
    thin = REGIONS.head(1).assign(detractors=0.04, passives=0.06, promoters=0.9)
    assert ["", "", "90 %"] == [
        text.get_text() for text in nps_bars(thin).texts if "%" in text.get_text() or not text.get_text()
    ]


def test_scores_stand_beside_with_their_intervals():
    beside = scores(nps_bars(REGIONS))
    assert_allclose([25, 0, np.nan], beside.containers[0].lines[0].get_xdata())
    (bar,) = beside.containers[0].lines[2]
    ends = [path.vertices[:, 0] for path in bar.get_paths()]
    assert_allclose(REGIONS.loc[0, ["low", "high"]].astype(float), ends[0])
    assert ["+25", "0"] == [text.get_text() for text in beside.texts]


def test_a_score_below_0_has_a_minus_sign():
    low = feedback.nps(pd.DataFrame({"score": [0, 0, 10]}))
    assert ["\N{MINUS SIGN}33"] == [text.get_text() for text in scores(nps_bars(low)).texts]


def test_who_did_not_answer_has_words_instead_of_a_bar():
    assert 1 == [text.get_text() for text in nps_bars(REGIONS).texts].count("no answers")


def test_totals_are_named_all():
    ax = nps_bars(feedback.nps(ANSWERS, by="region", totals=True))
    assert "all\nn = 6" == names(ax)[-1]
    assert ["all\nn = 6"] == names(nps_bars(feedback.nps(ANSWERS)))


def test_groups_of_several_columns_and_days_are_said_plainly():
    day = pd.DataFrame({"occurred_at": pd.to_datetime(["2024-01-05"]), "region": ["north"], "score": [9]})
    months = feedback.nps(day, by="region", every="month")
    assert ["north, 2024-01-01\nn = 1"] == names(nps_bars(months))
    assert ["2024-01-01\nn = 1"] == names(nps_bars(months, by="period"))
    assert ["missing\nn = 1"] == names(nps_bars(months.assign(region=None), by=["region"]))


@pytest.mark.parametrize(
    "name", ["a shop whose name would run far beyond the edge of the paper, and then some", "x" * 90]
)
def test_long_names_are_broken_and_cut(name):
    ax = nps_bars(REGIONS.head(1).assign(region=name))
    *lines, n = names(ax)[0].split("\n")
    assert "n = 4" == n
    assert len(lines) <= 2
    assert max(map(len, lines)) <= 26


@pytest.mark.parametrize("groups", [1, 4, 12])
def test_all_words_stay_on_the_paper(groups):
    many = pd.concat([REGIONS.head(1)] * groups).assign(
        region=[f"a shop in a long street, number {i}" for i in range(groups)]
    )
    ax = nps_bars(many)
    ax.figure.draw_without_rendering()
    paper = ax.figure.bbox.padded(1)
    for axes in (ax, scores(ax)):
        for text in [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label]:
            box = text.get_window_extent()
            if text.get_text() and text.get_visible() and box.width:
                assert paper.x0 <= box.x0
                assert box.x1 <= paper.x1
                assert paper.y0 <= box.y0


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_a_frame_of_any_library_is_drawn(library):
    pytest.importorskip("pyarrow")
    table = pytest.importorskip("polars").from_pandas(REGIONS)
    assert_allclose(widths(nps_bars(REGIONS)), widths(nps_bars(table if library == "polars" else table.to_arrow())))


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"frame": REGIONS.drop(columns="passives")}, SchemaError, "no column 'passives' for a picture of NPS"),
        ({"by": "shop"}, SchemaError, "no column 'shop' for a picture of NPS"),
        ({"frame": REGIONS.assign(value="much")}, SchemaError, "a picture of NPS wants numbers"),
        ({"frame": REGIONS.head(0)}, DomainError, "wants a group with answers; none of 0 rows"),
        ({"frame": REGIONS.tail(1)}, DomainError, "wants a group with answers; none of 1 rows"),
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong, error, words):
    with pytest.raises(error, match=words):
        nps_bars(**({"frame": REGIONS} | wrong))
