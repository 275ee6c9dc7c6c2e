"""``oracle`` over a file, ``simulate`` as lines, and what bad arguments come to."""

import json
from pathlib import Path

from typer.testing import CliRunner

from pipeline.cli.main import app

EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "s",
    "type": "chat.created",
    "time": "2026-11-01T10:00:00Z",
    "company": "acme",
}
RUN = CliRunner()


def test_oracle_prints_each_figure_of_a_file_once_sorted(tmp_path: Path) -> None:
    line = {"partition": 0, "offset": 0, "append_time": "2026-11-01T10:00:01Z", "key": "acme", "value": EVENT}
    (tmp_path / "raw.ndjson").write_text(json.dumps(line))
    answer = RUN.invoke(
        app,
        ["oracle", "--from-file", str(tmp_path / "raw.ndjson")],
        env={"FOOTFALL_PARTITIONS": "1", "FOOTFALL_CONTROL_KEY": "cd" * 32},
    )
    assert answer.exit_code == 0, answer.output
    figures = [json.loads(each) for each in answer.stdout.splitlines()]
    assert [figure["id"] for figure in figures] == [
        "acme|chats_created|P1D|2026-11-01T00:00:00Z|",
        "acme|chats_created|P1M|2026-11-01T00:00:00Z|",
        "acme|chats_created|PT1H|2026-11-01T10:00:00Z|",
    ]
    assert {figure["value"] for figure in figures} == {1}


def test_simulate_writes_one_event_a_line_and_the_same_again() -> None:
    given = ["simulate", "--events", "50", "--end", "1790000000", "--malformed", "0", "--batches", "0"]
    first, second = RUN.invoke(app, given), RUN.invoke(app, given)
    assert first.exit_code == 0
    assert first.stdout == second.stdout
    lines = [json.loads(line) for line in first.stdout.splitlines()]
    assert len(lines) >= 50
    assert {line["specversion"] for line in lines} == {"1.0"}


def test_a_share_above_one_and_an_unknown_reason_are_refused() -> None:
    assert RUN.invoke(app, ["simulate", "--late", "2"]).exit_code == 2
    assert RUN.invoke(app, ["rejected", "--reason", "bad-mood"]).exit_code == 2
