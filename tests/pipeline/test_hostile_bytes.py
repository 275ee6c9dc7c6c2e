"""Bytes that anybody may have put into a topic or a file come to a verdict or a refusal, never to another exception."""

import json
from pathlib import Path

import msgspec
import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from agents.core.accept.state import RawEntry
from agents.core.count.pending_windows import read_pending
from agents.core.count.state import Entry, is_expired, read_figure, read_nothing
from agents.core.shared.joins import ENTRY_KEY, JoinedLog, StateError, join_values, seal
from pipeline.errors import StartupError
from pipeline.kafka.reader import StoredRecord
from pipeline.proof.audit.corrections import PartitionCorrections, SinkFigures
from pipeline.proof.audit.findings import FindingKind
from pipeline.proof.corrections import CorrectionsView
from pipeline.proof.oracle.files import read_file
from pipeline.proof.sink import SinkView
from pipeline.proof.verify import last_is_highest
from pipeline.replay.live import standing_of
from pipeline.unknown import known
from pipeline.worker.assignor import StateAssignor
from schemas.deciding import Deciding
from schemas.wire.clean import CLEAN_VERSION, decode_chunk
from schemas.wire.forms import UnknownFormError
from tests.pipeline.audit_kit import correction, flat, honest, kinds, read, sink_record

ID = "acme|dau|P1D|2026-11-01T00:00:00Z|"
DEEP = b"[" * 200_000
HOSTILE = {
    "nothing": b"",
    "no text": b'{"id":"\xff\xfe"}',
    "a name that is no text": b'{"\xff":1}',
    "half of a pair": b'{"id":"\\ud800"}',
    "too deep": DEEP,
    "too deep inside": b'{"id":' + DEEP,
    "a long number": b'{"revision":' + b"9" * 10_000 + b"}",
    "MessagePack": msgspec.msgpack.encode([CLEAN_VERSION, "x"]),
    "MessagePack too deep": b"\xdc\x00\x13\x03" + b"\x01" * 3 + b"\x91" * 200_000,
    "MessagePack that is no text": b"\xdc\x00\x13\x03" + b"\x01" * 4 + b"\xa2\xff\xfe",
}
each_hostile = pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)


@each_hostile
def test_no_reader_of_the_sink_is_stopped_by_it(data: bytes) -> None:
    good = sink_record(ID, 5, "final", 3)
    figures, view = SinkFigures(), SinkView()
    for value in (data, good, data):
        figures.add(value)
        view.apply([StoredRecord(0, 0, 0, ID.encode(), value, ())])
    assert figures.unknown == 2
    assert [each.value for each in figures.present.values()] == [5]
    assert view.records[ID]["value"] == 5
    rows = [StoredRecord(0, at, 0, ID.encode(), value, ()) for at, value in enumerate((good, data))]
    assert last_is_highest(rows) == [ID]
    assert last_is_highest(rows[:1]) == []
    with pytest.raises(UnknownFormError):
        standing_of(data)


@each_hostile
def test_the_books_and_the_corrections_name_it_by_its_offset(data: bytes) -> None:
    books = read([*flat(honest()), (None, data)])
    assert kinds(books.findings) == [("strange", None, None)]
    assert "offset 7" in books.findings[0].what
    found = PartitionCorrections(0, 1)
    found.add(4, ID.encode(), data)
    (finding,) = found.check(SinkFigures(), books.hours)
    assert (finding.kind, finding.company) == (FindingKind.STRANGE, None)
    assert "offset 4" in finding.what
    view = CorrectionsView()
    view.apply([StoredRecord(0, at, 0, *row, ()) for at, row in enumerate([(b"\xff", data), correction(ID, 1, 2, 9)])])
    assert [each.found for each in view.strange] == ["partition 0 offset 0"]
    assert [each.new for each in view.records.values()] == [2]


@each_hostile
def test_a_chunk_of_such_bytes_is_refused_where_it_lies(data: bytes) -> None:
    with pytest.raises(StartupError, match="clean partition 3 offset 8 cannot be read"):
        known(decode_chunk, data, "clean", 3, 8)


STATES = {
    "too deep": b"\x91" * 200_000,
    "no text": b"\x91\xa1\xff",
    "a name that is no text": b"\x92\x01\x81\xa1\xff\x90",
    "cut": b"\x93\x01",
    "more behind": b"\xc0\xc0",
}


@pytest.mark.parametrize("payload", STATES.values(), ids=STATES)
def test_state_of_such_bytes_is_told_as_what_no_fold_wrote(payload: bytes) -> None:
    value = (8).to_bytes(8, "big") + payload
    for reader in (read_pending, read_figure, read_nothing):
        with pytest.raises(StateError):
            reader(value)
    for entry in (Entry, RawEntry):
        with pytest.raises(StateError):
            entry.read(value, 8)
    with pytest.raises(StateError):
        join_values(ENTRY_KEY, value, Entry().write())
    for key in (b"aacme|x", b"xacme", b"wacme"):
        with pytest.raises(StateError):
            is_expired(key, value, Entry(), Deciding())


def test_a_joined_log_does_not_read_what_it_only_keeps() -> None:
    joined = JoinedLog()
    for payload in STATES.values():
        joined.apply(b"k", (1).to_bytes(8, "big") + payload)
    joined.apply(b"k", seal(7, 1))
    assert joined.get(b"k") == seal(7, 1)


@each_hostile
def test_a_member_of_the_group_that_says_such_things_holds_nothing(data: bytes) -> None:
    placing = StateAssignor(1, 8)
    members = {"a": placing.metadata(["t"]), "b": ConsumerProtocolMemberMetadata(0, ["t"], data)}
    cluster = type("Cluster", (), {"partitions_for_topic": lambda _self, _topic: {*range(8)}})()
    found = placing.assign(cluster, members)
    owned = [len(list(each.partitions())) for each in found.values()]
    assert owned == [4, 4]


LINE = {"partition": 0, "offset": 3, "append_time": 1_793_527_200_000, "key": "acme", "value": "secret-of-mine"}
WRONG: dict[str, dict[str, object]] = {
    "a time past every year": {"append_time": 10**20},
    "a time in words": {"append_time": "yesterday"},
    "a time before 2000": {"append_time": "1999-12-31T23:59:59Z"},
    "a flag for a number": {"offset": True},
    "less than nothing": {"partition": -1},
    "a fraction": {"offset": 1.5},
    "a key that is a number": {"key": 7},
    "no base64": {"value_base64": "***"},
    "half of a pair": {"key": "\ud800"},
    "a header without content": {"headers": [["a"]]},
    "a header that is a number": {"headers": [7]},
    "headers that are text": {"headers": "ab"},
    "unreadable up to a word": {"unreadable_to": "9"},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_line_of_a_file_of_another_form_is_named_and_not_shown(wrong: dict[str, object], tmp_path: Path) -> None:
    file = tmp_path / "raw.ndjson"
    file.write_text(json.dumps(LINE | {"offset": 1}) + "\n\n" + json.dumps(LINE | wrong) + "\n")
    with pytest.raises(StartupError) as refused:
        read_file(file)
    assert refused.value.what == f"line 3 of {file} is no raw record"
    assert "secret-of-mine" not in str(refused.value)


@each_hostile
def test_a_file_of_such_bytes_is_refused_by_its_line(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "raw.ndjson"
    file.write_bytes(json.dumps(LINE).encode() + b"\n" + data.replace(b"\n", b" "))
    if not data:
        assert len(read_file(file)) == 1
        return
    with pytest.raises(StartupError, match=r"line 2 of .* is no raw record"):
        read_file(file)
