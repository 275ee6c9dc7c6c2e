"""Every reader of a kept record refuses what this release does not know, in one line that says where and what to do."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from datetime import timedelta
from importlib import import_module
from typing import Any

import msgspec
import pytest

from agents.core.count.state import Entry
from agents.core.replay.refold import Period
from agents.core.shared.joins import ENTRY_KEY, StateError, seal
from agents.core.shared.records import RawRecord
from agents.core.shared.standby import Standby
from pipeline.broker.chunks import chunk_at
from pipeline.cli.process import refusal_of
from pipeline.doctor.rejections import _counted, _rejected
from pipeline.errors import StartupError
from pipeline.kafka.reader import StoredRecord
from pipeline.kafka.recovery import joined_entry, last_entry, recover
from pipeline.proof.explain.making import Making
from pipeline.proof.explain.reading import _corrections, _count, _figure, _Home, _left_out
from pipeline.proof.explain.wanted import EXAMPLE, parse_id
from pipeline.proof.sink import SinkView
from pipeline.replay.live import entries, live_figures
from pipeline.settings.settings import Settings, load_settings
from pipeline.unknown import known, readable
from pipeline.worker import ending
from schemas.catalogue.catalogue import BUILT_IN
from schemas.deciding import Deciding
from schemas.wire.clean import CLEAN_VERSION, OtherVersionError
from schemas.wire.rejections import decode_rejection

WANTED = parse_id(EXAMPLE, BUILT_IN)
ID = WANTED.id.encode()
RELEASE = "the release that wrote it, or a later one"
LATER_CHUNK = msgspec.msgpack.encode([CLEAN_VERSION + 1, *[0] * 20])
MORE = b'{"id": "x", "more": 1}'


class Log:
    """A reader of one topic with these records, whichever it is asked for."""

    def __init__(self, *rows: tuple[bytes | None, bytes | None]) -> None:
        self.rows = [RawRecord(at, 1000 + at, *row) for at, row in enumerate(rows)]

    async def bounds(self, _topic: str, _partition: int) -> tuple[int, int]:
        return 0, len(self.rows)

    async def end(self, _topic: str, _partition: int) -> int:
        return len(self.rows)

    async def first_after(self, _topic: str, _partition: int, _time: int) -> tuple[int, int]:
        return 0, 1000

    async def records(self, _topic: str, _partition: int, start: int, end: int) -> AsyncIterator[list[RawRecord]]:
        yield self.rows[start:end]


class Raw(Log):
    """Of raw it holds the end alone, so that the books are read."""

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return (7, 9) if ".raw." in topic else await super().bounds(topic, partition)


def settings() -> Settings:
    return load_settings().model_copy(update={"partitions": 1, "lateness": timedelta(days=35)})


def place(*rows: tuple[bytes | None, bytes | None], kind: type[Log] = Log) -> Any:
    return _Home(settings(), kind(*rows), WANTED, lambda _stage: nullcontext(lambda _done, _all: None))  # type: ignore[arg-type]


def making() -> Making:
    return Making(WANTED, Deciding(), 9)


PERIOD = Period(0, None, (WANTED.metric.name,))
LATER_ENTRY = seal(3, [*[0] * 12, [0, 0, []]])
READERS: dict[str, Callable[[], Awaitable[Any]]] = {
    "doctor clean 0": lambda: _counted(settings(), Log((None, LATER_CHUNK)), 0, 0),  # type: ignore[arg-type]
    "doctor rejected 0": lambda: _rejected(settings(), Log((None, MORE)), 0, 0),  # type: ignore[arg-type]
    "explain clean 0": lambda: _count(place((None, LATER_CHUNK)), making()),
    "explain corrections 0": lambda: _corrections(place((ID, MORE)), WANTED),
    "explain aggregates 0": lambda: _figure(place((ID, MORE)), WANTED),
    "explain ledger 0": lambda: _left_out(place((None, MORE), kind=Raw), settings(), making(), 0),
    "replay aggregates 0": lambda: live_figures(
        Log((ID, MORE)),
        "footfall.aggregates.v1",
        0,
        PERIOD,
        Deciding(),  # type: ignore[arg-type]
    ),
    "replay aggregate-state": lambda: entries(Log((ENTRY_KEY, LATER_ENTRY)), settings()),  # type: ignore[arg-type]
    "topics clean 0": lambda: chunk_at(Log((None, LATER_CHUNK)), "footfall.clean.v1", 0, 0),  # type: ignore[arg-type]
    "recovery aggregate-state 1": lambda: joined_entry(
        Log((ENTRY_KEY, Entry(3).write()), (ENTRY_KEY, seal(4, "x"))),
        "footfall-aggregate-state-changelog",
        0,  # type: ignore[arg-type]
    ),
    "recovery aggregate-state": lambda: recover(
        Log((ENTRY_KEY, Entry(3).write()), (ENTRY_KEY, seal(4, "x"))),  # type: ignore[arg-type]
        "footfall-aggregate-state-changelog",
        0,
        Standby(lambda: None),
    ),
}


@pytest.mark.parametrize("name", READERS)
async def test_an_unknown_record_is_refused(name: str) -> None:
    _, topic, *offset = name.split()
    with pytest.raises(StartupError) as caught:
        await READERS[name]()
    assert f"{topic}" in caught.value.what
    assert f"partition 0{' offset ' if offset else ''}{''.join(offset)}" in caught.value.what
    assert RELEASE in caught.value.do
    assert "more" not in caught.value.what


async def test_the_last_entry_alone_is_taken_as_it_is() -> None:
    log: Any = Log((ENTRY_KEY, seal(4, "x")))
    assert (await last_entry(log, "footfall-aggregate-state-changelog", 0)).get(ENTRY_KEY) == seal(4, "x")


def test_a_record_that_is_known_is_given_and_any_other_refused() -> None:
    with pytest.raises(
        StartupError, match=r"^topic partition 2 offset 5 cannot be read .a rejection has another shape.: use"
    ):
        known(decode_rejection, b'{"topic": "raw"}', "topic", 2, 5)
    with pytest.raises(StartupError, match="offset 5 cannot be read"):
        known(decode_rejection, None, "topic", 2, 5)
    with readable("topic", 2), pytest.raises(ValueError, match="mine"):
        raise ValueError("mine")


@pytest.mark.parametrize("value", [MORE, b"[", b"{}"])
def test_watch_refuses_a_record_of_the_sink_that_it_does_not_know(value: bytes) -> None:
    with pytest.raises(
        StartupError, match=r"sink partition 1 offset 8 cannot be read .a record of the sink has another"
    ):
        SinkView("sink").apply([StoredRecord(1, 8, 0, b"x", value, ())])


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (StateError("a figure has another shape"), "cannot be read (a figure has another shape): use " + RELEASE),
        (OtherVersionError(9), f"a clean chunk of version 9, not {CLEAN_VERSION}): start {RELEASE}"),
    ],
)
def test_what_was_not_foreseen_ends_in_one_line_too(
    error: Any, line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert line in str(refusal_of(error))

    def fails() -> None:
        raise error

    cli = import_module("pipeline.cli.main")
    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert line in told
    assert told.count("\n") == 1

    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(ending.os, "_exit", leave)
    with pytest.raises(SystemExit) as left:
        ending.end(error)
    assert left.value.code == 2
    assert line in capsys.readouterr().err
