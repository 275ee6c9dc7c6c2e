"""Whatever a catalogue declares, all forms decide alike: the strict reader, the fast one, and the compiled run."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.core.accept.decode import decode_strictly
from agents.core.accept.fast_decode import FastDecoder
from agents.core.shared.records import RawRecord
from schemas.catalogue.catalogue import BUILT_IN, Catalogue
from schemas.catalogue.fields import Field, FieldType, ItemClass
from schemas.catalogue.types import Basis, ConsentScope, EventType
from schemas.deciding import Deciding
from tests.core.events_hostile import GOOD
from tests.core.test_fast_path import NEEDS_COMPILER, both
from tests.core.test_native import taken_of
from tests.declared import good_data, near_value

NOON = 1793527200000
NAMES = ["kind", "role", "used", "bytes", "granted", "scope", "at", "a", "b"]
"""Some of them of built-in types, where they hold something else."""
SIMPLE = [kind for kind in FieldType if kind not in {FieldType.CHOICE, FieldType.ITEMS}]


@st.composite
def fields(draw: st.DrawFn, name: str) -> Field:
    required = draw(st.booleans())
    kind = draw(st.sampled_from([*SIMPLE, FieldType.CHOICE, FieldType.ITEMS]))
    if kind is FieldType.CHOICE:
        return Field(
            name, kind, tuple(draw(st.lists(st.sampled_from("xyz"), min_size=1, max_size=3, unique=True))), required
        )
    if kind is FieldType.ITEMS:
        inner = (Field("serial", FieldType.SERIAL), Field("until", FieldType.TIME, required=False))
        return Field(name, kind, required=required, classes=(ItemClass("", inner),))
    return Field(name, kind, required=required, absent=draw(st.sampled_from(["none", "x"])))


@st.composite
def types(draw: st.DrawFn, number: int) -> EventType:
    names = draw(st.lists(st.sampled_from(NAMES), max_size=5, unique=True))
    made = tuple([draw(fields(name)) for name in names])
    told = [field for field in made if field.type is FieldType.CHOICE and field.required]
    passive = draw(st.sampled_from([None, "no use", *((field.name, field.choices[0]) for field in told)]))
    basis, scope = draw(st.sampled_from([*Basis])), draw(st.sampled_from([*ConsentScope]))
    retired = draw(st.integers(0, 9)) == 0
    return EventType(f"own.type{number}", "t", basis, made, passive, scope, retired)


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    made = [draw(types(number)) for number in range(draw(st.integers(1, 3)))]
    return Catalogue({**BUILT_IN.types, **{entry.name: entry for entry in made}}, BUILT_IN.metrics)


@st.composite
def logs(draw: st.DrawFn) -> tuple[Catalogue, list[RawRecord]]:
    catalogue = draw(catalogues())
    own = [entry for name, entry in catalogue.types.items() if name not in BUILT_IN.types]
    records = []
    for offset in range(draw(st.integers(1, 8))):
        entry = draw(st.sampled_from(own))
        data: dict[str, Any] = {"user": "u"} | draw(good_data(entry))
        for field in entry.fields:
            if draw(st.integers(0, 3)) == 0:
                data[field.name] = draw(near_value(field))
        event = GOOD | {"type": entry.name, "id": f"{offset}", "sequence": offset, "data": data}
        records.append(RawRecord(offset, NOON, b"acme", json.dumps(event).encode()))
    return catalogue, records


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(logs())
def test_all_forms_decide_alike(drawn: tuple[Catalogue, list[RawRecord]]) -> None:
    catalogue, records = drawn
    fast = FastDecoder(catalogue.accepted)
    for record in records:
        assert fast.decode(record) == decode_strictly(record, catalogue.accepted)
    both(records, Deciding(catalogue=catalogue), 0, 1, 4)


def wide(types: int, fields: int) -> Catalogue:
    """So many types of so many fields each, every second one a number."""
    kinds = (FieldType.DIM, FieldType.INT)
    made = {
        f"own.type{number}": EventType(
            f"own.type{number}",
            "t",
            Basis.CONTRACT,
            tuple([Field(f"f{number}_{at}", kinds[at % 2]) for at in range(fields)]),
        )
        for number in range(types)
    }
    return Catalogue({**BUILT_IN.types, **made}, BUILT_IN.metrics)


def test_two_hundred_types_and_two_thousand_fields() -> None:
    catalogue = wide(200, 10)
    records = []
    for number in range(200):
        data = {f"f{number}_{at}": at if at % 2 else f"v{at}" for at in range(10)}
        event = GOOD | {"type": f"own.type{number}", "id": f"{number}", "sequence": number, "data": data}
        records.append(RawRecord(number, NOON, b"acme", json.dumps(event).encode()))
    ((count, chunk, *_),) = both(records, Deciding(catalogue=catalogue), 0, 1, 1000)
    assert (count, len(chunk.offsets), len(chunk.shapes)) == (200, 200, 200)
    assert chunk.measures.tolist() == [1, 3, 5, 7, 9] * 200


@NEEDS_COMPILER
def test_the_compiled_part_takes_events_of_many_fields_of_text_and_numbers() -> None:
    catalogue = wide(1, 60)
    data = {f"f0_{at}": at if at % 2 else f"v{at}" for at in range(60)}
    value = json.dumps(GOOD | {"type": "own.type0", "data": data}).encode()
    assert taken_of(value, catalogue)
