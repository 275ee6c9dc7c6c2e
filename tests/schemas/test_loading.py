"""A catalogue of one's own is read as it was written, or all of its mistakes are told at once."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalogue.catalogue import BUILT_IN
from schemas.catalogue.fields import Field, FieldType
from schemas.catalogue.loading import CatalogueMistakesError, Mistake, read_catalogue
from schemas.catalogue.metrics import Distinct, Kind, WindowSize
from schemas.catalogue.types import Basis, ConsentScope

TYPE = """
[types."file.uploaded"]
title = "A file was uploaded"
basis = "contract"   # contract | opt-out | opt-in
fields = { kind = "dim", bytes = "int", visibility = ["private", "shared"], region = "dim?" }
"""
METRIC = """
[metrics.bytes_uploaded]
title = "bytes uploaded, by kind"
kind = "sum"
type = "file.uploaded"
field = "bytes"
unit = "By"
dimensions = ["kind"]
windows = ["PT1H", "P1M"]
"""


def told(text: str) -> list[str]:
    with pytest.raises(CatalogueMistakesError) as caught:
        read_catalogue(text)
    return str(caught.value).split("\n")


def test_types_and_metrics_are_added_to_those_that_are_built_in() -> None:
    found = read_catalogue(TYPE + METRIC)
    assert [*found.types] == [*BUILT_IN.types, "file.uploaded"]
    entry = found.types["file.uploaded"]
    assert (entry.title, entry.basis, entry.passive) == ("A file was uploaded", Basis.CONTRACT, None)
    assert entry.fields == (
        Field("kind"),
        Field("bytes", FieldType.INT),
        Field("visibility", FieldType.CHOICE, ("private", "shared")),
        Field("region", required=False),
    )
    assert entry.allowed == ("kind", "visibility", "region")
    assert entry.measured == ("bytes",)
    assert entry.is_fast
    metric = found.metrics["bytes_uploaded"]
    assert (metric.kind, metric.event_type, metric.field, metric.unit) == (Kind.SUM, "file.uploaded", "bytes", "By")
    assert (metric.dimensions, metric.windows) == (("kind",), (WindowSize.HOUR, WindowSize.MONTH))


def test_an_empty_text_is_the_built_in_catalogue() -> None:
    assert read_catalogue("").facts() == BUILT_IN.facts()


@pytest.mark.parametrize(
    ("kind", "more", "distinct"),
    [
        ("count", "", None),
        ("sources", "", Distinct.SOURCE),
        ("gauge", 'field = "bytes"', None),
        ("distribution", 'field = "bytes"', None),
    ],
)
def test_every_kind_can_be_declared(kind: str, more: str, distinct: Distinct | None) -> None:
    text = f'{TYPE}[metrics.m]\ntitle = "t"\nkind = "{kind}"\ntype = "file.uploaded"\n{more}\n'
    metric = read_catalogue(text).metrics["m"]
    assert metric.distinct is distinct
    assert metric.windows[-2:] == (WindowSize.DAY, WindowSize.MONTH)
    assert (WindowSize.HOUR in metric.windows) == (kind != "sources")


def test_scope_and_who_is_active() -> None:
    text = """
