"""What the sink says of one hand-written day of one company, requirement by requirement, on the real broker."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from pipeline.broker.topics import apply
from pipeline.kafka.reader import read_topic
from pipeline.proof.sink import SinkView
from schemas.limits import DAY_MS
from schemas.times import instant
from tests.broker.bench import Bench

pytestmark = pytest.mark.broker
TODAY = int(time.time() * 1000) // DAY_MS * DAY_MS
NOON = TODAY - DAY_MS // 2
"""Of yesterday, so that every event is of one hour, one day and one month, and nothing is ahead."""

DAY: tuple[tuple[str, str | None, dict[str, Any]], ...] = (
    ("user.created", "ann", {}),
    ("user.created", "bob", {}),
    ("folder.created", "ann", {"kind": "project"}),
    ("folder.created", "ann", {"kind": "project"}),
    ("folder.created", "bob", {"kind": "domain"}),
    ("group.created", "ann", {}),
    ("chat.created", "ann", {}),
    ("chat.created", "cid", {}),
    ("chat.created", None, {}),
    ("space.created", "ann", {}),
    ("message.sent", "ann", {"role": "user"}),
    ("message.sent", "bob", {"role": "user"}),
    ("message.sent", "eve", {"role": "assistant"}),
    ("message.sent", None, {"role": "assistant"}),
    ("message.sent", None, {"role": "assistant"}),
    ("feedback.given", "ann", {"sentiment": "positive"}),
    ("feedback.given", "ann", {"sentiment": "positive"}),
    ("feedback.given", "bob", {"sentiment": "negative"}),
    ("prompt.submitted", "ann", {"assistant": "writer", "module": "chat"}),
    ("prompt.submitted", "ann", {"assistant": "writer", "module": "search"}),
    ("prompt.submitted", "bob", {"assistant": "writer", "module": "search"}),
    ("app.started", None, {"application": "desk", "version": "5.1", "environment": "production"}),
    ("app.started", None, {"application": "desk", "version": "5.1", "environment": "production"}),
    ("app.started", None, {"application": "desk", "version": "6.0", "environment": "test"}),
)
"""Type, user and data; active are ann, bob and cid, for an assistant's message makes nobody active."""


def event(number: int, kind: str, user: str | None, data: Mapping[str, Any]) -> bytes:
    told: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "site-2" if data.get("version") == "6.0" else "site-1",
        "type": kind,
        "company": "acme",
        "time": instant(NOON + number * 1000),
        "data": {**data} if user is None else {**data, "user": user},
    }
    return json.dumps(told).encode()


@pytest.fixture(scope="module")
def figures(brokers: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, Any]]:
    """The sink by id, once it equals the oracle."""
    return asyncio.run(_figures(Bench(brokers, f"r{time.time_ns()}", tmp_path_factory.mktemp("requirements"))))


async def _figures(bench: Bench) -> Mapping[str, Mapping[str, Any]]:
    await apply(bench.settings)
    producer = AIOKafkaProducer(bootstrap_servers=bench.brokers)
    await producer.start()
    try:
        for number, (kind, user, data) in enumerate(DAY):
            for _ in range(1 + number % 2):  # every second one is delivered twice
                await producer.send_and_wait(bench.topic("raw"), event(number, kind, user, data), b"acme")
    finally:
        await producer.stop()
    try:
        bench.start("anonymize")
        bench.start("aggregate")
        await bench.equal()
    finally:
        await bench.stop()
    view = SinkView()
    view.apply(await read_topic(bench.brokers, bench.topic("aggregates")))
    return view.records


def values(figures: Mapping[str, Mapping[str, Any]], metric: str, size: str) -> dict[str, int]:
    """Dimensions to value of one metric and window size; of sliding windows the first that holds the day."""
    end = instant(TODAY)
    return {
        identity.split("|")[4]: figure["value"]
        for identity, figure in figures.items()
        if figure["metric"] == metric
        and figure["window"]["size"] == size
        and (figure["kind"] == "count" or size in {"P1D", "P1M"} or figure["window"]["end"] == end)
    }


def in_all(figures: Mapping[str, Mapping[str, Any]], metric: str, expected: dict[str, int]) -> None:
    for size in ("PT1H", "P1D", "P1M"):
        assert values(figures, metric, size) == expected


@pytest.mark.requirement("T1")
def test_users_of_the_month_and_accounts_made(figures: Mapping[str, Mapping[str, Any]]) -> None:
    assert values(figures, "users", "P1M") == {"": 3}
    in_all(figures, "users_created", {"": 2})


@pytest.mark.requirement("T2")
def test_folders_made_by_kind(figures: Mapping[str, Mapping[str, Any]]) -> None:
    in_all(figures, "folders_created", {"kind=project": 2, "kind=domain": 1})


@pytest.mark.requirement("T3", "T4", "T5")
def test_groups_chats_and_spaces_made(figures: Mapping[str, Mapping[str, Any]]) -> None:
    in_all(figures, "groups_created", {"": 1})
    in_all(figures, "chats_created", {"": 3})
    in_all(figures, "spaces_created", {"": 1})


@pytest.mark.requirement("T6", "T7")
def test_messages_of_users_and_of_assistants(figures: Mapping[str, Mapping[str, Any]]) -> None:
    in_all(figures, "user_messages", {"": 2})
    in_all(figures, "assistant_messages", {"": 3})


@pytest.mark.requirement("T8")
def test_active_users_of_the_day_the_week_and_the_month(figures: Mapping[str, Mapping[str, Any]]) -> None:
    assert values(figures, "dau", "P1D") == {"": 3}
    assert values(figures, "wau", "P7D") == {"": 3}
    assert values(figures, "mau", "P30D") == {"": 3}


@pytest.mark.requirement("T9")
def test_feedback_by_sentiment(figures: Mapping[str, Mapping[str, Any]]) -> None:
    in_all(figures, "feedback", {"sentiment=positive": 2, "sentiment=negative": 1})


@pytest.mark.requirement("T10")
def test_prompts_by_assistant_and_module(figures: Mapping[str, Mapping[str, Any]]) -> None:
    in_all(figures, "prompts", {"assistant=writer,module=chat": 1, "assistant=writer,module=search": 2})


@pytest.mark.requirement("T11")
def test_what_is_installed(figures: Mapping[str, Mapping[str, Any]]) -> None:
    expected = {
        "application=desk,version=5.1,environment=production": 1,
        "application=desk,version=6.0,environment=test": 1,
    }
    assert values(figures, "installations", "P1D") == expected
    assert values(figures, "installations", "P1M") == expected
    assert values(figures, "active_installations", "P1D") == {"": 2}
