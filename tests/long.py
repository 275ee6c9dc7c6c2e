"""Tests that take long: `make check` runs one in so many of their cases, `make test` all of them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

__all__ = ["ONE_IN", "mark_long"]

_FILES: Final[Mapping[str, Mapping[str, int]]] = {
    "tests/bench/test_floods.py": {
        "test_an_honest_company_is_counted_beside_each_flood": 11,
    },
    "tests/bench/test_peers.py": {
        "test_a_wrong_sink_has_no_speed": 3,
    },
    "tests/broker/test_container.py": {
        "test_where_docker_is_mute": 0,
        "test_where_docker_says_little_by_little": 0,
    },
    "tests/core/test_batches.py": {
        "test_a_chunk_of_many_companies_is_written_in_batches_that_fit": 0,
        "test_a_crash_between_the_parts_of_a_chunk_loses_and_doubles_nothing": 0,
        "test_parts_of_any_size_come_to_the_same": 10,
        "test_what_the_worst_record_comes_to_fits_one_batch": 4,
    },
    "tests/core/test_bounded_state.py": {
        "test_weeks_of_people_who_come_and_go_leave_the_state_as_large_as_it_was": 0,
        "test_what_expired_is_deleted_from_the_changelog_and_what_is_left_restores_the_state": 0,
    },
    "tests/core/test_completing.py": {
        "test_what_raw_tells_makes_the_figures_of_the_oracle_and_the_rest_is_left_out": 6,
    },
    "tests/core/test_decode.py": {
        "test_both_read_alike_what_was_damaged": 0,
        "test_the_form_check_is_the_authority_s_verdict": 0,
    },
    "tests/core/test_fast_path.py": {
        "test_random_logs_come_to_the_same": 30,
    },
    "tests/core/test_forms.py": {
        "test_random_logs_are_cut_alike": 30,
    },
    "tests/core/test_fuzzing.py": {
        "test_a_fault_is_found_under_the_sanitizers": 0,
    },
    "tests/core/test_late.py": {
        "test_any_cut_and_any_repetition_tells_the_same": 30,
    },
    "tests/core/test_native.py": {
        "test_hostile_records_come_to_the_same": 0,
    },
    "tests/core/test_pending_windows.py": {
        "test_companies_long_silent_equal_the_oracle": 40,
        "test_the_state_does_not_depend_on_where_the_log_is_cut": 40,
        "test_the_state_of_the_release_before_is_gone_on_with": 20,
    },
    "tests/core/test_random_logs.py": {
        "test_random_logs": 44,
        "test_random_logs_past_every_bound": 44,
    },
    "tests/core/test_refold.py": {
        "test_a_period_is_settled_only_when_nothing_legal_can_change_it": 4,
        "test_a_period_of_a_random_log_equals_the_oracle": 24,
        "test_each_figure_comes_with_its_corrections": 4,
    },
    "tests/core/test_scenarios.py": {
        "test_the_folds_equal_the_oracle": 5,
    },
    "tests/core/test_short.py": {
        "test_all_forms_come_to_the_same": 0,
        "test_nothing_is_said_but_the_truth": 0,
    },
    "tests/core/test_store.py": {
        "test_every_chunk_and_every_value_written_is_the_same_over_a_store": 12,
        "test_of_a_store_only_what_was_lately_used_is_in_memory": 0,
        "test_of_the_days_and_leaves_of_one_source_only_those_asked_for_are_in_memory": 0,
        "test_stores_are_alike": 0,
        "test_what_has_expired_leaves_state_and_store": 9,
        "test_worlds_over_a_store_come_to_the_figures_of_those_without": 0,
    },
    "tests/core/test_worst_chunks.py": {
        "test_as_many_metrics_of_a_type_as_there_may_be": 12,
        "test_batches": 6,
        "test_companies_of_one_event_each": 0,
    },
    "tests/faults/test_points.py": {
        "test_it_dies_at_the_point": 0,
    },
    "tests/faults/test_state_disk.py": {
        "test_a_store_whose_disk_is_full_says_so_and_takes_no_more": 0,
    },
    "tests/kafka/test_parts.py": {
        "test_many_records_come_in_parts_once_all_of_their_batch_was_looked_at": 0,
        "test_what_is_well_is_as_the_client_reads_it": 0,
    },
    "tests/kafka/test_wrong_batches.py": {
        "test_any_bytes_come_to_the_same_in_both_forms_and_within_the_log": 0,
        "test_attributes_of_a_record_say_nothing_and_headers_stay_as_they_are": 0,
    },
    "tests/pipeline/test_audit_verdict.py": {
        "test_what_the_fold_writes_is_proven_and_every_change_of_it_is_found": 4,
    },
    "tests/pipeline/test_doctor.py": {
        "test_a_named_worker_is_asked": 4,
    },
    "tests/pipeline/test_explain.py": {
        "test_figures_of_random_logs_are_counted_again": 6,
    },
    "tests/pipeline/test_preflight.py": {
        "test_a_broker_that_accepts_and_says_nothing_is_refused_in_time": 0,
    },
    "tests/pipeline/test_process.py": {
        "test_a_full_disk_behind_stdout_is_told_in_a_line": 0,
        "test_a_locale_without_utf_8_will_do": 0,
        "test_a_reader_that_has_had_enough_is_no_error": 0,
        "test_a_worker_that_crashes_leaves_no_image_of_its_memory": 0,
        "test_tables_are_printed_in_any_encoding": 4,
    },
    "tests/pipeline/test_promoting.py": {
        "test_a_replay_equals_the_live_sink_whatever_the_period": 4,
        "test_an_added_metric_is_promoted_as_if_it_had_always_been_there": 4,
    },
    "tests/pipeline/test_simulate.py": {
        "test_every_reason_every_metric_and_every_type_occurs": 0,
    },
    "tests/pipeline/test_up.py": {
        "test_a_data_folder_that_cannot_be_used_is_refused": 4,
        "test_logins_are_of_the_embedded_broker_alone": 3,
        "test_settings_that_a_stack_cannot_have_are_refused": 8,
    },
    "tests/protocol/test_protocol.py": {
        "test_any_schedule_equals_the_oracle": 8,
        "test_the_schedules_hold_every_end_and_every_expiry": 0,
        "test_with_the_bug_some_schedule_fails": 0,
    },
    "tests/protocol/test_stateful.py": {
        "test_any_story_equals_the_oracle": 0,
        "test_stories_find_a_planted_bug": 0,
    },
    "tests/protocol/test_stores.py": {
        "test_any_schedule_equals_the_oracle_over_a_store": 12,
    },
    "tests/schemas/test_fields.py": {
        "test_a_good_value_is_taken": 5,
        "test_check_and_model_are_of_one_mind": 5,
    },
}
ONE_IN: Final[Mapping[str, int]] = {
    f"{file}::{test}": cases for file, tests in _FILES.items() for test, cases in tests.items()
}
"""By a test's name, of how many cases `make check` runs the first; of 0 it runs none."""


class Item(Protocol):
    """What is asked of a test that pytest has collected."""

    nodeid: str

    def add_marker(self, marker: str) -> None: ...


def mark_long(items: Iterable[Item]) -> None:
    """Mark as ``long`` what `make check` leaves out."""
    seen = Counter[str]()
    for item in items:
        name = item.nodeid.partition("[")[0]
        if (one_in := ONE_IN.get(name)) is not None:
            if one_in == 0 or seen[name] % one_in:
                item.add_marker("long")
            seen[name] += 1
