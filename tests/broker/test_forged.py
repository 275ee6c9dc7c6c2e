"""Control records and ticks that nobody signed, as any producer may write them: one rejection each, no more."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from pipeline.kafka.reader import read_topic
from pipeline.processes import metric_total
from pipeline.proof.leaks import LeakSearch
from pipeline.proof.oracle.homes import home_of
from schemas.limits import HOUR_MS
from schemas.reasons import Reason
from schemas.times import instant
from schemas.topics import TOPICS
from tests.broker.bench import PARTITIONS, Bench, run
from tests.control_kit import Headers, fold_text, tick_text

pytestmark = pytest.mark.broker
PERSON = "Jane-Doe-4711"
HOME = home_of(b"acme", PARTITIONS)


def forged(bench: Bench) -> list[tuple[bytes | None, Headers]]:
    """Keys and headers of records that are no genuine ones."""
    key, raw, digest = bytes.fromhex(bench.keys["CONTROL_KEY"]), bench.topic("raw"), bench.other().digest()
    other = "0123456789abcdef-0123456789abcdef"
    long = f"{PERSON} lives at \x1b[2J ".encode() * 3000
    told: list[tuple[bytes | None, Headers]] = [
        (None, (("footfall-fold", b"any text"),)),
        (None, (("footfall-fold", long),)),
        (None, (("footfall-fold", b"\xff\xfe"),)),
        (b"", (("footfall-fold", other.encode()),)),
        (None, (("footfall-fold", None),)),
        (None, (("footfall-fold", fold_text(b"\1" * 32, raw, HOME, other, 1)),)),
        (None, (("footfall-fold", fold_text(key, raw, (HOME + 1) % PARTITIONS, other, 1)),)),
        (None, (("footfall-fold", fold_text(key, "mirror.raw.v1", HOME, other, 1)),)),
        (None, (("footfall-fold", fold_text(key, raw, HOME, digest, 1)), ("more", PERSON.encode()))),
        (PERSON.encode(), (("footfall-fold", fold_text(key, raw, HOME, digest, 1)),)),
        (None, (("footfall-tick", b"1"),)),
        (None, (("footfall-tick", tick_text(b"\1" * 32, raw, HOME, 0)),)),
        (None, (("more", None), ("footfall-tick", tick_text(key, raw, HOME, 0)))),
        (None, (*((str(number), None) for number in range(9_000)), ("footfall-tick", None))),
    ]
    return told


async def append(bench: Bench, records: list[tuple[bytes | None, Headers]]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bench.brokers, max_request_size=2 << 20)
    await producer.start()
    try:
        for key, headers in records:
            batch = producer.create_batch()
            batch.append(key=key, value=None, timestamp=None, headers=list(headers))
            await (await producer.send_batch(batch, bench.topic("raw"), partition=HOME))
    finally:
        await producer.stop()


async def good(bench: Bench, number: int, hours_ago: int = 0) -> None:
    event = {
        "specversion": "1.0",
        "id": str(number),
        "source": "s",
        "sequence": number,
        "type": "chat.created",
        "company": "acme",
        "time": instant(int(time.time() * 1000) - hours_ago * HOUR_MS),
    }
    producer = AIOKafkaProducer(bootstrap_servers=bench.brokers)
    await producer.start()
    try:
        await producer.send_and_wait(bench.topic("raw"), json.dumps(event).encode(), key=b"acme", partition=HOME)
    finally:
        await producer.stop()


def test_what_is_forged_is_one_rejection_and_the_next_good_event_counts(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        pair = [bench.start("anonymize"), bench.start("aggregate")]
        await good(bench, 0)
        await bench.equal()
        told = forged(bench)
        await append(bench, told)
        for number in (1, 2, 3):
            await good(bench, number)
        expected = await bench.all_equal()
        assert expected.counted == 4
        assert [each.reason for each in expected.rejections] == [Reason.FORGED_CONTROL] * len(told)
        page = pair[0].get("/metrics")[1]
        assert metric_total(page, "footfall_rejected_total", reason="forged-control") == len(told)
        for worker in pair:
            await worker.ready()
        await _nothing_of_it_is_kept(bench)
        folded = await bench.footfall("topics", "fold", **bench.keys)
        assert (folded.code, "nothing appended" in folded.out) == (0, True), folded
        assert await bench.announce(lateness="P20D") == [*range(PARTITIONS)]
        verified = await bench.footfall("verify", "--wait", "20", **bench.keys)
        assert verified.code == 0, verified
        shown = await bench.footfall("rejected", **bench.keys)
        assert "forged-control" in shown.out
        assert PERSON not in shown.out

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


async def _nothing_of_it_is_kept(bench: Bench) -> None:
    search = LeakSearch([PERSON])
    for short in TOPICS:
        if short != "raw":
            search.records(short, await read_topic(bench.brokers, bench.topic(short)))
    search.look("logs", bench.logs().encode())
    assert not search.places


def test_a_stale_tick_and_a_stale_control_record_are_nothing(brokers: str, prefix: str, tmp_path: Path) -> None:
    """Genuine ones, appended again by whoever can read raw: they are in the books and change nothing."""

    async def scenario(bench: Bench) -> None:
        bench.start("anonymize", IDLE_AFTER="2")
        bench.start("aggregate", IDLE_AFTER="2")
        bench.settings = bench.other(idle_after=2)
        await good(bench, 0, hours_ago=5)
        own, key = bench.settings.digest(), bytes.fromhex(bench.keys["CONTROL_KEY"])
        text = fold_text(key, bench.topic("raw"), HOME, own, 1)
        await append(bench, [(None, (("footfall-fold", text),))])  # brings what is in force already

        async def ours() -> list[tuple[bytes | None, Headers]]:
            raw = await read_topic(bench.brokers, bench.topic("raw"))
            return [(each.key, each.headers) for each in raw if each.partition == HOME and each.headers]

        async def ticked() -> bool:
            return len(await ours()) > 1

        await bench.until(ticked)
        signed = await ours()
        await good(bench, 1)
        await append(bench, signed * 3)
        await good(bench, 2)
        expected = await bench.all_equal()
        assert (expected.counted, expected.rejections) == (3, [])

    asyncio.run(run(brokers, prefix, tmp_path, scenario))
