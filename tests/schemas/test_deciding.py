"""The digest holds whatever decides a figure, and nothing else (design 1.7)."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Annotated, Any, Literal

import msgspec
import pytest
from pydantic import StringConstraints, create_model

from schemas.deciding import Deciding, deciding_facts, fold_digest
from schemas.events import EVENT_TYPES, Basis, Data, EventType
from schemas.metrics import METRICS, Distinct, Kind, Metric, WindowSize

DECIDING = Deciding()


def packed(
    deciding: Deciding = DECIDING,
    types: Mapping[str, EventType] = EVENT_TYPES,
    metrics: Mapping[str, Metric] = METRICS,
) -> bytes:
    return msgspec.json.encode(deciding_facts(deciding, types, metrics), order="deterministic")


def with_type(name: str, /, **changed: Any) -> dict[str, EventType]:
    return {**EVENT_TYPES, name: replace(EVENT_TYPES[name], **changed)}


def with_metric(name: str, /, **changed: Any) -> dict[str, Metric]:
    return {**METRICS, name: replace(METRICS[name], **changed)}


def test_it_is_what_it_was() -> None:
    """A digest that changes stops every worker until it is announced: raise FOLD_VERSION or mend what changed it."""
    assert fold_digest(DECIDING) == "599cf6131bede6b6-"


def test_words_decide_nothing() -> None:
    reworded = {
        name: replace(
            entry,
            data=type(entry.data.__name__, (entry.data,), {"__doc__": "Other words.", "__module__": __name__}),
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
    monkeypatch.setattr(Data, "model_json_schema", classmethod(lambda cls: pytest.fail("was asked for its schema")))
    assert fold_digest(DECIDING)


@pytest.mark.parametrize("name", [field.name for field in fields(Deciding)])
def test_every_setting_decides(name: str) -> None:
    assert packed(replace(DECIDING, **{name: getattr(DECIDING, name) + 1})) != packed()


def data_of(**declared: Any) -> type[Data]:
    return create_model("Changed", __base__=Data, **declared)


TYPES = {
    "another basis": with_type("message.sent", basis=Basis.OPT_OUT),
    "other allowed fields": with_type("app.started", allowed=("application", "version")),
    "allowed fields in another order": with_type("app.started", allowed=("version", "application", "environment")),
    "everybody active": with_type("message.sent", passive=None),
    "others active": with_type("message.sent", passive=("role", "user")),
    "nobody active": with_type("message.sent", passive="no use of a product"),
    "a further choice": with_type("message.sent", data=data_of(role=(Literal["user", "assistant", "tool"], ...))),
    "an optional field": with_type("message.sent", data=data_of(role=(Literal["user", "assistant"], "user"))),
    "another kind of field": with_type("message.sent", data=data_of(role=(bool, ...))),
    "another pattern": with_type(
        "folder.created", data=data_of(kind=(Annotated[str, StringConstraints(pattern="^[a-z]$")], ...))
    ),
    "a further type": {**EVENT_TYPES, "file.made": EventType("file.made", Data, Basis.CONTRACT)},
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


def test_a_kind_of_field_that_nobody_thought_of_is_refused() -> None:
    with pytest.raises(TypeError, match="not known what decides"):
        packed(types=with_type("chat.created", data=data_of(count=(int, ...))))
