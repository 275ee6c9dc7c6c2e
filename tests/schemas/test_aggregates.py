"""The aggregate record as text: put together from remembered pieces, it is the JSON that a library would write."""

import json

from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue.metrics import METRICS
from schemas.limits import COMPANY_PATTERN, DIMENSION_PATTERN, OTHER
from schemas.times import bounds, instant, start_of
from schemas.wire.aggregates import Aggregate, Status, aggregate_id, dimensions_text, encode_aggregate

TEXT = st.from_regex(DIMENSION_PATTERN, fullmatch=True) | st.just(OTHER)
COMPANY = st.from_regex(COMPANY_PATTERN, fullmatch=True)
TIMES = st.integers(946_684_800_000, 4_102_444_800_000)


@given(st.data(), COMPANY, st.sampled_from([*METRICS.values()]), TIMES, st.integers(1, 2**63 - 1))
def test_a_record_is_the_json_of_its_fields(data: st.DataObject, company: str, metric: object, time: int, value: int):
    assert isinstance(metric, type(METRICS["dau"]))
    size = data.draw(st.sampled_from(metric.windows))
    values = tuple(data.draw(TEXT) for _ in metric.dimensions)
    status, revision = data.draw(st.sampled_from([*Status])), data.draw(st.integers(0, 2**63 - 1))
    start, end = bounds(size, start_of(size, time))
    identity = aggregate_id(company, metric.name, size.value, start, dimensions_text(metric.dimensions, values))
    made = encode_aggregate(identity, company, metric, values, (size.value, start, end), value, status, revision, time)
    fields = {
        "id": identity,
        "company": company,
        "metric": metric.name,
        "kind": metric.kind.value,
        "unit": metric.unit,
        "dimensions": dict(zip(metric.dimensions, values, strict=True)),
        "window": {"size": size.value, "start": instant(start), "end": instant(end)},
        "value": value,
        "status": status.value,
        "revision": revision,
        "watermark": instant(time),
    }
    assert made == json.dumps(fields, separators=(",", ":")).encode()
    Aggregate.model_validate_json(made)
