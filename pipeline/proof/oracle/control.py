"""The oracle's reading of ticks and control records, from the contract alone (design 1.2, 1.7)."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import NamedTuple

from pipeline.kafka.stored import StoredRecord
from schemas.deciding import key_parts
from schemas.reasons import Outcome

__all__ = ["Control", "Controls", "OracleKeys"]

_FIELDS = {"footfall-tick": "0|[1-9][0-9]{0,18}", "footfall-fold": "[0-9a-f]{16}-[0-9a-f]{16}:[1-9][0-9]{0,18}"}
"""What goes before the tag."""


class OracleKeys(NamedTuple):
    """Control keys by the last digits of the digests that they are in force under; ``first`` is in force at first.

    ``begun`` maps a partition to the digest in force at its start, where that is known.
    """

    by_mark: Mapping[str, bytes] = {}
    first: bytes | None = None
    begun: Mapping[int, str] = {}

    def at_first(self, partition: int) -> bytes | None:
        """The key in force before the first control record of a partition."""
        digest = self.begun.get(partition)
        return self.first if digest is None else self.under(digest)

    def under(self, digest: str) -> bytes | None:
        """The key in force under a digest, None where it is not known."""
        return self.by_mark.get(key_parts(digest)[1])


class Control(NamedTuple):
    """A genuine tick or control record; ``counts`` is False of a stale one, ``digest`` that of a control record."""

    kind: Outcome
    counts: bool
    digest: str = ""


class Controls:
    """Reads one partition's records in order; ``seen`` is what a tick is to say, set by whoever judges events."""

    def __init__(self, keys: OracleKeys, topic: str, partition: int) -> None:
        self.seen = 0
        self._keys = keys
        self._topic = topic
        self._partition = partition
        self._key = keys.at_first(partition)
        self._number = 0

    @staticmethod
    def claims(record: StoredRecord) -> bool:
        """Whether a record is a tick, a control record, or a forged one."""
        return record.value is None and any(name in _FIELDS for name, _ in record.headers)

    def read(self, record: StoredRecord) -> Control | None:
        """What a record that claims to be ours is, None where it is forged; what counts is in force from then on."""
        if self._key is None or record.key or len(record.headers) != 1:
            return None
        name, content = record.headers[0]
        *fields, tag = (content or b"").decode("ascii", "replace").split(":")
        text = "|".join([name.removeprefix("footfall-"), self._topic, str(self._partition), *fields])
        signature = hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:32]
        if tag != signature or not re.fullmatch(_FIELDS[name], ":".join(fields)):
            return None
        if name == "footfall-tick":
            return Control(Outcome.TICK, int(fields[0]) == self.seen)
        digest, number = fields
        if int(number) != self._number + 1:
            return Control(Outcome.CONTROL, counts=False)
        self._number += 1
        self._key = self._keys.under(digest)
        return Control(Outcome.CONTROL, counts=True, digest=digest)
