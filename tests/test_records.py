"""What one row promises, tested for every kind at once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from custrel import records
from custrel.records import (
    INTERACTIONS,
    KINDS,
    Case,
    Complaint,
    Customer,
    Interaction,
    NotAfter,
    Occurrence,
    Purchase,
    Record,
    Referral,
    Refund,
    Review,
    Subscription,
    SupportContact,
    SurveyResponse,
    Within,
)

MODELS = [Customer, *KINDS.values()]
ROW = {"customer_id": "c1", "occurred_at": datetime(2024, 1, 1, tzinfo=UTC)}
OWN = {  # what a kind needs beyond who and when
    Purchase: {"amount": 1},
    Refund: {"amount": 1},
    Case: {"case_id": "k1"},
    SurveyResponse: {"survey_kind": "nps"},
    Review: {"rating": 4},
    Subscription: {"event": "started"},
}
NOON = datetime(2024, 7, 1, 12)
NAIVE = [NOON, "2024-07-01T12:00", "2024-07-01 12:00:00", date(2024, 7, 1), "2024-07-01"]
PARIS = ZoneInfo("Europe/Paris")

each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
patient = partial(settings, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def row_of(model: type[Record], **changes: Any) -> Any:
    return model(**({"customer_id": "c1"} if model is Customer else ROW | OWN.get(model, {})) | changes)


def refusal(model: type[Record] = Purchase, **changes: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        row_of(model, **changes)
    return str(refused.value)


# -- Rows from the types of their fields ---------------------------------------------------------------------

finite = st.floats(allow_nan=False, allow_infinity=False)
anything_json = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
VALUES = [
    (records.Text, st.text(min_size=1)),
    (records.Id, st.text(min_size=1) | st.integers()),
    # Local mean time, before 1980 in places, has seconds in its offset; ISO 8601 has no place for them.
    (records.Moment, st.datetimes(min_value=NOON.replace(year=1980), timezones=st.timezones())),
    (records.Money, st.decimals(min_value=0, allow_nan=False, allow_infinity=False)),
    (records.Currency, st.from_regex(r"[A-Z]{3}", fullmatch=True)),
    (records.Number, finite),
    (records.Positive, st.floats(min_value=0, exclude_min=True, allow_infinity=False)),
    (records.Seconds, st.floats(min_value=0, allow_infinity=False)),
    (records.Count, st.integers(min_value=0)),
    (records.Scale, st.lists(finite, min_size=2, max_size=2, unique=True).map(sorted).map(tuple)),
    (dict[str, JsonValue], st.dictionaries(st.text(), anything_json, max_size=3)),
    (dict[records.Text, bool], st.dictionaries(st.text(min_size=1), st.booleans(), max_size=3)),
    (bool, st.booleans()),
    (NoneType, st.none()),
]


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    known = [values for type_, values in VALUES if type_ == hint]
    if known:
        return known[0]
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    return st.one_of([values_of(part) for part in get_args(hint)])


def promising(model: type[Record], row: dict[str, Any]) -> dict[str, Any]:
    """A row bent until it keeps its promises."""
    for promise in model.promises:
        first, second = (row.get(name) for name in vars(promise).values())
        if first is None or second is None:
            continue
        if isinstance(promise, NotAfter) and first.timestamp() > second.timestamp():
            row[promise.later] = first
        if isinstance(promise, Within):
            row[promise.value] = min(max(first, second[0]), second[1])
    return row


def rows(model: type[Record]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(model, include_extras=True)
    fields = {name: values_of(hints[name]) for name in model.model_fields}
    needed = {name: fields.pop(name) for name, field in model.model_fields.items() if field.is_required()}
    return st.fixed_dictionaries(needed, optional=fields).map(lambda row: model(**promising(model, row)))


# -- Every record --------------------------------------------------------------------------------------------


@each_model
@patient(max_examples=40)
@given(data=st.data())
def test_a_row_survives_json_or_a_dictionary(model, data):
    row = data.draw(rows(model))
    assert row == model.model_validate_json(row.model_dump_json())
    assert row == model.model_validate(row.model_dump())


@patient(max_examples=40)
@given(st.lists(st.one_of([rows(model) for model in KINDS.values()]), max_size=4))
def test_many_rows_of_many_kinds_survive_json_together(many):
    assert many == INTERACTIONS.validate_json(INTERACTIONS.dump_json(many))


@each_model
def test_every_field_says_what_it_is(model):
    assert [] == [name for name, field in model.model_fields.items() if not field.description]
    assert [] == [name for name, field in model.model_json_schema()["properties"].items() if not field["description"]]


@each_model
def test_every_class_and_its_schema_begin_with_one_sentence(model):
    sentence = model.__doc__.partition("\n")[0]
    assert sentence.endswith(".")
    assert sentence == model.model_json_schema()["description"]


@each_model
def test_a_row_can_not_be_changed(model):
    with pytest.raises(ValidationError, match="frozen"):
        row_of(model).customer_id = "c2"


@each_model
def test_a_field_nobody_promised_is_refused_by_name(model):
    assert "customer_name\n  Extra inputs are not permitted" in refusal(model, customer_name="Ana")


@each_model
def test_promises_name_fields_there_are(model):
    names = [name for promise in model.promises for name in vars(promise).values()]
    assert set() == set(names) - model.model_fields.keys()


@each_model
def test_moments_are_the_fields_that_hold_a_time(model):
    hints = get_type_hints(model, include_extras=True)
    wanted = {name for name in model.model_fields if hints[name] in (records.Moment, records.Moment | None)}
    assert wanted == model.moments


def test_rows_do_not_share_their_attributes():
    assert row_of(Purchase).attributes is not row_of(Purchase).attributes


# -- The kinds as one type -----------------------------------------------------------------------------------


def test_kinds_are_known_by_name():
    subclasses = {
        model for model in vars(records).values() if isinstance(model, type) and issubclass(model, Occurrence)
    }
    assert subclasses - {Occurrence} == set(KINDS.values())
    assert [row_of(model).kind for model in KINDS.values()] == list(KINDS)


def test_the_schema_of_the_union_tells_kinds_apart():
    schema = TypeAdapter(Interaction).json_schema()
    assert "kind" == schema["discriminator"]["propertyName"]
    assert set(KINDS) == set(schema["discriminator"]["mapping"])
    assert len(KINDS) == len(schema["oneOf"])


def test_an_application_holds_interactions_in_its_own_models():
    class Visit(BaseModel):
        rows: list[Interaction]

    visit = Visit.model_validate({"rows": [{"kind": "refund", **ROW, "amount": 2}, row_of(Review)]})
    assert [Refund, Review] == [type(row) for row in visit.rows]


def test_an_unknown_kind_is_refused_with_the_kinds_there_are():
    with pytest.raises(ValidationError, match=r"'gift'.*'purchase', 'refund'"):
        INTERACTIONS.validate_python([{"kind": "gift", **ROW}])


# -- Who -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [7, "7", "c1", 0, 2**70, " "])
@each_model
def test_an_id_keeps_its_type(model, name):
    kept = row_of(model, customer_id=name).customer_id
    assert (name, type(name)) == (kept, type(kept))


@pytest.mark.parametrize("name", [True, "", None, 7.0, b"c1"], ids=repr)
@each_model
def test_what_is_no_id_is_refused_with_field_and_value(model, name):
    message = refusal(model, customer_id=name)
    assert "customer_id" in message
    assert f"input_value={name!r}" in message


def test_the_referred_customer_has_an_id_too():
    assert 8 == row_of(Referral, referred_customer_id=8).referred_customer_id
    assert "referred_customer_id" in refusal(Referral, referred_customer_id=False)


@pytest.mark.parametrize("field", ["interaction_id", "channel", "product", "order_id"])
def test_an_empty_text_is_not_a_way_to_say_unknown(field):
    assert f"{field}\n  String should have at least 1 character" in refusal(**{field: ""})
    assert getattr(row_of(Purchase, **{field: None}), field) is None


# -- When ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", NAIVE, ids=repr)
def test_a_time_without_a_zone_is_refused_with_advice(when):
    message = refusal(occurred_at=when)
    assert "occurred_at\n  This time has no time zone: give it an offset" in message
    assert "tz='Europe/Paris'" in message
    assert "2024" in message.partition("input_value=")[2]


@pytest.mark.parametrize("when", NAIVE, ids=repr)
def test_tz_places_a_time_without_a_zone(when):
    hour = 0 if len(str(when)) == len("2024-07-01") else 12
    assert (
        f"2024-07-01T{hour:02}:00:00+02:00"
        == row_of(Purchase, occurred_at=when, tz="Europe/Paris").occurred_at.isoformat()
    )


@pytest.mark.parametrize("when", NAIVE, ids=repr)
def test_tz_may_be_said_once_for_many_rows(when):
    told = {"kind": "purchase", "customer_id": "c1", "occurred_at": when, "amount": 1}
    (row,) = INTERACTIONS.validate_python([told], context={"tz": "Europe/Paris"})
    assert row == Purchase.model_validate(told | {"tz": "Europe/Paris"})


@each_model
def test_tz_places_every_time_of_a_row_and_is_not_kept(model):
    row = row_of(model, **dict.fromkeys(model.moments, "2024-07-01"), tz="Europe/Paris")
    assert {"2024-07-01T00:00:00+02:00"} == {getattr(row, name).isoformat() for name in model.moments}
    assert not hasattr(row, "tz")
    assert "tz" not in row.model_dump()


def test_a_time_with_an_offset_is_left_where_it_is():
    for when in ("2024-07-01T12:00:00+05:30", datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Asia/Kolkata"))):
        row = Purchase.model_validate(
            {**ROW, "amount": 1, "occurred_at": when, "tz": "Europe/Paris"}, context={"tz": "UTC"}
        )
        assert "2024-07-01T12:00:00+05:30" == row.occurred_at.isoformat()


def test_the_zone_said_beside_a_row_goes_before_the_zone_said_for_all():
    told = {"customer_id": "c1", "occurred_at": "2024-07-01", "amount": 1, "tz": "Asia/Kolkata"}
    row = Purchase.model_validate(told, context={"tz": "Europe/Paris"})
    assert timedelta(hours=5.5) == row.occurred_at.utcoffset()


@pytest.mark.parametrize("context", [None, {}, {"tz": None}, {"other": 1}, "UTC", ...], ids=repr)
def test_a_context_that_names_no_zone_places_nothing(context):
    with pytest.raises(ValidationError, match="no time zone"):
        Purchase.model_validate({**ROW, "amount": 1, "occurred_at": "2024-07-01"}, context=context)


@pytest.mark.parametrize("tz", ["Mars/Olympus", "Europe", "", "../etc", 5], ids=repr)
def test_an_unknown_zone_is_refused_by_name(tz):
    assert f"tz={tz!r} is not a known time zone: give an IANA name" in refusal(tz=tz)
    with pytest.raises(ValidationError, match="is not a known time zone"):
        Purchase.model_validate({**ROW, "amount": 1, "occurred_at": "2024-07-01"}, context={"tz": tz})


GUESSES = [19970101, "19970101", 852076800.0, "852076800", "8.5e8", Decimal(19970101), b"19970101", True]
GUESSES += ["03/04/2024", "3 April 2024", "2024-04", "2024-13-45", "2024-04-03-05:00", "now", "", None]


@pytest.mark.parametrize("tz", [None, "UTC"])
@pytest.mark.parametrize("when", GUESSES, ids=repr)
def test_a_time_is_not_guessed_from_numbers_or_other_text(when, tz):
    message = refusal(occurred_at=when, tz=tz)
    assert "occurred_at\n  Expected a datetime or ISO 8601 text" in message
    assert f"input_value={when!r}" in message


@pytest.mark.parametrize("tz", [None, "UTC"])
def test_the_missing_time_of_pandas_is_refused_not_stored(tz):
    pandas = pytest.importorskip("pandas")
    assert "service_end" in refusal(service_end=pandas.NaT, tz=tz)


def test_pandas_timestamps_are_times():
    pandas = pytest.importorskip("pandas")
    row = row_of(Purchase, occurred_at=pandas.Timestamp("2024-07-01 12:00"), tz="Europe/Paris")
    assert datetime(2024, 7, 1, 10, tzinfo=UTC) == row.occurred_at


def test_promises_hold_in_the_hour_that_clocks_show_twice():
    before, after = (
        datetime(2024, 10, 27, 2, 50, tzinfo=PARIS),
        datetime(2024, 10, 27, 2, 10, fold=1, tzinfo=PARIS),
    )
    row = row_of(Case, occurred_at=before, solved_at=after)
    assert timedelta(minutes=20) == row.solved_at - row.occurred_at
    assert "lies after" in refusal(Case, occurred_at=after, solved_at=before)


# -- How much ------------------------------------------------------------------------------------------------

MONEY = [(Purchase, "amount"), (Purchase, "discount"), (Refund, "amount"), (Complaint, "compensation")]
MONEY += [
    (Referral, "reward"),
    (records.MarketingTouch, "cost"),
    (Subscription, "amount"),
    (Customer, "acquisition_cost"),
]


@pytest.mark.parametrize(("model", "field"), MONEY)
@pytest.mark.parametrize(
    "amount", [-0.01, "-1", "NaN", float("nan"), float("inf"), "-Infinity", Decimal("sNaN"), "ten"]
)
def test_impossible_money_is_refused_with_field_and_value(model, field, amount):
    message = refusal(model, **{field: amount})
    assert field in message
    assert f"input_value={amount!r}" in message


def test_money_is_decimal_to_the_cent_it_was_written_with():
    assert Decimal("0.10") == row_of(Purchase, amount="0.10").amount
    assert "0.1" == str(row_of(Purchase, amount=0.1).amount)
    assert 0 == row_of(Purchase, amount=0).amount


@pytest.mark.parametrize("currency", ["usd", "US", "EURO", "€", "USD\n", ""])
def test_a_currency_is_three_capital_letters(currency):
    assert "currency" in refusal(currency=currency)


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        (Purchase, "quantity", 0),
        (SurveyResponse, "weight", 0),
        (SurveyResponse, "score", float("nan")),
        (Review, "rating", float("inf")),
        (SupportContact, "wait_seconds", -1),
        (SupportContact, "talk_seconds", float("inf")),
        (Case, "reopened_count", -1),
        (Purchase, "attributes", {"size": float("nan")}),
        (SurveyResponse, "survey_kind", "mood"),
        (Subscription, "event", "forgotten"),
        (SupportContact, "direction", "sideways"),
    ],
)
def test_an_impossible_value_is_refused_with_field_and_value(model, field, value):
    message = refusal(model, **{field: value})
    assert field in message
    assert str(value if field != "attributes" else float("nan")) in message


# -- What fields promise each other --------------------------------------------------------------------------

ORDERED = [(model, promise) for model in MODELS for promise in model.promises if isinstance(promise, NotAfter)]


@pytest.mark.parametrize(("model", "promise"), ORDERED)
def test_what_begins_does_not_end_before(model, promise):
    early, late = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 1, tzinfo=UTC)
    row_of(model, **{promise.earlier: early, promise.later: late})
    row_of(model, **{promise.earlier: early, promise.later: early})
    row_of(model, **{promise.later: late} | ({} if promise.earlier == "occurred_at" else {promise.earlier: None}))
    expected = f"{promise.earlier} ({late.isoformat()}) lies after {promise.later} ({early.isoformat()})"
    assert expected in refusal(model, **{promise.earlier: late, promise.later: early})


@pytest.mark.parametrize(("model", "field"), [(SurveyResponse, "score"), (Review, "rating")])
def test_a_score_lies_within_its_scale(model, field):
    for score in (1, 3.5, 5):
        assert score == getattr(row_of(model, **{field: score}, scale=(1, 5)), field)
    for score in (0.999, 5.0000001, -3):
        assert f"{field} ({float(score)}) lies outside scale (1.0 to 5.0)" in refusal(
            model, **{field: score}, scale=(1, 5)
        )


def test_a_score_without_a_scale_is_taken_at_its_word():
    assert 42 == row_of(SurveyResponse, score=42).score
    assert row_of(SurveyResponse, scale=(0, 10)).score is None


@pytest.mark.parametrize("scale", [(5, 1), (3, 3)])
@pytest.mark.parametrize("model", [SurveyResponse, Review])
def test_a_scale_rises(model, scale):
    assert f"{float(scale[0])} is not below {float(scale[1])}" in refusal(model, scale=scale)


def test_every_broken_promise_is_named():
    message = refusal(Case, first_reply_at="2023-01-01T00:00Z", closed_at="2022-01-01T00:00Z")
    assert "lies after first_reply_at (2023-01-01T00:00:00+00:00)" in message
    assert "lies after closed_at (2022-01-01T00:00:00+00:00)" in message


def test_reasons_have_names_to_count_them_by():
    told = [
        {"kind": "purchase", **ROW, "amount": 1, "occurred_at": "2024-01-01"},
        {"kind": "purchase", **ROW, "amount": 1, "occurred_at": 1},
        {"kind": "survey_response", **ROW, "survey_kind": "nps", "score": 11, "scale": (0, 10)},
    ]
    with pytest.raises(ValidationError) as refused:
        INTERACTIONS.validate_python(told)
    assert ["naive_time", "not_a_time", "broken_promise"] == [error["type"] for error in refused.value.errors()]
