"""Events as hypothesis draws them, of every kind of type: good ones, odd ones, and bytes that were damaged."""

import json
from typing import Any

from hypothesis import strategies as st

from tests.declared import good_data, near_value
from tests.meters import EVERY_FIELD

__all__ = ["DAMAGED", "EVENT", "FIELDS", "GOOD", "NEAR", "ODD"]

GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e1",
    "source": "s1",
    "type": "chat.created",
    "company": "acme",
    "time": "2026-11-01T10:00:00Z",
    "data": {"user": "ann"},
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from(
        [2**63, 2**63 - 1, 1e400, 5.0, "", "0", "01", "a", "A.b-c_d", "~other", "x" * 300, "é" * 513, "\x00"]
    ),
    st.sampled_from(["1.0", *EVERY_FIELD.types]),
    st.sampled_from(["2026-02-29T00:00:00Z", "2024-02-29T23:59:59.999999+23:59", "1999-12-31T23:59:59-00:01"]),
    st.sampled_from(["2026-11-01T10:00:00.Z", "2999-12-31T23:59:59-00:01", "٢٠٢٦-11-01T10:00:00Z"]),
    st.lists(st.integers(), max_size=2),
    st.text(max_size=3),
)
DECLARED = [field for entry in EVERY_FIELD.types.values() for field in entry.fields]
FIELDS = ["user", *dict.fromkeys(field.name for field in DECLARED)]
NEAR = st.sampled_from(DECLARED).flatmap(near_value)
DATA = st.dictionaries(st.sampled_from([*FIELDS, "other"]), ODD | NEAR, max_size=5)
TYPED = st.sampled_from([*EVERY_FIELD.types.values()]).flatmap(
    lambda entry: st.tuples(st.just(entry.name), good_data(entry).map(lambda data: {"user": "u"} | data) | DATA)
)
EVENT = st.builds(
    lambda typed, change, drop: {
        key: value for key, value in (GOOD | {"type": typed[0], "data": typed[1]} | change).items() if key not in drop
    },
    TYPED,
    st.dictionaries(st.sampled_from([*GOOD, "sequence", "installation", "x"]), ODD | DATA, max_size=2),
    st.sets(st.sampled_from([*GOOD]), max_size=1),
)


def _damage(value: object, at: int, put: bytes, cut: int) -> bytes:
    text = json.dumps(value, ensure_ascii=at % 2 == 0).encode()
    return text[:at] + put + text[at + cut :]


DAMAGED = st.builds(
    _damage,
    EVENT,
    st.integers(0, 400),
    st.sampled_from(
        [b"", b"\xff", b'"', b"\\", b"\\ud800", b"\\ud83d\\ude00", b"\x01", b",", b"{", b"[", b"NaN", b"1e400"]
    ),
    st.integers(0, 3),
)
