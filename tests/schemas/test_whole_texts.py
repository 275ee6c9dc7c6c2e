"""Texts of kept records are read as a whole: nothing behind them, and digits of ASCII alone."""

from typing import Annotated

import jsonschema
import msgspec
import pytest

from schemas.wire import corrections, ledger, rejections

TEXTS = {
    ledger.Hour: "2026-11-01T10:00:00Z",
    ledger.Hash: "0123456789abcdef" * 4,
    rejections.Instant: "2026-11-01T10:12:03.004Z",
    rejections.SourceMark: "0123456789abcdef",
    corrections.Instant: "2026-11-01T10:12:03Z",
}


@pytest.mark.parametrize(("form", "text"), TEXTS.items(), ids=range(len(TEXTS)))
def test_a_text_is_read_and_with_more_around_it_refused(form: type[str], text: str) -> None:
    schema = msgspec.json.schema(form)
    assert msgspec.convert(text, form) == text
    jsonschema.validate(text, schema)
    arabic = "".join(chr(0x660 + int(each)) if each.isdigit() else each for each in text)
    for wrong in (f"{text}\n", f"{text}\n\n", f"\n{text}", f"{text} ", text[:-1], text + text, arabic, ""):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, form)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_a_path_is_read_as_a_whole() -> None:
    pattern = msgspec.json.schema(rejections.Rejection)["$defs"]["Rejection"]["properties"]["path"]["pattern"]
    path = Annotated[str, msgspec.Meta(pattern=pattern)]
    for right in ("", "/0/data"):
        assert msgspec.convert(right, path) == right
    for wrong in ("/0\n", "/\u0660", "/", "x", "/0 "):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, path)
