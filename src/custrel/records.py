"""What one row promises.

A customer is known by what happened between them and a business: a purchase, a call, an answer to a survey.
Each such happening is one row of one *kind*, and each kind is a class below. A row that exists has kept its
promises:

* *Who and when are known.* The customer keeps the id they came with, text or whole number.
* *A time is an instant.* It carries an offset from UTC, or the caller says with ``tz=`` in which zone its
  clock hung. Numbers and ``03/04/2024`` are refused: ``19970101`` may be a day, or a count of seconds.
* *Money is a finite decimal of at least 0.* What is given back is a `Refund`, not a purchase below zero.
* *Unknown is None*: not 0, not an empty text.
* *Nothing ends before it begins*, and a score lies within its scale.

The promises are data. Those about one field stand in its type, those between two in ``promises``, so that
`custrel.Interactions` derives the checks of whole columns from the same lines that check a row here.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timezone, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, TypeAlias, get_args
from zoneinfo import ZoneInfo

from annotated_types import Ge, Gt, Lt, MinLen
from pydantic import (
    AfterValidator,
    AllowInfNan,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    Strict,
    StringConstraints,
    TypeAdapter,
    ValidationInfo,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue

__all__ = [
    "INTERACTIONS",
    "KINDS",
    "Case",
    "Complaint",
    "Customer",
    "Interaction",
    "MarketingTouch",
    "NotAfter",
    "Occurrence",
    "Purchase",
    "Record",
    "Referral",
    "Refund",
    "Review",
    "SelfService",
    "Subscription",
    "SupportContact",
    "SurveyResponse",
    "Within",
]

# -- Times: read, placed in a zone, held to their offset -----------------------------------------------------

_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?")


def _read(value: object) -> object:
    """Calendar days and ISO 8601 text as datetimes, anything else as it came."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time.min)
    if isinstance(value, str) and _ISO.fullmatch(value):
        with suppress(ValueError):
            return datetime.fromisoformat(value)
    return value


def _placed(value: object, zone: tzinfo | None) -> object:
    """A time without a zone as this zone's clock shows it; of an hour shown twice, the first."""
    moment = _read(value)
    return moment.replace(tzinfo=zone) if isinstance(moment, datetime) and moment.tzinfo is None else moment


def _instant(value: object, info: ValidationInfo) -> datetime:
    """A time that names one instant, or why it does not."""
    aware = isinstance(value, datetime) and value.tzinfo is not None
    moment = value if aware else _placed(value, _zone(info.context))
    if not isinstance(moment, datetime):
        raise PydanticCustomError(
            "not_a_time",
            "Expected a datetime or ISO 8601 text such as 1997-01-01T09:30:00+00:00; "
            "numbers and other ways to write a date are not guessed at",
        )
    offset = moment.utcoffset()
    if offset is None:
        raise PydanticCustomError(
            "naive_time",
            "This time has no time zone: give it an offset (1997-01-01T09:30:00+01:00), "
            "or name the zone of its clock with tz='Europe/Paris' "
            "(in bulk: context={'tz': 'Europe/Paris'})",
        )
    # Python compares two times of one zone by the clock on the wall, wrong in the hour it shows twice.
    return moment if type(moment.tzinfo) is timezone else moment.replace(tzinfo=timezone(offset))


def _zone(said: object) -> ZoneInfo | None:
    """The time zone that ``tz`` names among what was said, if anything was."""
    name = said.get("tz") if isinstance(said, Mapping) else None
    try:
        return None if name is None else ZoneInfo(str(name))
    except (LookupError, OSError, ValueError):
        message = "tz={tz} is not a known time zone: give an IANA name such as 'Europe/Paris' or 'UTC'"
        raise PydanticCustomError("unknown_time_zone", message, {"tz": repr(name)}) from None


