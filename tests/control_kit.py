"""Ticks and control records in tests: keys, their signing, and logs in which they are left to be signed.

A record whose only header is ``("footfall-tick", b"due")`` becomes the genuine tick that would count there, one with
``b"stale"`` a genuine one that would not; ``("footfall-fold", DIGEST)`` the control record that takes effect there.
The oracle, which reads the log up to there, says what they have to say.
"""

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Iterable, Mapping

from agents.core.accept.pseudonyms import Pseudonyms
from agents.core.shared.control import ControlKeys
from pipeline.kafka.reader import StoredRecord
from pipeline.proof.oracle import OracleKeys, OracleResult, expect
from pipeline.proof.oracle.control import Controls
from pipeline.proof.oracle.judging import Judge
from schemas.deciding import Deciding, fold_digest, key_parts

__all__ = [
    "DIGEST",
    "KEYS",
    "ORACLE_KEYS",
    "PREVIOUS",
    "PSEUDONYMS",
    "SECRET",
    "TOPIC",
    "Headers",
    "Scribe",
    "digest_of",
    "expected",
    "fold_text",
    "signed",
    "tick_text",
]

Headers = tuple[tuple[str, bytes | None], ...]
TOPIC = "footfall.raw.v1"
SECRET, PREVIOUS = bytes(range(100, 132)), bytes(range(40, 72))
PSEUDONYMS = Pseudonyms(bytes(range(32)))
KEYS = ControlKeys(SECRET)
ORACLE_KEYS = OracleKeys({KEYS.mark: SECRET}, SECRET)


def digest_of(deciding: Deciding, keys: ControlKeys = KEYS) -> str:
    """Of a worker with these settings and the keys of this module."""
    return fold_digest(deciding, PSEUDONYMS.fingerprint(), keys.mark)


DIGEST = digest_of(Deciding())


def _tag(key: bytes, *told: object) -> bytes:
    return hmac.new(key, "|".join(map(str, told)).encode(), hashlib.sha256).hexdigest()[:32].encode()


def tick_text(key: bytes, topic: str, partition: int, seen: int) -> bytes:
    """As the contract writes a tick's header."""
    return b"%d:%s" % (seen, _tag(key, "tick", topic, partition, seen))


def fold_text(key: bytes, topic: str, partition: int, digest: str, number: int) -> bytes:
    """As the contract writes a control record's header."""
    return b"%s:%d:%s" % (digest.encode(), number, _tag(key, "fold", topic, partition, digest, number))


class Scribe:
    """Reads one partition's log as it grows, and signs what is to be appended next."""

    def __init__(
        self,
        deciding: Deciding,
        partitions: int,
        partition: int,
        topic: str = TOPIC,
        keys: OracleKeys = ORACLE_KEYS,
        digests: Mapping[str, Deciding] | None = None,
    ) -> None:
        self._topic = topic
        self._digests = digests or {}
        self._controls = Controls(keys, topic, partition)
        self._judge = Judge(deciding, partitions, topic, False, None, self._controls)

    def read(self, record: StoredRecord) -> None:
        """The next record of the log."""
        self._judge.read(record, self._digests)

    def signed(self, record: StoredRecord) -> StoredRecord:
        """The record, signed where that was left to be done."""
        return record._replace(headers=_headers(record, self._topic, self._controls))


def signed(
    records: Iterable[StoredRecord],
    deciding: Deciding,
    partitions: int,
    topic: str = TOPIC,
    keys: OracleKeys = ORACLE_KEYS,
    digests: Mapping[str, Deciding] | None = None,
) -> list[StoredRecord]:
    """The records with what was left to be signed, of each partition in their order."""
    logs: dict[int, list[tuple[int, StoredRecord]]] = defaultdict(list)
    found = [*records]
    for place, record in enumerate(found):
        logs[record.partition].append((place, record))
    for number, log in logs.items():
        scribe = Scribe(deciding, partitions, number, topic, keys, digests)
        for place, given in log:
            found[place] = scribe.signed(given)
            scribe.read(found[place])
    return found


def _headers(record: StoredRecord, topic: str, controls: Controls) -> Headers:
    if len(record.headers) != 1 or record.value is not None or controls._key is None:
        return record.headers
    ((name, text),) = record.headers
    place = controls._key, topic, record.partition
    if name == "footfall-tick" and text in (b"due", b"stale"):
        return ((name, tick_text(*place, controls.seen + (text == b"stale"))),)
    if name == "footfall-fold" and text and text.isascii() and b":" not in text and key_parts(text.decode())[0]:
        return ((name, fold_text(*place, text.decode(), controls._number + 1)),)
    return record.headers


def expected(stored: Iterable[StoredRecord], deciding: Deciding, partitions: int, **more: object) -> OracleResult:
    """What the oracle says of a log that is signed with the key of this module."""
    given = {"topic": TOPIC, "keys": ORACLE_KEYS} | more
    return expect(stored, deciding, partitions, **given)  # type: ignore[arg-type]
