"""Workers whose brokers do not do what they need: they end, and say why, in few lines that hold nothing of an event."""

import asyncio
import json
import signal
from pathlib import Path

import pytest

from pipeline.broker.embedded import EmbeddedBroker
from pipeline.broker.topics import apply
from pipeline.processes import WorkerProcess
from tests.broker.bench import Bench
from tests.broker.load import CANARY

pytestmark = pytest.mark.broker
CLIENTS_LINES = 10


async def code(worker: WorkerProcess) -> int:
    return await asyncio.to_thread(worker.process.wait, 60)


async def scenario(broker: EmbeddedBroker, folder: Path) -> None:
    bench = Bench(broker.address, "away", folder)
    await apply(bench.settings)
    hasty = bench.start("anonymize", SESSION_TIMEOUT="5")
    assert await code(hasty) == 2
    assert (
        hasty.log.read_text().splitlines()[-1].startswith("footfall: the brokers do not take FOOTFALL_SESSION_TIMEOUT")
    )
    workers = [bench.start("anonymize"), bench.start("aggregate")]
    await bench.feed(1, 300)
    await bench.equal()
    broker.send_signal(signal.SIGKILL)
    try:
        for worker in workers:
            assert await code(worker) == 1
            told = [json.loads(line) for line in worker.log.read_text().splitlines()]
            last = told[-1]
            assert last["event"] == "ended"
            assert "the brokers answered no heartbeat" in last["what"] or "went away" in last["what"] + last["do"]
            assert "see that" in last["do"]
            assert 0 < len([line for line in told if line["event"] == "client"]) <= CLIENTS_LINES
        assert CANARY not in bench.logs()
    finally:
        await bench.stop()


def test_workers_whose_brokers_refuse_them_or_go_away_say_so(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path / "kafka", properties={"group.min.session.timeout.ms": "6000"})
    broker.start()
    try:
        asyncio.run(scenario(broker, tmp_path))
    finally:
        broker.stop()
