"""Batches built by hand and what they are read as, in both forms."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import strategies as st

from agents.core.native import IS_BUILT
from agents.core.shared.records import RawRecord
from pipeline.kafka.batch import Batch, Head
from pipeline.kafka.parts import parts
from tests.core.test_fast_path import NEEDS_COMPILER
from tests.kafka_batches import Batch as Built
from tests.kafka_batches import record

NOON = 1793527200000
GOOD = record(0, b"acme", b"{}")
FORMS = [False, pytest.param(True, marks=NEEDS_COMPILER)]
HEADERS = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=3)
ROWS = st.lists(
    st.tuples(
        st.integers(-(10**6), 10**6), st.none() | st.binary(max_size=9), st.none() | st.binary(max_size=300), HEADERS
    ),
    min_size=1,
    max_size=20,
)


def batch_of(data: bytes, least: int = 0, end: int = 1 << 40) -> Batch:
    view = memoryview(data)
    head = Head.of(view)
    return Batch.of(head, head.check_sum(view), least, end, least)


def read(batches: Sequence[Batch], *, is_compiled: bool) -> list[RawRecord]:
    return [each for part in parts(batches, RawRecord, is_compiled=is_compiled) for each in part]


def both(*batches: Batch) -> list[RawRecord]:
    """What batches hold, after both forms were found to say the same."""
    found = read(batches, is_compiled=False)
    if IS_BUILT:
        assert read(batches, is_compiled=True) == found
    return found


def appended(built: Built, base: int = 40, least: int = 0, end: int = 1 << 40) -> list[RawRecord]:
    return both(batch_of(built.appended(base, NOON), least, end))


def unreadable(offset: int, last: int) -> RawRecord:
    return RawRecord(offset, NOON, None, None, (), last)


def built_of(rows: Iterable[Any], codec: int, **more: Any) -> Built:
    records = [
        record(delta, key, value, [(name.encode(), content) for name, content in headers], time=time)
        for delta, (time, key, value, headers) in enumerate(rows)
    ]
    return Built(records, codec, first_time=NOON, **more)
