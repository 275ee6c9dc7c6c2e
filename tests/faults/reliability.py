"""``python -m tests.faults.reliability``: write ``docs/reliability.md`` from the recorded mixes and its template.

The records are ``docs/reliability/mixes.jsonl``, one mix a line as ``python -m tests.faults --report`` appends them,
and ``batches.jsonl``, one run a line as ``python -m tests.fuzz_batches --report`` does; the hand-written parts are
``docs/reliability/template.md`` and, for what was measured, ``recovery.md`` beside it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.documents.pages import table

__all__ = ["DOCS", "HEAD", "counted_by_fault", "page", "written"]

DOCS = Path(__file__).parents[2] / "docs"
_FUZZED = (
    "seed",
    "batches taken",
    "refused by the broker",
    "verdicts `unreadable`",
    "other rejections",
    "events counted",
)
HEAD = ("fault", "runs", "mixes equal", "mixes failed")


def counted_by_fault(mixes: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Of each fault how often it was done, and how many mixes with it ended equal and failed."""
    runs, equal, failed = Counter[str](), Counter[str](), Counter[str]()
    for mix in mixes:
        runs.update(mix["troubles"])
        (failed if mix["error"] else equal).update(set(mix["troubles"]))
    return [
        (name.replace("_", " "), f"{runs[name]:,}", f"{equal[name]:,}", f"{failed[name]:,}") for name in sorted(runs)
    ]


def page(record: str, template: str, recovery: str = "", batches: str = "") -> str:
    """The page: the template, in which ``{mixes}`` and ``{summary}`` of the record and the others are filled in."""
    mixes, runs = _lines(record), _lines(batches)
    told = template.replace("{recovery}", recovery.strip()).replace("{batches}", table(_FUZZED, map(_fuzzed, runs)))
    return told.replace("{summary}", _summary(mixes)).replace("{mixes}", table(HEAD, counted_by_fault(mixes)))


def written() -> str:
    """The page of the files in ``docs/reliability``."""
    names = ("mixes.jsonl", "template.md", "recovery.md", "batches.jsonl")
    return page(*((DOCS / "reliability" / name).read_text("utf-8") for name in names))


def _lines(record: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in record.splitlines() if line.strip()]


def _fuzzed(run: Mapping[str, Any]) -> tuple[str, ...]:
    others = sum(number for reason, number in run["rejected"].items() if reason != "unreadable")
    told = (run["taken"], sum(run["refused"].values()), run["rejected"]["unreadable"], others, run["counted"])
    return str(run["seed"]), *(f"{number:,}" for number in told)


def _summary(mixes: list[dict[str, Any]]) -> str:
    wrong = [mix["seed"] for mix in mixes if mix["error"]]
    faults = sum(len(mix["troubles"]) for mix in mixes)
    met = sum(mix["in_flight"] for mix in mixes)
    three = sum(mix["nodes"] == 3 for mix in mixes)
    hours = sum(mix["seconds"] for mix in mixes) / 3600
    ends = Counter[str]()
    for mix in mixes:
        ends.update(mix["ends"])
    return (
        f"{len(mixes):,} mixes, {three:,} of them on three brokers, {hours:.1f} hours in all: {faults:,} faults,"
        f" {met:,} of which began while data was in flight; {sum(mix['counted'] for mix in mixes):,} events counted;"
        f" {ends['-9']:,} workers killed, {ends['1']:,} ended by themselves rather than write in doubt."
        f" {len(mixes) - len(wrong):,} mixes ended equal to the oracle, {len(wrong):,} did not"
        f"{f' ({wrong})' if wrong else ''}."
    )


def main() -> None:
    (DOCS / "reliability.md").write_text(written(), "utf-8")


if __name__ == "__main__":
    main()
