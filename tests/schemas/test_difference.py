"""What a catalogue changes of the one in force: an entry keeps its name and its meaning for good."""

from dataclasses import replace

import pytest

from schemas.catalogue.catalogue import Catalogue
from schemas.catalogue.difference import ChangeKind, changes
from schemas.catalogue.fields import Field
from schemas.catalogue.metrics import Metric
from schemas.catalogue.types import Basis, EventType
from tests.meters import METERS

FILE, SIZE = METERS.types["file.uploaded"], METERS.metrics["bytes_uploaded"]
KIND, BYTES, VISIBILITY = FILE.fields


def with_type(**changed: object) -> Catalogue:
    return Catalogue({**METERS.types, FILE.name: replace(FILE, **changed)}, METERS.metrics)  # type: ignore[arg-type]


def with_metric(**changed: object) -> Catalogue:
    return Catalogue(METERS.types, {**METERS.metrics, SIZE.name: replace(SIZE, **changed)})  # type: ignore[arg-type]


def without(name: str) -> Catalogue:
    return Catalogue(
        {key: entry for key, entry in METERS.types.items() if key != name},
        {key: metric for key, metric in METERS.metrics.items() if key != name},
    )


def found(new: Catalogue, old: Catalogue = METERS) -> list[tuple[str, str, ChangeKind]]:
    return [(each.what, each.name, each.kind) for each in changes(old, new)]


def test_the_same_changes_nothing() -> None:
    assert found(Catalogue(dict(METERS.types), dict(METERS.metrics))) == []


def test_what_was_not_there_is_new() -> None:
    assert found(METERS, without(FILE.name)) == [("type", FILE.name, ChangeKind.NEW)]
    assert found(METERS, without(SIZE.name)) == [("metric", SIZE.name, ChangeKind.NEW)]


@pytest.mark.parametrize("name", [FILE.name, SIZE.name])
def test_what_is_left_out_is_refused(name: str) -> None:
    ((_, named, kind),) = found(without(name))
    assert (named, kind) == (name, ChangeKind.REFUSED)


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"title": "Other words."}, ChangeKind.REWORDED),
        ({"retired": True}, ChangeKind.RETIRED),
        ({"fields": (*FILE.fields, Field("region", required=False))}, ChangeKind.GROWN),
        ({"fields": (KIND, BYTES, replace(VISIBILITY, choices=("private", "shared", "public")))}, ChangeKind.GROWN),
        ({"fields": (KIND, BYTES)}, ChangeKind.REFUSED),
        ({"fields": (BYTES, KIND, VISIBILITY)}, ChangeKind.REFUSED),
        ({"fields": (replace(KIND, required=False), BYTES, VISIBILITY)}, ChangeKind.REFUSED),
        ({"fields": (KIND, BYTES, replace(VISIBILITY, choices=("shared", "private")))}, ChangeKind.REFUSED),
        ({"basis": Basis.OPT_IN}, ChangeKind.REFUSED),
        ({"passive": ("visibility", "private")}, ChangeKind.REFUSED),
    ],
)
def test_what_a_type_may_become(changed: dict[str, object], kind: ChangeKind) -> None:
    assert found(with_type(**changed)) == [("type", FILE.name, kind)]


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"title": "other words"}, ChangeKind.REWORDED),
        ({"retired": True}, ChangeKind.RETIRED),
        ({"unit": "1"}, ChangeKind.REFUSED),
        ({"dimensions": ()}, ChangeKind.REFUSED),
        ({"where": ("visibility", "private")}, ChangeKind.REFUSED),
        ({"windows": SIZE.windows[:1]}, ChangeKind.REFUSED),
    ],
)
def test_what_a_metric_may_become(changed: dict[str, object], kind: ChangeKind) -> None:
    assert found(with_metric(**changed)) == [("metric", SIZE.name, kind)]


def test_what_was_retired_can_be_taken_up_again() -> None:
    assert found(METERS, with_type(retired=True)) == [("type", FILE.name, ChangeKind.TAKEN_UP)]
    assert found(METERS, with_metric(retired=True)) == [("metric", SIZE.name, ChangeKind.TAKEN_UP)]


def test_a_further_field_that_must_be_there_is_told() -> None:
    (change,) = changes(METERS, with_type(fields=(*FILE.fields, Field("region"))))
    assert "events without region are refused" in change.more


def test_every_attribute_is_looked_at() -> None:
    """A further one must be allowed to change, or refused, on purpose."""
    assert {*EventType.__dataclass_fields__} == {
        "name", "title", "basis", "fields", "passive", "scope", "retired",
    }  # fmt: skip
    assert {*Metric.__dataclass_fields__} == {
        "name", "requirement", "title", "kind", "windows", "event_type", "where", "distinct", "dimensions", "unit",
        "field", "retired",
    }  # fmt: skip