def _rising(scale: tuple[float, float]) -> tuple[float, float]:
    """A scale whose lowest score is below its highest."""
    low, high = scale
    if low < high:
        return scale
    message = "A scale runs from its lowest to its highest score, but {low} is not below {high}"
    raise PydanticCustomError("scale_not_rising", message, {"low": low, "high": high})


# -- What one field promises ---------------------------------------------------------------------------------

Text: TypeAlias = Annotated[str, MinLen(1)]
Id: TypeAlias = Annotated[str, Strict(), MinLen(1)] | Annotated[int, Strict()]
Moment: TypeAlias = Annotated[AwareDatetime, BeforeValidator(_instant)]
Money: TypeAlias = Annotated[Decimal, Ge(0), AllowInfNan(allow_inf_nan=False)]
Currency: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Number: TypeAlias = Annotated[float, AllowInfNan(allow_inf_nan=False)]
Positive: TypeAlias = Annotated[float, Gt(0), AllowInfNan(allow_inf_nan=False)]
Seconds: TypeAlias = Annotated[float, Ge(0), AllowInfNan(allow_inf_nan=False)]
Count: TypeAlias = Annotated[int, Ge(0), Lt(2**53)]  # whole numbers that columns of floats hold exactly
Scale: TypeAlias = Annotated[tuple[Number, Number], AfterValidator(_rising)]

# -- What two fields promise each other ----------------------------------------------------------------------


@dataclass(frozen=True)
class NotAfter:
    """One time does not lie after another, whenever both are known."""

    earlier: str
    """The field of the time that comes first."""
    later: str
    """The field of the time that comes second."""

    def breach(self, row: "Record") -> str | None:
        """What is wrong with a row that breaks the promise, and nothing for a row that keeps it."""
        earlier, later = getattr(row, self.earlier), getattr(row, self.later)
        if earlier is None or later is None or earlier <= later:
            return None
        return f"{self.earlier} ({earlier.isoformat()}) lies after {self.later} ({later.isoformat()})"


@dataclass(frozen=True)
class Within:
    """A value lies within its scale, ends included, whenever both are known."""

    value: str
    """The field of the value."""
    scale: str
    """The field of the lowest and highest possible value."""

    def breach(self, row: "Record") -> str | None:
        """What is wrong with a row that breaks the promise, and nothing for a row that keeps it."""
        value, scale = getattr(row, self.value), getattr(row, self.scale)
        if value is None or scale is None or scale[0] <= value <= scale[1]:
            return None
        return f"{self.value} ({value}) lies outside {self.scale} ({scale[0]} to {scale[1]})"


# -- What every row promises ---------------------------------------------------------------------------------


def _mentions(annotation: object, wanted: object) -> bool:
    """Whether a type is made with another, such as ``X | None`` with ``X``."""
    return annotation is wanted or any(_mentions(part, wanted) for part in get_args(annotation))


