"""By how each sentence of docs/mapping.md begins that is about what comes late or again, sources that are away or one
moment: the tests of it, functions or folders of golden recordings. `test_proven_sentences` keeps the tables whole."""

from collections.abc import Mapping

LATE: Mapping[str, str] = {
    "A message whose `time` lies before": "test_p13_late_messages_tell_what_those_in_order_tell",
    "It is put in its place: the gateway": "test_p13_late_messages_tell_what_those_in_order_tell "
    "test_p13_law_of_laws_through_the_whole_delivery test_p12_what_is_remembered_is_bounded_whatever_is_set "
    "test_p13_a_plan_of_the_example_remembers_15_minutes",
    "How far that reaches is a setting": "test_p13_what_is_remembered_reaches_back_as_far_as_it_says "
    "test_p13_at_least_late_is_remembered_also_while_a_source_is_lost",
    # What cannot be put in its place
    "* A message that is older than all": "test_p13_with_late_0_a_message_is_taken_by_itself_and_nothing_is_remembered "
    "test_p13_another_plan_table_or_version_seals_what_was_told",
    "Where output is of that, it is listed": "test_p13_what_was_told_since_a_time_is_known_by_run "
    "test_p13_another_plan_table_or_version_seals_what_was_told",
    "Where newer ones of its topic are": "test_p13_of_orders_of_before_what_is_remembered_and_after_the_last_is_on",
    "One that is older than what its topic": "test_p13_what_is_older_than_what_its_topic_has_said_is_never_the_present",
    "With `late: 0` all late messages": "test_p13_with_late_0_a_message_is_taken_by_itself_and_nothing_is_remembered "
    "test_p13_late_0_costs_nothing_of_what_is_stored",
    "Of more than 15 minutes, more values": "test_p12_what_is_remembered_is_bounded_whatever_is_set "
    "test_p12_what_lines_heard_takes_no_more_of_the_disk_than_is_set",
    "* A batch by count that was told full": "test_p13_a_batch_that_was_told_full_stays_as_it_was_told "
    "full_batches_stay_when_an_order_is_heard_late",
    "Where it had another count": "full_batch_stays_when_its_count_was_less full_batch_stays_when_its_order_was_over",
    "* `wait` holds back no start": "test_p13_a_wait_holds_back_no_start_and_no_end",
    "Where orders come late all the time": "test_what_a_wait_would_have_saved_is_what_it_saves "
    "test_p13_an_order_that_comes_late_by_no_more_than_the_wait_needs_no_correction",
    "The time stamps are those that output": "test_p13_a_wait_holds_back_no_start_and_no_end",
    # What is told otherwise
    "* An order that is heard two minutes": "order_later_than_the_window test_p13_without_a_wait_it_is_corrected",
    "The run before it ends there, what was": "order_later_than_the_window",
    "That is listed as `time`": "order_later_than_the_window "
    "test_p13_a_correction_is_listed_where_its_message_came_more_than_five_seconds_late",
    "* Scrap, states, counts, operators": "late_scrap_of_an_order_that_ran_twice late_state_that_has_no_reason "
    "operators_late_in_the_wrong_order late_count_before_the_order_change "
    "tank_heard_late_after_the_order_has_changed reason_that_comes_late test_of_an_order_that_ran_twice",
    "A reason, or what was entered": "reason_of_a_later_stop_told_of_the_stop_before_it "
    "what_was_entered_for_a_late_order_told_of_the_order_before_it",
    "Where nothing was, it stays": "reason_of_a_later_stop_told_of_one_that_had_none",
    "Short stops that were counted": "test_p13_stops_that_were_counted_by_mistake_are_none",
    "* A test that was told of another": "test_p13_a_test_that_was_told_of_another_batch_is_listed_once "
    "test_of_before_a_late_order_heard_before_it",
    "Of what is told once for a time": "target_that_comes_late_between_two "
    "test_p13_the_target_of_each_product_is_what_it_was_last_however_late_that_is_heard",
    # What is said again, and what comes in order
    "* What is said once more for the same": "test_p13_messages_that_come_again_change_nothing "
    "test_p13_messages_that_come_again_change_nothing_at_oden",
    "What counts by itself each time": "two_equal_bookings_are_two "
    "test_p13_two_equal_bookings_of_scrap_are_two_also_where_they_are_late",
    "* Messages that come in order, but": "hold_while_broker_away states_of_an_outage_some_too_short",
    "Where a wait has run out before": "late_order_after_an_idle_end short_stop_whose_end_is_heard_after_it_was_told "
    "end_of_a_blip_heard_after_its_hold",
    # What never was
    "* What was told and never was": "test_p13_what_was_told_and_never_was_is_withdrawn "
    "test_p5_a_refused_start_of_what_never_was_is_no_dead_letter",
    "Nothing that Oden has is deleted": "test_what_never_was_stays_as_somebody_has_it "
    "test_p13_what_is_at_oden_and_never_was_is_listed_with_what_becomes_of_it",
    "With `delete` it is deleted then": "test_what_never_was_is_deleted_where_that_was_chosen "
    "test_it_is_deleted_once_what_was_made_in_it_has_been_moved "
    "test_where_oden_refuses_to_delete_it_it_ends_a_second_after_it_began",
    "Where it turns out to have been": "test_what_never_was_and_was_so_after_all_is_on_still",
    # When
    "* A message that comes at most a": "test_p13_senders_that_overtake_each_other_tell_what_those_in_order_tell",
    "What it shows to have been is told": "test_p13_senders_that_overtake_each_other_tell_what_those_in_order_tell",
    "Parts have to be moved only where": "test_p13_parts_are_moved_because_of_a_second_only_where_a_window_ended_in_it "
    "test_p13_where_windows_wait_a_second_nothing_is_corrected_and_no_request_more_is_made",
    "* Parts that a late": "test_p13_what_was_counted_within_a_second_before_an_end_that_was_told_is_more_of_that_run "
    "test_p13_an_order_that_is_overtaken_by_counts_ends_the_run_before_with_the_entries_that_it_has_in_order",
    "* Messages that come more than a second": "test_p13_messages_that_come_late_are_put_in_their_places_together",
    "So an outage of the broker costs one": "test_p13_messages_that_come_late_are_put_in_their_places_together "
    "test_a_correction_is_one_however_many_records_it_has",
    # At Oden
    "* What is taken from one interval": "test_p13_law_of_laws_through_the_whole_delivery "
    "test_p13_at_rest_oden_shows_what_it_would_have_shown_undisturbed test_p13_a_doubt_at_each_step_of_a_correction "
    "test_p13_a_kill_at_each_request_of_a_correction test_p13_a_revoked_token_at_each_step_of_a_correction",
    "Where the other gets it only when": "test_p13_parts_of_the_order_that_is_on_are_taken_when_its_window_ends "
    "test_p13_what_is_owed_is_taken_while_production_never_stops "
    "test_p13_nothing_is_taken_that_is_not_added",
    "Where Oden refuses the plus": "test_p13_a_dead_letter_at_each_step_of_a_correction "
    "test_p13_what_waited_for_what_a_person_drops_is_dropped_with_it",
    "Corrections are sent when nothing": "test_corrections_go_last_and_are_at_most_a_quarter_while_others_wait",
    "* Before an end that Oden has": "test_an_end_that_is_told_anew_is_looked_at_once "
    "test_an_end_that_somebody_has_moved_in_oden_stays",
    "What never was stays as it is, too": "test_what_never_was_stays_as_somebody_has_it",
    "* An interval that is told otherwise": "test_p13_what_is_told_otherwise_for_the_fourth_time_is_listed",
    "* A gap that was listed, and is none": "run_whose_product_comes_late "
    "test_p13_who_was_listed_and_had_been_there_by_what_is_heard_later_is_listed_as_no_such",
    # Without a time
    "* Orders whose messages have no `time`": "orders_of_an_outage_at_once",
    "One that came and went while": "orders_of_an_outage_at_once session_lost_while_the_order_changed_twice "
    "test_p13_each_operator_of_an_outage_is_told_or_listed_by_name "
    "test_each_way_to_configure_a_line_has_its_sentence",
    "* A message without `time` that was": "test_p13_a_message_without_a_time_stays_before_one_with_a_time "
    "test_p13_what_waited_at_the_broker_keeps_its_places "
    "test_p13_what_keeps_its_place_before_one_of_a_whole_second_begins_in_that_second",
    "What comes after the last message": "test_p13_what_waited_at_the_broker_keeps_its_places",
    "A timed message that waited elsewhere": "test_p13_a_timed_message_that_waited_elsewhere_moves_none_without_a_time "
    "test_p13_a_timed_message_that_comes_again_moves_none_without_a_time",
    "* Tags and metrics keep the order": "device_clock_back_by_an_hour retained_order_older_than_what_came "
    "test_p13_an_outage_leaves_what_came_in_order_in_its_runs retained_order_of_before_the_last_change",
    "One that is newer than what was said": "retained_order_of_the_time_that_its_broker_was_away",
    "* What the gateway remembers for this": "test_p13_a_late_message_after_a_restart_moves_what_it_owns "
    "test_p13_commits_and_restarts_change_no_record test_p13_what_a_late_message_moves_is_stored_with_it",
    "When the configuration of the line": "test_p13_another_plan_table_or_version_seals_what_was_told "
    "test_p13_another_plan_begins_a_new_trail test_p13_after_a_restart_older_is_not_the_present",
    # How late they come
    "How late messages come is counted": "test_messages_are_counted_by_the_input_that_they_feed "
    "test_p13_a_correction_says_how_late_its_message_was_and_why "
    "test_p13_check_says_how_late_the_messages_of_the_running_gateway_came test_the_inputs_of_one_line "
    "test_the_whole_picture test_values_are_the_snapshots",
    "Half of them, 95 of 100": "test_shares_are_right_within_a_tenth "
    "test_what_a_wait_would_have_saved_is_what_it_saves",
    "What comes of an outage does not": "test_what_comes_of_an_outage_is_no_measure",
    "`oden-gateway explain` of such": "test_p13_a_correction_says_how_late_its_message_was_and_why "
    "order_later_than_the_window",
    "What has yet to be told of another": "order_state_and_count_in_one_late_message",
}
"""The section Late messages."""

