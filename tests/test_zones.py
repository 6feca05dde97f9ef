"""Times with a zone come to stand on the log's clock, whatever the zone is called."""

import pandas as pd
import pytest

from custrel import Interactions

HERE, IN_UTC = (
    pd.Timestamp("2024-03-01 21:00"),
    {"America/New_York": "2024-03-02 02:00", "Etc/GMT+5": "2024-03-02 02:00"},
)


@pytest.mark.parametrize("zone", IN_UTC)
@pytest.mark.parametrize("native", [lambda df: df, lambda df: pytest.importorskip("polars").from_pandas(df)])
def test_a_zone_with_more_than_letters_in_its_name_is_known(zone, native):
    df = pd.DataFrame({"customer_id": [1], "amount": [1.0], "occurred_at": pd.DatetimeIndex([HERE]).tz_localize(zone)})
    for tz, expected in ((zone, HERE), ("UTC", pd.Timestamp(IN_UTC[zone]))):
        log = Interactions.from_frame(native(df), kind="purchase", tz=tz)
        assert expected == pd.Timestamp(log.to_frame()["occurred_at"][0])
