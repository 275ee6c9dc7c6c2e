"""What a peer must come to, on a case counted by hand, and the runner that finds out whether it did."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import permutations

import orjson
import pytest

from bench.peers import catalogue, work
from bench.peers.expected import expected_figures
from bench.peers.figures import NOT_A_NUMBER, differences
from bench.peers.running import PeerResult, measure
from bench.workload import Record, Workload, records
from schemas.catalogue.metrics import METRICS, Kind

HOUR = "2026-11-01T10:00:00Z"
DAY = "2026-11-01T00:00:00Z"


def event(sequence: int | str, kind: str, time: str, **data: str) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": str(sequence),
        "source": "site",
        "company": "acme",
        "type": kind,
        "time": time,
        "sequence": sequence,
        "data": data,
    }


def tiny() -> list[Record]:
    asked = {"assistant": "writer", "module": "chat"}
    values: list[object] = [
        event("0", "message.sent", "2026-11-01T10:59:59.999Z", user="a", role="user"),
        event(1, "message.sent", "2026-11-01T12:00:00+02:00", user="b", role="assistant"),
        [
            event("2", "prompt.submitted", "2026-11-01T10:00:00Z", user="a", **asked),
            event("2", "prompt.submitted", "2026-11-01T10:00:00Z", user="a", **asked),
            event("4", "prompt.submitted", "2026-11-01T11:00:00Z", user="c", **asked),
        ],
        event("0", "message.sent", "2026-11-01T10:59:59.999Z", user="a", role="user"),
        event("3", "consent.changed", "2026-11-01T10:00:00Z", user="d", scope="app"),
        event("5", "chat.created", "2026-11-02T00:00:00Z", user="a"),
    ]
    return [(0, b"acme", orjson.dumps(value)) for value in values]


EXPECTED = {
    f"acme|user_messages|PT1H|{HOUR}|": 1,
    f"acme|assistant_messages|PT1H|{HOUR}|": 1,
    f"acme|prompts|PT1H|{HOUR}|assistant=writer,module=chat": 1,
    "acme|prompts|PT1H|2026-11-01T11:00:00Z|assistant=writer,module=chat": 1,
    "acme|chats_created|PT1H|2026-11-02T00:00:00Z|": 1,
    f"acme|dau|P1D|{DAY}|": 2,
    "acme|dau|P1D|2026-11-02T00:00:00Z|": 1,
}


def worked(made: list[Record]) -> dict[str, int]:
    """The figures by what the Python peers have in common, in the plainest frame."""
    figures: dict[str, int] = {}
    seen: dict[str, list[int]] = {}
    active: set[tuple[str, str]] = set()
    for _, company, value in made:
        decoded = orjson.loads(value)
        for each in decoded if isinstance(decoded, list) else [decoded]:
            key = f"{company!r}{work.source(each)}"
            after = work.seen_with(seen.get(key, [0]), work.number(each))
            if after is None:
                continue
            seen[key] = after
            grown = work.counts(each)
            user = work.active_user(each)
            if user is not None and user not in active:
                active.add(user)
                grown.append(user[0])
            for figure in grown:
                figures[figure] = figures.get(figure, 0) + 1
    return figures


def test_expected_totals_of_a_case_counted_by_hand() -> None:
    assert expected_figures(tiny()) == EXPECTED


@pytest.mark.parametrize("batch", [1, 7])
def test_the_work_that_peers_share_comes_to_the_expected_totals(batch: int) -> None:
    assert worked(tiny()) == EXPECTED
    made = list(records(Workload(1_790_000_000_000, events=3000, companies=5, users=50, batch=batch)))
    assert worked(made) == expected_figures(made)
    assert worked([*made[::-1], *made]) == expected_figures(made)


def test_numbers_count_once_in_any_order() -> None:
    for order in permutations(range(5)):
        seen: list[int] = [0]
        for number in order:
            after = work.seen_with(seen, number)
            assert after is not None
            seen = after
            assert work.seen_with(seen, number) is None
        assert seen == [5]


def test_differences_name_what_is_missing_what_is_wrong_and_what_nobody_expects() -> None:
    assert differences({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 3, "d": 4}) == [
        ("b", 2, 3),
        ("c", 3, None),
        ("d", None, 4),
    ]
    assert differences({"a": 1}, {"a": NOT_A_NUMBER})
    assert not differences({"a": 1}, {"a": 1})


def test_the_java_peer_knows_every_hourly_count_of_the_catalogue() -> None:
    source = (catalogue.HERE / "kafka_streams/src/main/java/footfall/bench/Counting.java").read_text("utf-8")
    counted = [metric for metric in METRICS.values() if metric.kind is Kind.COUNT]
    assert counted
    for metric in counted:
        assert f'"{metric.name}"' in source
        assert f'"{metric.event_type}"' in source
        assert all(f"{name}=" in source for name in metric.dimensions)


class ScriptedSink:
    """Gives one step of a script at each look, then nothing more."""

    def __init__(self, *steps: dict[str, int]) -> None:
        self.figures: dict[str, int] = {}
        self._steps = list(steps)

    async def poll(self) -> bool:
        if not self._steps:
            return False
        self.figures.update(self._steps.pop(0))
        return True


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as started:
        yield started
        started.kill()


async def look(process: subprocess.Popen[bytes], *steps: dict[str, int]) -> PeerResult:
    return await measure([process], ScriptedSink(*steps), {"a": 2, "x|dau|": 1}, deadline=2, settle=0.2)


async def test_a_sink_that_comes_to_the_expected_figures_has_a_rate(process: subprocess.Popen[bytes]) -> None:
    result = await look(process, {"a": 1}, {"a": 2, "x|dau|": 1})
    assert result.right
    assert (result.events, result.steady_events, result.figures) == (2, 1, 2)
    assert not result.steady
    assert result.rate == result.events / result.seconds
    assert result.peak_rss > 0


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([{"a": 2}], id="a figure is missing"),
        pytest.param([{"a": 2, "x|dau|": 1, "b": 1}], id="nobody expects one"),
        pytest.param([{"a": 2, "x|dau|": 1}, {"a": 3}], id="right, then counted twice"),
    ],
)
async def test_a_wrong_sink_has_no_speed(process: subprocess.Popen[bytes], steps: list[dict[str, int]]) -> None:
    result = await look(process, *steps)
    assert not result.right
    assert result.differences
    assert result.rate is None
    assert result.cpu_per_million is None


async def test_a_process_that_ends_is_no_peer(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    result = await look(process)
    assert result.problem is not None
    assert "ended" in result.problem
    assert result.rate is None


def test_without_java_kafka_streams_is_left_out_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    why = {peer.name: peer.prepare() for peer in catalogue.PEERS if peer.name in {"Kafka Streams", "stock Faust"}}
    assert why == {"Kafka Streams": "java is not on this machine", "stock Faust": None}
