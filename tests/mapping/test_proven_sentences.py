"""Each statement of docs/mapping.md about what comes late or again, about sources that are away and about one moment
has its tests. A paragraph, point or row that is added needs one; a test that is named here must be there."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.mapping.recording import GOLDEN

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")
SECTIONS = ("Late messages", "When a source is not heard", "One moment")
ELSEWHERE = (
    "**Several tags of one",
    "**Each message once.**",
    "**Whose time?**",
    "**A sender's clock",
    "**After a gap.**",
    "**When the PLC is",
)
"""How paragraphs of other sections begin that are about the same."""

PROOFS: Mapping[str, Sequence[str]] = {
    # Elsewhere
    "**Several tags of one server**": (
        "test_p13_tags_that_are_looked_at_one_by_one_tell_what_they_tell_together",
        "states_of_tags_looked_at_one_by_one",
    ),
    "**Each message once.**": ("test_p2_within_a_batch_and_after_it", "test_p2_ids_are_read_again_after_a_kill"),
    "**Whose time?**": ("plc_clock_back_one_hour", "test_p13_what_is_said_of_a_time_to_come_was_so_when_it_arrived"),
    "**A sender's clock that is ahead**": ("test_p13_clocks_that_are_ahead_tell_what_right_ones_tell",),
    "**A sender's clock that is behind**": ("test_p13_a_clock_that_is_behind_all_the_time_is_not_gone_by",),
    "**After a gap.**": ("gap_across_a_run_change", "gap_across_a_run_change_to_the_later"),
    "**When the PLC is gone:**": ("offline_and_back_as_before", "offline_and_back_changed"),
    # Late messages
    "A message whose `time` lies before": (
        "test_p13_late_messages_tell_what_those_in_order_tell",
        "test_p13_law_of_laws_through_the_whole_delivery",
        "test_p13_what_is_remembered_reaches_back_as_far_as_it_says",
    ),
    "* A message that is older than all": (
        "test_p13_with_late_0_a_message_is_taken_by_itself_and_nothing_is_remembered",
        "test_p12_what_is_remembered_is_bounded_whatever_is_set",
        "test_p12_what_lines_heard_takes_no_more_of_the_disk_than_is_set",
        "test_p13_what_was_told_since_a_time_is_known_by_run",
    ),
    "* A batch by count that was told full": (
        "test_p13_a_batch_that_was_told_full_stays_as_it_was_told",
        "full_batches_stay_when_an_order_is_heard_late",
        "full_batch_stays_when_its_count_was_less",
    ),
    "* `wait` holds back no start": (
        "test_p13_a_wait_holds_back_no_start_and_no_end",
        "test_p13_a_wait_changes_nothing_at_rest",
        "test_p13_an_order_that_comes_late_by_no_more_than_the_wait_needs_no_correction",
    ),
    "* An order that is heard two minutes late": (
        "order_late_over_two_windows",
        "test_p13_without_a_wait_it_is_corrected",
    ),
    "* Scrap, states, counts, operators": (
        "late_scrap_of_an_order_that_ran_twice",
        "late_state_that_has_no_reason",
        "operators_late_in_the_wrong_order",
        "reason_of_a_later_stop_told_of_the_stop_before_it",
        "reason_of_a_later_stop_told_of_one_that_had_none",
        "what_was_entered_for_a_late_order_told_of_the_order_before_it",
        "test_p13_stops_that_were_counted_by_mistake_are_none",
    ),
    "* A test that was told of another run": (
        "test_p13_a_test_that_was_told_of_another_batch_is_listed_once",
        "test_of_before_a_late_order_heard_before_it",
        "test_p13_the_target_of_each_product_is_what_it_was_last_however_late_that_is_heard",
    ),
    "* What is said once more for the same time": (
        "test_p13_messages_that_come_again_change_nothing",
        "test_p13_messages_that_come_again_change_nothing_at_oden",
        "two_equal_bookings_are_two",
    ),
    "* Messages that come in order, but more": ("hold_while_broker_away", "states_of_an_outage_some_too_short"),
    "* What was told and never was": (
        "test_p13_what_was_told_and_never_was_is_withdrawn",
        "test_where_oden_refuses_to_delete_it_it_ends_a_second_after_it_began",
        "test_what_never_was_and_was_so_after_all_is_on_still",
    ),
    "* A message that comes at most a second late": (
        "test_p13_senders_that_overtake_each_other_tell_what_those_in_order_tell",
        "test_p13_where_windows_wait_a_second_nothing_is_corrected_and_no_request_more_is_made",
    ),
    "* Parts that a late message only adds": (
        "test_p13_what_was_counted_within_a_second_before_an_end_that_was_told_is_more_of_that_run",
    ),
    "* Messages that come more than a second late": (
        "test_p13_messages_that_come_late_are_put_in_their_places_together",
    ),
    "* What is taken from one interval waits": (
        "test_p13_what_is_owed_is_taken_once_the_other_has_it",
        "test_p13_what_waited_for_what_a_person_drops_is_dropped_with_it",
        "test_p13_a_dead_letter_at_each_step_of_a_correction",
        "test_corrections_go_last_and_are_at_most_a_quarter_while_others_wait",
    ),
    "* Before an end that Oden has": (
        "test_an_end_that_somebody_has_moved_in_oden_stays",
        "test_what_never_was_stays_as_somebody_has_it",
    ),
    "* An interval that is told otherwise": ("test_p13_what_is_told_otherwise_for_the_fourth_time_is_listed",),
    "* A gap that was listed, and is none": (
        "test_p13_who_was_listed_and_had_been_there_by_what_is_heard_later_is_listed_as_no_such",
        "run_whose_product_comes_late",
    ),
    "* Orders whose messages have no `time`": (
        "session_lost_while_the_order_changed_twice",
        "test_p13_each_operator_of_an_outage_is_told_or_listed_by_name",
    ),
    "* A message without `time` that was heard": (
        "test_p13_a_message_without_a_time_stays_before_one_with_a_time",
        "test_p13_what_keeps_its_place_before_one_of_a_whole_second_begins_in_that_second",
        "test_p13_a_timed_message_that_waited_elsewhere_moves_none_without_a_time",
        "test_p13_what_waited_at_the_broker_keeps_its_places",
    ),
    "* Tags and metrics keep the order": ("retained_order_older_than_what_came", "sender_clock_set_back"),
    "* What the gateway remembers for this": (
        "test_p13_a_late_message_after_a_restart_moves_what_it_owns",
        "test_p13_another_plan_begins_a_new_trail",
        "test_p13_another_plan_table_or_version_seals_what_was_told",
    ),
    "How late messages come is counted": (
        "test_messages_are_counted_by_the_input_that_they_feed",
        "test_what_a_wait_would_have_saved_is_what_it_saves",
        "test_p13_check_says_how_late_the_messages_of_the_running_gateway_came",
        "test_what_comes_of_an_outage_is_no_measure",
    ),
    "`oden-gateway explain` of such a record": ("test_p13_a_correction_says_how_late_its_message_was_and_why",),
    # When a source is not heard
    "A source is heard while": (
        "test_p13_nothing_runs_out_while_nobody_knows",
        "test_p13_what_rests_on_other_sources_goes_on",
    ),
    "* When the source is back": (
        "batches_of_a_backlog_with_a_begun_order",
        "idle_ends_of_a_backlog",
        "late_order_after_an_idle_end",
        "order_of_a_backlog_with_what_was_so_then",
        "test_p13_a_backlog_is_heard_out_for_a_minute_at_most",
        "test_p13_what_was_so_all_the_time_is_told_once_it_is_known",
    ),
    "* The same holds for the time that": ("test_p13_a_gateway_that_was_off_lets_nothing_run_out",),
    "* `states.offline` begins": (
        "test_p13_offline_begins_when_the_source_was_last_heard",
        "test_p13_no_data_is_not_told_of_the_time_that_the_gateway_was_off",
        "offline_and_back_with_no_state_ever_said",
        "offline_and_back_with_a_code_that_means_nothing",
    ),
    "* The last state that was said": ("offline_keeps_what_was_seen_before",),
    "* What a tag's counter moved by": (
        "test_p13_a_parts_gap_begins_when_the_source_was_last_heard",
        "order_change_while_away",
    ),
    "* A sender of messages of which": ("messages_that_do_not_come",),
    # One moment
    "What one source says of one time": (
        "test_p13_in_a_moment_it_makes_no_difference_which_is_first",
        "two_tags_of_one_scan",
    ),
    "| what a counter moved by": (
        "counter_before_order_in_one_moment",
        "test_p13_what_is_said_at_the_time_of_a_change",
    ),
    "| what a counter with `restarts_with`": (
        "test_p13_what_restarts_in_one_message_with_the_order_is_the_new_orders",
        "count_that_is_larger_with_the_next_order_in_one_message",
    ),
    "| the same as two tags": ("test_p13_what_is_said_at_the_time_of_a_change",),
    "| what such a counter counts after a reset": (
        "test_p13_a_reset_right_before_the_order_is_the_change",
        "reset_five_seconds_before_the_order_is_its_own",
    ),
    "| scrap and what else": ("scrap_of_the_second_of_a_late_change",),
    "| the part that fills": ("test_p13_the_part_that_fills_a_batch_is_in_it",),
    "| a quality test that names no run": ("test_p13_a_test_of_the_time_of_a_change_is_of_the_new_order",),
    "| a batch that begins": ("test_p13_a_batch_that_begins_at_the_time_of_a_change_is_the_new_orders",),
    "| a state that begins": ("test_p13_a_state_goes_on_when_the_order_changes",),
}
"""By how a statement begins, the tests of it: functions, or folders of golden recordings."""


def statements() -> Iterator[str]:
    """The paragraphs, points and rows."""
    for title, text in re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL):
        prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        for part in re.split(r"\n\n|\n(?=[*|] ?)", prose):
            one = part.strip()
            told = one and not re.match(r"\| (---|of that moment)", one)
            if told and (title in SECTIONS or one.startswith(ELSEWHERE)):
                yield one


def functions() -> set[str]:
    """The names of all tests."""
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return {name for text in texts for name in re.findall(r"^ *(?:async )?def (test_\w+)", text, re.MULTILINE)}


def test_p13_each_statement_of_the_page_has_its_tests() -> None:
    """And each entry of the table is a statement of the page."""
    found = [*statements()]
    assert [one[:80] for one in found if not one.startswith(tuple(PROOFS))] == []
    assert [begin for begin in PROOFS if not any(one.startswith(begin) for one in found)] == []


def test_the_tests_of_the_statements_are_there() -> None:
    """By their names."""
    there = functions() | {folder.name for folder in GOLDEN.iterdir()}
    assert [name for tests in PROOFS.values() for name in tests if name not in there] == []
