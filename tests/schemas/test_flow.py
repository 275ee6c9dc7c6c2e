"""The table of the flow holds together: every topic has one stage that writes it, and rights follow from it alone."""

from dataclasses import replace

import pytest

from pipeline.broker import acls
from pipeline.broker.acls import Grant, Pattern, Resource, grants
from pipeline.broker.rights import Right, _rights
from pipeline.documents.flow import drawing
from schemas import flow, topics
from schemas.flow import OPERATOR, ROLES, STAGES, Role, Stage
from schemas.topics import TOPICS, topic_config, topic_name


@pytest.mark.parametrize("short", TOPICS)
def test_a_topic_is_made_by_one_stage_and_raw_by_none(short: str) -> None:
    makers = [stage.kind for stage in STAGES.values() if short in (*stage.outputs, stage.state)]
    assert len(makers) == (short != "raw")
    assert len(TOPICS[short].writers) == (2 if short == "raw" else 1)
    assert OPERATOR not in TOPICS[short].writers + TOPICS[short].readers


def test_what_a_stage_reads_a_stage_before_it_or_a_producer_writes() -> None:
    written = set(ROLES["producers"].writes)
    for stage in STAGES.values():
        assert stage.source in written
        written |= {*stage.outputs, stage.state}
        assert set(stage.mends) <= set(stage.outputs)
        assert {stage.source, stage.state}.isdisjoint(stage.outputs)
    assert written == set(TOPICS)


def test_a_stage_writes_to_its_source_where_it_says_so_and_nowhere_else() -> None:
    stage = Stage("anonymize", "does", "raw", ("clean",), holds_key=True)
    assert (stage.role.reads, stage.role.writes) == (("raw", "anonymize-state"), ("clean", "anonymize-state"))
    back = replace(stage, returns=True, mends=("clean",))
    assert back.role.writes == ("clean", "raw", "anonymize-state")
    assert back.role.reads == ("raw", "clean", "anonymize-state")
    assert [stage.kind for stage in STAGES.values() if stage.returns] == ["anonymize"]
    assert [stage.kind for stage in STAGES.values() if stage.holds_key] == ["anonymize"]


def test_every_name_of_the_table_is_a_topic() -> None:
    for role in ROLES.values():
        assert {*role.reads, *role.writes} <= set(TOPICS)
        assert len({*role.reads}) == len(role.reads)
        assert len({*role.writes}) == len(role.writes)
    assert set(ROLES[OPERATOR].reads) == set(TOPICS)
    assert [role.name for role in ROLES.values() if role.manages] == [OPERATOR]


def test_names_are_told_apart_under_every_prefix_and_end_as_the_table_says() -> None:
    for prefix in ("footfall", "a", "a.raw.v1"):
        names = {topic_name(prefix, short) for short in TOPICS}
        assert len(names) == len(TOPICS)
        assert all(name.startswith(prefix) for name in names)
    with pytest.raises(KeyError):
        topic_name("footfall", "sink")
    with pytest.raises(KeyError):
        topic_config("sink", 3)


def of_topics(found: list[Grant], right: Right) -> dict[str, set[str]]:
    rules: dict[str, set[str]] = {}
    for each in found:
        if (each.resource, each.right, each.pattern) == (Resource.TOPIC, right, Pattern.LITERAL):
            rules.setdefault(each.name, set()).add(each.role)
    return rules


def test_rights_are_those_of_the_table_topic_by_topic() -> None:
    found = list(grants("p"))
    assert len(set(found)) == len(found)
    reads, writes = of_topics(found, Right.READ), of_topics(found, Right.WRITE)
    for short, spec in TOPICS.items():
        managing = [role.name for role in ROLES.values() if role.manages]
        assert reads[topic_name("p", short)] == {*spec.readers, *managing}
        by_hand = {role for role in managing if short in ROLES[role].writes}
        assert writes[topic_name("p", short)] == {*spec.writers} | by_hand


def test_whoever_reads_anything_sees_the_settings_of_every_topic_and_a_producer_of_none() -> None:
    found = list(grants("p"))
    names = {topic_name("p", short) for short in TOPICS}
    for right in (Right.DESCRIBE, Right.DESCRIBE_CONFIGS):
        seen = of_topics(found, right)
        assert set(seen) == names
        assert {frozenset(roles) for roles in seen.values()} == {frozenset(ROLES) - {"producers"}}
    assert {each.right for each in found if each.role == "producers"} == {Right.WRITE}


def test_a_new_role_has_the_rights_of_its_line_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    more = ROLES | {"guest": Role("guest", "looks", reads=("ledger",))}
    before = set(grants("p"))
    monkeypatch.setattr(acls, "ROLES", more)
    monkeypatch.setattr(topics, "ROLES", more)
    new = set(grants("p")) - before
    assert {each.role for each in new} == {"guest"}
    assert [each.name for each in new if each.right is Right.READ] == ["p.ledger.v1"]
    assert {each.right for each in new} == {Right.READ, Right.DESCRIBE, Right.DESCRIBE_CONFIGS}
    assert TOPICS["ledger"].readers == ("analysts", "guest")
    assert before < set(grants("p"))


def test_no_rule_of_one_deployment_is_one_of_another() -> None:
    rules = [{each for each in grants(prefix) if each.resource is not Resource.CLUSTER} for prefix in ("a", "b")]
    assert not rules[0] & rules[1]
    assert {each.name.replace("a", "", 1) for each in rules[0]} == {each.name.replace("b", "", 1) for each in rules[1]}


def test_bits_of_rights_are_read_by_their_numbers() -> None:
    assert _rights(0) == set()
    assert _rights(1 << 3 | 1 << 8) == {Right.READ, Right.DESCRIBE}
    assert _rights(1 << 12 | 1 << 4) == {Right.WRITE}
    with pytest.raises(NotImplementedError):
        _rights(-(1 << 31))


def test_the_drawing_follows_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    for stage in STAGES.values():
        part = drawing().partition(f"worker {stage.kind}")[2].partition("worker")[0]
        assert [short for short in stage.outputs if topic_name("footfall", short) not in part] == []
        assert topic_name("footfall", stage.state) in part
    assert flow.changelog("aggregate") in TOPICS