class Record(BaseModel):
    """A row that kept its promises, and can no longer break them."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,  # for the numbers among attributes; every other number says so in its own type
    )

    promises: ClassVar[tuple[NotAfter | Within, ...]] = ()
    """What the fields promise each other."""
    moments: ClassVar[frozenset[str]] = frozenset()
    """The fields that hold a time."""

    if TYPE_CHECKING:  # for editors and type checkers: an argument, though no field
        tz: str | None = None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        """Note which fields hold a time."""
        super().__pydantic_init_subclass__(**kwargs)
        fields = cls.model_fields.items()
        cls.moments = frozenset(name for name, field in fields if _mentions(field.annotation, AwareDatetime))

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> "JsonSchemaValue":
        """Keep for a JSON Schema what a class says of itself before its Python examples."""
        reference = handler(core_schema)
        schema = handler.resolve_ref_schema(reference)
        schema["description"] = schema.get("description", "").partition("\n\n")[0]
        return reference

    @model_validator(mode="before")
    @classmethod
    def _place_times(cls, data: object) -> object:
        """Place times without a zone in the zone said beside them as ``tz``."""
        if not isinstance(data, Mapping) or "tz" not in data:
            return data
        zone = _zone(data)
        return {
            name: _placed(value, zone) if name in cls.moments else value for name, value in data.items() if name != "tz"
        }

    @model_validator(mode="after")
    def _keep_promises(self) -> Self:
        breaches = [breach for promise in self.promises if (breach := promise.breach(self))]
        if breaches:
            raise PydanticCustomError("broken_promise", "{breaches}", {"breaches": "; ".join(breaches)})
        return self


class Customer(Record):
    """One customer, as the business knows them apart from their interactions.

    Examples
    --------
    >>> ana = Customer(customer_id=7, acquired_at="2024-03-01", tz="Europe/Madrid")
    >>> ana.acquired_at.isoformat()
    '2024-03-01T00:00:00+01:00'
    """

    customer_id: Id
    """The customer, as the source system knows them: text or a whole number."""
    account_id: Text | None = None
    """The household or company the customer belongs to."""
    acquired_at: Moment | None = None
    """When the customer became one."""
    acquisition_source: Text | None = None
    """What brought the customer: a channel, a campaign, a person."""
    acquisition_cost: Money | None = None
    """What it cost to win the customer, in the currency of your accounts."""
    closed_at: Moment | None = None
    """When the customer left, where leaving is seen (a contract ends)."""
    consents: dict[Text, bool] = Field(default_factory=dict)
    """What the customer allowed (true) or refused (false), by purpose."""
    attributes: dict[str, JsonValue] = Field(default_factory=dict)
    """Whatever else is known, under names of your own; not interpreted."""

    promises = (NotAfter("acquired_at", "closed_at"),)


class Occurrence(Record):
    """What every interaction has, whatever its kind."""

    kind: str
    """What kind of interaction this is."""
    interaction_id: Text | None = None
    """This interaction, as the source system knows it."""
    customer_id: Id
    """The customer, as the source system knows them: text or a whole number."""
    occurred_at: Moment
    """When it happened."""
    channel: Text | None = None
    """Where it happened: web, shop, phone, email, chat."""
    direction: Literal["inbound", "outbound"] | None = None
    """Who began: the customer (inbound) or the business (outbound)."""
    ingested_at: Moment | None = None
    """When the row reached the source system."""
    attributes: dict[str, JsonValue] = Field(default_factory=dict)
    """Whatever else is known, under names of your own; not interpreted."""


# -- The kinds, each one's own -------------------------------------------------------------------------------


class Purchase(Occurrence):
    """A customer bought something.

    Examples
    --------
    >>> bought = Purchase(customer_id="c1", occurred_at="2024-05-04T09:30Z", amount="12.50", currency="USD")
    >>> bought.amount
    Decimal('12.50')

    A row that breaks a promise does not come to be:

    >>> Purchase(customer_id="c1", occurred_at="2024-05-04", amount=-3)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    pydantic_core._pydantic_core.ValidationError: 2 validation errors for Purchase
    occurred_at
      This time has no time zone: give it an offset ...
    amount
      Input should be greater than or equal to 0 [type=greater_than_equal, input_value=-3, input_type=int]
      ...
    """

    kind: Literal["purchase"] = "purchase"
    """Always ``purchase``."""
    amount: Money
    """Money paid, after any discount, in ``currency``; money given back is a `Refund`."""
    currency: Currency | None = None
    """The currency of this row's money: three letters of ISO 4217, such as EUR."""
    quantity: Positive | None = None
    """How many units were bought."""
    order_id: Text | None = None
    """The order this purchase is part of."""
    product: Text | None = None
    """What was bought."""
    category: Text | None = None
    """What sort of product it is."""
    discount: Money | None = None
    """Money taken off the price, in ``currency``."""
    recurring: bool | None = None
    """Whether the payment repeats by contract."""
    service_start: Moment | None = None
    """When the period paid for begins."""
    service_end: Moment | None = None
    """When the period paid for ends."""

    promises = (NotAfter("service_start", "service_end"),)


