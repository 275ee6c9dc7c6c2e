import pytest

from schemas.topics import TOPICS, Zone, topic_config, topic_name

DAY = 86_400_000


def test_names_are_the_contracts() -> None:
    assert [topic_name("footfall", short) for short in TOPICS] == [
        "footfall.raw.v1",
        "footfall.clean.v1",
        "footfall.aggregates.v1",
        "footfall.rejected.v1",
        "footfall.ledger.v1",
        "footfall.corrections.v1",
        "footfall-anonymize-state-changelog",
        "footfall-aggregate-state-changelog",
    ]


def test_only_raw_may_hold_what_is_personal_and_only_anonymize_reads_it() -> None:
    assert [spec.short for spec in TOPICS.values() if spec.zone is Zone.PII] == ["raw"]
    assert TOPICS["raw"].readers == ("anonymize",)


@pytest.mark.parametrize(("short", "days"), [("raw", 7), ("clean", 35), ("rejected", 35)])
def test_logs_are_deleted_by_age(short: str, days: int) -> None:
    config = topic_config(short, 1)
    assert config["cleanup.policy"] == "delete"
    assert config["retention.ms"] == str(days * DAY)


@pytest.mark.parametrize("short", ["ledger", "corrections"])
def test_books_and_corrections_are_never_deleted_or_compacted(short: str) -> None:
    config = topic_config(short, 1)
    assert config["cleanup.policy"] == "delete"
    assert config["retention.ms"] == "-1"


@pytest.mark.parametrize("short", ["aggregates", "anonymize-state", "aggregate-state"])
def test_upserts_are_compacted_after_a_day(short: str) -> None:
    config = topic_config(short, 1)
    assert config["cleanup.policy"] == "compact"
    assert config["min.compaction.lag.ms"] == str(DAY)


def test_every_topic_bears_the_brokers_time_and_elects_no_unclean_leader() -> None:
    for short in TOPICS:
        config = topic_config(short, 1)
        assert config["message.timestamp.type"] == "LogAppendTime"
        assert config["unclean.leader.election.enable"] == "false"


def test_message_limits() -> None:
    sizes = {short: int(topic_config(short, 1)["max.message.bytes"]) >> 20 for short in TOPICS}
    assert sizes == {
        "raw": 2,
        "clean": 16,
        "aggregates": 2,
        "rejected": 2,
        "ledger": 2,
        "corrections": 2,
        "anonymize-state": 16,
        "aggregate-state": 16,
    }


@pytest.mark.parametrize(("replication", "wanted"), [(1, None), (2, None), (3, "2"), (5, "2")])
def test_two_replicas_must_acknowledge_where_there_are_three(replication: int, wanted: str | None) -> None:
    for short in TOPICS:
        assert topic_config(short, replication).get("min.insync.replicas") == wanted


def test_a_config_is_a_copy() -> None:
    topic_config("raw", 1)["cleanup.policy"] = "compact"
    assert topic_config("raw", 1)["cleanup.policy"] == "delete"
