"""A worker's lines: the client's are few, JSON, and hold nothing of an event; the last one says why and what to do."""

import ast
import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import aiokafka
import pytest
from aiokafka import TopicPartition
from aiokafka import errors as kafka

from pipeline.errors import StartupError, StoreError
from pipeline.kafka.appender import ForeignWriteError, ProduceError
from pipeline.worker import ending
from pipeline.worker.ending import end, reason
from pipeline.worker.lease import LeaseLostError
from pipeline.worker.lines import ClientLines

CANARY = "canary-7f3a said so"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def logger(clock: Clock) -> Iterator[logging.Logger]:
    """One of the client's, whose lines go to a handler of their own."""
    logger, handler = logging.getLogger("aiokafka.told"), ClientLines(clock)
    logger.addHandler(handler)
    logger.propagate = False
    yield logger
    logger.removeHandler(handler)


def test_the_clients_lines_are_ten_a_minute_and_none_is_said_twice(
    said: Callable[[], list[dict[str, object]]], logger: logging.Logger, clock: Clock
) -> None:
    for _ in range(200):
        for node in range(15):
            logger.error(
                "Unable connect to node with id %s: %s", node, ConnectionRefusedError(111, "Connect call failed")
            )
        clock.now += 0.01
    first = said()
    assert [line["what"] for line in first] == [
        f"Unable connect to node with id {node}: Connection refused" for node in range(10)
    ]
    assert {(line["event"], line["level"], line["logger"]) for line in first} == {("client", "error", "aiokafka.told")}
    clock.now += 60
    logger.warning("Marking the coordinator dead (node %s)for group %s.", 1, "footfall-anonymize")
    (line,) = said()
    assert line["what"] == "Marking the coordinator dead (node 1)for group footfall-anonymize."
    assert line["left_out"] == 200 * 15 - 10


def test_nothing_of_an_event_is_in_the_clients_lines(
    said: Callable[[], list[dict[str, object]]], logger: logging.Logger
) -> None:
    try:
        raise kafka.KafkaError(CANARY)
    except kafka.KafkaError as error:
        logger.exception("Unexpected error in fetcher routine")
        logger.error("Failed fetch messages from %s: %r", 1, error)
    logger.error("OffsetCommit failed on partition %s: %s", TopicPartition("footfall.raw.v1", 3), kafka.UnknownError)
    logger.warning("of %r and %s", {"user": CANARY}, CANARY.encode())
    logger.warning("of %s", CANARY)
    told = said()
    assert CANARY not in json.dumps(told)
    assert [line["what"] for line in told] == [
        "Unexpected error in fetcher routine",
        "Failed fetch messages from 1: KafkaError",
        "OffsetCommit failed on partition footfall.raw.v1-3: UnknownError",
        "of dict and bytes",
        "of str",
    ]
    assert told[0]["error"] == "KafkaError"
    assert "test_lines.py" in told[0]["where"][0]


def test_a_line_that_cannot_be_put_together_is_told_as_it_stands(said: Callable[[], list[dict[str, object]]]) -> None:
    ClientLines().emit(logging.LogRecord("aiokafka", logging.ERROR, __file__, 1, "of %d", (CANARY,), None))
    assert [line["what"] for line in said()] == ["of %d"]


def test_of_other_libraries_only_the_place_is_told(
    said: Callable[[], list[dict[str, object]]], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [ClientLines(clock)])

    async def fails() -> None:
        asyncio.get_running_loop().call_soon(int, CANARY)
        await asyncio.sleep(0.01)

    asyncio.run(fails())
    thread = threading.Thread(target=int, args=(CANARY,))
    thread.start()
    thread.join()
    of_the_loop, of_the_thread = said()
    assert (of_the_loop["logger"], of_the_loop["error"]) == ("asyncio", "ValueError")
    assert (of_the_thread["event"], of_the_thread["error"]) == ("thread_ended", "ValueError")
    assert CANARY not in json.dumps([of_the_loop, of_the_thread])


def test_the_clients_texts_are_constants() -> None:
    """So that they may be told: nothing is put into them but by arguments, which are looked at."""
    found = 0
    for path in sorted(Path(aiokafka.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
                continue
            if ast.unparse(node.func.value) in {"log", "logger", "self._log"} and node.func.attr != "isEnabledFor":
                found += 1
                assert isinstance(node.args[0], ast.Constant), f"{path.name}:{node.lineno}"
    assert found > 50


@pytest.mark.parametrize(
    ("error", "what", "do", "helps"),
    [
        (LeaseLostError(4.0), "answered no heartbeat for 4.0 s", "see that the brokers run", True),
        (kafka.KafkaConnectionError(CANARY), "the brokers went away", "see that they run", True),
        (TimeoutError(CANARY), "the brokers went away", "see that they run", True),
        (ForeignWriteError("footfall.clean.v1 partition 3"), "footfall.clean.v1 partition 3", "who else writes", True),
        (StoreError("the state store in x: no space left"), "no space left", "FOOTFALL_STORE", True),
        (kafka.TopicAuthorizationFailedError(CANARY), "refuse it a right", "footfall doctor", False),
        (kafka.MessageSizeTooLargeError(CANARY), "no batch of the size", "max.message.bytes", False),
        (kafka.UnknownTopicOrPartitionError(CANARY), "is gone", "topics diff", False),
        (MemoryError(CANARY), "no memory", "give it more", True),
        (OSError(28, CANARY), "No space left on device", "mend that", True),
        (KeyError(CANARY), "does not foresee", "report error and where", True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_the_last_line_says_why_and_what_to_do_and_whether_a_start_helps(
    error: Exception, what: str, do: str, helps: bool
) -> None:
    why, advice = reason(error)
    assert what in why
    assert do in advice
    assert CANARY not in why + advice
    assert ("started again, it recovers" in advice) == helps
    assert ("does not help before" in advice) != helps


def test_a_failed_write_is_explained_by_what_the_client_said() -> None:
    for kind, do in (
        (kafka.KafkaTimeoutError, "see that they run"),
        (kafka.TopicAuthorizationFailedError, "footfall doctor"),
    ):
        try:
            try:
                raise kind
            except kafka.KafkaError:
                raise ProduceError(f"footfall.clean.v1 partition 3: {kind.__name__}") from None
        except ProduceError as error:
            why, advice = reason(error)
        assert why == f"footfall.clean.v1 partition 3: {kind.__name__}"
        assert do in advice
    assert "report" in reason(ProduceError("a record for footfall.clean.v1 is larger than a batch"))[1]


def test_what_a_setting_is_to_blame_for_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(ending.os, "_exit", codes.append)
    group = ExceptionGroup("several", [ExceptionGroup("more", [kafka.InvalidSessionTimeoutError(CANARY)])])
    end(group)
    end(StartupError("this", "do that"))
    assert codes == [2, 2]
    first, second = capfd.readouterr().err.splitlines()
    assert "FOOTFALL_SESSION_TIMEOUT" in first
    assert second == "footfall: this: do that"
