"""Ticks and control records: their exact form, the keys that sign them, and what they change (design 1.2, 1.7).

Both are records without value whose only header carries a text that ends with a tag: the first 32 hex digits of an
HMAC under the control key. Whatever bears such a header and is not genuine changes nothing and is one rejection.
"""

import hmac
import re
from enum import Enum, auto
from typing import Final, NamedTuple

from agents.core.shared.records import RawRecord
from schemas.deciding import KEY_DIGITS, key_parts

__all__ = [
    "CONTROL_PREFIX",
    "FOLD_HEADER",
    "TICK_HEADER",
    "ControlKeys",
    "ControlReader",
    "Found",
    "InForce",
    "Word",
]

CONTROL_PREFIX: Final = "footfall-"
"""How the name of every header begins that makes a record one of control."""
TICK_HEADER: Final = f"{CONTROL_PREFIX}tick"
FOLD_HEADER: Final = f"{CONTROL_PREFIX}fold"
_FORMS: Final = {
    TICK_HEADER: re.compile(rb"(0|[1-9][0-9]{0,18}):([0-9a-f]{32})"),
    FOLD_HEADER: re.compile(rb"([0-9a-f]{16}-[0-9a-f]{16}):([1-9][0-9]{0,18}):([0-9a-f]{32})"),
}
_TAG_DIGITS: Final = 32
_KEY_BYTES: Final = 32
_MOST_DIGESTS: Final = 64


class InForce(NamedTuple):
    """What is in force at a place of one partition's log; of two places of one log the later one's is the greater.

    ``number`` is how many control records have taken effect up to there, ``idle_after`` (ms) that of the digest in
    force, -1 where it is not known, ``digests`` those in force so far, the present one last.
    """

    number: int = 0
    idle_after: int = -1
    digests: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The one in force, "" where none is yet."""
        return self.digests[-1] if self.digests else ""

    def after(self, digest: str, idle_after: int = -1, *, number: int | None = None) -> "InForce":
        """What is in force once a control record of ``digest`` took effect."""
        known = self.digests if len(self.digests) < _MOST_DIGESTS else (self.digests[0], *self.digests[2:])
        return InForce(self.number + 1 if number is None else number, idle_after, (*known, digest))


class ControlKeys:
    """The control key and, where it was changed lately, the one before; each of 32 bytes."""

    __slots__ = ("_by_mark", "mark")

    def __init__(self, secret: bytes, previous: bytes | None = None) -> None:
        self.mark = _mark(secret)
        """8 hex digits that tell this key from others, and say nothing about it: the last ones of a digest."""
        self._by_mark = {self.mark: secret} if previous is None else {_mark(previous): previous, self.mark: secret}

    def __repr__(self) -> str:
        return f"ControlKeys(mark={self.mark!r})"

    def knows(self, digest: str) -> bool:
        """Whether the key that is in force under ``digest`` is one of these."""
        return key_parts(digest)[1] in self._by_mark

    def tick(self, topic: str, partition: int, seen: int, digest: str) -> bytes:
        """The text of a tick's header; KeyError where ``digest`` is under another key."""
        fields = b"%d" % seen
        return fields + b":" + self._tag(digest, b"tick|%s|%d|%s" % (topic.encode(), partition, fields))

    def fold(self, topic: str, partition: int, announced: str, number: int, digest: str) -> bytes:
        """The text of a control record's header, signed by the key in force under ``digest``; KeyError as above."""
        fields = b"%s:%d" % (announced.encode(), number)
        signed = b"fold|%s|%d|%s|%d" % (topic.encode(), partition, announced.encode(), number)
        return fields + b":" + self._tag(digest, signed)

    def is_genuine(self, digest: str, signed: bytes, tag: bytes) -> bool:
        """Whether ``tag`` is that of ``signed`` under the key in force under ``digest``."""
        return self.knows(digest) and hmac.compare_digest(self._tag(digest, signed), tag)

    def _tag(self, digest: str, signed: bytes) -> bytes:
        key = self._by_mark[key_parts(digest)[1]]
        return hmac.digest(key, signed, "sha256").hex()[:_TAG_DIGITS].encode()


def _mark(secret: bytes) -> str:
    if len(secret) != _KEY_BYTES:
        raise ValueError(f"the control key must be {_KEY_BYTES} bytes, not {len(secret)}")
    return hmac.digest(secret, b"footfall control key", "sha256").hex()[:KEY_DIGITS]


class Word(Enum):
    """What a record that bears one of the two headers is."""

    TICK = auto()
    STALE_TICK = auto()
    FOLD = auto()
    """A control record that takes effect."""
    STALE_FOLD = auto()
    FORGED = auto()


class Found(NamedTuple):
    """A record of ours, or one that claims to be; ``digest`` is the announced one of a control record, else ""."""

    word: Word
    digest: str = ""


_FORGED: Final = Found(Word.FORGED)


class ControlReader:
    """Tells the ticks and control records of one raw partition; without keys none is genuine."""

    __slots__ = ("_keys", "_partition", "_topic")

    def __init__(self, keys: ControlKeys | None, topic: str, partition: int) -> None:
        self._keys = keys
        self._topic = topic.encode()
        self._partition = b"%d" % partition

    def read(self, record: RawRecord, in_force: InForce, seen: int) -> Found | None:
        """What a record is where ``in_force`` and ``seen`` hold before it; None where it bears no header of ours."""
        if record.value is not None or not any(name in _FORMS for name, _ in record.headers):
            return None
        name, text = record.headers[0]
        form = None if record.key or len(record.headers) > 1 else _FORMS[name].fullmatch(text or b"")
        if form is None or not self._is_genuine(name, form, in_force.digest):
            return _FORGED
        if name == TICK_HEADER:
            return Found(Word.TICK if int(form[1]) == seen else Word.STALE_TICK)
        return Found(Word.FOLD if int(form[2]) == in_force.number + 1 else Word.STALE_FOLD, form[1].decode())

    def _is_genuine(self, name: str, form: re.Match[bytes], digest: str) -> bool:
        *fields, tag = form.groups()
        kind = name.removeprefix(CONTROL_PREFIX).encode()
        signed = b"|".join((kind, self._topic, self._partition, *fields))
        return self._keys is not None and self._keys.is_genuine(digest, signed, tag)