[types."call.ended"]
title = "A call ended"
basis = "opt-in"
scope = "platform"
passive = { direction = "in" }
fields = { direction = ["in", "out"] }
[types."call.begun"]
title = "A call began"
basis = "opt-out"
passive = true
"""
    types = read_catalogue(text).types
    assert (types["call.ended"].scope, types["call.ended"].passive) == (ConsentScope.PLATFORM, ("direction", "in"))
    assert types["call.begun"].scope is ConsentScope.APP
    assert not types["call.begun"].activates(())


def test_all_mistakes_are_told_at_once_each_with_its_line_and_what_to_do() -> None:
    text = TYPE.replace('"dim"', '"dimm"').replace('"contract"', '"contrakt"') + METRIC.replace('"sum"', '"summ"')
    assert told(text.replace("unit", "units") + '[metrics.dau]\ntitle = "x"\n[metric]\n') == [
        "line 4: basis is not what it may be: did you mean contract?",
        "line 5: kind is of no type that is known: did you mean dim?",
        "line 9: kind is not what it may be: did you mean sum?",
        "line 12: unknown key units: did you mean unit?",
        "line 15: dau is built in: an entry never gets another meaning, so use another name",
        "line 17: unknown key metric: did you mean metrics?",
    ]


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ('"file.uploaded"]', '"File"]', "line 2: File is no name of a type: use lower case words with dots"),
        ('"file.uploaded"]', '"chat.created"]', "line 2: chat.created is built in: an entry never gets"),
        ('title = "A file', 'title = 5 # "A file', "line 3: title is not what it may be: write a text"),
        ('title = "A file was uploaded"', "", "line 2: title is missing: write a text"),
        ('"A file', '"' + "x" * 200, "line 3: the title is too long for a line"),
        ('"contract"', '"opt-in"', "line 2: scope is missing: use one of platform, app"),
        ("{ kind", '{ user = "dim", kind', "line 5: user is no name of a field: every type has it already"),
        ("{ kind", '{ K = "dim", kind', "line 5: K is no name of a field"),
        ('"private", ', '"shared", ', "line 5: the choices of visibility are not a list of different texts"),
        ('"private", ', '"a b", ', "line 5: a choice of visibility is no dimension value"),
        ('"private", ', "7, ", "line 5: a choice of visibility is no dimension value"),
        ('"int"', "7", "line 5: bytes is of no type that is known: use one of dim, int,"),
        ("basis", "passive = 7\nbasis", "line 4: passive is no table of one field"),
        ("basis", 'passive = { bytes = "1" }\nbasis', "line 4: bytes is no dim or choice of the type: use one of kind"),
        ("basis", 'passive = { visibility = "secret" }\nbasis', "line 4: visibility never has this value: use one of"),
        ("[metrics.b", "[metrics.B", "line 7: Bytes_uploaded is no name of a metric"),
        ('type = "file.uploaded"', 'type = "file.upload"', "line 10: type is not what it may be: did you mean"),
        ('field = "bytes"', "", "line 7: field is missing: use one of bytes"),
        ('field = "bytes"', 'field = "kind"', "line 11: field is not what it may be: use one of bytes"),
        ('kind = "sum"', 'kind = "count"', "line 11: a count reads no field: leave it out, or use another kind"),
        ('"By"', '"kB"', "line 12: unit is not what it may be: "),
        ('["kind"]', '["kind", "kind"]', "line 13: a dimension is there twice"),
        ('["kind"]', '["bytes"]', "line 13: bytes is no dim or choice of file.uploaded: use one of kind"),
        ('["PT1H", "P1M"]', '["P7D"]', "line 14: windows is no list of different windows"),
        ('["PT1H", "P1M"]', "[]", "line 14: windows is no list of different windows"),
        ('["PT1H", "P1M"]', '["P1M", "P1M"]', "line 14: windows is no list of different windows"),
        ('["PT1H", "P1M"]', "5", "line 14: windows is no list of different windows"),
        ("title = \"bytes", "title = bytes", "line 8: this is no TOML: mend it"),
    ],
)  # fmt: skip
def test_each_mistake(old: str, new: str, mistake: str) -> None:
    assert old in TYPE + METRIC
    found = told((TYPE + METRIC).replace(old, new, 1))
    assert [line for line in found if line.startswith(mistake)], found


def test_what_is_no_table_is_told() -> None:
    assert told("types = 5\n[metrics]\nm = 1\n") == [
        'line 1: types is no table: write [types."NAME"] and its keys below',
        'line 3: m is no table: write [metrics."m"] and its keys below',
    ]


def test_a_value_of_many_lines_or_tables_hides_no_line() -> None:
    text = TYPE.replace('["private", "shared"]', '[\n  "private",\n  "shared",\n]') + METRIC
    found = told(text.replace("{ kind", "{ Kind").replace('"sum"', "7"))
    assert [line.partition(":")[0] for line in found if "metric" in line or "kind is" in line] == ["line 12", "line 16"]


def toml(value: object) -> str:
    """A value as TOML writes it within a line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(map(toml, value)) + "]" if isinstance(value, list) else json.dumps(value)


WORDS = [
    "title", "basis", "scope", "fields", "passive", "kind", "type", "field", "unit", "where", "dimensions", "windows",
]  # fmt: skip
VALUES = ["contract", "opt-in", "app", "dim", "int?", "sum", "gauge", "a.b", "chat.created", "P1D", "By", "x", ""]
SIMPLE = st.sampled_from([*WORDS, *VALUES])
ANY = st.recursive(
    SIMPLE | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SIMPLE, inner, max_size=4),
    max_leaves=12,
)
ENTRY = st.dictionaries(st.sampled_from(WORDS), ANY, max_size=6) | ANY


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from(["types", "metrics", "x"]), st.dictionaries(SIMPLE, ENTRY, max_size=2) | ANY))
def test_whatever_is_declared_is_taken_or_told(content: dict[str, Any]) -> None:
    text = "".join(f"{name} = {toml(value)}\n" for name, value in content.items())
    mistakes: tuple[Mistake, ...] = ()
    try:
        found = read_catalogue(text)
    except CatalogueMistakesError as error:
        found, mistakes = BUILT_IN, error.mistakes
    assert found.types.keys() >= BUILT_IN.types.keys()
    assert all(1 <= mistake.line <= len(content) for mistake in mistakes)
    assert mistakes or "x" not in content
