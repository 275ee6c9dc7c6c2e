"""Named examples of consent, of what makes active, and of installations (design 1.2, 1.3, 1.6)."""

from schemas.deciding import Deciding
from schemas.reasons import Reason
from tests.scenario_kit import Scenario, consent, event, feedback, figure, message, record

REFUSED = ("", Reason.NO_CONSENT)
GOOD = figure("feedback", "P1D", "2026-11-01", "sentiment=positive")
LATER = figure("feedback", "P1D", "2026-12-31", "sentiment=positive")


def started(number: int, source: str, version: str, **more: object) -> dict[str, object]:
    dimensions = {"application": "chat", "version": version, "environment": "prod"}
    return event(number, "app.started", "2026-11-01T10:00:00Z", source=source, **dimensions, **more)


CONSENT = (
    Scenario(
        "a platform's withdrawal speaks for its installation, and for no bill",
        (
            record(consent(1, "2026-11-01T10:00:00Z", "platform", False, source="i1")),
            record(feedback(1, "2026-11-01T10:00:01Z", source="a1", installation="i1")),
            record(feedback(1, "2026-11-01T10:00:01Z", source="a2", installation="i2")),
            record(message(2, "2026-11-01T10:00:01Z", source="a1", installation="i1")),
        ),
        {GOOD: (1, "provisional"), figure("user_messages", "P1D", "2026-11-01"): (1, "provisional")},
        (REFUSED,),
    ),
    Scenario(
        "an app's withdrawal speaks for its source",
        (
            record(consent(1, "2026-11-01T10:00:00Z", "app", False, source="a1", installation="i1")),
            record(feedback(2, "2026-11-01T10:00:01Z", source="a1", installation="i1")),
            record(feedback(1, "2026-11-01T10:00:01Z", source="a2", installation="i1")),
            record(consent(2, "2026-11-01T10:00:02Z", "platform", True, source="a2", installation="i1")),
            record(feedback(3, "2026-11-01T10:00:03Z", source="a1", installation="i1")),
        ),
        {GOOD: (1, "provisional")},
        (REFUSED, REFUSED),
    ),
    Scenario(
        "where source and installation are one, each scope refuses until it is granted",
        (
            record(consent(1, "2026-11-01T10:00:00Z", "app", False)),
            record(consent(2, "2026-11-01T10:00:01Z", "platform", True)),
            record(feedback(3, "2026-11-01T10:00:02Z")),
            record(consent(4, "2026-11-01T10:00:03Z", "app", True)),
            record(feedback(5, "2026-11-01T10:00:04Z")),
            record(consent(6, "2026-11-01T10:00:05Z", "platform", False)),
            record(consent(7, "2026-11-01T10:00:06Z", "app", True)),
            record(feedback(8, "2026-11-01T10:00:07Z")),
        ),
        {GOOD: (1, "provisional")},
        (REFUSED, REFUSED),
    ),
    Scenario(
        "consent is each company's own",
        (
            record(consent(1, "2026-11-01T10:00:00Z", "platform", False)),
            record(feedback(1, "2026-11-01T10:00:01Z", company="globex"), key="globex"),
        ),
        {figure("feedback", "P1D", "2026-11-01", "sentiment=positive", "globex"): (1, "provisional")},
    ),
    Scenario(
        "an old grant grants nothing, one at the withdrawal's time neither",
        (
            record(consent(1, "2026-11-01T11:00:00Z", "platform", False)),
            record(consent(2, "2026-11-01T10:30:00Z", "platform", True), append="2026-11-01T11:00:00Z"),
            record(feedback(3, "2026-11-01T11:00:00Z")),
            record(consent(4, "2026-11-01T11:00:00Z", "platform", True)),
            record(feedback(5, "2026-11-01T11:00:00Z")),
            record(consent(6, "2026-11-01T11:00:00.001Z", "platform", True)),
            record(feedback(7, "2026-11-01T11:00:00Z"), append="2026-11-01T11:00:01Z"),
        ),
        {GOOD: (1, "provisional")},
        (REFUSED, REFUSED),
    ),
    Scenario(
        "a withdrawal delivered again soon is a duplicate and withdraws nothing",
        (
            record(consent(1, "2026-11-01T10:00:00Z", "platform", False)),
            record(consent(2, "2026-11-01T10:00:01Z", "platform", True)),
            record(consent(1, "2026-11-01T10:00:00Z", "platform", False), append="2026-11-01T10:00:02Z"),
            record(feedback(3, "2026-11-01T10:00:03Z")),
        ),
        {GOOD: (1, "provisional")},
        (("", Reason.DUPLICATE),),
    ),
    Scenario(
        "a withdrawal in time with a used id and a new sequence is a new one",
        (
            record(consent(1, "2026-11-01T10:00:00Z", "platform", False, id="w")),
            record(consent(2, "2026-11-01T10:00:01Z", "platform", True)),
            record(consent(3, "2026-11-01T10:00:02Z", "platform", False, id="w")),
            record(feedback(4, "2026-11-01T10:00:03Z")),
        ),
        {},
        (REFUSED,),
        complete=("feedback",),
    ),
    Scenario(
        "a withdrawal that is too late takes effect once",
        (
            record(message(1, "2026-12-31T10:00:00Z")),
            record(consent(2, "2026-11-01T10:00:00Z", "platform", False), append="2026-12-31T10:00:00Z"),
            record(feedback(3, "2026-12-31T10:00:01Z")),
            record(consent(4, "2026-12-31T10:00:02Z", "platform", True)),
            record(feedback(5, "2026-12-31T10:00:03Z")),
            record(consent(2, "2026-11-01T10:00:00Z", "platform", False), append="2026-12-31T10:00:04Z"),
            record(feedback(6, "2026-12-31T10:00:05Z")),
            record(consent(7, "2026-11-01T10:00:00Z", "platform", False), append="2026-12-31T10:00:06Z"),
            record(feedback(8, "2026-12-31T10:00:07Z")),
        ),
        {LATER: (2, "provisional")},
        (REFUSED, REFUSED),
    ),
    Scenario(
        "a withdrawal far ahead takes effect at its append time and moves nothing",
        (
            record(consent(1, "2030-01-01T00:00:00Z", "platform", False), append="2026-11-01T10:00:00Z"),
            record(feedback(2, "2026-11-01T10:00:00Z")),
            record(consent(3, "2026-11-01T10:00:01Z", "platform", True)),
            record(feedback(4, "2026-11-01T10:00:02Z")),
            record(consent(1, "2030-01-01T00:00:00Z", "platform", False), append="2026-11-01T10:00:03Z"),
            record(feedback(5, "2026-11-01T10:00:04Z")),
        ),
        {GOOD: (2, "provisional")},
        (REFUSED, ("", Reason.DUPLICATE)),
    ),
    Scenario(
        "an event refused for want of consent is remembered",
        (
            record(consent(1, "2026-11-01T10:00:00Z", "platform", False)),
            record(feedback(2, "2026-11-01T10:00:01Z", user="u1")),
            record(consent(3, "2026-11-01T10:00:02Z", "platform", True)),
            record(feedback(2, "2026-11-01T10:00:01Z", user="u1"), append="2026-11-01T10:00:03Z"),
        ),
        {},
        (REFUSED, ("", Reason.DUPLICATE)),
        complete=("feedback", "dau"),
    ),
    Scenario(
        "only what a person did makes a person active",
        (
            record(message(1, "2026-11-01T10:00:00Z", user="u1", role="assistant")),
            record(consent(2, "2026-11-01T10:00:00Z", "platform", True, user="u2")),
            record(started(3, "s1", "1.0", user="u3")),
            record(message(4, "2026-11-01T10:00:00Z", user="u4")),
        ),
        {
            figure("dau", "P1D", "2026-11-01"): (2, "provisional"),
            figure("assistant_messages", "P1D", "2026-11-01"): (1, "provisional"),
            figure("user_messages", "P1D", "2026-11-01"): (1, "provisional"),
        },
        complete=("dau",),
    ),
    Scenario(
        "an installation is a source, once for each thing it runs",
        (
            record(started(1, "s1", "1.0")),
            record(started(2, "s1", "1.0")),
            record(started(3, "s1", "1.1")),
            record(started(1, "s2", "1.0")),
        ),
        {
            figure("installations", "P1D", "2026-11-01", "application=chat,version=1.0,environment=prod"): (
                2,
                "provisional",
            ),
            figure("installations", "P1D", "2026-11-01", "application=chat,version=1.1,environment=prod"): (
                1,
                "provisional",
            ),
            figure("active_installations", "P1D", "2026-11-01"): (2, "provisional"),
            figure("active_installations", "P1M", "2026-11-01"): (2, "provisional"),
        },
        complete=("active_installations",),
    ),
    Scenario(
        "a source of two further series counts once in ~other",
        (
            record(started(1, "s1", "1.0")),
            record(started(2, "s1", "1.1")),
            record(started(3, "s1", "1.2")),
            record(started(1, "s2", "1.2")),
        ),
        {
            figure("installations", "P1D", "2026-11-01", "application=~other,version=~other,environment=~other"): (
                2,
                "provisional",
            ),
        },
        deciding=Deciding(max_series=1),
    ),
)
