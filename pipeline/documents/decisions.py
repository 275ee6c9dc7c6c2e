"""The index of architecture decision records: number, title and status, from the records themselves."""

import re
from pathlib import Path

from pipeline.documents.pages import GENERATED, table

__all__ = ["decisions_page"]

_STATUS = re.compile(r"(?:Date: [0-9-]+\. Status: )?(proposed|accepted|rejected|superseded by [0-9]+)\b", re.IGNORECASE)


def decisions_page(folder: Path) -> str:
    """The index of the records in ``folder``; raises ValueError for one without a title or a status."""
    rows = [_row(path) for path in sorted(folder.glob("[0-9]*.md"))]
    return (
        f"{GENERATED}# Architecture decision records\n\nWhy it is built as it is. A record is never rewritten: a later"
        " one supersedes it ([1](0001-record-decisions.md)).\n\n"
        f"{table(('number', 'decision', 'status'), rows)}"
    )


def _row(path: Path) -> tuple[str, str, str]:
    title, _, rest = path.read_text("utf-8").partition("\n")
    number, found = int(path.name[:4]), _STATUS.match(rest.strip())
    if not title.startswith(f"# {number}. "):
        raise ValueError(f"{path.name} does not begin with its title: write # {number}. TITLE")
    if found is None:
        raise ValueError(f"{path.name} has no status below its title: write Accepted.")
    return str(number), f"[{title.removeprefix(f'# {number}. ')}]({path.name})", found[1].lower()
