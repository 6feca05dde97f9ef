"""Lengths of time as callers write them."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from custrel.errors import DomainError
from custrel.spans import span_in_microseconds

DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("expected", "span"),
    [
        (2 * DAY, "2D"),
        (2 * DAY, "48h"),
        (2 * DAY, "48 H"),
        (DAY // 2, "0.5d"),
        (7 * DAY, "1w"),
        (20_000_000, "20s"),
        (5_400_000_000, "90min"),
        (365.25 * DAY, "1Y"),
        (365.25 * DAY, "12M"),
        (DAY, timedelta(days=1)),
        (DAY, pd.Timedelta("1D")),
        (DAY, np.timedelta64(24, "h")),
    ],
)
def test_a_span_has_one_length_however_it_is_written(expected, span):
    assert expected == span_in_microseconds(span, name="within")


@pytest.mark.parametrize(
    "span",
    [
        "",
        "D",
        "2",
        "2 days ago",
        "-2D",
        "0D",
        "2m",
        "nanD",
        2,
        None,
        timedelta(0),
        np.timedelta64("NaT"),
        "9" * 20 + "Y",
    ],
)
def test_what_is_no_span_is_refused_by_the_name_the_caller_gave_it(span):
    with pytest.raises(DomainError, match="^within must be a span such as '48h' or '7D'"):
        span_in_microseconds(span, name="within")
