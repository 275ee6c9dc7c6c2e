"""Named examples of when an event counts, and in which windows: lateness, closing, ticks (design 1.2 to 1.5)."""

from schemas.deciding import Deciding
from schemas.reasons import Reason
from tests.scenario_kit import Scenario, event, figure, message, record, tick


def started(number: int) -> dict[str, object]:
    return event(number, "app.started", "2026-11-01T12:00:00Z", application="chat", version="1", environment="prod")


WINDOWS = (
    Scenario(
        "35 days behind is a correction, a millisecond more is too late",
        (
            record(message(1, "2026-12-06T10:00:00Z")),
            record(message(2, "2026-11-01T10:00:00Z", user="u1"), append="2026-12-06T10:00:01Z"),
            record(message(3, "2026-11-01T09:59:59.999Z", user="u2"), append="2026-12-06T10:00:02Z"),
        ),
        {
            figure("user_messages", "PT1H", "2026-11-01T10:00:00Z"): (1, "corrected"),
            figure("dau", "P1D", "2026-11-01"): (1, "corrected"),
            figure("users", "P1M", "2026-11-01"): (1, "corrected"),
            figure("mau", "P30D", "2026-11-01"): (1, "corrected"),
        },
        (("/time", Reason.TOO_LATE),),
        complete=("dau", "users"),
    ),
    Scenario(
        "ten minutes ahead of the greatest append time is right, a millisecond more is not",
        (
            record(message(1, "2026-11-01T10:10:00Z"), append="2026-11-01T10:00:00Z"),
            record(message(2, "2026-11-01T10:10:00.001Z"), append="2026-11-01T09:00:00Z"),
            record(message(2, "2026-11-01T10:10:00Z"), append="2026-11-01T09:00:00Z"),
        ),
        {figure("user_messages", "PT1H", "2026-11-01T10:00:00Z"): (2, "provisional")},
        (("/time", Reason.CLOCK_AHEAD),),
    ),
    Scenario(
        "a window closes at its end plus grace, and a later event corrects it",
        (
            record(message(1, "2026-11-01T10:59:59.999Z")),
            record(message(2, "2026-11-01T11:59:59.999Z")),
            record(message(3, "2026-11-01T10:30:00Z"), append="2026-11-01T12:00:00Z"),
            record(message(4, "2026-11-01T13:00:00Z")),
            record(message(5, "2026-11-01T11:00:00Z"), append="2026-11-01T13:00:00Z"),
        ),
        {
            figure("user_messages", "PT1H", "2026-11-01T10:00:00Z"): (2, "final"),
            figure("user_messages", "PT1H", "2026-11-01T11:00:00Z"): (2, "corrected"),
            figure("user_messages", "PT1H", "2026-11-01T13:00:00Z"): (1, "provisional"),
            figure("user_messages", "P1D", "2026-11-01"): (5, "provisional"),
        },
    ),
    Scenario(
        "each record that changes a closed figure is one correction of it",
        (
            record(message(1, "2026-11-01T10:00:00Z", user="u1")),
            record(message(2, "2026-11-03T00:00:00Z", user="u1")),
            record(
                [
                    message(3, "2026-11-01T10:30:00Z", user="u2"),
                    message(4, "2026-11-01T11:00:00Z", user="u3"),
                    message(3, "2026-11-01T10:30:00Z", user="u2"),
                ],
                append="2026-11-03T00:00:01Z",
            ),
            record(message(5, "2026-11-01T10:45:00Z", user="u2"), append="2026-11-03T00:00:02Z"),
            record(started(6), append="2026-11-03T00:00:03Z"),
            record(started(7), append="2026-11-03T00:00:04Z"),
        ),
        {
            figure("user_messages", "PT1H", "2026-11-01T10:00:00Z"): (3, "corrected"),
            figure("user_messages", "P1D", "2026-11-01"): (4, "corrected"),
            figure("user_messages", "P1M", "2026-11-01"): (5, "provisional"),
        },
        (("/2", Reason.DUPLICATE),),
        corrections={
            (figure("user_messages", "PT1H", "2026-11-01T10:00:00Z"), 2): (1, 2),
            (figure("user_messages", "PT1H", "2026-11-01T10:00:00Z"), 3): (2, 3),
            (figure("user_messages", "PT1H", "2026-11-01T11:00:00Z"), 2): (0, 1),
            (figure("user_messages", "P1D", "2026-11-01"), 2): (1, 3),
            (figure("user_messages", "P1D", "2026-11-01"), 3): (3, 4),
            (figure("dau", "P1D", "2026-11-01"), 2): (1, 3),
            (figure("wau", "P7D", "2026-10-26"), 2): (1, 3),
            (figure("active_installations", "P1D", "2026-11-01"), 4): (0, 1),
        },
    ),
    Scenario(
        "a batch closes its windows behind it",
        (record([message(1, "2026-11-01T15:00:00Z"), message(2, "2026-11-01T10:00:00Z")]),),
        {figure("user_messages", "PT1H", "2026-11-01T10:00:00Z"): (1, "final")},
    ),
    Scenario(
        "a tick closes at its append time less idle-after",
        (record(message(1, "2026-11-01T10:20:00Z")), tick("2026-11-01T12:05:00Z")),
        {
            figure("user_messages", "PT1H", "2026-11-01T10:00:00Z"): (1, "final"),
            figure("user_messages", "P1D", "2026-11-01"): (1, "provisional"),
        },
    ),
    Scenario(
        "a tick a millisecond earlier does not",
        (record(message(1, "2026-11-01T10:20:00Z")), tick("2026-11-01T12:04:59.999Z")),
        {figure("user_messages", "PT1H", "2026-11-01T10:00:00Z"): (1, "provisional")},
    ),
    Scenario(
        "a tick closes but makes nothing late",
        (
            record(message(1, "2026-11-01T10:00:00Z")),
            tick("2027-01-01T00:05:00Z"),
            record(message(2, "2026-11-01T10:00:00Z"), append="2027-01-01T00:05:01Z"),
        ),
        {figure("user_messages", "PT1H", "2026-11-01T10:00:00Z"): (2, "corrected")},
    ),
    Scenario(
        "months end at midnight UTC",
        (
            record(message(1, "2026-10-31T23:59:59.999Z", user="u1")),
            record(message(2, "2026-11-01T00:00:00Z", user="u1")),
            record(message(3, "2026-11-02T00:00:00Z")),
        ),
        {
            figure("user_messages", "P1M", "2026-10-01"): (1, "final"),
            figure("user_messages", "P1M", "2026-11-01"): (2, "provisional"),
            figure("users", "P1M", "2026-10-01"): (1, "final"),
            figure("users", "P1M", "2026-11-01"): (1, "provisional"),
            figure("dau", "P1D", "2026-10-31"): (1, "final"),
            figure("dau", "P1D", "2026-11-01"): (1, "provisional"),
        },
        complete=("users", "dau"),
    ),
    Scenario(
        "a leap year's February has 29 days",
        (
            record(message(1, "2028-02-29T12:00:00Z", user="u1")),
            record(message(2, "2028-03-01T12:00:00Z", user="u2")),
        ),
        {
            figure("users", "P1M", "2028-02-01"): (1, "provisional"),
            figure("users", "P1M", "2028-03-01"): (1, "provisional"),
            figure("mau", "P30D", "2028-01-31"): (1, "provisional"),
            figure("mau", "P30D", "2028-02-01"): (2, "provisional"),
        },
        complete=("users", "mau"),
    ),
    Scenario(
        "the UTC day counts, not the producer's",
        (
            record(message(1, "2026-11-02T00:30:00+01:00", user="u1")),
            record(message(2, "2026-11-01t23:30:00.1239-01:00", user="u2")),
        ),
        {
            figure("dau", "P1D", "2026-11-01"): (1, "provisional"),
            figure("dau", "P1D", "2026-11-02"): (1, "provisional"),
        },
        complete=("dau",),
    ),
    Scenario(
        "past max-series a combination is ~other, window by window",
        tuple(
            record(event(number, "folder.created", time, kind=kind))
            for number, (time, kind) in enumerate(
                [
                    ("2026-11-01T10:00:00Z", "a"),
                    ("2026-11-01T10:00:01Z", "b"),
                    ("2026-11-01T10:00:02Z", "c"),
                    ("2026-11-01T10:00:03Z", "d"),
                    ("2026-11-01T10:00:04Z", "a"),
                    ("2026-11-01T11:00:00Z", "c"),
                ]
            )
        ),
        {
            figure("folders_created", "PT1H", "2026-11-01T10:00:00Z", "kind=a"): (2, "provisional"),
            figure("folders_created", "PT1H", "2026-11-01T10:00:00Z", "kind=b"): (1, "provisional"),
            figure("folders_created", "PT1H", "2026-11-01T10:00:00Z", "kind=~other"): (2, "provisional"),
            figure("folders_created", "PT1H", "2026-11-01T11:00:00Z", "kind=c"): (1, "provisional"),
            figure("folders_created", "P1D", "2026-11-01", "kind=a"): (2, "provisional"),
            figure("folders_created", "P1D", "2026-11-01", "kind=b"): (1, "provisional"),
            figure("folders_created", "P1D", "2026-11-01", "kind=~other"): (3, "provisional"),
            figure("folders_created", "P1M", "2026-11-01", "kind=a"): (2, "provisional"),
            figure("folders_created", "P1M", "2026-11-01", "kind=b"): (1, "provisional"),
            figure("folders_created", "P1M", "2026-11-01", "kind=~other"): (3, "provisional"),
        },
        complete=("folders_created",),
        deciding=Deciding(max_series=2),
    ),
    Scenario(
        "sliding windows exist on days without an event, up to the closing watermark's",
        (
            record(message(1, "2026-11-01T10:00:00Z", user="u1")),
            record(message(2, "2026-11-01T11:00:00Z", user="u1")),
            record(message(3, "2026-11-03T10:00:00Z", user="u2")),
            record(message(4, "2026-11-09T10:00:00Z")),
        ),
        {
            figure("wau", "P7D", "2026-10-26"): (1, "final"),
            figure("wau", "P7D", "2026-10-27"): (1, "final"),
            figure("wau", "P7D", "2026-10-28"): (2, "final"),
            figure("wau", "P7D", "2026-10-29"): (2, "final"),
            figure("wau", "P7D", "2026-10-30"): (2, "final"),
            figure("wau", "P7D", "2026-10-31"): (2, "final"),
            figure("wau", "P7D", "2026-11-01"): (2, "final"),
            figure("wau", "P7D", "2026-11-02"): (1, "provisional"),
            figure("wau", "P7D", "2026-11-03"): (1, "provisional"),
            figure("mau", "P30D", "2026-10-03"): (1, "final"),
            figure("mau", "P30D", "2026-10-09"): (2, "final"),
            figure("mau", "P30D", "2026-10-11"): (2, "provisional"),
        },
        complete=("wau",),
    ),
)
