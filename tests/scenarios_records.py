"""Named examples of records: where they lie, what form they have (design 1.2, 1.4)."""

from pipeline.proof.oracle.homes import home_of
from schemas.reasons import Reason
from tests.scenario_kit import PARTITIONS, Record, Scenario, event, figure, message, ms, record

HOME = home_of(b"acme", PARTITIONS)
ELSEWHERE = (HOME + 1) % PARTITIONS
AT = "2026-11-01T10:00:00Z"
DAY = figure("user_messages", "P1D", "2026-11-01")


def raw(value: bytes | None, **more: object) -> Record:
    return Record(b"acme", value, ms(AT), **more)  # type: ignore[arg-type]


def nested(levels: int) -> bytes:
    """An event of ``levels`` levels, brackets in texts not counted."""
    deep = "[" * (levels - 1) + "]" * (levels - 1)
    return (
        '{"specversion":"1.0","id":"e[[","source":"s\\"{[","type":"group.created","time":"' + AT + '",'
        '"company":"acme","extra":' + deep + "}"
    ).encode()


RECORDS = (
    Scenario(
        "a misplaced record decides at home alone",
        (
            record(message(1, AT), partition=ELSEWHERE),
            record(message(1, AT), copy=True),
            record(message(2, AT)),
        ),
        {DAY: (2, "provisional")},
        moved=1,
    ),
    Scenario(
        "a misplaced record without a well-formed event is judged where it lies",
        (record([event(1, "no.such", AT), message(2, AT, role="owl")], partition=ELSEWHERE),),
        {},
        (("/0/type", Reason.UNKNOWN_TYPE), ("/1/data/role", Reason.BAD_FIELD)),
        complete=("user_messages",),
    ),
    Scenario(
        "without a key the first well-formed event's company is the key",
        (
            record(
                [event(1, "no.such", AT), message(1, AT), message(1, AT, company="globex"), message(2, AT)],
                key=None,
                partition=HOME,
            ),
            record(message(3, AT), key=None, partition=ELSEWHERE),
            record(message(3, AT), copy=True),
            record(message(4, AT), key="", partition=HOME),
        ),
        {DAY: (4, "provisional")},
        (("/0/type", Reason.UNKNOWN_TYPE), ("/2/company", Reason.KEY_MISMATCH)),
        moved=1,
    ),
    Scenario(
        "a key of another company, or of no text, counts for nobody",
        (
            record(message(1, AT), key="Acme", partition=None),
            record(message(1, AT), key=b"\xff"),
            record(message(1, AT)),
        ),
        {DAY: (1, "provisional")},
        (("/company", Reason.KEY_MISMATCH), ("/company", Reason.KEY_MISMATCH)),
    ),
    Scenario(
        "an empty batch is nothing, an empty record is no JSON",
        (raw(b"[]"), raw(b" [ ] "), raw(b""), raw(None), record(message(1, AT))),
        {DAY: (1, "provisional")},
        (("", Reason.NOT_JSON), ("", Reason.NOT_JSON)),
    ),
    Scenario(
        "each event of a batch is judged by itself",
        (
            record(
                [
                    message(1, AT),
                    None,
                    [message(2, AT)],
                    message(3, AT, specversion="0.3"),
                    message(4, AT, id=""),
                    message(5, AT, source=None),
                    message(6, AT, type=7),
                    message(7, AT, company="a|b"),
                    message(5.0, AT),
                    message("01", AT),
                    message(2**63, AT),
                    message(8, AT, installation=""),
                    message(9, AT, data="x"),
                    message(10, AT, user=""),
                    message(11, "2026-11-01T10:00:60Z"),
                    message(12, "2026-11-01T10:00:00"),
                    message(13, AT, id="é" * 513),
                    message(14, AT, user="u" * 1025, specversion="0.3"),
                    message(15, AT, role="owl", company=None, time_zone="x"),
                    message(2**63 - 1, AT, user=None, unknown=[1]),
                ],
                append=AT,
            ),
        ),
        {DAY: (2, "provisional")},
        (
            ("/1", Reason.NOT_CLOUDEVENTS),
            ("/2", Reason.NOT_CLOUDEVENTS),
            ("/3/specversion", Reason.NOT_CLOUDEVENTS),
            ("/4/id", Reason.NOT_CLOUDEVENTS),
            ("/5/source", Reason.NOT_CLOUDEVENTS),
            ("/6/type", Reason.NOT_CLOUDEVENTS),
            ("/7/company", Reason.BAD_FIELD),
            ("/8/sequence", Reason.BAD_FIELD),
            ("/9/sequence", Reason.BAD_FIELD),
            ("/10/sequence", Reason.BAD_FIELD),
            ("/11/installation", Reason.BAD_FIELD),
            ("/12/data", Reason.BAD_FIELD),
            ("/13/data/user", Reason.BAD_FIELD),
            ("/14/time", Reason.BAD_TIME),
            ("/15/time", Reason.BAD_TIME),
            ("/16/id", Reason.TOO_LARGE),
            ("/17/data/user", Reason.TOO_LARGE),
            ("/18/company", Reason.BAD_FIELD),
        ),
    ),
    Scenario(
        "64 levels are read, 65 are too large even where they are no JSON",
        (raw(nested(64)), raw(nested(65)), raw(b"[" * 65), raw(b"[" * 64)),
        {figure("groups_created", "P1D", "2026-11-01"): (1, "provisional")},
        (("", Reason.TOO_LARGE), ("", Reason.TOO_LARGE), ("", Reason.NOT_JSON)),
    ),
    Scenario(
        "a megabyte of key, value and headers is the most",
        (
            raw(b" " * 999_989 + b"[]", headers=(("h", b"1234"),)),
            raw(b" " * 999_990 + b"[]", headers=(("h", b"1234"),)),
        ),
        rejected=(("", Reason.TOO_LARGE),),
    ),
    Scenario(
        "10,000 events are the most",
        (raw(b"[" + b"0," * 10_000 + b"0]"),),
        rejected=(("", Reason.TOO_LARGE),),
    ),
    Scenario(
        "JSON is what RFC 8259 says",
        (
            raw(b"\xef\xbb\xbf{}"),
            raw(b'{"a":"\xff"}'),
            raw(b'{"a":"\\ud800"}'),
            raw(b'{"a":"\\ud800","a":1}'),
            raw(b'{"a":NaN}'),
            raw(b'{"a":-Infinity}'),
            raw(b"{} {}"),
            raw(b"{'a':1}"),
            raw(b'{"a":"\t"}'),
            raw(b'{"specversion":"1.0","a":' + b"9" * 5000 + b',"b":"\\ud83d\\ude00"}'),
            raw(b"7"),
        ),
        {},
        (*((("", Reason.NOT_JSON),) * 9), ("/id", Reason.NOT_CLOUDEVENTS), ("", Reason.NOT_CLOUDEVENTS)),
    ),
)
