"""A raw topic from a file: what a line may be, and that nothing of a bad one is said again."""

import json
from pathlib import Path

import pytest

from pipeline.errors import StartupError
from pipeline.kafka.reader import StoredRecord
from pipeline.proof.oracle import read_file


def test_lines_of_every_form(tmp_path: Path) -> None:
    lines = [
        {"partition": 1, "offset": 0, "append_time": 5, "key": "é", "value": {"a": ["é", None]}},
        {"partition": 0, "offset": 8, "append time": "2026-11-01T10:00:00.5Z", "key": None, "value": "x"},
        {
            "partition": 0,
            "offset": 7,
            "append_time": 5,
            "key_base64": "/w==",
            "value_base64": "",
            "headers": {"h": "1"},
        },
        {"partition": 0, "offset": 9, "append_time": 5, "headers": [["h", "1"], ["h", None]]},
    ]
    path = tmp_path / "raw.ndjson"
    path.write_text("\n\n".join(map(json.dumps, lines)) + "\n")
    assert read_file(path) == [
        StoredRecord(0, 7, 5, b"\xff", b"", (("h", b"1"),)),
        StoredRecord(0, 8, 1793527200500, None, b"x", ()),
        StoredRecord(0, 9, 5, None, None, (("h", b"1"), ("h", None))),
        StoredRecord(1, 0, 5, "é".encode(), '{"a":["é",null]}'.encode(), ()),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "secret",
        '["secret"]',
        '{"partition":0,"offset":0,"value":"secret"}',
        '{"partition":true,"offset":0,"append_time":0,"value":"secret"}',
        '{"partition":0,"offset":-1,"append_time":0,"value":"secret"}',
        '{"partition":0,"offset":0,"append_time":"secret"}',
        '{"partition":0,"offset":0,"append_time":0,"value":7}',
        '{"partition":0,"offset":0,"append_time":0,"value_base64":"secret12!"}',
        '{"partition":0,"offset":0,"append_time":0,"value":"\\ud800secret"}',
        '{"partition":0,"offset":0,"append_time":0,"headers":"secret"}',
        '{"partition":0,"offset":0,"append_time":0,"headers":{"secret":1}}',
        '{"partition":0,"offset":0,"append_time":0,"headers":[["secret"]]}',
    ],
)
def test_a_bad_line_is_named_by_its_number_alone(tmp_path: Path, line: str) -> None:
    path = tmp_path / "raw.ndjson"
    path.write_text('{"partition":0,"offset":5,"append_time":0}\n' + line)
    with pytest.raises(StartupError, match=r"line 2 of .*raw\.ndjson is no raw record") as caught:
        read_file(path)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_missing_file_and_a_repeated_offset_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="cannot be read"):
        read_file(tmp_path / "none")
    path = tmp_path / "raw.ndjson"
    path.write_text('{"partition":0,"offset":5,"append_time":0}\n' * 2)
    with pytest.raises(StartupError, match=r"line 2 of .* repeats an offset"):
        read_file(path)
