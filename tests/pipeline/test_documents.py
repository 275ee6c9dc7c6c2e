"""The generated documents are fresh, and the check can fail."""

import json
from pathlib import Path

from pipeline.documents import documents, stale, write

DOCS = Path(__file__).parents[2] / "docs"


def test_every_generated_document_is_what_the_schemas_say() -> None:
    assert stale(DOCS) == []


def test_a_document_that_was_edited_or_lost_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    assert stale(tmp_path) == []
    (tmp_path / "metrics.md").write_text("by hand")
    (tmp_path / "asyncapi.json").unlink()
    assert stale(tmp_path) == ["metrics.md", "asyncapi.json"]


def test_every_reference_of_the_asyncapi_document_resolves() -> None:
    made = documents()
    told = json.loads(made["asyncapi.json"])
    assert told["asyncapi"] == "3.0.0"
    for channel in told["channels"].values():
        for message in channel["messages"].values():
            if "payload" in message:
                assert message["payload"]["$ref"] in made
    for operation in told["operations"].values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in told["channels"]
