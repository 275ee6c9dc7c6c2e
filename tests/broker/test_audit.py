"""``audit`` and ``explain`` as a user runs them, beside real workers on the real broker."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from pipeline.broker.topics import apply
from pipeline.kafka.reader import ends, read_topic
from pipeline.proof.sink import SinkView
from schemas.times import instant
from schemas.topics import TOPICS
from tests.broker.bench import DEADLINE, Answer, Bench, run
from tests.broker.load import CANARY
from tests.broker.old_times import old_load, publish_with_times

pytestmark = pytest.mark.broker
_RECORDS = 1500
_HOURS = 6
_NO_TICKS = "P1D"
"""However long the commands take, no worker appends a tick meanwhile: positions are compared."""


async def footfall(bench: Bench, *arguments: str) -> Answer:
    """Run the program once, as another process, with the keys that judge raw again."""
    return await bench.footfall(*arguments, **bench.keys)


async def closed_books(bench: Bench) -> str:
    """Both workers over an old load until its hours are closed; the line of the audit."""
    load = old_load(5, _RECORDS, _HOURS, 1)
    await publish_with_times(bench, load)
    await apply(bench.settings)
    bench.start("anonymize")
    bench.start("aggregate")
    await bench.all_equal()
    end = instant(load[-1].append_time)
    loop = asyncio.get_running_loop()
    until = loop.time() + DEADLINE
    while True:
        answer = await footfall(bench, "audit", "--to", end)
        if answer.code == 0:
            assert answer.out.count("\n") == 1
            return answer.out.strip()
        assert loop.time() < until, (answer, bench.logs()[-3000:])
        await asyncio.sleep(1)


async def positions(bench: Bench) -> dict[str, Any]:
    return {short: await ends(bench.brokers, bench.topic(short)) for short in TOPICS}


async def tell(bench: Bench, short: str, partition: int, key: bytes | None, value: bytes | None) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bench.brokers)
    await producer.start()
    try:
        await producer.send_and_wait(bench.topic(short), value, key=key, partition=partition)
    finally:
        await producer.stop()


async def cut_off(bench: Bench, short: str, cuts: Mapping[int, int]) -> None:
    """Delete the records before an offset of each of these partitions, as retention would."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bench.brokers)
    await admin.start()
    try:
        places = {TopicPartition(bench.topic(short), each): at for each, at in cuts.items()}
        await admin.delete_records({place: RecordsToDelete(before_offset=at) for place, at in places.items()})
    finally:
        await admin.close()


def period_of(line: str) -> tuple[str, str]:
    begin, end = line.split()[1].split("/")
    return begin, end


