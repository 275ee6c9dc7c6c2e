"""The sink and the rejected topic against the oracle, read from the broker: for ``verify`` and ``demo``."""

import asyncio
from dataclasses import dataclass, field

import msgspec

from agents.core.pseudonyms import Pseudonyms
from pipeline.corrections import compare_corrections
from pipeline.oracle import OracleResult, expect
from pipeline.reading import Progress, StoredRecord, read_topic
from pipeline.settings import Settings
from pipeline.sink import SinkView
from pipeline.verify import Difference, compare, last_is_highest, wrong_pages
from schemas.deciding import Deciding
from schemas.rejections import decode_rejection
from schemas.topics import topic_name

__all__ = ["Judgement", "compare_again", "judge", "oracle_of"]


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

    @property
    def equal(self) -> bool:
        """Whether everything held."""
        wrong = self.differences or self.not_last or self.ledger_wrong or self.corrections_wrong
        return not (wrong or self.rejections_missing or self.rejections_surplus)


async def oracle_of(settings: Settings, raw: list[StoredRecord], progress: Progress | None = None) -> OracleResult:
    """What ``raw`` comes to under ``settings``; the source's mark in rejections only where the key is set."""
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
        progress=progress,
    )


async def judge(settings: Settings, progress: Progress | None = None) -> Judgement:
    """Read raw, sink and rejected up to their present ends and compare. ``brokers`` must be set."""
    brokers, prefix = settings.brokers or "", settings.topic_prefix
    raw = await read_topic(brokers, topic_name(prefix, "raw"), progress)
    judgement = Judgement(await oracle_of(settings, raw))
    await compare_again(settings, judgement)
    return judgement


async def compare_again(settings: Settings, judgement: Judgement) -> None:
    """Read sink and rejected anew and compare with the same expectation."""
    brokers, prefix = settings.brokers or "", settings.topic_prefix
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
        except msgspec.MsgspecError:
            strange += 1
            continue
        found.add((each.partition, each.offset, each.path, each.reason))
    wanted = {(each.partition, each.offset, each.path, each.reason) for each in judgement.expected.rejections}
    judgement.rejections_missing = len(wanted - found)
    judgement.rejections_surplus = len(found - wanted) + strange
