"""Moments as whole numbers of grains, alike in every engine."""

from datetime import datetime

import narwhals.stable.v2 as nw
import pytest

from custrel.frames import collect, enter
from custrel.moments import GRAINS, grains, period_of

MOMENTS = [
    datetime(2024, 3, 31, 2, 30, 0, 123456),
    datetime(2024, 10, 27, 2, 30, 0, 1),
    datetime(1997, 1, 1),
    datetime(1969, 12, 31, 23, 59, 59, 999999),
    datetime(1890, 1, 1, 0, 0, 7, 250000),
]


@pytest.mark.parametrize("grain", GRAINS)
def test_every_library_finds_the_same_grain(frame_of, grain):
    if frame_of.name == "pyspark" and grain not in {"microsecond", "day"}:
        pytest.skip("a second for each question")
    frame, _ = enter(frame_of({"row": list(range(5)), "at": MOMENTS}))
    library = frame.implementation.value
    found = collect(frame.select("row", period=period_of("at", grain, library).cast(nw.Int64)), sort=["row"])["period"]
    assert [grains(moment, grain) for moment in MOMENTS] == found.tolist()
