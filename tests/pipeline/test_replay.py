"""Replay's own decisions: where reading must begin, how live figures are judged, what is asked and noted."""

import asyncio
import random
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from agents.core.accept.chunk_builder import ChunkBuilder
from agents.core.count.state import Entry
from agents.core.replay.refold import Period, Refold
from agents.core.shared.windows import span_of
from pipeline.cli.main import app
from pipeline.errors import StartupError
from pipeline.replay.live import Judge, Standing, Verdict, standing_of
from pipeline.replay.request import Request, ask, parallel_name, whole_hour
from pipeline.replay.start import Peek, Stretch, first_needed, require_reach
from pipeline.settings.settings import load_settings
from schemas.catalogue.metrics import METRICS, WindowSize
from schemas.deciding import Deciding
from schemas.limits import HOUR_MS
from schemas.wire.clean import CleanChunk
from tests.pipeline.audit_kit import sink_record

HOUR = 500_000 * HOUR_MS


class Log(Peek):
    """Chunks in memory, the first of them at clean offset ``first``."""

    def __init__(self, chunks: list[CleanChunk], first: int = 0) -> None:
        super().__init__(None, "footfall.clean.v1")  # type: ignore[arg-type]
        self.chunks = chunks
        self.first = first

    async def chunk(self, partition: int, offset: int) -> CleanChunk:
        assert self.first <= offset
        return self.chunks[offset - self.first]

    @property
    def stretch(self) -> Stretch:
        return Stretch(0, self.first, self.first + len(self.chunks))


def chunk(first: int, last: int, watermark: int) -> CleanChunk:
    return ChunkBuilder(first).build(last, watermark, watermark, "d-k")


def repeated(choose: random.Random) -> list[CleanChunk]:
    """A log as owners write it, one of whom may repeat, in other chunks, what another has written."""
    marks, found, fence = [0], list[CleanChunk](), -1
    for _ in range(200):
        marks.append(marks[-1] + choose.choice([0, 0, 1, 3]))
    while fence < 150:
        if found and choose.random() < 0.15:
            at = choose.randint(max(0, fence - 20), fence)  # a zombie goes on from an earlier fence
            for _ in range(choose.randint(1, 3)):
                last = min(at + choose.randint(0, 9), fence)
                found.append(chunk(at, last, HOUR + marks[last]))
                at = last + 1
                if at > fence:
                    break
        last = fence + choose.randint(1, 6)
        found.append(chunk(fence + 1, last, HOUR + marks[last]))
        fence = last
    return found


@pytest.mark.parametrize("seed", range(60))
def test_reading_begins_before_the_first_event_of_the_period_or_a_gap_is_found(seed: int) -> None:
    choose = random.Random(seed)
    chunks = repeated(choose)
    log, gaps = Log(chunks), 0
    for begin in range(HOUR - 1, HOUR + 200, 7):
        at = asyncio.run(first_needed(log, log.stretch, None, begin))
        fence, gap = chunks[at].first - 1, False
        for each in chunks[at:]:
            gap = gap or each.first > fence + 1
            fence = max(fence, each.last)
        gaps += gap
        before = max((each.last for each in chunks if each.event_watermark < begin), default=-1)
        assert gap or chunks[at].first <= before + 1, begin
    assert gaps < 10


def test_a_log_that_repeats_at_its_end_is_trusted_only_with_the_state() -> None:
    log = Log([chunk(0, 4, HOUR), chunk(5, 9, HOUR + 9), chunk(0, 2, HOUR), chunk(3, 4, HOUR)])
    assert asyncio.run(first_needed(log, log.stretch, None, HOUR + 5)) == 0
    state = Entry(fence=9, event_watermark=HOUR + 9, clean_next=4)
    assert asyncio.run(first_needed(log, log.stretch, state, HOUR + 5)) == 0
    assert asyncio.run(first_needed(log, log.stretch, state, HOUR + 10)) == 4
    behind = replace(state, clean_next=3)
    assert asyncio.run(first_needed(log, log.stretch, behind, HOUR + 10)) == 0


def test_a_period_that_the_log_no_longer_reaches_is_refused_with_the_time_from_which_it_does() -> None:
    log = Log([chunk(40, 49, HOUR + 5), chunk(50, 59, HOUR + 2 * HOUR_MS)], first=4)
    asyncio.run(require_reach(log, [log.stretch], {}, HOUR + HOUR_MS))
    with pytest.raises(StartupError, match="it could begin at 2027-01-15T09:00:00Z"):
        asyncio.run(require_reach(log, [log.stretch], {}, HOUR))
    whole = Log(log.chunks)
    asyncio.run(require_reach(whole, [whole.stretch], {}, HOUR))
    emptied = Stretch(0, 6, 6)
    state = Entry(event_watermark=HOUR + 5, clean_next=6)
    asyncio.run(require_reach(log, [emptied], {0: state}, HOUR + HOUR_MS))
    with pytest.raises(StartupError, match="it could begin at"):
        asyncio.run(require_reach(log, [emptied], {0: state}, HOUR))
    with pytest.raises(StartupError, match="let worker aggregate read it"):
        asyncio.run(require_reach(log, [emptied], {0: replace(state, clean_next=5)}, HOUR + HOUR_MS))


