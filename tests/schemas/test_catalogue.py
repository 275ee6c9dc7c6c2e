"""The catalogue is consistent in itself, and says what design 1.2, 1.3 and 1.6 say."""

import pytest
from pydantic import ValidationError

from schemas.catalogue.fields import FieldType
from schemas.catalogue.metrics import METRICS, Kind, WindowSize
from schemas.catalogue.models import NameTooLongError
from schemas.catalogue.types import EVENT_TYPES, Basis


def test_basis_of_the_core_types() -> None:
    opt_out = {name for name, entry in EVENT_TYPES.items() if entry.basis is Basis.OPT_OUT}
    assert opt_out == {"feedback.given", "app.started"}
    assert all(entry.basis is Basis.CONTRACT for name, entry in EVENT_TYPES.items() if name not in opt_out)


@pytest.mark.parametrize("entry", EVENT_TYPES.values(), ids=lambda entry: entry.name)
def test_what_passes_on_is_bounded_text(entry) -> None:
    passing = [field for field in entry.fields if field.name in entry.allowed]
    assert [field.name for field in passing] == [*entry.allowed]
    assert all(field.type in {FieldType.DIM, FieldType.CHOICE} for field in passing)
    assert [*entry.data.model_fields] == ["user", *(field.name for field in entry.fields)]


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_a_metric_reads_only_what_passes(metric) -> None:
    if metric.event_type is not None:
        allowed = EVENT_TYPES[metric.event_type].allowed
        assert set(metric.dimensions) <= set(allowed)
        assert metric.where is None or metric.where[0] in allowed
    assert (metric.kind is Kind.DISTINCT) == (metric.distinct is not None)


def test_every_requirement_of_the_core_has_a_metric() -> None:
    assert {metric.requirement for metric in METRICS.values()} == {f"T{number}" for number in range(1, 12)}


def test_windows() -> None:
    sizes = {name: tuple(map(str, metric.windows)) for name, metric in METRICS.items()}
    assert sizes["prompts"] == ("PT1H", "P1D", "P1M")
    assert (sizes["dau"], sizes["wau"], sizes["mau"]) == (("P1D",), ("P7D",), ("P30D",))
    assert sizes["users"] == ("P1M",)
    assert sizes["installations"] == sizes["active_installations"] == ("P1D", "P1M")
    assert [size.sliding_days for size in WindowSize] == [None, None, None, 7, 30]


def test_who_is_active() -> None:
    sent = EVENT_TYPES["message.sent"]
    assert sent.activates(("user",))
    assert not sent.activates(("assistant",))
    assert not EVENT_TYPES["consent.changed"].activates(())
    assert EVENT_TYPES["chat.created"].activates(())


@pytest.mark.parametrize(
    ("name", "data", "good"),
    [
        ("chat.created", {}, True),
        ("chat.created", {"user": None, "unknown": object()}, True),
        ("chat.created", {"user": ""}, False),
        ("chat.created", {"user": 5}, False),
        ("folder.created", {"kind": "project"}, True),
        ("folder.created", {"kind": "project\n"}, False),
        ("folder.created", {"kind": "x" * 65}, False),
        ("folder.created", {"kind": "~other"}, False),
        ("folder.created", {"kind": None}, False),
        ("message.sent", {"role": "system"}, False),
        ("prompt.submitted", {"assistant": "a1", "module": "m+2"}, True),
        ("prompt.submitted", {"assistant": "a1"}, False),
        ("consent.changed", {"scope": "platform", "granted": True}, True),
        ("consent.changed", {"scope": "platform", "granted": 1}, False),
    ],
)
def test_data(name: str, data: dict, good: bool) -> None:
    if good:
        EVENT_TYPES[name].data.model_validate(data)
    else:
        with pytest.raises(ValidationError):
            EVENT_TYPES[name].data.model_validate(data)


def test_a_name_over_1024_bytes_is_told_from_a_bad_one() -> None:
    data = EVENT_TYPES["chat.created"].data
    data.model_validate({"user": "é" * 512})
    with pytest.raises(ValidationError) as caught:
        data.model_validate({"user": "é" * 513})
    assert isinstance(caught.value.errors()[0]["ctx"]["error"], NameTooLongError)


def test_allowed_fields_are_only_ever_added_at_the_end() -> None:
    """Clean holds values by position, and each release reads what earlier ones wrote: add here, change nothing."""
    written = {
        "user.created": (),
        "folder.created": ("kind",),
        "group.created": (),
        "chat.created": (),
        "space.created": (),
        "message.sent": ("role",),
        "prompt.submitted": ("assistant", "module"),
        "feedback.given": ("sentiment",),
        "app.started": ("application", "version", "environment"),
        "consent.changed": (),
    }
    for name, fields in written.items():
        assert EVENT_TYPES[name].allowed[: len(fields)] == fields
