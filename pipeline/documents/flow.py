"""The flow as a drawing, and who may do what with which topic: made of the table that workers and ACLs are made of."""

from pathlib import Path
from typing import Final

from pipeline.broker.acls import Grant, Pattern, grants
from schemas.flow import ROLES, STAGES
from schemas.topics import TOPICS, topic_name

__all__ = ["DRAWN", "acl_rows", "drawing", "roles_table", "with_drawing"]

DRAWN: Final = ("<!-- drawn from schemas/flow.py by make docs -->\n", "<!-- end of the drawing -->\n")
_PREFIX: Final = "footfall"


def drawing() -> str:
    """Every stage with the topic that it reads and those that it writes, as text in a code block."""
    lines = []
    for stage in STAGES.values():
        source = topic_name(_PREFIX, stage.source)
        writers = [name for name in TOPICS[stage.source].writers if name != stage.kind]
        key = " (holds the keys)" if stage.holds_key else ""
        lines.append(f"{', '.join(writers)} ─▶ {source} ─▶ worker {stage.kind}{key}")
        back = [f"{source}  (moved records and ticks)"] if stage.returns else []
        ends = [topic_name(_PREFIX, short) for short in (*stage.outputs, stage.state)] + back
        indent = " " * (len(lines[-1]) - len(f"worker {stage.kind}{key}") + 1)
        lines += [f"{indent}{'└' if end is ends[-1] else '├'}▶ {end}" for end in ends]
    return "```\n" + "\n".join(lines) + "\n```\n"


def with_drawing(page: Path) -> str:
    """A page with the drawing between its two marks."""
    before, begin, rest = page.read_text("utf-8").partition(DRAWN[0])
    _, end, after = rest.partition(DRAWN[1])
    if not begin or not end:
        raise ValueError(f"{page} has no place for the drawing")
    return before + begin + drawing() + end + after


def roles_table() -> list[tuple[str, str, str, str]]:
    """Of each role: its name, what it does, what it reads, what it writes."""
    return [
        (
            f"`{role.name}`",
            role.does,
            ", ".join(f"`{short}`" for short in role.reads) or "nothing",
            ", ".join(f"`{short}`" for short in role.writes) or "nothing",
        )
        for role in ROLES.values()
    ]


def acl_rows() -> list[tuple[str, str, str]]:
    """Of each role and resource: the rights that a rule gives."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in grants(_PREFIX):
        found.setdefault((each.role, _resource(each)), []).append(each.right.name.title().replace("_", ""))
    return [(f"`User:{role}`", resource, ", ".join(rights)) for (role, resource), rights in found.items()]


def _resource(grant: Grant) -> str:
    begins = " and what begins so" if grant.pattern is Pattern.PREFIXED else ""
    return f"{grant.resource.name.lower()} `{grant.name}`{begins}"
