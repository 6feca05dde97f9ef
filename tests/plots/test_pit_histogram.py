import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from custrel.errors import DomainError, SchemaError
from custrel.frames import leave
from custrel.plots.pit_histogram import pit_histogram

BINS = pd.DataFrame(
    {
        "above": [0.0, 0.25, 0.5, 0.75],
        "upto": [0.25, 0.5, 0.75, 1.0],
        "share": [0.31, 0.24, 0.25, 0.20],
        "low": [0.24, 0.23, 0.22, 0.21],
        "high": [0.26, 0.27, 0.28, 0.29],
    }
)


def bars(ax):
    (container,) = ax.containers
    return [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in container]


def test_bars_are_the_shares_over_their_bins():
    ax = pit_histogram(BINS)
    assert_allclose([(0.0, 0.25, 0.31), (0.25, 0.25, 0.24), (0.5, 0.25, 0.25), (0.75, 0.25, 0.2)], bars(ax))
    assert (0, 1) == ax.get_xlim()
    assert 0 == ax.get_ylim()[0]


def test_the_title_says_how_many_bars_lie_outside_the_band():
    assert "2 of 4 bars lie outside the band of a law that is right" == pit_histogram(BINS).get_title(loc="left")
    level = BINS.assign(share=0.25)
    assert "0 of 4 bars lie outside the band of a law that is right" == pit_histogram(level).get_title(loc="left")


def test_the_band_has_a_step_for_each_bin():
    (band,) = pit_histogram(BINS).collections
    edges = band.get_paths()[0].vertices
    for row in BINS.to_dict("records"):
        middle = edges[(edges[:, 0] >= row["above"]) & (edges[:, 0] <= row["upto"]), 1]
        assert {row["low"], row["high"]} <= set(middle)


def test_shares_are_percentages():
    ax = pit_histogram(BINS)
    ax.figure.draw_without_rendering()
    assert "10 %" in [label.get_text() for label in ax.get_yticklabels()]


def test_the_order_of_rows_does_not_matter():
    assert bars(pit_histogram(BINS)) == bars(pit_histogram(BINS.iloc[[2, 0, 3, 1]]))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_frame_of_any_library_is_drawn(library):
    pytest.importorskip(library)
    assert bars(pit_histogram(BINS)) == bars(pit_histogram(leave({n: BINS[n].to_numpy() for n in BINS}, like=library)))


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        (BINS.drop(columns="share"), SchemaError, "no column 'share' for a PIT histogram"),
        (BINS.assign(share="much"), SchemaError, "wants numbers in every column"),
        (BINS.assign(low=np.nan), SchemaError, "a number in every column and row; some are missing"),
        (BINS.head(0), DomainError, "one bin or more; this frame has no rows"),
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong, error, said):
    with pytest.raises(error, match=said):
        pit_histogram(wrong)
