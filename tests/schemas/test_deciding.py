"""The digest holds whatever decides a figure, and nothing else (design 1.7)."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from schemas.catalogue.catalogue import Catalogue
from schemas.catalogue.fields import Field, FieldType, ItemClass
from schemas.catalogue.metrics import METRICS, Distinct, Kind, Metric, WindowSize
from schemas.catalogue.types import EVENT_TYPES, Basis, ConsentScope, EventType
from schemas.deciding import Deciding, deciding_facts, fold_digest

DECIDING = Deciding()


def packed(
    deciding: Deciding = DECIDING,
    types: Mapping[str, EventType] = EVENT_TYPES,
    metrics: Mapping[str, Metric] = METRICS,
) -> bytes:
    facts = deciding_facts(replace(deciding, catalogue=Catalogue(types, metrics)))
    return msgspec.json.encode(facts, order="deterministic")


def with_type(name: str, /, **changed: Any) -> dict[str, EventType]:
    return {**EVENT_TYPES, name: replace(EVENT_TYPES[name], **changed)}


def with_metric(name: str, /, **changed: Any) -> dict[str, Metric]:
    return {**METRICS, name: replace(METRICS[name], **changed)}


def test_it_is_what_it_was() -> None:
    """A digest that changes stops every worker until it is announced: raise FOLD_VERSION or mend what changed it."""
    assert fold_digest(DECIDING) == "98c9c80d67ddd765-"


def test_words_decide_nothing() -> None:
    reworded = {
        name: replace(
            entry,
            title="Other words.",
            passive="other words" if isinstance(entry.passive, str) else entry.passive,
        )
        for name, entry in EVENT_TYPES.items()
    }
    retitled = {name: replace(metric, title="other words", requirement="T99") for name, metric in METRICS.items()}
    assert reworded["chat.created"].data.model_json_schema() != EVENT_TYPES["chat.created"].data.model_json_schema()
    assert packed(types=reworded, metrics=retitled) == packed()


def test_the_version_of_the_fold_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    before = packed()
    monkeypatch.setattr("schemas.deciding.FOLD_VERSION", 99)
    assert packed() != before


def test_how_a_library_describes_a_model_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BaseModel, "model_json_schema", classmethod(lambda _: pytest.fail("was asked")))
    assert fold_digest(DECIDING)


@pytest.mark.parametrize("name", [field.name for field in fields(Deciding) if field.name != "catalogue"])
def test_every_setting_decides(name: str) -> None:
    assert packed(replace(DECIDING, **{name: getattr(DECIDING, name) + 1})) != packed()


def fields_of(*fields: Field) -> dict[str, EventType]:
    return with_type("message.sent", fields=fields)


ROLE = EVENT_TYPES["message.sent"].fields[0]
ITEMS = Field("role", FieldType.ITEMS, classes=(ItemClass("a", (Field("b"),)),))
STARTED = EVENT_TYPES["app.started"].fields
TYPES = {
    "another basis": with_type("message.sent", basis=Basis.OPT_OUT),
    "another scope": with_type("feedback.given", scope=ConsentScope.PLATFORM),
    "a field less": with_type("app.started", fields=STARTED[:2]),
    "a field more": with_type("app.started", fields=(*STARTED, Field("region"))),
    "fields in another order": with_type("app.started", fields=STARTED[::-1]),
    "everybody active": with_type("message.sent", passive=None),
    "others active": with_type("message.sent", passive=("role", "user")),
    "nobody active": with_type("message.sent", passive="no use of a product"),
    "a further choice": fields_of(replace(ROLE, choices=("user", "assistant", "tool"))),
    "another name of a field": fields_of(replace(ROLE, name="who")),
    "another kind of field": fields_of(Field("role", FieldType.VERSION)),
    "an optional field": fields_of(replace(ROLE, required=False)),
    "items": fields_of(ITEMS),
    "a further type": {**EVENT_TYPES, "file.made": EventType("file.made", "A file.", Basis.CONTRACT)},
    "another name": with_type("chat.created", name="chat.begun"),
    "a type less": {name: entry for name, entry in EVENT_TYPES.items() if name != "chat.created"},
}
METRIC_CHANGES: dict[str, dict[str, Any]] = {
    "another kind": {"kind": Kind.SUM},
    "fewer windows": {"windows": (WindowSize.DAY,)},
    "of another type": {"event_type": "group.created"},
    "of some events": {"where": ("sentiment", "positive")},
    "without dimensions": {"dimensions": ()},
    "another unit": {"unit": "By"},
    "a field": {"field": "size"},
    "another name": {"name": "judgements"},
}


@pytest.mark.parametrize("types", TYPES.values(), ids=TYPES)
def test_what_is_said_of_a_type_decides(types: dict[str, EventType]) -> None:
    assert packed(types=types) != packed()


@pytest.mark.parametrize("changed", METRIC_CHANGES.values(), ids=METRIC_CHANGES)
def test_what_is_said_of_a_metric_decides(changed: dict[str, Any]) -> None:
    assert packed(metrics=with_metric("feedback", **changed)) != packed()


def test_whom_a_metric_counts_decides() -> None:
    assert packed(metrics=with_metric("dau", distinct=Distinct.SOURCE)) != packed()


def test_what_an_absent_dimension_counts_as_decides() -> None:
    optional = replace(ROLE, required=False)
    assert packed(types=fields_of(replace(optional, absent="nobody"))) != packed(types=fields_of(optional))


def test_what_items_hold_decides() -> None:
    changes = [
        (ItemClass("c", (Field("b"),)),),
        (ItemClass("a", (Field("c"),)),),
        (ItemClass("a", (Field("b", FieldType.SERIAL),)),),
        (*ITEMS.classes, ItemClass("c", ())),
    ]
    known = packed(types=fields_of(ITEMS))
    for classes in changes:
        assert packed(types=fields_of(replace(ITEMS, classes=classes))) != known
