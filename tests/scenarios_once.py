"""Named examples of what counts once: duplicates by sequence and by id, forgotten sources (design 1.2 to 1.5)."""

from schemas.reasons import Reason
from tests.scenario_kit import Scenario, event, figure, message, record

DUPLICATE = ("", Reason.DUPLICATE)

ONCE = (
    Scenario(
        "a sequence delivered again counts once, whatever its id and time",
        (
            record(message(1, "2026-11-01T10:00:00Z")),
            record(message(2, "2026-11-01T10:00:01Z")),
            record(message(1, "2026-11-01T11:00:00Z", id="other")),
            record(message(1, "2026-11-01T11:00:00Z", source="s2")),
        ),
        {figure("user_messages", "P1D", "2026-11-01"): (3, "provisional")},
        (DUPLICATE,),
    ),
    Scenario(
        "the same identity with other content is a duplicate: the first counts",
        (
            record(message(1, "2026-11-01T10:00:00Z", user="u1")),
            record(event(1, "prompt.submitted", "2026-11-01T10:00:00Z", assistant="a", module="m", user="u2")),
            record(event(None, "folder.created", "2026-11-01T10:00:00Z", id="x", kind="a")),
            record(event(None, "folder.created", "2026-11-01T10:00:00Z", id="x", kind="b", user="u3")),
        ),
        {
            figure("user_messages", "P1D", "2026-11-01"): (1, "provisional"),
            figure("folders_created", "PT1H", "2026-11-01T10:00:00Z", "kind=a"): (1, "provisional"),
            figure("folders_created", "P1D", "2026-11-01", "kind=a"): (1, "provisional"),
            figure("folders_created", "P1M", "2026-11-01", "kind=a"): (1, "provisional"),
            figure("dau", "P1D", "2026-11-01"): (1, "provisional"),
        },
        (DUPLICATE, DUPLICATE),
        complete=("prompts", "folders_created", "dau"),
    ),
    Scenario(
        "a sequence is known until it is too late",
        (
            record(message(1, "2026-11-01T10:00:00Z")),
            record(message(2, "2026-12-05T10:00:00Z")),
            record(message(1, "2026-11-01T10:00:00Z"), append="2026-12-05T10:00:01Z"),
            record(message(3, "2026-12-07T10:00:00Z")),
            record(message(1, "2026-11-01T10:00:00Z"), append="2026-12-07T10:00:01Z"),
        ),
        {
            figure("user_messages", "P1M", "2026-11-01"): (1, "final"),
            figure("user_messages", "P1M", "2026-12-01"): (2, "provisional"),
        },
        (DUPLICATE, ("/time", Reason.TOO_LATE)),
    ),
    Scenario(
        "an id is known on its day and on the days beside, and a repeat is not remembered",
        (
            record(message(None, "2026-11-01T23:59:59.999Z", id="x")),
            record(message(None, "2026-11-02T00:00:00Z", id="x")),
            record(message(None, "2026-10-31T00:00:00Z", id="x"), append="2026-11-02T00:00:01Z"),
            record(message(None, "2026-11-03T00:00:00Z", id="x")),
        ),
        {
            figure("user_messages", "P1D", "2026-11-01"): (1, "final"),
            figure("user_messages", "P1D", "2026-11-03"): (1, "provisional"),
        },
        (DUPLICATE, DUPLICATE),
    ),
    Scenario(
        "ids and sequences are told apart",
        (
            record(message(None, "2026-11-01T10:00:00Z", id="x")),
            record(message(7, "2026-11-01T10:00:00Z", id="x")),
            record(message(None, "2026-11-01T10:00:00Z", id="7")),
            record(message("7", "2026-11-01T10:00:00Z", id="y")),
        ),
        {figure("user_messages", "P1D", "2026-11-01"): (3, "provisional")},
        (DUPLICATE,),
    ),
    Scenario(
        "a source that is forgotten begins anew",
        (
            record(message(1, "2026-11-01T10:00:00Z")),
            record(message(1, "2026-12-06T10:00:00.001Z", source="s2")),
            record(message(1, "2026-12-06T10:00:00Z"), append="2026-12-06T10:00:01Z"),
        ),
        {figure("user_messages", "P1D", "2026-12-06"): (2, "provisional")},
    ),
    Scenario(
        "a source is not forgotten while its last event is exactly the lateness behind",
        (
            record(message(1, "2026-11-01T10:00:00Z")),
            record(message(1, "2026-12-06T10:00:00Z", source="s2")),
            record(message(1, "2026-12-06T10:00:00Z"), append="2026-12-06T10:00:01Z"),
        ),
        {figure("user_messages", "P1D", "2026-12-06"): (1, "provisional")},
        (DUPLICATE,),
    ),
)
