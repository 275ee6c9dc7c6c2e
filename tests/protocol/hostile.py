"""A writer of raw who means harm: what it can append between any two steps of anybody else.

It reads the topic and may repeat whatever it saw there; it knows no control key.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

from agents.core.shared.records import RawRecord
from tests.control_kit import PREVIOUS, SECRET, Headers, fold_text, tick_text

__all__ = ["HARMS", "Harm", "harm"]

_DIGEST = "0123456789abcdef-0123456789abcdef"
_PERSON = b"Jane Doe, 4711"
HARMS = ("forged", "replayed", "broken headers", "unreadable")


class Harm(NamedTuple):
    """What is appended: a record, or bytes in place of ``unreadable`` records."""

    key: bytes | None = None
    value: bytes | None = None
    headers: Headers = ()
    unreadable: int = 0


def harm(kind: str, choose: random.Random, topic: str, partition: int, seen: Sequence[RawRecord]) -> Harm:
    """One of a kind in ``HARMS``; ``seen`` are the records that the partition holds."""
    if kind == "unreadable":
        return Harm(unreadable=choose.choice([1, 1, 2, 5]))
    if kind == "replayed":
        ours = [record for record in seen if record.value is None and record.headers]
        if ours:
            record = choose.choice(ours)
            return Harm(record.key, None, record.headers)
    if kind == "broken headers":
        events = [record for record in seen if record.value] or [RawRecord(0, 0, b"acme", b"{}", ())]
        record = choose.choice(events)
        return Harm(record.key, record.value, choose.choice(_BROKEN))
    key = choose.choice([None, None, b"", b"acme"])
    return Harm(
        key, None, choose.choice(_forged(topic, partition, choose.choice([0, seen[-1].append_time if seen else 7])))
    )


_BROKEN: tuple[Headers, ...] = (
    (("", None),),
    (("footfall-tick", b"1"), ("footfall-fold", b"1")),
    tuple((str(number), b"") for number in range(300)),
    (("footfall-fold", _PERSON),),
    (("\u0130\u00df", b"\xff"), ("", b"")),
)
"""On a record with a value they mean nothing."""


def _forged(topic: str, partition: int, seen: int) -> tuple[Headers, ...]:
    key = PREVIOUS  # not the one in force here
    return (
        (("footfall-tick", None),),
        (("footfall-tick", b"1"),),
        (("footfall-tick", tick_text(key, topic, partition, seen)),),
        (("footfall-tick", tick_text(SECRET, topic, partition + 7, seen)),),  # from another topic or partition
        (("footfall-tick", tick_text(SECRET, topic, partition, seen)), ("more", None)),
        (("footfall-fold", _PERSON),),
        (("footfall-fold", b"\xff\xfe"),),
        (("footfall-fold", fold_text(key, topic, partition, _DIGEST, 1)),),
        (("footfall-fold", fold_text(SECRET, topic, partition + 7, _DIGEST, 1)),),
        (("more", _PERSON), ("footfall-fold", fold_text(SECRET, topic, partition, _DIGEST, 1))),
    )