def judged(wanted: Standing | None, live: Standing | None, emitted_fence: int = 99, closing: int = HOUR * 2) -> Verdict:
    """Of an hour that closes behind the replay's end at raw offset 50."""
    refold = Refold(Deciding(), 0, Period(HOUR, None, tuple(METRICS)))
    refold.entry.fence, refold.entry.closing_watermark = 50, HOUR
    emitted = Entry(emitted_fence=emitted_fence, emitted_closing_watermark=closing)
    return Judge(refold, emitted).of(span_of(WindowSize.HOUR, HOUR, Deciding()), wanted, live)


def stands(last: int, value: int, status: str = "provisional") -> Standing:
    return Standing(2 * last + (status != "provisional"), value, status)


def test_the_live_sink_is_judged_by_what_it_can_know() -> None:
    one = stands(30, 5)
    assert judged(one, one) is Verdict.EQUAL
    assert judged(one, stands(30, 6)) is Verdict.DIFFERENT
    assert judged(one, stands(31, 6)) is Verdict.DIFFERENT
    assert judged(one, stands(51, 6)) is Verdict.MOVED_ON
    assert judged(one, stands(51, 5)) is Verdict.DIFFERENT, "an event adds"
    assert judged(one, stands(30, 5, "final")) is Verdict.MOVED_ON, "its window closed since"
    assert judged(one, stands(30, 5, "corrected")) is Verdict.DIFFERENT
    assert judged(one, None) is Verdict.DIFFERENT
    assert judged(one, None, emitted_fence=29) is Verdict.BEHIND
    assert judged(one, stands(20, 4), emitted_fence=29) is Verdict.BEHIND
    assert judged(one, stands(20, 4)) is Verdict.DIFFERENT
    assert judged(None, stands(30, 5)) is Verdict.DIFFERENT
    assert judged(None, stands(51, 5)) is Verdict.MOVED_ON
    closed = stands(30, 5, "final")
    assert judged(closed, one) is Verdict.DIFFERENT
    assert judged(closed, one, closing=HOUR) is Verdict.BEHIND
    assert judged(stands(30, 5, "corrected"), closed) is Verdict.DIFFERENT
    assert standing_of(sink_record("acme|dau|P1D|2026-11-01T00:00:00Z|", 5, "final", 61)) == Standing(61, 5, "final")


def test_the_note_holds_what_was_asked() -> None:
    settings = load_settings()
    asked = ask(settings, "2026-11-01", "2026-11-02T05:00:00Z", ["mau", "dau"], "raw", False)
    assert asked.period.metrics == ("dau", "mau")
    assert Request.read(asked.note([3, 5])) == (asked, [3, 5])
    assert Request.read(ask(settings, "2026-11-01", None, [], "clean", True).note([]))[0].period.metrics == (*METRICS,)
    more = asked.note([3]).removesuffix(b"}") + b',"more":1}'
    for note in (more, b"{}", b"[]", b"x", b'{"to": null, "from": "never"}'):
        with pytest.raises((ValueError, KeyError, TypeError)):
            Request.read(note)


@pytest.mark.parametrize("text", ["", "now", "2026-11-31", "2026-11-01T10:00", "2026-11-01T10:00:01Z", "20261101"])
def test_a_time_that_is_no_whole_hour_is_refused(text: str) -> None:
    with pytest.raises(StartupError, match="bad --from"):
        whole_hour("--from", text)


def test_a_suffix_makes_a_legal_topic_name() -> None:
    assert parallel_name(load_settings(), "a-B_9") == "footfall.aggregates.v1.a-B_9"
    for suffix in ("", "a.b", "a b", "x" * 41, "é"):
        with pytest.raises(StartupError, match="bad --into"):
            parallel_name(load_settings(), suffix)
    with pytest.raises(StartupError, match="bad --into"):
        parallel_name(load_settings(topic_prefix="p" * 150), "x" * 90)


INTO = ("--into", "x")
DAY = ("--from", "2026-11-02")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (DAY, ["--into is missing"]),
        (INTO, ["--from is missing"]),
        (("--from", "yesterday", *INTO), ["bad --from", "whole hour"]),
        ((*DAY, "--to", "2026-02-30", *INTO), ["bad --to"]),
        ((*DAY, "--to", "2026-11-02", *INTO), ["is not after"]),
        ((*DAY, "--to", "2026-11-01", *INTO), ["is not after"]),
        ((*DAY, "--metric", "clicks", *INTO), ["unknown metric clicks", "dau"]),
        ((*DAY, "--into", "a b"), ["bad --into"]),
        ((*DAY, "--source", "sink", *INTO), ["unknown --source"]),
        ((*DAY, *INTO, "--promote"), ["stand alone"]),
        ((*INTO, "--remove", "--promote"), ["stand alone"]),
        ((*DAY, *INTO), ["FOOTFALL_BROKERS is not set"]),
    ],
)
def test_bad_arguments_are_refused_in_one_line_before_a_broker_is_asked(
    arguments: tuple[str, ...], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FOOTFALL_BROKERS", raising=False)
    answer = CliRunner().invoke(app, ["replay", *arguments])
    assert isinstance(answer.exception, StartupError)
    assert "\n" not in str(answer.exception)
    for word in words:
        assert word in str(answer.exception)