AWAY: Mapping[str, str] = {
    "A source is heard while it is": "test_p13_nothing_runs_out_while_nobody_knows messages_that_do_not_come "
    "heartbeat_is_quiet",
    "While it is not, nobody knows": "test_p13_nothing_runs_out_while_nobody_knows "
    "test_p13_silence_is_not_noticed_while_the_source_is_lost",
    "What rests on other sources goes": "test_p13_what_rests_on_other_sources_goes_on",
    "* When the source is back, what it": "test_p13_a_backlog_is_heard_out_for_a_minute_at_most "
    "test_p13_offline_does_not_begin_where_the_source_was_back_in_time",
    "Then what had to wait is decided": "test_p13_nothing_runs_out_while_nobody_knows "
    "test_p13_what_was_so_all_the_time_is_told_once_it_is_known",
    "A start, or the end of a run": "idle_ends_of_a_backlog order_of_a_backlog_with_what_was_so_then "
    "batches_of_a_backlog_with_a_begun_order operator_of_a_backlog_with_a_new_order "
    "scrap_of_a_backlog_for_the_run_that_ended_in_it",
    "* The same holds for the time that": "test_p13_a_gateway_that_was_off_lets_nothing_run_out "
    "test_p13_a_process_that_was_stopped_lets_nothing_run_out",
    "* `states.offline` begins when": "test_p13_offline_begins_when_the_source_was_last_heard "
    "broker_away_and_its_states_of_then_are_heard sparkplug_node_dies_and_is_born_again",
    "It ends when the source can be": "offline_and_back_as_before offline_and_back_changed",
    "Where no state was ever said": "offline_and_back_with_no_state_ever_said",
    "For the time that the gateway itself": "test_p13_no_data_is_not_told_of_the_time_that_the_gateway_was_off",
    "* The last state that was said": "offline_keeps_what_was_seen_before",
    "* What a tag's counter moved by": "test_p13_a_parts_gap_begins_when_the_source_was_last_heard "
    "order_change_while_away gap_across_a_run_change_to_the_later",
    "* A sender of messages of which": "messages_that_do_not_come idle_while_broker_away",
}
"""The section When a source is not heard."""