class Refund(Occurrence):
    """A customer got money back.

    Examples
    --------
    What is given back is a positive figure:

    >>> Refund(customer_id="c1", occurred_at="2024-05-09T10:00Z", amount="12.50", order_id="o7").amount
    Decimal('12.50')
    """

    kind: Literal["refund"] = "refund"
    """Always ``refund``."""
    amount: Money
    """Money given back, in ``currency``: a positive figure."""
    currency: Currency | None = None
    """The currency of this row's money: three letters of ISO 4217, such as EUR."""
    order_id: Text | None = None
    """The order the money was paid for."""
    product: Text | None = None
    """What was bought."""
    category: Text | None = None
    """What sort of product it is."""
    reason: Text | None = None
    """Why the money was given back."""


class SupportContact(Occurrence):
    """A customer and a support desk were in touch once: a call, a chat, a message.

    Examples
    --------
    Times are in seconds; what nobody measured is None, not 0:

    >>> call = SupportContact(customer_id=7, occurred_at="2024-05-04T09:30Z", channel="phone", wait_seconds=45)
    >>> call.wait_seconds, call.hold_seconds
    (45.0, None)
    """

    kind: Literal["support_contact"] = "support_contact"
    """Always ``support_contact``."""
    topic: Text | None = None
    """What it was about."""
    case_id: Text | None = None
    """The case this contact belongs to."""
    agent_id: Text | None = None
    """Who answered."""
    team: Text | None = None
    """The team of who answered."""
    queue: Text | None = None
    """The line the customer waited in."""
    outcome: Literal["answered", "abandoned", "voicemail", "callback", "bot"] | None = None
    """How it ended: a person answered, the customer gave up, or something else took over."""
    wait_seconds: Seconds | None = None
    """Time until answered or abandoned, in seconds."""
    talk_seconds: Seconds | None = None
    """Time in conversation, in seconds."""
    hold_seconds: Seconds | None = None
    """Time on hold, in seconds."""
    wrap_seconds: Seconds | None = None
    """The agent's work after the conversation, in seconds."""
    transferred: bool | None = None
    """Whether it was handed to another agent or team."""
    escalated: bool | None = None
    """Whether it was handed to a higher level."""
    agent_resolved: bool | None = None
    """Whether the agent called it solved."""
    previous_id: Text | None = None
    """The ``interaction_id`` of the contact this one follows."""


class Case(Occurrence):
    """A matter a customer raised, from opened (``occurred_at``) to closed.

    Examples
    --------
    >>> opened, solved = "2024-05-04T09:30Z", "2024-05-06T11:30Z"
    >>> case = Case(customer_id=7, case_id="k1", occurred_at=opened, solved_at=solved)
    >>> str(case.solved_at - case.occurred_at)
    '2 days, 2:00:00'
    """

    kind: Literal["case"] = "case"
    """Always ``case``."""
    case_id: Text
    """The case, as the source system knows it."""
    topic: Text | None = None
    """What it is about."""
    priority: Text | None = None
    """How urgent it is, in the source system's words."""
    status: Literal["open", "pending", "solved", "closed", "reopened"] | None = None
    """Where it stands."""
    first_reply_at: Moment | None = None
    """When the customer first got an answer."""
    solved_at: Moment | None = None
    """When it was last called solved."""
    closed_at: Moment | None = None
    """When it was closed for good."""
    reopened_count: Count | None = None
    """How many times it was opened again."""
    agent_id: Text | None = None
    """Who is in charge."""
    team: Text | None = None
    """The team in charge."""

    promises = (
        NotAfter("occurred_at", "first_reply_at"),
        NotAfter("occurred_at", "solved_at"),
        NotAfter("occurred_at", "closed_at"),
    )


