"""The sink and the rejected topic against the oracle, read from the broker: for ``verify`` and ``demo``."""

import asyncio
from dataclasses import dataclass, field

from agents.core.accept.pseudonyms import Pseudonyms
from agents.core.shared.control import ControlKeys
from pipeline.broker.chunks import look_at_chunks, require_known
from pipeline.kafka.reader import Progress, StoredRecord, ends, read_topic
from pipeline.preflight import require_control
from pipeline.proof.corrections import compare_corrections
from pipeline.proof.oracle import OracleKeys, OracleResult, expect
from pipeline.proof.sink import SinkView
from pipeline.proof.verify import Difference, compare, last_is_highest, wrong_pages
from pipeline.settings.settings import Settings
from schemas.deciding import Deciding
from schemas.topics import topic_name
from schemas.wire.forms import UnknownFormError
from schemas.wire.rejections import decode_rejection

__all__ = ["Judgement", "judge", "known_keys", "oracle_keys", "oracle_of"]


@dataclass(slots=True)
class Judgement:
    """What the comparison found; all empty where the sink is right."""

    expected: OracleResult
    differences: list[Difference] = field(default_factory=list)
    not_last: list[str] = field(default_factory=list)
    """Ids whose last record in the sink is not that of the highest revision."""
    rejections_missing: int = 0
    rejections_surplus: int = 0
    corrections_wrong: list[Difference] = field(default_factory=list)
    """Corrections that are missing, surplus or other than they should be, and where they do not come to the sink."""
    ledger_wrong: list[str] = field(default_factory=list)
    """Keys of the books that are missing, surplus or not what they should be."""
    raw_end: int = 0
    """Sum of the end offsets of raw before it was read."""
    raw_grown: int = 0
    """Offsets by which raw has grown since, of which the expectation may know nothing: events, and ticks too."""

    @property
    def equal(self) -> bool:
        """Whether everything held."""
        wrong = self.differences or self.not_last or self.ledger_wrong or self.corrections_wrong
        return not (wrong or self.rejections_missing or self.rejections_surplus)


async def oracle_of(
    settings: Settings, raw: list[StoredRecord], progress: Progress | None = None, *, keys: OracleKeys | None = None
) -> OracleResult:
    """What ``raw`` comes to under ``settings``; the source's mark in rejections only where the key is set.

    ``keys`` are those of the settings unless others are given.
    """
    secret = settings.pseudonym_secret()
    mark = None
    if secret is not None:
        pseudonyms = Pseudonyms(secret)

        def mark(company: str, source: str) -> str:
            return pseudonyms.source(company, source).hex()[:16]

    digests: dict[str, Deciding] = {settings.digest(): settings.deciding()}
    return await asyncio.to_thread(
        expect,
        raw,
        settings.deciding(),
        settings.partitions,
        topic=topic_name(settings.topic_prefix, "raw"),
        record_duplicates=settings.record_duplicates,
        source_mark=mark,
        digests=digests,
        keys=keys or oracle_keys(settings, who="the oracle"),
        progress=progress,
    )


def oracle_keys(settings: Settings, who: str) -> OracleKeys:
    """The control keys as the oracle takes them; refuses where none is set.

    Where a key before is set, it is in force until the control record that brings the present one.
    """
    require_control(settings, who)
    given = [secret for secret in settings.control_secrets() if secret is not None]
    return OracleKeys({ControlKeys(secret).mark: secret for secret in given}, given[-1])


async def known_keys(settings: Settings, who: str) -> OracleKeys:
    """As :func:`oracle_keys`, with what is known of where each key was in force.

    Refuses where settings or keys are not those of the deployment.
    """
    keys, found = oracle_keys(settings, who), await look_at_chunks(settings)
    require_known(settings, require_control(settings, who), found)
    return keys._replace(begun=found.begun)


async def judge(settings: Settings, progress: Progress | None = None, *, wait: float = 0.0) -> Judgement:
    """Read raw and what was made of it up to their present ends, and compare. ``brokers`` must be set.

    Where they differ it goes on for ``wait`` seconds at most: an emission may be under way, and raw may grow.
    """
    loop = asyncio.get_running_loop()
    judgement = await _judge_raw(settings, progress)
    until = loop.time() + wait
    while not judgement.equal and loop.time() < until:
        await asyncio.sleep(1)
        if judgement.raw_grown:
            judgement = await _judge_raw(settings)
        else:
            await _compare(settings, judgement)
    return judgement


async def _judge_raw(settings: Settings, progress: Progress | None = None) -> Judgement:
    brokers, prefix = settings.connection(), settings.topic_prefix
    end = await _raw_end(settings)
    raw = await read_topic(brokers, topic_name(prefix, "raw"), progress)
    keys = await known_keys(settings, "verify")
    judgement = Judgement(await oracle_of(settings, raw, keys=keys), raw_end=end)
    await _compare(settings, judgement)
    return judgement


async def _raw_end(settings: Settings) -> int:
    found = await ends(settings.connection(), topic_name(settings.topic_prefix, "raw"))
    return sum(end for _, end in found.values())


async def _compare(settings: Settings, judgement: Judgement) -> None:
    """Read what was made of raw anew and compare with the same expectation."""
    brokers, prefix = settings.connection(), settings.topic_prefix
    sink = await read_topic(brokers, topic_name(prefix, "aggregates"))
    view = SinkView()
    view.apply(sink)
    judgement.differences = compare(view.records, judgement.expected.figures)
    judgement.not_last = last_is_highest(sink)
    corrections = await read_topic(brokers, topic_name(prefix, "corrections"))
    judgement.corrections_wrong = compare_corrections(corrections, judgement.expected.corrections, view.records)
    ledger = await read_topic(brokers, topic_name(prefix, "ledger"))
    judgement.ledger_wrong = wrong_pages(ledger, judgement.expected.ledger)
    found = set()
    strange = 0
    for record in await read_topic(brokers, topic_name(prefix, "rejected")):
        try:
            each = decode_rejection(record.value or b"")
        except UnknownFormError:
            strange += 1
            continue
        found.add(each.verdict)
    wanted = {each.verdict for each in judgement.expected.rejections}
    judgement.rejections_missing = len(wanted - found)
    judgement.rejections_surplus = len(found - wanted) + strange
    judgement.raw_grown = await _raw_end(settings) - judgement.raw_end