MOMENT: Mapping[str, str] = {
    "What one source says of one time": "test_p13_in_a_moment_it_makes_no_difference_which_is_first "
    "inputs_of_one_message_change_together sparkplug_metrics_of_one_message",
    "It is taken as a whole": "two_tags_of_one_scan test_p13_in_a_moment_it_makes_no_difference_which_is_first",
    "What happens at the very time": "test_p13_what_is_said_at_the_time_of_a_change",
    "| what a counter moved by": "counter_before_order_in_one_moment test_p13_what_is_said_at_the_time_of_a_change",
    "| what a counter with `restarts_with`": "count_that_is_larger_with_the_next_order_in_one_message "
    "test_p13_what_restarts_in_one_message_with_the_order_is_the_new_orders",
    "| the same as two tags": "test_p13_what_is_said_at_the_time_of_a_change",
    "| what such a counter counts": "test_p13_a_reset_right_before_the_order_is_the_change "
    "reset_five_seconds_before_the_order_is_its_own",
    "| scrap and what else": "scrap_of_the_second_of_a_late_change scrap_of_the_very_time_of_an_order_that_is_late",
    "| the part that fills": "test_p13_the_part_that_fills_a_batch_is_in_it",
    "| a quality test that names no run": "test_p13_a_test_of_the_time_of_a_change_is_of_the_new_order",
    "| a batch that begins": "test_p13_a_batch_that_begins_at_the_time_of_a_change_is_the_new_orders",
    "| a state that begins": "test_p13_a_state_goes_on_when_the_order_changes",
}
"""The section One moment."""

