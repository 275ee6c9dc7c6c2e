"""Nothing that lies in a topic commands a terminal: everything printed is escaped."""

import io

import pytest
from rich.console import Console

from pipeline.errors import StartupError
from pipeline.kafka.reader import StoredRecord
from pipeline.printable import printable
from pipeline.proof.sink import SinkView
from pipeline.proof.verify import Difference, DifferenceKind, render

CLEARS = "\x1b[2J\x1b]0;owned\x07"
EIGHT_BIT = "\x9b31m"
BACKWARDS = "\u202egnp.exe"
OBEYED = ("\x1b", "\x07", "\x9b", "\u202e", "\r")


@pytest.mark.parametrize("text", [CLEARS, EIGHT_BIT, BACKWARDS, "a\r\nb\0", "\x7f", "\ud800", "\u2028"])
def test_what_a_terminal_obeys_is_escaped(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert "\\" in shown


def test_all_else_stays_as_it_is() -> None:
    for text in ("acme|prompts|PT1H|2026-11-01T10:00:00Z|assistant=a1,module=m2", "Größe 5 µs", "日本"):
        assert printable(text) == text


def test_a_refusal_is_one_line_of_visible_characters() -> None:
    assert str(StartupError(f"a{CLEARS}\n b", f"c{EIGHT_BIT}")).isprintable()


def test_tables_of_what_lies_in_the_sink_are_of_visible_characters() -> None:
    out = io.StringIO()
    console = Console(file=out, width=200)
    name = f"{CLEARS}{EIGHT_BIT}{BACKWARDS}[bold]"
    console.print(render([Difference(name, DifferenceKind.WRONG, name, name, name)]))
    view = SinkView()
    record = (
        b'{"id": "x", "revision": 1, "metric": "prompts", "kind": "count", "value": 1, "company": "\\u001b[2J[bold]",'
    )
    record += b' "window": {"size": "P1M", "end": ""}}'
    view.apply([StoredRecord(0, 0, 0, b"x", record, ())])
    console.print(view.table())
    assert not any(char in out.getvalue() for char in OBEYED)
    assert "[bold]" in out.getvalue()
