"""The documents that follow from the schemas: ``python -m pipeline.documents`` writes them, ``--check`` compares.

``pages``, ``requirements`` and ``decisions`` make Markdown pages, ``machine`` JSON Schema and AsyncAPI, each as text.
"""

from pathlib import Path

from pipeline.documents.decisions import decisions_page
from pipeline.documents.flow import with_drawing
from pipeline.documents.machine import asyncapi, json_schemas
from pipeline.documents.pages import access_page, events_page, metrics_page, operations_page, settings_page, topics_page
from pipeline.documents.requirements import requirements_page

__all__ = ["documents", "stale", "write"]


def documents() -> dict[str, str]:
    """Path below ``docs/`` to text, for every generated document."""
    root = Path(__file__).parents[2]
    found = {
        "events.md": events_page(),
        "metrics.md": metrics_page(),
        "topics.md": topics_page(),
        "access.md": access_page(),
        "architecture.md": with_drawing(Path(__file__).parents[2] / "docs" / "architecture.md"),
        "settings.md": settings_page(),
        "operations.md": operations_page(),
        "requirements.md": requirements_page(root),
        "adr/README.md": decisions_page(root / "docs" / "adr"),
        "asyncapi.json": asyncapi(),
    }
    found |= {f"schemas/{name}.schema.json": text for name, text in json_schemas().items()}
    return found


def write(folder: Path) -> None:
    """Write every document below ``folder``."""
    for name, text in documents().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def stale(folder: Path) -> list[str]:
    """Documents below ``folder`` that are missing or differ, by name."""
    found = []
    for name, text in documents().items():
        path = folder / name
        if not path.exists() or path.read_text("utf-8") != text:
            found.append(name)
    return found
