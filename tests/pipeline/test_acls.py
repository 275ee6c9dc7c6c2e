"""The rules of access follow from the table of the flow."""

from pathlib import Path

import pytest

from pipeline.broker.acls import Pattern, Resource, grants, group_name
from pipeline.broker.rights import Right
from pipeline.documents.flow import drawing, with_drawing
from pipeline.worker.clean_owner import CleanOwner
from pipeline.worker.raw_owner import RawOwner
from schemas.flow import OPERATOR, ROLES, STAGES
from schemas.topics import TOPICS, Zone, topic_name

P = "acls"
FOUND = list(grants(P))


def of(role: str, right: Right, resource: Resource = Resource.TOPIC) -> set[str]:
    return {
        each.name
        for each in FOUND
        if (each.role, each.right, each.resource, each.pattern) == (role, right, resource, Pattern.LITERAL)
    }


def named(*shorts: str) -> set[str]:
    return {topic_name(P, short) for short in shorts}


READS = {
    "producers": set(),
    "anonymize": named("raw", "anonymize-state"),
    "aggregate": named("clean", "aggregates", "aggregate-state"),
    "analysts": named("aggregates", "rejected", "ledger", "corrections"),
    OPERATOR: named(*TOPICS),
}
WRITES = {
    "producers": named("raw"),
    "anonymize": named("clean", "rejected", "ledger", "raw", "anonymize-state"),
    "aggregate": named("aggregates", "corrections", "aggregate-state"),
    "analysts": set(),
    OPERATOR: named("raw", "aggregates"),
}
"""Said again here, since a slip in the table would be a hole."""


@pytest.mark.parametrize("role", ROLES)
def test_each_role_reads_and_writes_what_it_should_and_no_more(role: str) -> None:
    assert of(role, Right.READ) == READS[role]
    assert of(role, Right.WRITE) == WRITES[role]
    assert of(role, Right.CREATE) == (named(*TOPICS) if role == OPERATOR else set())


def test_the_personal_zone_is_read_by_anonymize_and_the_operator_alone() -> None:
    personal = named(*(short for short, spec in TOPICS.items() if spec.zone is Zone.PII))
    assert {role for role in ROLES if of(role, Right.READ) & personal} == {"anonymize", OPERATOR}


@pytest.mark.parametrize("kind", STAGES)
def test_a_group_is_its_workers_alone(kind: str) -> None:
    assert [role for role in ROLES if group_name(P, kind) in of(role, Right.READ, Resource.GROUP)] == [kind]


def test_what_begins_with_a_name_is_for_replays_and_the_groups_of_analysts() -> None:
    assert {(each.role, each.name) for each in FOUND if each.pattern is Pattern.PREFIXED} == {
        (OPERATOR, f"{topic_name(P, 'aggregates')}."),
        ("analysts", f"{P}-analysts"),
    }


def test_nobody_may_delete_a_topic_of_the_table_or_change_the_cluster() -> None:
    assert not [each for each in FOUND if each.right is Right.DELETE and each.pattern is Pattern.LITERAL]
    assert not [each for each in FOUND if each.right is Right.ALTER]
    assert {each.right for each in FOUND if each.resource is Resource.CLUSTER} <= {
        Right.DESCRIBE,
        Right.DESCRIBE_CONFIGS,
    }


def test_owners_topics_and_drawing_are_of_the_same_table() -> None:
    assert (RawOwner.stage, CleanOwner.stage) == tuple(STAGES.values())
    made = {short for stage in STAGES.values() for short in (stage.source, *stage.outputs, stage.state)}
    assert made == set(TOPICS)
    assert all(topic_name("footfall", short) in drawing() for short in TOPICS)


def test_a_page_without_a_place_for_the_drawing_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="no place"):
        with_drawing(page)