def test_a_finished_period_is_proven_also_after_raw_is_gone_and_tampering_is_found(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        line = await closed_books(bench)
        begin, end = period_of(line)
        head = line.split()[-1]
        before = await positions(bench)
        again = await footfall(bench, "audit", "--from", begin, "--to", end, "--against-raw", "--expect", head)
        assert (again.code, again.out.strip()) == (0, line)
        told = json.loads((await footfall(bench, "audit", "--to", end, "--json")).out)
        assert (told["proven"], told["line"], told["head"]) == (True, line, head)
        assert told["received"] == told["counted"] + told["duplicate"] + sum(told["rejected"].values())
        assert told["received"] > _RECORDS
        assert told["duplicate"] > 50
        assert told["corrections"] > 5
        other = await footfall(bench, "audit", "--to", end, "--expect", "0" * 64)
        assert other.code == 1
        assert other.out.strip().splitlines()[-1].startswith("not proven")
        assert await positions(bench) == before
        assert [await worker.stop() for worker in bench.workers] == [0, 0]
        await cut_off(bench, "raw", {each: last - 1 for each, (_, last) in before["raw"].items()})
        assert (await footfall(bench, "audit", "--from", begin, "--to", end)).out.strip() == line
        refused = await footfall(bench, "audit", "--to", end, "--against-raw")
        assert refused.code == 2
        assert "no longer reaches back" in refused.err
        await tampered(bench, begin, end)

    asyncio.run(run(brokers, prefix, tmp_path, scenario, made=False, IDLE_AFTER=_NO_TICKS))


async def tampered(bench: Bench, begin: str, end: str) -> None:
    """Someone writes to the topics what is not so: each time the audit says what and where."""
    ledger = await read_topic(bench.brokers, bench.topic("ledger"))
    entry = next(each for each in ledger if b"|acme" in (each.key or b""))
    second = next(
        each
        for each in ledger
        if each.partition == entry.partition and (each.key or b"")[:22] != (entry.key or b"")[:22]
    )
    value = (entry.value or b"").replace(b'"counted":', b'"counted":1', 1)
    await tell(bench, "ledger", entry.partition, entry.key, value)
    found = json.loads((await footfall(bench, "audit", "--from", begin, "--to", end, "--json")).out)
    company = (entry.key or b"").decode().split("|")[2]
    assert [(each["kind"], each["partition"], each["company"]) for each in found["findings"]] == [
        ("unequal", entry.partition, company)
    ]
    change = (await read_topic(bench.brokers, bench.topic("corrections")))[0]
    value = (change.value or b"").replace(b'"old":', b'"old":1', 1)
    await tell(bench, "corrections", change.partition, change.key, value)
    await cut_off(bench, "ledger", {entry.partition: second.offset})
    answer = await footfall(bench, "audit", "--from", begin, "--to", end)
    assert answer.code == 1
    assert "tells revision" in answer.out
    assert "the books begin with" in answer.out
    assert answer.out.strip().splitlines()[-1].startswith(f"not proven {begin}/{end}: ")


def test_figures_are_explained_beside_running_workers_and_after_raw_is_gone(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        await closed_books(bench)
        view = SinkView()
        view.apply(await read_topic(brokers, bench.topic("aggregates")))
        before = await positions(bench)
        for metric in ("user_messages", "dau", "mau", "installations", "users", "prompts"):
            figures = [each for each in view.records.values() if each["metric"] == metric]
            for figure in (
                max(figures, key=lambda each: each["value"]),
                max(figures, key=lambda each: (each["status"] == "corrected", each["revision"])),
            ):
                await explained(bench, figure)
        corrected = next(each for each in view.records.values() if each["status"] == "corrected")
        shown = await footfall(bench, "explain", corrected["id"])
        assert shown.code == 0
        assert all(
            word in shown.out for word in ("corrections", "late", "not counted", "from clean and from raw: equal")
        )
        await refusals(bench, corrected)
        assert await positions(bench) == before
        assert [await worker.stop() for worker in bench.workers] == [0, 0]
        await cut_off(bench, "raw", {each: last - 1 for each, (_, last) in before["raw"].items()})
        told = json.loads((await footfall(bench, "explain", corrected["id"], "--json")).out)
        assert told["counted"]["verdict"] == "equal"
        assert told["left_out"]["source"] == "ledger"
        assert told["left_out"]["by_reason"]["duplicate"] > 0

    asyncio.run(run(brokers, prefix, tmp_path, scenario, made=False, IDLE_AFTER=_NO_TICKS))


async def explained(bench: Bench, figure: dict[str, Any]) -> None:
    answer = await footfall(bench, "explain", figure["id"], "--json")
    assert answer.code == 0, answer
    assert CANARY not in answer.out
    told = json.loads(answer.out)
    assert told["figure"]["value"] == told["counted"]["value"] == told["left_out"]["value_from_raw"] == figure["value"]
    assert told["counted"]["verdict"] == "equal"
    assert told["left_out"]["source"] == "raw"
    assert sum(events for _, _, events in told["raw"]["ranges"]) == told["counted"]["events"]
    assert told["balanced"]
    if figure["status"] == "corrected":
        last = told["corrections"][-1]
        assert (last["new"], last["revision"]) == (figure["value"], figure["revision"])
        assert last["late_seconds"] >= 0
    else:
        assert not told["corrections"]


async def refusals(bench: Bench, figure: dict[str, Any]) -> None:
    """Bad arguments and unknown figures: one line on stderr, nothing on stdout."""
    company = figure["company"]
    for code, words, arguments in (
        (2, "is no aggregate id", ("explain", "acme")),
        (1, "the nearest one is", ("explain", f"{company}|dau|P1D|2001-01-01T00:00:00Z|")),
        (1, "has no figure in the sink", ("explain", "nobody|dau|P1D|2026-11-01T00:00:00Z|")),
        (2, "is no hour", ("audit", "--from", "yesterday")),
        (2, "is no hour", ("audit", "--from", "2026-11-01T10:30:00Z")),
        (2, "is not before", ("audit", "--from", "2026-11-02", "--to", "2026-11-01")),
        (2, "has not passed yet", ("audit", "--to", "2999-01-01")),
        (2, "--expect is no head", ("audit", "--expect", "abc")),
    ):
        answer = await footfall(bench, *arguments)
        assert (answer.code, answer.out) == (code, ""), arguments
        assert answer.err.strip().splitlines()[-1].startswith("footfall: ")
        assert words in answer.err


def test_an_open_hour_is_not_finished(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        empty = await footfall(bench, "audit")
        assert (empty.code, empty.out) == (1, "not finished: the books are empty and nothing has been received\n")
        bench.start("anonymize")
        bench.start("aggregate")
        await bench.feed(1, 300)
        await bench.equal()
        answer = await footfall(bench, "audit")
        assert answer.code == 1
        assert "open since" in answer.out
        assert answer.out.strip().splitlines()[-1].startswith("not finished: ")

    asyncio.run(run(brokers, prefix, tmp_path, scenario))