class Complaint(Occurrence):
    """A customer said that something was wrong.

    Examples
    --------
    ``upheld`` is None until somebody has judged, which is not the same as False:

    >>> late = Complaint(customer_id=7, occurred_at="2024-05-04T09:30Z", topic="late delivery", severity="low")
    >>> late.severity, late.upheld
    ('low', None)
    """

    kind: Literal["complaint"] = "complaint"
    """Always ``complaint``."""
    topic: Text | None = None
    """What it was about."""
    case_id: Text | None = None
    """The case this complaint belongs to."""
    severity: Literal["low", "medium", "high"] | None = None
    """How bad it was."""
    resolved_at: Moment | None = None
    """When it was settled."""
    upheld: bool | None = None
    """Whether the customer was found to be right."""
    compensation: Money | None = None
    """Money given to make good, in ``currency``."""
    currency: Currency | None = None
    """The currency of this row's money: three letters of ISO 4217, such as EUR."""

    promises = (NotAfter("occurred_at", "resolved_at"),)


class SurveyResponse(Occurrence):
    """A customer was asked how they feel, and answered or did not.

    Examples
    --------
    >>> asked = {"customer_id": 7, "occurred_at": "2024-05-04T09:30Z", "survey_kind": "csat", "scale": (1, 5)}
    >>> SurveyResponse(**asked, score=4).score
    4.0
    >>> SurveyResponse(**asked, score=9)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    pydantic_core._pydantic_core.ValidationError: 1 validation error for SurveyResponse
      score (9.0) lies outside scale (1.0 to 5.0) [type=broken_promise, ...
    """

    kind: Literal["survey_response"] = "survey_response"
    """Always ``survey_response``."""
    survey_kind: Literal["nps", "csat", "ces", "other"]
    """What was asked: would you recommend us (nps), were you satisfied (csat), was it easy (ces)."""
    score: Number | None = None
    """The answer, in points of ``scale``; None for who was invited and did not answer."""
    scale: Scale | None = None
    """The lowest and the highest possible score; nothing is assumed when unknown."""
    invited_at: Moment | None = None
    """When the customer was asked."""
    weight: Positive | None = None
    """How many customers this answer stands for."""
    about: Text | None = None
    """The ``interaction_id`` or touchpoint the survey asked about."""
    comment: Text | None = None
    """What the customer wrote."""

    promises = (NotAfter("invited_at", "occurred_at"), Within("score", "scale"))


class Review(Occurrence):
    """A customer judged a product in public.

    Examples
    --------
    Four of five stars, and four of ten, are told apart by their scale:

    >>> stars = Review(customer_id=7, occurred_at="2024-05-04T09:30Z", rating=4, scale=(1, 5), product="tent")
    >>> stars.rating, stars.scale
    (4.0, (1.0, 5.0))
    """

    kind: Literal["review"] = "review"
    """Always ``review``."""
    rating: Number
    """The judgement, in points of ``scale``."""
    scale: Scale | None = None
    """The lowest and the highest possible rating; nothing is assumed when unknown."""
    product: Text | None = None
    """What was judged."""
    title: Text | None = None
    """The headline."""
    text: Text | None = None
    """What the customer wrote."""
    verified: bool | None = None
    """Whether the customer is known to have bought it."""

    promises = (Within("rating", "scale"),)


class Referral(Occurrence):
    """A customer recommended the business to somebody.

    Examples
    --------
    The customer is who recommended; who was recommended to may become one later:

    >>> told = Referral(customer_id="ana", occurred_at="2024-05-04T09:30Z", referred_customer_id="bo")
    >>> told.customer_id, told.referred_customer_id, told.converted
    ('ana', 'bo', None)
    """

    kind: Literal["referral"] = "referral"
    """Always ``referral``."""
    referred_customer_id: Id | None = None
    """Who was recommended to, once known as a customer."""
    converted: bool | None = None
    """Whether they became a customer."""
    code: Text | None = None
    """The code or link that was passed on."""
    reward: Money | None = None
    """Money given for the recommendation, in ``currency``."""
    currency: Currency | None = None
    """The currency of this row's money: three letters of ISO 4217, such as EUR."""


