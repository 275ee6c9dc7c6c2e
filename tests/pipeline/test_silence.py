"""What may never be told: nothing of an event in an exception's text, in a log line, in a metric."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from agents.core.accept.fold import AnonymizeFold
from agents.core.accept.pseudonyms import Pseudonyms
from agents.core.count.fold import AggregateFold
from agents.core.shared.records import RawRecord
from pipeline.kafka.appender import ForeignWriteError
from pipeline.operations import Operations
from pipeline.worker import ending
from pipeline.worker.ending import end
from schemas.catalogue.types import EVENT_TYPES
from schemas.deciding import Deciding
from schemas.examples import bad_examples, good_examples
from schemas.wire.envelope import Envelope
from schemas.wire.operational import OPERATIONAL

CANARY = "canary-7f3a"


def planted(told: Any) -> Any:
    """``told`` with the canary in every text."""
    if isinstance(told, dict):
        return {f"{CANARY}-note": CANARY} | {key: planted(item) for key, item in told.items()}
    if isinstance(told, list):
        return [planted(item) for item in told]
    return f"{told} {CANARY}" if isinstance(told, str) else told


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as known:
        return known


def texts_of(error: BaseException) -> str:
    return f"{error!r} {error} {error.__cause__!r} {error.__context__!r}"


@pytest.mark.parametrize("name", [name for name, bad in bad_examples().items() if bad.text is None])
def test_no_validation_error_holds_anything_of_the_event(name: str) -> None:
    told = planted(json.loads(bad_examples()[name].record()))
    errors = []
    for model, content in [(Envelope, told), *((kind.data, told.get("data")) for kind in EVENT_TYPES.values())]:
        try:
            model.model_validate(content)
        except ValidationError as error:
            errors.append(error)
    assert errors
    assert not [error for error in errors if CANARY in texts_of(error)]


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (KeyError(f"{CANARY}@example.org"), "KeyError"),
        (ExceptionGroup("several", [raised(ValueError(f"{CANARY} said so"))]), "ValueError"),
        (ForeignWriteError("footfall.clean.v1 partition 3"), "footfall.clean.v1 partition 3"),
    ],
)
def test_the_end_of_a_worker_says_what_and_where_but_nothing_of_an_event(
    error: Exception, named: str, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[dict[str, object]]]
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(ending.os, "_exit", ended.append)
    end(raised(error))
    (line,) = said()
    assert ended == [1]
    assert named in f"{line['error']} {line['what']}"
    assert "test_silence.py:" in str(line["where"])
    assert CANARY not in json.dumps(line)


def test_labels_are_bounded_and_never_a_company_or_a_person() -> None:
    operations = Operations()
    raw, counted = (
        AnonymizeFold(Deciding(), Pseudonyms(bytes(32)), topic="r", partition=0, partitions=1, digest="d"),
        AggregateFold(Deciding(), 0),
    )
    good = good_examples()["chat.created"]
    for number in range(300):
        company = f"{CANARY}-{number}"
        event = good | {"company": company, "source": f"{CANARY}-{number}", "data": {"user": f"{CANARY}-{number}"}}
        value = json.dumps(event if number % 3 else event | {"time": CANARY}).encode()
        folded = raw.fold([RawRecord(number, 1793527200000 + number, company.encode(), value)])
        operations.folded_raw(folded, raw.entry, 0.001)
        list(counted.fold([(number, folded.chunk)]))
        operations.folded_clean(1, 0.001, {})
        operations.holds(0, counted)
    found = [sample for family in operations.registry.collect() for sample in family.samples]
    allowed = {entry.name: {name: set(values) for name, values in entry.labels} for entry in OPERATIONAL.values()}
    names = {name for labels in allowed.values() for name in labels}
    assert {label for sample in found for label in sample.labels} <= names | {"le"}
    assert len(found) < 150
    assert not [sample for sample in found if CANARY in str(sample)]