ELSEWHERE: Mapping[str, str] = {
    "To let *changes* within the first": "correction_within_its_minute_in_a_backlog "
    "correction_within_its_minute_heard_after_the_run test_correction_is_possible_until_exactly_its_limit",
    # What is not known
    "A machine that says nothing is not": "array_and_not_a_number_are_bad what_a_machine_lacks_has_a_default",
    "| `Bad_StateNotActive`: a state machine": "state_machine_within_a_state_machine test_packml_opcua",
    "| bad quality, or what is no value": "bad_quality_in_the_middle array_and_not_a_number_are_bad",
    "| nothing at all, because this machine": "what_a_machine_lacks_has_a_default default_that_is_known_after_a_change",
    "The events are taken in their order": "test_p1_p2_p4_exact_where_packet_ids_are_kept "
    "test_p1_what_was_not_done_is_sent_again_and_marked",
    # Messages again, and of edge nodes
    "**Messages that come late or": "test_p13_late_messages_tell_what_those_in_order_tell",
    "Give messages a `time`, and": "test_p13_late_messages_tell_what_those_in_order_tell",
    "**Each message once.": "test_p2_within_a_batch_and_after_it",
    "An MQTT broker may deliver a message": "test_p1_what_was_not_done_is_sent_again_and_marked",
    "The gateway tells that from what the": "test_p2_exact_where_packet_ids_are_kept "
    "test_p1_p2_p4_exact_where_packet_ids_are_kept test_p1_p2_p4_nothing_is_doubled_where_ids_are_used_again",
    "Where the sender gives each message": "test_p2_within_a_batch_and_after_it",
    "The last 50,000 ids of a broker": "test_p12_ids_are_bounded test_p2_ids_are_read_again_after_a_kill",
    "While an edge node or a device is dead": "sparkplug_node_dies_and_is_born_again "
    "test_p2_a_dead_node_and_its_return",
    "Edge nodes send at QoS 0, so": "test_p2_a_connection_that_was_lost",
    "For these write `node_birth: optional`": "test_p2_a_device_without_an_edge_node_over_a_restart "
    "test_devices_without_a_node_count_for_themselves test_a_device_that_was_born_before_the_gateway_came",
    "The price: the numbers of messages": "test_devices_without_a_node_count_for_themselves "
    "test_numbers_of_metrics_do_not_count_without_a_node",
    "With `history: auto` at the source it": "test_p13_what_an_edge_node_had_stored_is_at_oden_in_its_own_time "
    "test_p13_what_a_device_had_kept_comes_after_its_birth_in_parts",
    "With `primary_host: true` the gateway": "test_p14_as_a_primary_host_the_gateway_says_whether_it_is_there",
    "A message is an event each time": "test_events_count_even_when_equal retained_messages_of_every_kind",
    "An edge that happens while": "test_p2_an_edge_that_happened_while_nobody_watched_is_one",
    # Times
    "**The hour that comes twice.": "test_p13_in_the_hour_that_comes_twice_a_live_message_is_of_when_it_came "
    "test_p13_a_late_message_in_the_hour_that_comes_twice_is_of_its_hour "
    "test_p13_a_clock_that_is_ahead_goes_back_with_the_others",
    "In what was kept for long, as a backlog": "test_p13_a_backlog_over_both_hours_keeps_its_order "
    "test_p13_an_order_that_the_broker_had_kept_is_known_again_in_both_hours",
    "**Whose time?": "test_p11_message_time_counts_before_the_time_of_arrival",
    "A tag or metric has the time of": "test_p11_source_time_counts_where_it_is_plausible "
    "test_p11_message_time_counts_before_the_time_of_arrival",
    "A time that cannot be right": "test_p11_source_time_counts_where_it_is_plausible "
    "test_p11_message_time_counts_before_the_time_of_arrival test_p11_a_clock_that_was_set_back_is_not_believed "
    "test_p13_what_is_said_of_a_time_to_come_was_so_when_it_arrived",
    "That is listed as `time` when it begins": "test_p11_wrong_clock_is_noticed_once",
    "**A sender's clock that is ahead**": "test_p13_what_is_said_of_a_time_to_come_was_so_when_it_arrived",
    "By how much, for each topic, is": "test_p13_how_much_a_clock_is_ahead_is_learned "
    "test_p13_a_clock_stays_ahead_over_a_restart test_p13_clocks_that_are_ahead_tell_what_right_ones_tell",
    "By less than a tenth of a second": "test_p13_by_less_than_a_tenth_of_a_second_a_clock_is_right",
    "Where the clock is put right, that": "test_p13_how_much_a_clock_is_ahead_is_learned",
    "What is learned of a sender's clock": "test_p13_what_is_learned_of_clocks_holds_over_restarts "
    "test_p13_another_setting_of_a_clock_is_not_added_to_what_was_learned_of_it "
    "test_p13_an_order_that_is_heard_again_long_after_it_is_no_news_after_a_restart",
    "**A sender whose topic changes**": "test_p13_a_clock_that_is_behind_is_found_out_though_each_order_has_its_topic "
    "test_p13_a_clock_that_is_ahead_is_known_of_the_next_order test_p13_one_order_alone_rules_no_other",
    "An order whose first message says": "test_p13_a_clock_that_was_put_right_is_gone_by_with_the_next_order "
    "test_p13_a_line_whose_clock_is_right_is_not_ruled_by_others",
    "Nothing of it is listed anew": "test_p13_a_delay_of_each_order_is_said_once",
    "A clock that is set back shows there": "test_p13_values_whose_clock_goes_back_are_no_late_ones "
    "test_p13_a_servers_own_clock_shows_that_it_was_set_back_by_its_messages",
    "After a restart of the gateway it is": "test_p11_a_clock_that_was_set_back_is_not_believed",
    "**A sender's clock that is behind**": "test_p13_messages_that_are_late_by_chance_keep_their_times",
    "Where five messages in a row come": "test_p13_a_clock_that_is_behind_all_the_time_is_not_gone_by "
    "test_p13_a_backlog_is_no_wrong_clock test_p13_a_clock_stays_wrong_over_a_restart "
    "test_p13_a_clock_stays_wrong_over_an_outage_until_a_message_says_otherwise",
    "By less it is taken for a delay": "test_p13_messages_that_are_all_late_by_a_minute_keep_their_times",
    "A message that is news, but older": "test_p13_what_a_sender_had_kept_for_long_is_no_present "
    "test_p13_a_window_that_ends_meanwhile_does_not_decide_for_a_sender",
    "Where no other shows that, the time": "test_p13_news_older_than_all_that_is_remembered_begins_when_it_arrives "
    "test_p13_of_a_clock_that_is_behind_the_time_of_arrival_counts_from_the_first_on",
    "Where a clock was set back and says": "test_p13_a_counter_whose_senders_clock_is_set_back_counts_nothing_twice "
    "test_p13_orders_of_a_clock_that_is_set_back_begin_when_they_came "
    "test_p13_a_clock_that_was_set_back_is_not_gone_by_though_it_repeats_its_times",
    "Of messages with a running total, one": "test_p13_a_counter_whose_senders_clock_is_set_back_counts_nothing_twice "
    "test_p13_two_senders_of_one_topic_are_no_clock_that_is_set_back",
    "What was put where it said by then": "test_p13_a_counter_whose_senders_clock_is_set_back_counts_nothing_twice "
    "test_p13_what_was_taken_back_is_so_after_a_restart",
    "What counts by itself (scrap, a test": "test_p13_what_counts_by_itself_keeps_the_time_that_it_says",
    "Say what the clock does where it": "test_p13_a_clock_that_is_known_to_be_off_is_put_right",
    # Counters
    "What counts is the difference to": "gap_after_a_power_cut test_p2_counter_that_moved_while_away_is_counted_once",
    "| else, `backwards: reset` (if you": "counter_reset_in_mid_run",
    "It also says how long the connection": "test_each_way_to_configure_a_line_has_its_sentence rollover_while_away "
    "gap_longer_than_a_whole_turn",
    "A PLC that shows 0 for a moment": "counter_glitch_to_zero_and_back counter_glitches_of_every_kind",
    # Runs, batches, states
    "A tag is an event when it changes": "run_event_of_a_tag",
    "A message that the broker had kept": "run_event_that_the_broker_kept",
    "While the PLC cannot be reached, or": "run_goes_on_while_its_counter_is_out_of_sight "
    "test_p13_a_gateway_that_was_off_lets_nothing_run_out",
    "Where it never comes before the run": "run_without_a_product_is_unassigned "
    "test_p13_what_is_made_before_an_order_that_is_never_told_is_not_the_next_ones "
    "test_p13_what_is_counted_after_an_order_that_is_never_told_was_over_is_not_the_next_ones "
    "test_p13_each_order_that_is_told_has_what_was_made_since_the_one_before_it",
    "With `untold: unassigned` it gets": "unassigned_waits_for_a_late_order run_without_a_product_is_unassigned",
    "Only where the end of the run comes": "test_batches_are_inside_runs batches_by_count_and_a_late_end",
    "**Several tags of one server**": "test_p13_tags_that_are_looked_at_one_by_one_tell_what_they_tell_together",
    "`running && !jammed` can be true": "states_of_tags_looked_at_one_by_one",
    "So where several tags of one OPC UA": "test_for_how_long_a_state_must_be_on",
    "The same holds for `for` of the": "test_for_how_long_what_begins_and_ends_a_run_must_hold",
    "`check` says it for each line, and": "test_each_way_to_configure_a_line_has_its_sentence "
    "test_for_how_long_a_state_must_be_on",
    "Where the tags' own times do not show": "test_p13_tags_that_are_looked_at_one_by_one_tell_what_they_tell_together",
    "What an `expr` over several tags": "test_p13_an_event_of_several_tags_is_not_held",
    "**When the PLC is gone:**": "offline_and_back_as_before",
    "The state begins when the source was": "test_p13_offline_begins_when_the_source_was_last_heard",
    "When it is back with the value that": "offline_and_back_as_before offline_and_back_changed",
    # Custom intervals
    "What is inside runs and changes": "tools_inside_runs_that_a_late_order_splits "
    "operator_inside_runs_over_a_late_order operator_changes_while_the_run_settles",
    "Shifts that pass while the gateway": "shifts_while_the_gateway_was_off",
    "If `metadata` has to say who was on": "test_correction_is_possible_until_exactly_its_limit",
    # Output and rules
    "What was made belongs to the run": "order_later_than_the_window scrap_of_a_run_that_has_ended",
    "What is of the very time of": "test_p13_what_is_said_at_the_time_of_a_change",
    "**After a gap.": "gap_across_a_run_change",
    "Nobody knows when the parts were made": "gap_across_a_run_change",
    "They go to the run that was on": "gap_across_a_run_change gap_across_a_run_change_to_the_later",
    "A reconnect or a restart tells": "test_p2_a_fact_is_told_once test_p2_a_fact_without_inputs_is_told_once",
    "Products and types are looked for": "test_p4_what_goes_by_its_name_is_made_once "
    "test_intervals_wait_for_their_type",
    "It is looked for at Oden first, so": "test_p4_a_work_order_exists_once",
    "The reason of an aborted machine": "test_an_abort_without_a_stop_reason_has_its_name",
}
"""What other sections say of the same."""