class MarketingTouch(Occurrence):
    """An advertisement or message met a customer.

    Examples
    --------
    >>> mail = MarketingTouch(customer_id=7, occurred_at="2024-05-04T09:30Z", campaign="spring", outcome="opened")
    >>> mail.kind, mail.campaign, mail.outcome
    ('marketing_touch', 'spring', 'opened')
    """

    kind: Literal["marketing_touch"] = "marketing_touch"
    """Always ``marketing_touch``."""
    campaign: Text | None = None
    """The campaign it was part of."""
    content: Text | None = None
    """Which message or picture was shown."""
    outcome: Literal["sent", "delivered", "opened", "clicked", "bounced", "unsubscribed", "converted"] | None = None
    """What came of it."""
    cost: Money | None = None
    """What this touch cost, in ``currency``."""
    currency: Currency | None = None
    """The currency of this row's money: three letters of ISO 4217, such as EUR."""


class SelfService(Occurrence):
    """A customer sought help without a person: an article, a bot, a menu.

    Examples
    --------
    A time without an offset is placed on the clock that ``tz`` names:

    >>> read = SelfService(customer_id=7, occurred_at="2024-05-04 09:30", tz="Europe/Paris", article="returns")
    >>> read.occurred_at.isoformat()
    '2024-05-04T09:30:00+02:00'
    """

    kind: Literal["self_service"] = "self_service"
    """Always ``self_service``."""
    topic: Text | None = None
    """What it was about."""
    article: Text | None = None
    """What was read or run."""
    session_id: Text | None = None
    """The visit it was part of."""
    succeeded: bool | None = None
    """Whether the customer found what they sought."""
    duration_seconds: Seconds | None = None
    """How long it took, in seconds."""


class Subscription(Occurrence):
    """A customer's subscription changed.

    Examples
    --------
    Notice is given when cancelled, and the service runs on until it ends:

    >>> notice = {"customer_id": 7, "occurred_at": "2024-05-04T09:30Z", "ends_at": "2024-06-01T00:00Z"}
    >>> left = Subscription(**notice, event="cancelled")
    >>> (left.ends_at - left.occurred_at).days
    27
    """

    kind: Literal["subscription"] = "subscription"
    """Always ``subscription``."""
    event: Literal["started", "renewed", "upgraded", "downgraded", "paused", "resumed", "cancelled", "ended"]
    """What changed: notice is given when cancelled, service stops when ended."""
    plan: Text | None = None
    """The plan after the change."""
    amount: Money | None = None
    """The price of one ``period`` after the change, in ``currency``."""
    currency: Currency | None = None
    """The currency of this row's money: three letters of ISO 4217, such as EUR."""
    period: Literal["day", "week", "month", "quarter", "year"] | None = None
    """The time that ``amount`` pays for."""
    ends_at: Moment | None = None
    """When the service stops unless renewed."""
    voluntary: bool | None = None
    """Whether the customer chose the change (a failed card is no choice)."""
    reason: Text | None = None
    """Why it changed."""

    promises = (NotAfter("occurred_at", "ends_at"),)


# -- All kinds as one type -----------------------------------------------------------------------------------

Interaction: TypeAlias = Annotated[
    Purchase
    | Refund
    | SupportContact
    | Case
    | Complaint
    | SurveyResponse
    | Review
    | Referral
    | MarketingTouch
    | SelfService
    | Subscription,
    Field(discriminator="kind"),
]
"""Any interaction, told apart by its ``kind``: for fields of your own models and ``TypeAdapter``."""

KINDS: dict[str, type[Occurrence]] = {
    model.model_fields["kind"].default: model for model in get_args(get_args(Interaction)[0])
}
"""The class of each kind."""

INTERACTIONS: TypeAdapter[list[Interaction]] = TypeAdapter(list[Interaction])
"""Validates many rows at once."""
