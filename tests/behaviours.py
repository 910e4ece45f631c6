"""Every promise the program makes to the outside, with its source and the test that shows it.

`test_behaviours.py` keeps both directions: a promise names a test that exists, and every flow,
contract and end-to-end test belongs to a promise.
"""

from __future__ import annotations

from typing import NamedTuple


class Promise(NamedTuple):
    sentence: str
    source: str
    """The specification's section, the RFC, or the document of ours that says so."""
    test: str
    """`folder/file.py::name`, below `tests/`."""


PROMISES: tuple[Promise, ...] = (
    Promise(
        "A call returns what the tool said.",
        "upstream: the contract of every transport",
        "contract/test_upstream_transports.py::test_a_call_returns_what_the_tool_said",
    ),
    Promise(
        "Every page of the tools is listed as it was sent.",
        "upstream: the contract of every transport",
        "contract/test_upstream_transports.py::test_every_page_of_the_tools_is_listed_as_it_was_sent",
    ),
    Promise(
        "Prompts and resources are listed and a list the server does not know is empty.",
        "MCP 2026-07-28 server/resources, server/prompts: capabilities",
        "contract/test_upstream_transports.py::test_prompts_and_resources_are_listed_and_a_list_the_server_does_not_know_is_empty",
    ),
    Promise(
        "The probed era is the version that is reported.",
        "MCP 2026-07-28 basic/authorization/authorization-server-discovery",
        "contract/test_upstream_transports.py::test_the_probed_era_is_the_version_that_is_reported",
    ),
    Promise(
        "A list longer than the bounds is refused.",
        "upstream: the contract of every transport",
        "contract/test_upstream_transports.py::test_a_list_longer_than_the_bounds_is_refused",
    ),
    Promise(
        "A tool error and a refusal are both answers.",
        "upstream: the contract of every transport",
        "contract/test_upstream_transports.py::test_a_tool_error_and_a_refusal_are_both_answers",
    ),
    Promise(
        "Structured content and names beyond ascii travel unchanged.",
        "upstream: the contract of every transport",
        "contract/test_upstream_transports.py::test_structured_content_and_names_beyond_ascii_travel_unchanged",
    ),
    Promise(
        "A parameter the schema mirrors reaches the tool.",
        "MCP 2026-07-28 streamable-http: x-mcp-header",
        "contract/test_upstream_transports.py::test_a_parameter_the_schema_mirrors_reaches_the_tool",
    ),
    Promise(
        "Progress carries the clients own token.",
        "MCP 2026-07-28 basic/utilities/progress",
        "contract/test_upstream_transports.py::test_progress_carries_the_clients_own_token",
    ),
    Promise(
        "Without a progress token the upstream gets none.",
        "MCP 2026-07-28 basic/utilities/progress",
        "contract/test_upstream_transports.py::test_without_a_progress_token_the_upstream_gets_none",
    ),
    Promise(
        "A call past its deadline times out and the upstream is told.",
        "upstream: the contract of every transport",
        "contract/test_upstream_transports.py::test_a_call_past_its_deadline_times_out_and_the_upstream_is_told",
    ),
    Promise(
        "A cancelled call is cancelled upstream by its deadline and the next one works.",
        "MCP 2026-07-28 basic/patterns/cancellation",
        "contract/test_upstream_transports.py::test_a_cancelled_call_is_cancelled_upstream_by_its_deadline_and_the_next_one_works",
    ),
    Promise(
        "An answer over the limit is refused and the next call works.",
        "upstream: the contract of every transport",
        "contract/test_upstream_transports.py::test_an_answer_over_the_limit_is_refused_and_the_next_call_works",
    ),
    Promise(
        "An upstream that breaks during a call leaves its outcome unknown.",
        "upstream: the contract of every transport",
        "contract/test_upstream_transports.py::test_an_upstream_that_breaks_during_a_call_leaves_its_outcome_unknown",
    ),
    Promise(
        "Calls at once get their own answers.",
        "upstream: the contract of every transport",
        "contract/test_upstream_transports.py::test_calls_at_once_get_their_own_answers",
    ),
    Promise(
        "An upstream that is no longer configured is unavailable.",
        "upstream: the contract of every transport",
        "contract/test_upstream_transports.py::test_an_upstream_that_is_no_longer_configured_is_unavailable",
    ),
    Promise(
        "Any method reaches the upstream as it was permitted.",
        "upstream: the contract of every transport",
        "contract/test_upstream_transports.py::test_any_method_reaches_the_upstream_as_it_was_permitted",
    ),
    Promise(
        "A resource that is not there is the upstreams own answer.",
        "upstream: the contract of every transport",
        "contract/test_upstream_transports.py::test_a_resource_that_is_not_there_is_the_upstreams_own_answer",
    ),
    Promise(
        "A method the upstream lacks is a plain answer.",
        "upstream: the contract of every transport",
        "contract/test_upstream_transports.py::test_a_method_the_upstream_lacks_is_a_plain_answer",
    ),
    Promise(
        "A legacy upstream hears of subscriptions in the callers session.",
        "upstream: the contract of every transport",
        "contract/test_upstream_transports.py::test_a_legacy_upstream_hears_of_subscriptions_in_the_callers_session",
    ),
    Promise(
        "Every kind of question is answered by the calls own client.",
        "MCP 2025-11-25 client/elicitation, sampling, roots",
        "contract/test_upstream_questions.py::test_every_kind_of_question_is_answered_by_the_calls_own_client",
    ),
    Promise(
        "What the client declines is declined upstream with its code.",
        "MCP 2025-11-25 client/elicitation, sampling, roots",
        "contract/test_upstream_questions.py::test_what_the_client_declines_is_declined_upstream_with_its_code",
    ),
    Promise(
        "A client that declared nothing is never asked.",
        "MCP 2025-11-25 client/elicitation, sampling, roots",
        "contract/test_upstream_questions.py::test_a_client_that_declared_nothing_is_never_asked",
    ),
    Promise(
        "Only what was declared is asked.",
        "MCP 2025-11-25 client/elicitation, sampling, roots",
        "contract/test_upstream_questions.py::test_only_what_was_declared_is_asked",
    ),
    Promise(
        "Who shares a session is never asked.",
        "MCP 2025-11-25 client/elicitation, sampling, roots",
        "contract/test_upstream_questions.py::test_who_shares_a_session_is_never_asked",
    ),
    Promise(
        "A client that never answers costs its question only.",
        "MCP 2025-11-25 client/elicitation, sampling, roots",
        "contract/test_upstream_questions.py::test_a_client_that_never_answers_costs_its_question_only",
    ),
    Promise(
        "The calls deadline stands still while somebody thinks.",
        "MCP 2025-11-25 client/elicitation, sampling, roots",
        "contract/test_upstream_questions.py::test_the_calls_deadline_stands_still_while_somebody_thinks",
    ),
    Promise(
        "No call waits for answers for ever.",
        "MCP 2025-11-25 client/elicitation, sampling, roots",
        "contract/test_upstream_questions.py::test_no_call_waits_for_answers_for_ever",
    ),
    Promise(
        "A cancelled call withdraws its question.",
        "MCP 2025-11-25 client/elicitation, sampling, roots",
        "contract/test_upstream_questions.py::test_a_cancelled_call_withdraws_its_question",
    ),
    Promise(
        "Two callers asked at once get their own questions.",
        "MCP 2025-11-25 client/elicitation, sampling, roots",
        "contract/test_upstream_questions.py::test_two_callers_asked_at_once_get_their_own_questions",
    ),
    Promise(
        "User and agent and tool together answer yes.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_user_and_agent_and_tool_together_answer_yes",
    ),
    Promise(
        "Another agent gains nothing from this ones rights.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_another_agent_gains_nothing_from_this_ones_rights",
    ),
    Promise(
        "Without any one of the facts the answer is no.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_without_any_one_of_the_facts_the_answer_is_no",
    ),
    Promise(
        "What is taken away is gone with the next question.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_what_is_taken_away_is_gone_with_the_next_question",
    ),
    Promise(
        "A right that ends is held until then and not after.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_a_right_that_ends_is_held_until_then_and_not_after",
    ),
    Promise(
        "Another end replaces the first.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_another_end_replaces_the_first",
    ),
    Promise(
        "Groups in groups give what they hold.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_groups_in_groups_give_what_they_hold",
    ),
    Promise(
        "A membership of the token counts for this request only.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_a_membership_of_the_token_counts_for_this_request_only",
    ),
    Promise(
        "A membership the model does not know is no answer.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_a_membership_the_model_does_not_know_is_no_answer",
    ),
    Promise(
        "Many questions are each answered.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_many_questions_are_each_answered",
    ),
    Promise(
        "A list names exactly what is held in the order asked.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_a_list_names_exactly_what_is_held_in_the_order_asked",
    ),
    Promise(
        "A question the model does not know stays unanswered and the others do not.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_a_question_the_model_does_not_know_stays_unanswered_and_the_others_do_not",
    ),
    Promise(
        "A decision names the side that is missing.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_a_decision_names_the_side_that_is_missing",
    ),
    Promise(
        "What is listed is what may be called.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_what_is_listed_is_what_may_be_called",
    ),
    Promise(
        "Prompts and resources are decided and listed as tools are.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_prompts_and_resources_are_decided_and_listed_as_tools_are",
    ),
    Promise(
        "What the model does not govern is denied and delays no decision about tools.",
        "design: authorization, one contract for every backend",
        "contract/test_ungoverned_kinds.py::test_what_the_model_does_not_govern_is_denied_and_delays_no_decision_about_tools",
    ),
    Promise(
        "Who this request is cannot be stored.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_who_this_request_is_cannot_be_stored",
    ),
    Promise(
        "Both sides of a governed relation are known.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_both_sides_of_a_governed_relation_are_known",
    ),
    Promise(
        "The revision of an answer is the one that was followed.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_the_revision_of_an_answer_is_the_one_that_was_followed",
    ),
    Promise(
        "An object that cannot be hides no other.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_an_object_that_cannot_be_hides_no_other",
    ),
    Promise(
        "People are told by which tuples something holds.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_people_are_told_by_which_tuples_something_holds",
    ),
    Promise(
        "What another system writes into the server reaches the replica.",
        "design: authorization, the replica backend",
        "contract/test_replica.py::test_what_another_system_writes_into_the_server_reaches_the_replica",
    ),
    Promise(
        "A write is decided by what the server holds this moment.",
        "design: authorization, the replica backend",
        "contract/test_replica.py::test_a_write_is_decided_by_what_the_server_holds_this_moment",
    ),
    Promise(
        "A server that falls silent ends reads at the bound and is followed again afterwards.",
        "design: authorization, the replica backend",
        "contract/test_replica.py::test_a_server_that_falls_silent_ends_reads_at_the_bound_and_is_followed_again_afterwards",
    ),
    Promise(
        "Writes are denied at once when the server is gone.",
        "design: authorization, the replica backend",
        "contract/test_replica.py::test_writes_are_denied_at_once_when_the_server_is_gone",
    ),
    Promise(
        "What we take away is gone although the server is silent.",
        "design: authorization, the replica backend",
        "contract/test_replica.py::test_what_we_take_away_is_gone_although_the_server_is_silent",
    ),
    Promise(
        "A change the log lost is found repaired and alarmed.",
        "design: authorization, the replica backend",
        "contract/test_replica.py::test_a_change_the_log_lost_is_found_repaired_and_alarmed",
    ),
    Promise(
        "A server that hides its newest changes is asked and not followed.",
        "design: authorization, the replica backend",
        "contract/test_replica.py::test_a_server_that_hides_its_newest_changes_is_asked_and_not_followed",
    ),
    Promise(
        "An in context another system stored denies everything until it is gone.",
        "design: authorization, the replica backend",
        "contract/test_replica.py::test_an_in_context_another_system_stored_denies_everything_until_it_is_gone",
    ),
    Promise(
        "The copy and the server decide lists reads and writes alike.",
        "design: authorization, the replica backend",
        "flow/test_replica_backend.py::test_the_copy_and_the_server_decide_lists_reads_and_writes_alike",
    ),
    Promise(
        "A revocation of ours counts with the next call.",
        "design: authorization, the replica backend",
        "flow/test_replica_backend.py::test_a_revocation_of_ours_counts_with_the_next_call",
    ),
    Promise(
        "What another system revokes ends writes at once and reads and lists within the bound.",
        "design: authorization, the replica backend",
        "flow/test_replica_backend.py::test_what_another_system_revokes_ends_writes_at_once_and_reads_and_lists_within_the_bound",
    ),
    Promise(
        "Without its server reads go on until the bound writes end and both come back.",
        "design: authorization, the replica backend",
        "flow/test_replica_backend.py::test_without_its_server_reads_go_on_until_the_bound_writes_end_and_both_come_back",
    ),
    Promise(
        "Another model brings another copy.",
        "design: authorization, the replica backend",
        "flow/test_replica_backend.py::test_another_model_brings_another_copy",
    ),
    Promise(
        "An answer that depends on what was not said is no answer.",
        "design: authorization, the SpiceDB backend (experimental)",
        "contract/test_spicedb.py::test_an_answer_that_depends_on_what_was_not_said_is_no_answer",
    ),
    Promise(
        "A schema that says something else denies until ours is back.",
        "design: authorization, the SpiceDB backend (experimental)",
        "contract/test_spicedb.py::test_a_schema_that_says_something_else_denies_until_ours_is_back",
    ),
    Promise(
        "An agent bound to another agents requests denies everything.",
        "design: authorization, the SpiceDB backend (experimental)",
        "contract/test_spicedb.py::test_an_agent_bound_to_another_agents_requests_denies_everything",
    ),
    Promise(
        "Ids beyond its alphabet are asked about as they were written.",
        "design: authorization, the SpiceDB backend (experimental)",
        "contract/test_spicedb.py::test_ids_beyond_its_alphabet_are_asked_about_as_they_were_written",
    ),
    Promise(
        "What can only be given under a condition is taken back all the same.",
        "design: authorization, the SpiceDB backend (experimental)",
        "contract/test_spicedb.py::test_what_can_only_be_given_under_a_condition_is_taken_back_all_the_same",
    ),
    Promise(
        "A spicedb server decides lists and calls alike.",
        "design: authorization, the SpiceDB backend (experimental)",
        "flow/test_spicedb_backend.py::test_a_spicedb_server_decides_lists_and_calls_alike",
    ),
    Promise(
        "A revocation is on the spicedb server when the command returns.",
        "design: authorization, the SpiceDB backend (experimental)",
        "flow/test_spicedb_backend.py::test_a_revocation_is_on_the_spicedb_server_when_the_command_returns",
    ),
    Promise(
        "People can search what the backend decides by.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_people_can_search_what_the_backend_decides_by",
    ),
    Promise(
        "A search for what the model does not know is refused.",
        "design: authorization, one contract for every backend",
        "contract/test_relationships.py::test_a_search_for_what_the_model_does_not_know_is_refused",
    ),
    Promise(
        "Whoever left a group never reads what it is given afterwards.",
        "design: freshness",
        "contract/test_new_enemy.py::test_whoever_left_a_group_never_reads_what_it_is_given_afterwards",
    ),
    Promise(
        "A decision without looking at the store would read it.",
        "design: freshness",
        "contract/test_new_enemy.py::test_a_decision_without_looking_at_the_store_would_read_it",
    ),
    Promise(
        "A person logs in watches and is let go.",
        "README: run it",
        "e2e/test_first_party.py::test_a_person_logs_in_watches_and_is_let_go",
    ),
    Promise(
        "No acknowledged call is lost and none is executed without an intent.",
        "audit: process durability",
        "e2e/test_kill.py::test_no_acknowledged_call_is_lost_and_none_is_executed_without_an_intent",
    ),
    Promise(
        "On a full disk nothing is called; with room again it goes on.",
        "design 10: audit cannot be written",
        "e2e/test_disk_faults.py::test_on_a_full_disk_nothing_is_called_and_with_room_again_it_goes_on",
    ),
    Promise(
        "While the disk fails to sync no write is called; when it is well it goes on.",
        "design 10: audit cannot be written",
        "e2e/test_disk_faults.py::test_when_the_disk_fails_to_sync_no_write_is_called_and_when_it_is_well_it_goes_on",
    ),
    Promise(
        "A gateway told to stop under load loses no acknowledged call.",
        "design 10: failure behaviour",
        "e2e/test_stopping.py::test_a_gateway_told_to_stop_under_load_loses_no_acknowledged_call",
    ),
    Promise(
        "Every page fits its window and keeps to our policy.",
        "README: the catalog page",
        "e2e/test_pages.py::test_every_page_fits_its_window_and_keeps_to_our_policy",
    ),
    Promise(
        "The python sdk signs in and calls.",
        "README: connect a client",
        "e2e/test_real_clients.py::test_the_python_sdk_signs_in_and_calls",
    ),
    Promise(
        "The typescript sdk signs in and calls.",
        "README: connect a client",
        "e2e/test_real_clients.py::test_the_typescript_sdk_signs_in_and_calls",
    ),
    Promise(
        "The inspector signs in and calls.",
        "README: connect a client",
        "e2e/test_real_clients.py::test_the_inspector_signs_in_and_calls",
    ),
    Promise(
        "Mcp remote signs in and carries a call for a local client.",
        "README: connect a client",
        "e2e/test_real_clients.py::test_mcp_remote_signs_in_and_carries_a_call_for_a_local_client",
    ),
    Promise(
        "A person signs in with chromium.",
        "README: connect a client",
        "e2e/test_real_clients.py::test_a_person_signs_in_with_chromium",
    ),
    Promise(
        "A sign in and its calls are on record without the password.",
        "audit: every request",
        "e2e/test_real_clients.py::test_a_sign_in_and_its_calls_are_on_record_without_the_password",
    ),
    Promise(
        "The Python SDK lists, calls, reads, prompts and is asked in each era.",
        "design §3 Wire: two eras on both sides",
        "e2e/test_clients_everything.py::test_the_python_sdk_uses_everything",
    ),
    Promise(
        "So does the first line of the Python SDK.",
        "design §3 Wire: two eras on both sides",
        "e2e/test_clients_everything.py::test_the_first_python_sdk_uses_everything",
    ),
    Promise(
        "So does FastMCP's client, in each era.",
        "design §3 Wire: two eras on both sides",
        "e2e/test_clients_everything.py::test_the_fastmcp_client_uses_everything",
    ),
    Promise(
        "So do both lines of the TypeScript SDK, in the era each negotiates.",
        "design §3 Wire: two eras on both sides",
        "e2e/test_clients_everything.py::test_the_typescript_sdks_use_everything",
    ),
    Promise(
        "The Inspector calls, reads and prompts in each era.",
        "design §3 Wire: two eras on both sides",
        "e2e/test_clients_everything.py::test_the_inspector_reads_and_prompts",
    ),
    Promise(
        "mcp-remote carries all of it for a local client, in each of its modes.",
        "design §3 Wire: two eras on both sides",
        "e2e/test_clients_everything.py::test_mcp_remote_carries_everything_for_a_local_client",
    ),
    Promise(
        "Published Node servers from 2024-11-05 on work behind the gateway, with a bearer or a Host of their own too.",
        "design §3 Wire: two eras on both sides",
        "e2e/test_real_servers.py::test_a_published_node_server_is_listed_and_called",
    ),
    Promise(
        "Published Python servers of both SDK lines work behind the gateway.",
        "design §3 Wire: two eras on both sides",
        "e2e/test_real_servers.py::test_a_published_python_server_is_listed_and_called",
    ),
    Promise(
        "The published fetch server reads a page through the gateway.",
        "design §3 Wire: two eras on both sides",
        "e2e/test_real_servers.py::test_the_fetch_server_reads_a_page_of_this_machine",
    ),
    Promise(
        "A client of either era lists nine tools and reads a ticket.",
        "README: run it",
        "e2e/test_ticket_sample.py::test_a_client_of_either_era_lists_nine_tools_and_reads_a_ticket",
    ),
    Promise(
        "A search reports progress per project.",
        "MCP 2026-07-28 basic/utilities/progress",
        "e2e/test_ticket_sample.py::test_a_search_reports_progress_per_project",
    ),
    Promise(
        "A ticket is created commented updated and deleted.",
        "README: run it",
        "e2e/test_ticket_sample.py::test_a_ticket_is_created_commented_updated_and_deleted",
    ),
    Promise(
        "Arguments that do not fit the schema are a tool error.",
        "README: run it",
        "e2e/test_ticket_sample.py::test_arguments_that_do_not_fit_the_schema_are_a_tool_error",
    ),
    Promise(
        "The registry entry names every tool and its three risks.",
        "README: run it",
        "e2e/test_ticket_sample.py::test_the_registry_entry_names_every_tool_and_its_three_risks",
    ),
    Promise(
        "The registry entry agrees with the annotations of the tools.",
        "README: run it",
        "e2e/test_ticket_sample.py::test_the_registry_entry_agrees_with_the_annotations_of_the_tools",
    ),
    Promise(
        "The other sample entries are valid.",
        "README: run it",
        "e2e/test_ticket_sample.py::test_the_other_sample_entries_are_valid",
    ),
    Promise(
        "Every sample ticket and project hangs on its server and project.",
        "README: run it",
        "e2e/test_ticket_sample.py::test_every_sample_ticket_and_project_hangs_on_its_server_and_project",
    ),
    Promise(
        "A disabled user or agent is nobody until enabled and signs in anew.",
        "README: take it away",
        "flow/test_kill_switches.py::test_a_disabled_user_or_agent_is_nobody_until_enabled_and_signs_in_anew",
    ),
    Promise(
        "A disabled tool or server is neither listed nor called.",
        "README: take it away",
        "flow/test_kill_switches.py::test_a_disabled_tool_or_server_is_neither_listed_nor_called",
    ),
    Promise(
        "The emergency stop refuses everything and is taken back.",
        "README: take it away",
        "flow/test_kill_switches.py::test_the_emergency_stop_refuses_everything_and_is_taken_back",
    ),
    Promise(
        "A call under way ends with the right to it, and the upstream hears it.",
        "README: take it away",
        "flow/test_kill_switches.py::test_a_call_under_way_ends_with_the_right_to_it_and_the_upstream_hears_it",
    ),
    Promise(
        "A grant that runs out ends the call it allowed.",
        "README: take it away",
        "flow/test_kill_switches.py::test_a_grant_that_runs_out_ends_the_call_it_allowed",
    ),
    Promise(
        "A disabled user loses pages, API and event stream.",
        "README: take it away",
        "flow/test_kill_switches.py::test_a_disabled_user_loses_pages_api_and_event_stream",
    ),
    Promise(
        "The process of a disabled server ends and is started anew.",
        "README: take it away",
        "flow/test_kill_switches.py::test_the_process_of_a_disabled_server_ends_and_is_started_anew",
    ),
    Promise(
        "Calls of others go on when one user is disabled.",
        "README: take it away",
        "flow/test_kill_switches.py::test_calls_of_others_go_on_when_one_user_is_disabled",
    ),
    Promise(
        "A token that ends while its request arrives admits nothing.",
        "design: authorization, freshness",
        "flow/test_kill_switches.py::test_a_token_that_ends_while_its_request_arrives_admits_nothing",
    ),
    Promise(
        "A person sees the own agents and grants and nobody elses.",
        "README: take it away",
        "flow/test_own_access.py::test_a_person_sees_the_own_agents_and_grants_and_nobody_elses",
    ),
    Promise(
        "Ending a delegation ends what the person granted.",
        "README: take it away",
        "flow/test_own_access.py::test_ending_a_delegation_ends_what_the_person_granted",
    ),
    Promise(
        "Only who may revoke a grant learns that it exists.",
        "README: take it away",
        "flow/test_own_access.py::test_only_who_may_revoke_a_grant_learns_that_it_exists",
    ),
    Promise(
        "Another site ends nothing.",
        "README: take it away",
        "flow/test_own_access.py::test_another_site_ends_nothing",
    ),
    Promise(
        "A token for the API needs no origin, and nobody is refused.",
        "README: take it away",
        "flow/test_own_access.py::test_a_token_for_the_api_needs_no_origin_and_nobody_is_refused",
    ),
    Promise(
        "The page has a button for each, and markup in names stays text.",
        "README: take it away",
        "flow/test_own_access.py::test_the_page_has_a_button_for_each_and_markup_in_names_stays_text",
    ),
    Promise(
        "A group in the token gives what the group was given.",
        "README: groups from token claims",
        "flow/test_token_memberships.py::test_a_group_in_the_token_gives_what_the_group_was_given",
    ),
    Promise(
        "The same user with another token has only what that token says.",
        "README: groups from token claims",
        "flow/test_token_memberships.py::test_the_same_user_with_another_token_has_only_what_that_token_says",
    ),
    Promise(
        "No issuer claims anothers group or a stored one.",
        "README: groups from token claims",
        "flow/test_token_memberships.py::test_no_issuer_claims_anothers_group_or_a_stored_one",
    ),
    Promise(
        "A token with a misshapen or endless claim is refused.",
        "README: groups from token claims",
        "flow/test_token_memberships.py::test_a_token_with_a_misshapen_or_endless_claim_is_refused",
    ),
    Promise(
        "A server grant reaches as far as its level.",
        "README: say who may use it",
        "flow/test_administration.py::test_a_server_grant_reaches_as_far_as_its_level",
    ),
    Promise(
        "A tool grant reaches that tool only.",
        "README: say who may use it",
        "flow/test_administration.py::test_a_tool_grant_reaches_that_tool_only",
    ),
    Promise(
        "A revoked grant denies the next call and stays readable.",
        "design: a revocation binds the next call",
        "flow/test_administration.py::test_a_revoked_grant_denies_the_next_call_and_stays_readable",
    ),
    Promise(
        "An expired grant denies and an unexpired one allows.",
        "README: say who may use it",
        "flow/test_administration.py::test_an_expired_grant_denies_and_an_unexpired_one_allows",
    ),
    Promise(
        "A prolonged grant holds longer and a shortened one ends.",
        "README: say who may use it",
        "flow/test_administration.py::test_a_prolonged_grant_holds_longer_and_a_shortened_one_ends",
    ),
    Promise(
        "Nobody but the user prolongs a consent.",
        "README: say who may use it",
        "flow/test_administration.py::test_nobody_but_the_user_prolongs_a_consent",
    ),
    Promise(
        "A grant for a group role or tenant is for those who belong to it.",
        "README: say who may use it",
        "flow/test_administration.py::test_a_grant_for_a_group_role_or_tenant_is_for_those_who_belong_to_it",
    ),
    Promise(
        "A grant for one user is none for another.",
        "README: say who may use it",
        "flow/test_administration.py::test_a_grant_for_one_user_is_none_for_another",
    ),
    Promise(
        "A consent grants what was ticked.",
        "auth.md: sign in",
        "flow/test_administration.py::test_a_consent_grants_what_was_ticked",
    ),
    Promise(
        "A consent above the ceiling writes nothing.",
        "auth.md: sign in",
        "flow/test_administration.py::test_a_consent_above_the_ceiling_writes_nothing",
    ),
    Promise(
        "A consent never exceeds what the user may.",
        "auth.md: sign in",
        "flow/test_administration.py::test_a_consent_never_exceeds_what_the_user_may",
    ),
    Promise(
        "A new consent replaces the earlier one but no administrators grant.",
        "auth.md: sign in",
        "flow/test_administration.py::test_a_new_consent_replaces_the_earlier_one_but_no_administrators_grant",
    ),
    Promise(
        "Ending a delegation ends what the user granted.",
        "README: say who may use it",
        "flow/test_administration.py::test_ending_a_delegation_ends_what_the_user_granted",
    ),
    Promise(
        "Access is written once and taken away for the next call.",
        "README: say who may use it",
        "flow/test_administration.py::test_access_is_written_once_and_taken_away_for_the_next_call",
    ),
    Promise(
        "What people may not write is refused with its reason.",
        "README: say who may use it",
        "flow/test_administration.py::test_what_people_may_not_write_is_refused_with_its_reason",
    ),
    Promise(
        "The list of access leaves out what other commands write.",
        "README: say who may use it",
        "flow/test_administration.py::test_the_list_of_access_leaves_out_what_other_commands_write",
    ),
    Promise(
        "An import with one bad line names it and writes nothing.",
        "README: say who may use it",
        "flow/test_administration.py::test_an_import_with_one_bad_line_names_it_and_writes_nothing",
    ),
    Promise(
        "An import can be repeated.",
        "README: say who may use it",
        "flow/test_administration.py::test_an_import_can_be_repeated",
    ),
    Promise(
        "A removed user leaves nothing to inherit.",
        "README: say who may use it",
        "flow/test_administration.py::test_a_removed_user_leaves_nothing_to_inherit",
    ),
    Promise(
        "The first start makes one administrator and the next none.",
        "README: run it",
        "flow/test_administration.py::test_the_first_start_makes_one_administrator_and_the_next_none",
    ),
    Promise(
        "An agent needs a plain id.",
        "README: say who may use it",
        "flow/test_administration.py::test_an_agent_needs_a_plain_id",
    ),
    Promise(
        "An agent is added once.",
        "README: say who may use it",
        "flow/test_administration.py::test_an_agent_is_added_once",
    ),
    Promise(
        "New tools wait for approval and changed ones are suspended.",
        "README: say who may use it",
        "flow/test_administration.py::test_new_tools_wait_for_approval_and_changed_ones_are_suspended",
    ),
    Promise(
        "A failing server is a finding and keeps its tools.",
        "README: say who may use it",
        "flow/test_administration.py::test_a_failing_server_is_a_finding_and_keeps_its_tools",
    ),
    Promise(
        "A removed server is gone with its file.",
        "README: say who may use it",
        "flow/test_administration.py::test_a_removed_server_is_gone_with_its_file",
    ),
    Promise(
        "A server is not added twice.",
        "README: say who may use it",
        "flow/test_administration.py::test_a_server_is_not_added_twice",
    ),
    Promise(
        "A reload names file and line and announces nothing.",
        "README: put a server behind it",
        "flow/test_administration.py::test_a_reload_names_file_and_line_and_announces_nothing",
    ),
    Promise(
        "Every change is on record with its actor.",
        "audit: every request",
        "flow/test_administration.py::test_every_change_is_on_record_with_its_actor",
    ),
    Promise(
        "A change that cannot be recorded is not made.",
        "README: say who may use it",
        "flow/test_administration.py::test_a_change_that_cannot_be_recorded_is_not_made",
    ),
    Promise(
        "A change that fails after its record is on record as failed.",
        "audit: every request",
        "flow/test_administration.py::test_a_change_that_fails_after_its_record_is_on_record_as_failed",
    ),
    Promise(
        "A grant that means nothing is refused.",
        "README: say who may use it",
        "flow/test_administration.py::test_a_grant_that_means_nothing_is_refused",
    ),
    Promise(
        "Grants sort by when they were made.",
        "README: say who may use it",
        "flow/test_administration.py::test_grants_sort_by_when_they_were_made",
    ),
    Promise(
        "Nobody reads without signing in.", "OpenAPI: /api/v1", "flow/test_api.py::test_nobody_reads_without_signing_in"
    ),
    Promise(
        "A bearer that does not count is not helped by a cookie.",
        "OpenAPI: /api/v1",
        "flow/test_api.py::test_a_bearer_that_does_not_count_is_not_helped_by_a_cookie",
    ),
    Promise(
        "A person sees the tools to use and an administrator all.",
        "OpenAPI: /api/v1",
        "flow/test_api.py::test_a_person_sees_the_tools_to_use_and_an_administrator_all",
    ),
    Promise(
        "Taking access away empties the next answer.",
        "OpenAPI: /api/v1",
        "flow/test_api.py::test_taking_access_away_empties_the_next_answer",
    ),
    Promise(
        "An auditor sees everything and is no administrator.",
        "OpenAPI: /api/v1",
        "flow/test_api.py::test_an_auditor_sees_everything_and_is_no_administrator",
    ),
    Promise("Filters narrow and combine.", "OpenAPI: /api/v1", "flow/test_api.py::test_filters_narrow_and_combine"),
    Promise(
        "Pages follow each other without gap or repeat.",
        "OpenAPI: /api/v1",
        "flow/test_api.py::test_pages_follow_each_other_without_gap_or_repeat",
    ),
    Promise(
        "A cursor gives no more than its bearer may see.",
        "OpenAPI: /api/v1",
        "flow/test_api.py::test_a_cursor_gives_no_more_than_its_bearer_may_see",
    ),
    Promise(
        "Bad input names the field and never the value.",
        "OpenAPI: /api/v1",
        "flow/test_api.py::test_bad_input_names_the_field_and_never_the_value",
    ),
    Promise(
        "A tool says what it takes without what cannot be seen.",
        "OpenAPI: /api/v1",
        "flow/test_api.py::test_a_tool_says_what_it_takes_without_what_cannot_be_seen",
    ),
    Promise(
        "The definition is what the upstream sent.",
        "OpenAPI: /api/v1",
        "flow/test_api.py::test_the_definition_is_what_the_upstream_sent",
    ),
    Promise(
        "A hidden tool and an absent one look alike.",
        "OpenAPI: /api/v1",
        "flow/test_api.py::test_a_hidden_tool_and_an_absent_one_look_alike",
    ),
    Promise(
        "A hidden server and an absent one look alike.",
        "OpenAPI: /api/v1",
        "flow/test_api.py::test_a_hidden_server_and_an_absent_one_look_alike",
    ),
    Promise(
        "Only operators learn why a server fails.",
        "OpenAPI: /api/v1",
        "flow/test_api.py::test_only_operators_learn_why_a_server_fails",
    ),
    Promise(
        "Servers count what the asker sees.",
        "OpenAPI: /api/v1",
        "flow/test_api.py::test_servers_count_what_the_asker_sees",
    ),
    Promise("Findings are for reviewers.", "OpenAPI: /api/v1", "flow/test_api.py::test_findings_are_for_reviewers"),
    Promise(
        "A tool shared on its own tells its servers name.",
        "OpenAPI: /api/v1",
        "flow/test_api.py::test_a_tool_shared_on_its_own_tells_its_servers_name",
    ),
    Promise("Every refusal has one shape.", "OpenAPI: /api/v1", "flow/test_api.py::test_every_refusal_has_one_shape"),
    Promise("The api describes itself.", "OpenAPI: /api/v1", "flow/test_api.py::test_the_api_describes_itself"),
    Promise(
        "A store that cannot be read refuses and says when to retry.",
        "OpenAPI: /api/v1",
        "flow/test_api.py::test_a_store_that_cannot_be_read_refuses_and_says_when_to_retry",
    ),
    Promise(
        "Who may open the data directory sees everything.",
        "OpenAPI: /api/v1",
        "flow/test_api.py::test_who_may_open_the_data_directory_sees_everything",
    ),
    Promise(
        "Explain is for those who see everything.",
        "OpenAPI: /api/v1",
        "flow/test_api.py::test_explain_is_for_those_who_see_everything",
    ),
    Promise(
        "An administrator asks the api why and nobody else learns of it.",
        "design: explain works for hypothetical principals",
        "flow/test_api.py::test_an_administrator_asks_the_api_why_and_nobody_else_learns_of_it",
    ),
    Promise(
        "Every remedy explain names can be pasted and together they allow the call.",
        "README: who may do what",
        "flow/test_explain.py::test_every_remedy_can_be_pasted_and_together_they_allow_the_call",
    ),
    Promise(
        "A remedy for a resource can be pasted too.",
        "README: who may do what",
        "flow/test_explain.py::test_a_remedy_for_a_resource_can_be_pasted_too",
    ),
    Promise(
        "The list of anybody is explained tool by tool.",
        "README: who may do what",
        "flow/test_explain.py::test_the_list_of_anybody_is_explained_tool_by_tool",
    ),
    Promise(
        "What was switched off is switched on by its remedy.",
        "README: take it away",
        "flow/test_explain.py::test_what_was_switched_off_is_switched_on_by_its_remedy",
    ),
    Promise(
        "What explain says of one prompt or resource is enough to use that and nothing else.",
        "design: one decision function for every verb",
        "flow/test_item_rights.py::test_what_explain_says_of_one_prompt_or_resource_is_enough_to_use_that_and_nothing_else",
    ),
    Promise(
        "One prompt or resource is switched off for the next use and nothing else is.",
        "design: one decision function for every verb",
        "flow/test_item_rights.py::test_one_prompt_or_resource_is_switched_off_for_the_next_use_and_nothing_else_is",
    ),
    Promise(
        "A URI is explained by the template that describes it and the whole list names every kind.",
        "design: explain works for hypothetical principals",
        "flow/test_item_rights.py::test_a_uri_is_explained_by_the_template_that_describes_it_and_the_whole_list_names_every_kind",
    ),
    Promise(
        "Recorded reads and gets are judged again under another model.",
        "README: change a policy",
        "flow/test_item_rights.py::test_recorded_reads_and_gets_are_judged_again_under_another_model",
    ),
    Promise(
        "An own model without prompts serves tools, and prompts come with the model that governs them.",
        "design: authorization, the model is the installation's",
        "flow/test_item_rights.py::test_an_own_model_without_prompts_serves_tools_and_prompts_come_with_the_model_that_governs_them",
    ),
    Promise(
        "What is observed is reported before it is enforced.",
        "README: change a policy",
        "flow/test_policy_changes.py::test_what_is_observed_is_reported_before_it_is_enforced",
    ),
    Promise(
        "A rule that reads what no record holds is not guessed at.",
        "README: change a policy",
        "flow/test_policy_changes.py::test_a_rule_that_reads_what_no_record_holds_is_not_guessed_at",
    ),
    Promise(
        "The policy in force differs from nothing it decided.",
        "README: change a policy",
        "flow/test_policy_changes.py::test_the_policy_in_force_differs_from_nothing_it_decided",
    ),
    Promise(
        "A plan says whose lists would change and reload makes it so.",
        "README: change a policy",
        "flow/test_policy_changes.py::test_a_plan_says_whose_lists_would_change_and_reload_makes_it_so",
    ),
    Promise(
        "A list says what a call also depends on and never what may only be asked for.",
        "README: change a policy",
        "flow/test_policy_changes.py::test_a_list_says_what_a_call_also_depends_on_and_never_what_may_only_be_asked_for",
    ),
    Promise(
        "A comparison needs something to compare with.",
        "README: change a policy",
        "flow/test_policy_changes.py::test_a_comparison_needs_something_to_compare_with",
    ),
    Promise(
        "A tool one may ask for is shown with how, and listed to no agent.",
        "design: discovery has three states",
        "flow/test_api.py::test_a_tool_one_may_ask_for_is_shown_with_how_and_only_to_people",
    ),
    Promise(
        "A person reads the own records as they were told.",
        "OpenAPI: /api/v1",
        "flow/test_api.py::test_a_person_reads_the_own_records_as_they_were_told",
    ),
    Promise("A new risk counts at once.", "OpenAPI: /api/v1", "flow/test_api.py::test_a_new_risk_counts_at_once"),
    Promise(
        "A change by another process reaches those who know the server.",
        "OpenAPI: /api/v1/events",
        "flow/test_api_events.py::test_a_change_by_another_process_reaches_those_who_know_the_server",
    ),
    Promise(
        "Prompts and resources are found by their kind and by their id.",
        "docs: the first-party API",
        "flow/test_api.py::test_prompts_and_resources_are_found_by_their_kind_and_by_their_id",
    ),
    Promise(
        "Decisions are told to their user and to auditors.",
        "OpenAPI: /api/v1/events",
        "flow/test_api_events.py::test_decisions_are_told_to_their_user_and_to_auditors",
    ),
    Promise(
        "The stream ends with the login and tells nothing after it.",
        "OpenAPI: /api/v1/events",
        "flow/test_api_events.py::test_the_stream_ends_with_the_login_and_tells_nothing_after_it",
    ),
    Promise(
        "A silent stream notices that the login ended.",
        "OpenAPI: /api/v1/events",
        "flow/test_api_events.py::test_a_silent_stream_notices_that_the_login_ended",
    ),
    Promise(
        "An auditor who is no longer one hears no more.",
        "OpenAPI: /api/v1/events",
        "flow/test_api_events.py::test_an_auditor_who_is_no_longer_one_hears_no_more",
    ),
    Promise(
        "A watcher who reads too slowly learns how much is lost.",
        "OpenAPI: /api/v1/events",
        "flow/test_api_events.py::test_a_watcher_who_reads_too_slowly_learns_how_much_is_lost",
    ),
    Promise(
        "Closing the board ends the stream.",
        "OpenAPI: /api/v1/events",
        "flow/test_api_events.py::test_closing_the_board_ends_the_stream",
    ),
    Promise(
        "The front door leads to the catalog.",
        "README: the catalog page",
        "flow/test_catalog_pages.py::test_the_front_door_leads_to_the_catalog",
    ),
    Promise(
        "Who is not signed in is sent to the login and back.",
        "README: the catalog page",
        "flow/test_catalog_pages.py::test_who_is_not_signed_in_is_sent_to_the_login_and_back",
    ),
    Promise(
        "Pages are not cached framed or scripted.",
        "README: the catalog page",
        "flow/test_catalog_pages.py::test_pages_are_not_cached_framed_or_scripted",
    ),
    Promise(
        "People see their own catalog.",
        "README: the catalog page",
        "flow/test_catalog_pages.py::test_people_see_their_own_catalog",
    ),
    Promise(
        "Who has no access is told how to get it.",
        "README: the catalog page",
        "flow/test_catalog_pages.py::test_who_has_no_access_is_told_how_to_get_it",
    ),
    Promise(
        "The form filters and keeps what was asked.",
        "README: the catalog page",
        "flow/test_catalog_pages.py::test_the_form_filters_and_keeps_what_was_asked",
    ),
    Promise(
        "A wrong filter is named and not repeated.",
        "README: the catalog page",
        "flow/test_catalog_pages.py::test_a_wrong_filter_is_named_and_not_repeated",
    ),
    Promise(
        "A long catalog is paged with its filter.",
        "README: the catalog page",
        "flow/test_catalog_pages.py::test_a_long_catalog_is_paged_with_its_filter",
    ),
    Promise(
        "A tools words stay words.",
        "README: the catalog page",
        "flow/test_catalog_pages.py::test_a_tools_words_stay_words",
    ),
    Promise(
        "A tool page tells reviewers who approved and what is wrong.",
        "README: the catalog page",
        "flow/test_catalog_pages.py::test_a_tool_page_tells_reviewers_who_approved_and_what_is_wrong",
    ),
    Promise(
        "A hidden tool and an absent one are the same page.",
        "README: the catalog page",
        "flow/test_catalog_pages.py::test_a_hidden_tool_and_an_absent_one_are_the_same_page",
    ),
    Promise(
        "The connect page shows every snippet for this address.",
        "README: the catalog page",
        "flow/test_catalog_pages.py::test_the_connect_page_shows_every_snippet_for_this_address",
    ),
    Promise(
        "A foreign host name is never offered as an address.",
        "README: the catalog page",
        "flow/test_catalog_pages.py::test_a_foreign_host_name_is_never_offered_as_an_address",
    ),
    Promise(
        "An error nobody foresaw shows its request id and nothing else.",
        "README: the catalog page",
        "flow/test_catalog_pages.py::test_an_error_nobody_foresaw_shows_its_request_id_and_nothing_else",
    ),
    Promise(
        "A state that changes shows on the next look.",
        "README: the catalog page",
        "flow/test_catalog_pages.py::test_a_state_that_changes_shows_on_the_next_look",
    ),
    Promise(
        "Prompts and resources stand beside the tools of their server.",
        "docs: the catalog pages",
        "flow/test_catalog_pages.py::test_prompts_and_resources_stand_beside_the_tools_of_their_server",
    ),
    Promise(
        "A session is one principals and ends for good.",
        "MCP 2025-11-25 and 2026-07-28 basic/transports",
        "flow/test_eras.py::test_a_session_is_one_principals_and_ends_for_good",
    ),
    Promise(
        "Progress turns the answer into events with the clients own token.",
        "MCP 2026-07-28 basic/utilities/progress",
        "flow/test_eras.py::test_progress_turns_the_answer_into_events_with_the_clients_own_token",
    ),
    Promise(
        "A legacy client cancels by notification and the upstream hears it.",
        "MCP 2026-07-28 basic/patterns/cancellation",
        "flow/test_eras.py::test_a_legacy_client_cancels_by_notification_and_the_upstream_hears_it",
    ),
    Promise(
        "A modern client cancels by leaving and its call is on record.",
        "audit: every request",
        "flow/test_eras.py::test_a_modern_client_cancels_by_leaving_and_its_call_is_on_record",
    ),
    Promise(
        "Discovery names the versions and only what exists.",
        "MCP 2025-11-25 and 2026-07-28 basic/transports",
        "flow/test_eras.py::test_discovery_names_the_versions_and_only_what_exists",
    ),
    Promise(
        "A cancellation that names no request is a client error.",
        "MCP 2026-07-28 basic/patterns/cancellation",
        "flow/test_eras.py::test_a_cancellation_that_names_no_request_is_a_client_error",
    ),
    Promise(
        "A listening client is told when what it may see changes, and not otherwise.",
        "MCP 2026-07-28 basic/patterns/subscriptions",
        "flow/test_listening.py::test_a_listening_client_is_told_when_what_it_may_see_changes_and_not_otherwise",
    ),
    Promise(
        "A tool that is switched off changes the list of who could see it.",
        "design §5: freshness",
        "flow/test_listening.py::test_a_tool_that_is_switched_off_changes_the_list_of_who_could_see_it",
    ),
    Promise(
        "Nothing is told that was not asked for.",
        "MCP 2026-07-28 basic/patterns/subscriptions",
        "flow/test_listening.py::test_nothing_is_told_that_was_not_asked_for",
    ),
    Promise(
        "A request to listen that is malformed names the field.",
        "MCP 2026-07-28 basic/patterns/subscriptions",
        "flow/test_listening.py::test_a_request_to_listen_that_is_malformed_names_the_field",
    ),
    Promise(
        "A principal holds a bounded number of event streams.",
        "security.md: every table is bounded",
        "flow/test_listening.py::test_a_principal_holds_a_bounded_number_of_streams",
    ),
    Promise(
        "An event stream ends with the right to it, and that is on record.",
        "design: and we can revoke it",
        "flow/test_listening.py::test_a_stream_ends_with_the_right_to_it_and_that_is_on_record",
    ),
    Promise(
        "A session has one stream, which is primed and told of changes.",
        "MCP 2025-11-25 basic/transports",
        "flow/test_listening.py::test_a_session_has_one_stream_which_is_primed_and_told_of_changes",
    ),
    Promise(
        "A stream needs a session of one's own and an Accept header.",
        "MCP 2025-11-25 basic/transports",
        "flow/test_listening.py::test_a_stream_needs_a_session_of_ones_own_and_an_accept_header",
    ),
    Promise(
        "Older clients get no event without content.",
        "MCP 2025-11-25 basic/transports",
        "flow/test_listening.py::test_older_clients_get_no_event_without_content",
    ),
    Promise(
        "A session hears log messages from its level on.",
        "MCP 2025-11-25 server/utilities/logging",
        "flow/test_listening.py::test_a_session_hears_log_messages_from_its_level_on",
    ),
    Promise(
        "The SDK's client of either era hears that the list changed.",
        "MCP 2026-07-28 server/tools, 2025-11-25 server/tools",
        "flow/test_listening.py::test_the_sdk_client_of_either_era_hears_that_the_list_changed",
    ),
    Promise(
        "A gateway that stops ends its streams as they should end.",
        "MCP 2026-07-28 basic/patterns/subscriptions",
        "flow/test_listening.py::test_a_gateway_that_stops_ends_its_streams_as_they_should_end",
    ),
    Promise(
        "A change of the upstream reaches who watches and may read, decided at that moment.",
        "MCP 2026-07-28 server/resources; protocol.md §4.5",
        "flow/test_watching.py::test_a_change_of_the_upstream_reaches_who_watches_and_may_read",
    ),
    Promise(
        "A new tool of a trusted upstream is listed and told of.",
        "MCP 2026-07-28 server/tools",
        "flow/test_watching.py::test_a_new_tool_of_a_trusted_upstream_is_listed_and_told_of",
    ),
    Promise(
        "What an upstream announces is passed on to whom sees any of it, even if it looks the same here.",
        "MCP 2026-07-28 server/tools: list changed notification",
        "flow/test_watching.py::test_what_an_upstream_announces_is_passed_on_even_if_it_looks_the_same_here",
    ),
    Promise(
        "Streams at the endpoint of a server that is removed end.",
        "design: what is listed is what may be called",
        "flow/test_watching.py::test_streams_of_a_server_that_is_removed_end",
    ),
    Promise(
        "What waits for review is not listed, whatever is announced.",
        "design §1: catalog and its review state",
        "flow/test_watching.py::test_what_waits_for_review_is_not_listed_whatever_is_announced",
    ),
    Promise(
        "A session watches resources by the names of the endpoint of all servers.",
        "MCP 2025-11-25 server/resources",
        "flow/test_watching.py::test_a_session_watches_resources_by_the_names_of_all_servers",
    ),
    Promise(
        "What an upstream says too often is looked at now and then.",
        "design §10: others unaffected",
        "flow/test_watching.py::test_what_an_upstream_says_too_often_is_looked_at_now_and_then",
    ),
    Promise(
        "The list holds exactly what may be called.",
        "README: the walk of a call",
        "flow/test_governed_calls.py::test_the_list_holds_exactly_what_may_be_called",
    ),
    Promise(
        "A call within every right reaches the upstream.",
        "README: the walk of a call",
        "flow/test_governed_calls.py::test_a_call_within_every_right_reaches_the_upstream",
    ),
    Promise(
        "A tool the agent was not granted looks like one that does not exist.",
        "README: the walk of a call",
        "flow/test_governed_calls.py::test_a_tool_the_agent_was_not_granted_looks_like_one_that_does_not_exist",
    ),
    Promise(
        "A resource the user may not see is refused by its own code.",
        "README: the walk of a call",
        "flow/test_governed_calls.py::test_a_resource_the_user_may_not_see_is_refused_by_its_own_code",
    ),
    Promise(
        "Arguments that name no resource are refused.",
        "README: the walk of a call",
        "flow/test_governed_calls.py::test_arguments_that_name_no_resource_are_refused",
    ),
    Promise(
        "The token of one endpoint opens no other.",
        "RFC 8707 §2",
        "flow/test_governed_calls.py::test_the_token_of_one_endpoint_opens_no_other",
    ),
    Promise(
        "Another agent of the same user sees nothing.",
        "README: the walk of a call",
        "flow/test_governed_calls.py::test_another_agent_of_the_same_user_sees_nothing",
    ),
    Promise(
        "The same agent for another user sees nothing.",
        "README: the walk of a call",
        "flow/test_governed_calls.py::test_the_same_agent_for_another_user_sees_nothing",
    ),
    Promise(
        "A revoked grant and an ended delegation bind the next call.",
        "design: a revocation binds the next call",
        "flow/test_governed_calls.py::test_a_revoked_grant_and_an_ended_delegation_bind_the_next_call",
    ),
    Promise(
        "Every refusal and call is on record with its true reason.",
        "audit: every request",
        "flow/test_governed_calls.py::test_every_refusal_and_call_is_on_record_with_its_true_reason",
    ),
    Promise(
        "A token for the api reads it and calls nothing.",
        "README: the walk of a call",
        "flow/test_governed_calls.py::test_a_token_for_the_api_reads_it_and_calls_nothing",
    ),
    Promise(
        "A request that takes its time is decided by what holds when it is complete.",
        "README: the walk of a call",
        "flow/test_governed_calls.py::test_a_request_that_takes_its_time_is_decided_by_what_holds_when_it_is_complete",
    ),
    Promise(
        "Without a token the challenge says where to get one.",
        "RFC 6750 §3.1, RFC 9728 §5.1",
        "flow/test_hostile_requests.py::test_without_a_token_the_challenge_says_where_to_get_one",
    ),
    Promise(
        "A bad token is refused and not repeated.",
        "MCP 2026-07-28 basic/transports/streamable-http",
        "flow/test_hostile_requests.py::test_a_bad_token_is_refused_and_not_repeated",
    ),
    Promise(
        "An unsigned token is refused.",
        "RFC 8725 §3.1",
        "flow/test_hostile_requests.py::test_an_unsigned_token_is_refused",
    ),
    Promise(
        "Clients that probe without a version or session get the challenge.",
        "RFC 6750 §3.1, RFC 9728 §5.1",
        "flow/test_hostile_requests.py::test_clients_that_probe_without_a_version_or_session_get_the_challenge",
    ),
    Promise(
        "A header that contradicts the body or the endpoint is refused.",
        "MCP 2026-07-28 streamable-http: server validation",
        "flow/test_hostile_requests.py::test_a_header_that_contradicts_the_body_or_the_endpoint_is_refused",
    ),
    Promise(
        "A malformed body is a client error.",
        "MCP 2026-07-28 basic/transports/streamable-http",
        "flow/test_hostile_requests.py::test_a_malformed_body_is_a_client_error",
    ),
    Promise(
        "Twenty megabytes are refused whether announced or not.",
        "MCP 2026-07-28 basic/transports/streamable-http",
        "flow/test_hostile_requests.py::test_twenty_megabytes_are_refused_whether_announced_or_not",
    ),
    Promise(
        "An unknown method is not found and an unknown version names ours.",
        "MCP 2026-07-28 basic/versioning",
        "flow/test_hostile_requests.py::test_an_unknown_method_is_not_found_and_an_unknown_version_names_ours",
    ),
    Promise(
        "An unknown endpoint does not exist.",
        "MCP 2026-07-28 basic/transports/streamable-http",
        "flow/test_hostile_requests.py::test_an_unknown_endpoint_does_not_exist",
    ),
    Promise(
        "No answer log or record repeats an argument.",
        "audit: no argument values",
        "flow/test_hostile_requests.py::test_no_answer_log_or_record_repeats_an_argument",
    ),
    Promise(
        "An erased person left no value in the data directory and the audit verifies.",
        "audit: erasure by key destruction",
        "flow/test_audit_erasure.py::test_an_erased_person_left_no_value_in_the_data_directory_and_the_audit_verifies",
    ),
    Promise(
        "An erasure without a reason is refused.",
        "audit: erasure by key destruction",
        "flow/test_audit_erasure.py::test_an_erasure_without_a_reason_is_refused",
    ),
    Promise(
        "Auditors find records and a person only by what was told.",
        "inspection: reads are filtered by who asks",
        "flow/test_api.py::test_auditors_find_records_and_a_person_only_by_what_was_told",
    ),
    Promise(
        "An argument a policy names is read by auditors until it is erased.",
        "audit: erasure by key destruction",
        "flow/test_audit_erasure.py::test_an_argument_a_policy_names_is_read_by_auditors_until_it_is_erased",
    ),
    Promise(
        "Every record of a day says all that is required.",
        "audit: complete records",
        "flow/test_audit_completeness.py::test_every_record_of_a_day_says_all_that_is_required",
    ),
    Promise(
        "Every record of a day is told in a sentence of its own.",
        "audit: complete records",
        "flow/test_audit_completeness.py::test_every_record_of_a_day_is_told_in_a_sentence_of_its_own",
    ),
    Promise(
        "Changes of rights name the revision they made.",
        "audit: complete records",
        "flow/test_audit_completeness.py::test_changes_of_rights_name_the_revision_they_made",
    ),
    Promise(
        "A value that a policy names is kept sealed and no other.",
        "audit: complete records",
        "flow/test_audit_completeness.py::test_a_value_that_a_policy_names_is_kept_sealed_and_no_other",
    ),
    Promise(
        "A killed gateway sends some records again and leaves none out.",
        "audit: sinks never block and never silently drop",
        "flow/test_audit_sinks.py::test_a_killed_gateway_sends_some_records_again_and_leaves_none_out",
    ),
    Promise(
        "A receiver that hangs slows no call and the status says so.",
        "audit: sinks never block and never silently drop",
        "flow/test_audit_sinks.py::test_a_receiver_that_hangs_slows_no_call_and_the_status_says_so",
    ),
    Promise(
        "A secret that cannot be read ends the start with where it is.",
        "audit: sinks never block and never silently drop",
        "flow/test_audit_sinks.py::test_a_secret_that_cannot_be_read_ends_the_start_with_where_it_is",
    ),
    Promise(
        "Sinks are refused with the field that is wrong.",
        "audit: sinks never block and never silently drop",
        "flow/test_audit_sinks.py::test_sinks_are_refused_with_the_field_that_is_wrong",
    ),
    Promise(
        "An export is verified, searched and judged anew as what it was taken from.",
        "docs/audit-format.md: export",
        "flow/test_policy_changes.py::test_an_export_is_judged_anew_as_what_it_was_taken_from",
    ),
    Promise(
        "What is older than the retention goes and the rest verifies.",
        "docs/audit-format.md: what was removed under retention",
        "flow/test_audit_retention.py::test_what_is_older_than_the_retention_goes_and_the_rest_verifies",
    ),
    Promise(
        "A legal hold and a missing retention keep everything.",
        "docs/audit-format.md: what was removed under retention",
        "flow/test_audit_retention.py::test_a_legal_hold_and_a_missing_retention_keep_everything",
    ),
    Promise(
        "Nothing goes before its checkpoint and its records are elsewhere.",
        "docs/audit-format.md: what was removed under retention",
        "flow/test_audit_retention.py::test_nothing_goes_before_its_checkpoint_and_its_records_are_elsewhere",
    ),
    Promise(
        "A client that sends half a request and leaves harms nobody.",
        "MCP 2026-07-28 basic/transports/streamable-http",
        "flow/test_hostile_requests.py::test_a_client_that_sends_half_a_request_and_leaves_harms_nobody",
    ),
    Promise(
        "Odd http is refused.",
        "MCP 2026-07-28 basic/transports/streamable-http",
        "flow/test_hostile_requests.py::test_odd_http_is_refused",
    ),
    Promise(
        "Every authentication refusal is on record.",
        "audit: every request",
        "flow/test_hostile_requests.py::test_every_authentication_refusal_is_on_record",
    ),
    Promise(
        "An issuer whose keys cannot be had denies for now and is on record.",
        "audit: every request",
        "flow/test_hostile_requests.py::test_an_issuer_whose_keys_cannot_be_had_denies_for_now_and_is_on_record",
    ),
    Promise(
        "Each fault has its code and hurts nobody else.",
        "README: the walk of a call",
        "flow/test_hostile_upstreams.py::test_each_fault_has_its_code_and_hurts_nobody_else",
    ),
    Promise(
        "A broken registry file is named and the last good state keeps serving.",
        "README: put a server behind it",
        "flow/test_hostile_upstreams.py::test_a_broken_registry_file_is_named_and_the_last_good_state_keeps_serving",
    ),
    Promise(
        "A store another process holds does not end the gateway.",
        "README: the walk of a call",
        "flow/test_hostile_upstreams.py::test_a_store_another_process_holds_does_not_end_the_gateway",
    ),
    Promise(
        "The sdk registers signs in and is known as user and agent.",
        "MCP 2026-07-28 basic/authorization",
        "flow/test_sign_in.py::test_the_sdk_registers_signs_in_and_is_known_as_user_and_agent",
    ),
    Promise(
        "The sdk signs in with its metadata document and registers nothing.",
        "draft-ietf-oauth-client-id-metadata-document",
        "flow/test_sign_in.py::test_the_sdk_signs_in_with_its_metadata_document_and_registers_nothing",
    ),
    Promise(
        "The sdk refreshes by itself when its token is too old.",
        "auth.md: use the token",
        "flow/test_sign_in.py::test_the_sdk_refreshes_by_itself_when_its_token_is_too_old",
    ),
    Promise(
        "A revoked sign in ends at the next call and the sdk asks the user again.",
        "design: a revocation binds the next call",
        "flow/test_sign_in.py::test_a_revoked_sign_in_ends_at_the_next_call_and_the_sdk_asks_the_user_again",
    ),
    Promise(
        "The server decides lists and calls alike.",
        "design: authorization, a real OpenFGA server",
        "flow/test_openfga_backend.py::test_the_server_decides_lists_and_calls_alike",
    ),
    Promise(
        "Explain asks the server every side.",
        "design: authorization, a real OpenFGA server",
        "flow/test_openfga_backend.py::test_explain_asks_the_server_every_side",
    ),
    Promise(
        "A gateway whose server is not the right one does not start.",
        "design: authorization, a real OpenFGA server",
        "flow/test_openfga_backend.py::test_a_gateway_whose_server_is_not_the_right_one_does_not_start",
    ),
    Promise(
        "What another system deletes on the server is gone with the next call.",
        "design: authorization, a real OpenFGA server",
        "flow/test_openfga_backend.py::test_what_another_system_deletes_on_the_server_is_gone_with_the_next_call",
    ),
    Promise(
        "A revocation is on the server when the command returns.",
        "design: authorization, a real OpenFGA server",
        "flow/test_openfga_backend.py::test_a_revocation_is_on_the_server_when_the_command_returns",
    ),
    Promise(
        "A server that is gone denies and back again decides without a restart.",
        "design: authorization, a real OpenFGA server",
        "flow/test_openfga_backend.py::test_a_server_that_is_gone_denies_and_back_again_decides_without_a_restart",
    ),
    Promise(
        "A change made while the server is gone is not acknowledged and wins when it is back.",
        "design: authorization, a real OpenFGA server",
        "flow/test_openfga_backend.py::test_a_change_made_while_the_server_is_gone_is_not_acknowledged_and_wins_when_it_is_back",
    ),
    Promise(
        "Who a request is stored on the server denies everything until it is deleted.",
        "design: authorization, a real OpenFGA server",
        "flow/test_openfga_backend.py::test_who_a_request_is_stored_on_the_server_denies_everything_until_it_is_deleted",
    ),
    Promise(
        "A rule on arguments keeps the tool listed and denies the call.",
        "design: authorization, rules that narrow",
        "flow/test_rules.py::test_a_rule_on_arguments_keeps_the_tool_listed_and_denies_the_call",
    ),
    Promise(
        "A rule on the network hides tools and denies their calls alike.",
        "design: authorization, rules that narrow",
        "flow/test_rules.py::test_a_rule_on_the_network_hides_tools_and_denies_their_calls_alike",
    ),
    Promise(
        "Explain says what a rule would say of a call from elsewhere.",
        "design: authorization, rules that narrow",
        "flow/test_rules.py::test_explain_says_what_a_rule_would_say_of_a_call_from_elsewhere",
    ),
    Promise(
        "A forwarded address counts for nothing without a trusted proxy.",
        "design: authorization, rules that narrow",
        "flow/test_rules.py::test_a_forwarded_address_counts_for_nothing_without_a_trusted_proxy",
    ),
    Promise(
        "Neither HTTP server believes a forwarded address by itself.",
        "design: authorization, rules that narrow",
        "flow/test_rules.py::test_neither_http_server_believes_a_forwarded_address_by_itself",
    ),
    Promise(
        "A broken rule is named by file and line and the last good set stays.",
        "design: authorization, rules that narrow",
        "flow/test_rules.py::test_a_broken_rule_is_named_by_file_and_line_and_the_last_good_set_stays",
    ),
    Promise(
        "A tool policy asks for scopes and roles.",
        "design: authorization, rules that narrow",
        "flow/test_rules.py::test_a_tool_policy_asks_for_scopes_and_roles",
    ),
    Promise(
        "What is only observed is let through and recorded and a missing consent is not.",
        "design: authorization, rules that narrow",
        "flow/test_rules.py::test_what_is_only_observed_is_let_through_and_recorded_and_a_missing_consent_is_not",
    ),
    Promise(
        "A model is published once and the status says what is missing.",
        "design: authorization, moving between backends",
        "flow/test_moving_relationships.py::test_a_model_is_published_once_and_the_status_says_what_is_missing",
    ),
    Promise(
        "Without a server in the settings there is nothing to move to.",
        "design: authorization, moving between backends",
        "flow/test_moving_relationships.py::test_without_a_server_in_the_settings_there_is_nothing_to_move_to",
    ),
    Promise(
        "A move there says first what it would do and then does exactly that.",
        "design: authorization, moving between backends",
        "flow/test_moving_relationships.py::test_a_move_there_says_first_what_it_would_do_and_then_does_exactly_that",
    ),
    Promise(
        "What only the target has is removed or kept only when told.",
        "design: authorization, moving between backends",
        "flow/test_moving_relationships.py::test_what_only_the_target_has_is_removed_or_kept_only_when_told",
    ),
    Promise(
        "What other systems wrote comes back with the rest and stays.",
        "design: authorization, moving between backends",
        "flow/test_moving_relationships.py::test_what_other_systems_wrote_comes_back_with_the_rest_and_stays",
    ),
    Promise(
        "Who a request is never moves.",
        "design: authorization, moving between backends",
        "flow/test_moving_relationships.py::test_who_a_request_is_never_moves",
    ),
    Promise(
        "A store without our model is neither read nor written.",
        "design: authorization, moving between backends",
        "flow/test_moving_relationships.py::test_a_store_without_our_model_is_neither_read_nor_written",
    ),
    Promise(
        "A server's own endpoint shows its own resources, templates and prompts.",
        "MCP 2026-07-28 server/resources, server/prompts",
        "flow/test_features.py::test_one_endpoint_shows_a_servers_own_names",
    ),
    Promise(
        "Equal URIs and names of two servers are told apart on the endpoint of all.",
        "protocol.md 4.8; MCP 2026-07-28 server/tools, name collisions",
        "flow/test_features.py::test_the_endpoint_of_all_servers_tells_equal_uris_and_names_apart",
    ),
    Promise(
        "A prompt gets its arguments, and names resources as its endpoint does.",
        "MCP 2026-07-28 server/prompts",
        "flow/test_features.py::test_a_prompt_is_got_with_its_arguments_and_its_resources_are_named_as_the_endpoint_does",
    ),
    Promise(
        "Completion is for what the principal may use.",
        "MCP 2026-07-28 server/utilities/completion",
        "flow/test_features.py::test_completion_is_for_what_the_principal_may_use",
    ),
    Promise(
        "Without the right, prompts and resources look as if they did not exist.",
        "design: what is listed is what may be used",
        "flow/test_features.py::test_without_the_grant_nothing_is_listed_and_everything_is_refused_as_if_it_were_not_there",
    ),
    Promise(
        "Every read and prompt is recorded with its decision.",
        "design: audit",
        "flow/test_features.py::test_every_read_and_prompt_is_recorded_with_its_decision",
    ),
    Promise(
        "Nothing of any kind is listed or read before a reviewer said so.",
        "docs: the review of what servers offer",
        "flow/test_catalog_kinds.py::test_nothing_of_any_kind_is_listed_or_read_before_a_reviewer_said_so",
    ),
    Promise(
        "What a reviewer named is listed and read and nothing else.",
        "docs: the review of what servers offer",
        "flow/test_catalog_kinds.py::test_what_a_reviewer_named_is_listed_and_read_and_nothing_else",
    ),
    Promise(
        "A resource is judged by its own risk, switch and rule, in one spelling.",
        "MCP 2026-07-28 server/resources: security; RFC 6570",
        "flow/test_catalog_kinds.py::test_a_resource_is_judged_by_its_own_risk_switch_and_rule",
    ),
    Promise(
        "People see every kind on the command line.",
        "docs: the command line",
        "flow/test_catalog_kinds.py::test_people_see_every_kind_on_the_command_line",
    ),
    Promise(
        "A list that fails is said and what was approved of it stays.",
        "docs: the review of what servers offer",
        "flow/test_catalog_kinds.py::test_a_list_that_fails_is_said_and_what_was_approved_of_it_stays",
    ),
    Promise(
        "The operations of an HTTP API are listed and called as tools.",
        "OpenAPI 3.1 §4.8.10; design §6",
        "flow/test_openapi_upstream.py::test_the_operations_of_an_api_are_listed_and_called",
    ),
    Promise(
        "Arguments of an API operation that do not fit are refused before they leave, as is a slash in a path.",
        "OpenAPI 3.1 §4.8.12; RFC 3986 §3.3",
        "flow/test_openapi_upstream.py::test_arguments_of_an_api_that_do_not_fit_are_refused_before_they_leave",
    ),
    Promise(
        "An operation that cannot be a tool is quarantined with its place in the document.",
        "design §6: what cannot be checked is never offered",
        "flow/test_openapi_upstream.py::test_an_operation_that_cannot_be_a_tool_says_why_and_is_never_offered",
    ),
    Promise(
        "A document that moves an operation to another path suspends its tool.",
        "design §6: definitions are pinned by digest",
        "flow/test_openapi_upstream.py::test_a_document_that_moves_an_operation_suspends_its_tool",
    ),
    Promise(
        "A broken API document changes nothing and names file and JSON Pointer.",
        "design §10; RFC 6901",
        "flow/test_openapi_upstream.py::test_a_document_that_is_broken_changes_nothing_and_says_where",
    ),
    Promise(
        "Every kind of question is answered in every cell.",
        "MCP 2026-07-28 basic/patterns/mrtr; 2025-11-25 client/elicitation, sampling, roots",
        "flow/test_questions.py::test_every_kind_of_question_is_answered_in_every_cell",
    ),
    Promise(
        "Several questions and several rounds end in one answer.",
        "MCP 2026-07-28 basic/patterns/mrtr",
        "flow/test_questions.py::test_several_questions_and_several_rounds_end_in_one_answer",
    ),
    Promise(
        "A refusal of the user is an answer too.",
        "MCP 2025-11-25 client/elicitation",
        "flow/test_questions.py::test_a_refusal_of_the_user_is_an_answer_too",
    ),
    Promise(
        "A prompt may ask as a tool does.",
        "MCP 2026-07-28 basic/patterns/mrtr",
        "flow/test_questions.py::test_a_prompt_may_ask_as_a_tool_does",
    ),
    Promise(
        "Who declared nothing is never asked.",
        "MCP 2026-07-28 basic/patterns/mrtr",
        "flow/test_questions.py::test_who_declared_nothing_is_never_asked",
    ),
    Promise(
        "At a server's own endpoint its question comes as it was put.",
        "design.md §3",
        "flow/test_questions.py::test_at_a_servers_own_endpoint_its_question_comes_as_it_was_put",
    ),
    Promise(
        "The audit names what was asked and what came of it and never the words.",
        "design.md §6",
        "flow/test_questions.py::test_the_audit_names_what_was_asked_and_what_came_of_it_and_never_the_words",
    ),
    Promise(
        "Only the session that is asked answers.",
        "MCP 2025-11-25 basic/transports; 2026-07-28 basic/patterns/mrtr; design §3",
        "flow/test_question_attacks.py::test_only_the_session_that_is_asked_answers",
    ),
    Promise(
        "A late or second answer has no effect.",
        "MCP 2025-11-25 basic/transports; 2026-07-28 basic/patterns/mrtr; design §3",
        "flow/test_question_attacks.py::test_a_late_or_second_answer_has_no_effect",
    ),
    Promise(
        "A misshapen answer is the client's error and the question stays open.",
        "MCP 2025-11-25 basic/transports; 2026-07-28 basic/patterns/mrtr; design §3",
        "flow/test_question_attacks.py::test_a_misshapen_answer_is_the_clients_error_and_the_question_stays_open",
    ),
    Promise(
        "A client's error is the upstream's answer as a code.",
        "MCP 2025-11-25 basic/transports; 2026-07-28 basic/patterns/mrtr; design §3",
        "flow/test_question_attacks.py::test_a_clients_error_is_the_upstreams_answer_as_a_code",
    ),
    Promise(
        "An answer after revocation never reaches the upstream.",
        "MCP 2025-11-25 basic/transports; 2026-07-28 basic/patterns/mrtr; design §3",
        "flow/test_question_attacks.py::test_an_answer_after_revocation_never_reaches_the_upstream",
    ),
    Promise(
        "A retry after revocation ends the call that waits.",
        "MCP 2025-11-25 basic/transports; 2026-07-28 basic/patterns/mrtr; design §3",
        "flow/test_question_attacks.py::test_a_retry_after_revocation_ends_the_call_that_waits",
    ),
    Promise(
        "A waiting call ends with the right to it even when nobody comes back.",
        "MCP 2025-11-25 basic/transports; 2026-07-28 basic/patterns/mrtr; design §3",
        "flow/test_question_attacks.py::test_a_waiting_call_ends_with_the_right_to_it_even_when_nobody_comes_back",
    ),
    Promise(
        "The state of a waiting call is good once for its own client.",
        "MCP 2025-11-25 basic/transports; 2026-07-28 basic/patterns/mrtr; design §3",
        "flow/test_question_attacks.py::test_the_state_of_a_waiting_call_is_good_once_for_its_own_client",
    ),
    Promise(
        "A retry without the answers is asked again.",
        "MCP 2025-11-25 basic/transports; 2026-07-28 basic/patterns/mrtr; design §3",
        "flow/test_question_attacks.py::test_a_retry_without_the_answers_is_asked_again",
    ),
    Promise(
        "Misshapen answers of a modern client are its own error.",
        "MCP 2025-11-25 basic/transports; 2026-07-28 basic/patterns/mrtr; design §3",
        "flow/test_question_attacks.py::test_misshapen_answers_of_a_modern_client_are_its_own_error",
    ),
    Promise(
        "Each round is on record with what was asked and answered.",
        "MCP 2025-11-25 basic/transports; 2026-07-28 basic/patterns/mrtr; design §3",
        "flow/test_question_attacks.py::test_each_round_is_on_record_with_what_was_asked_and_answered",
    ),
    Promise(
        "Progress goes to the request that waits with its own token.",
        "MCP 2025-11-25 basic/transports; 2026-07-28 basic/patterns/mrtr; design §3",
        "flow/test_question_attacks.py::test_progress_goes_to_the_request_that_waits_with_its_own_token",
    ),
    Promise(
        "A legacy client that vanishes is not waited for.",
        "MCP 2025-11-25 basic/transports; 2026-07-28 basic/patterns/mrtr; design §3",
        "flow/test_question_attacks.py::test_a_legacy_client_that_vanishes_is_not_waited_for",
    ),
    Promise(
        "A cancelled call takes its question back.",
        "MCP 2025-11-25 basic/transports; 2026-07-28 basic/patterns/mrtr; design §3",
        "flow/test_question_attacks.py::test_a_cancelled_call_takes_its_question_back",
    ),
    Promise(
        "A modern client that leaves while it waits cancels the call.",
        "MCP 2025-11-25 basic/transports; 2026-07-28 basic/patterns/mrtr; design §3",
        "flow/test_question_attacks.py::test_a_modern_client_that_leaves_while_it_waits_cancels_the_call",
    ),
    Promise(
        "Only so many calls of one principal wait for their client.",
        "MCP 2025-11-25 basic/transports; 2026-07-28 basic/patterns/mrtr; design §3",
        "flow/test_question_attacks.py::test_only_so_many_calls_of_one_principal_wait_for_their_client",
    ),
    Promise(
        "Two hundred questions at once each reach their own client.",
        "MCP 2025-11-25 basic/transports; 2026-07-28 basic/patterns/mrtr; design §3",
        "flow/test_question_attacks.py::test_two_hundred_questions_at_once_each_reach_their_own_client",
    ),
    Promise(
        "A gateway that stops ends the calls nobody will come back for.",
        "MCP 2025-11-25 basic/transports; 2026-07-28 basic/patterns/mrtr; design §3",
        "flow/test_question_attacks.py::test_a_gateway_that_stops_ends_the_calls_nobody_will_come_back_for",
    ),
    Promise(
        "An upstream that asks without end is stopped for a legacy client.",
        "MCP 2026-07-28 basic/patterns/mrtr; design §10",
        "flow/test_odd_questions.py::test_an_upstream_that_asks_without_end_is_stopped_for_a_legacy_client",
    ),
    Promise(
        "An upstream that only wants time is called again.",
        "MCP 2026-07-28 basic/patterns/mrtr; design §10",
        "flow/test_odd_questions.py::test_an_upstream_that_only_wants_time_is_called_again",
    ),
    Promise(
        "A client that declared nothing may still come back later.",
        "MCP 2026-07-28 basic/patterns/mrtr; design §10",
        "flow/test_odd_questions.py::test_a_client_that_declared_nothing_may_still_come_back_later",
    ),
    Promise(
        "An upstream's state comes back byte for byte up to a bound.",
        "MCP 2026-07-28 basic/patterns/mrtr; design §10",
        "flow/test_odd_questions.py::test_an_upstreams_state_comes_back_byte_for_byte_up_to_a_bound",
    ),
    Promise(
        "What is no question is the upstream's fault.",
        "MCP 2026-07-28 basic/patterns/mrtr; design §10",
        "flow/test_odd_questions.py::test_what_is_no_question_is_the_upstreams_fault",
    ),
    Promise(
        "An undeclared question names the capability and is not repeated.",
        "MCP 2026-07-28 basic/patterns/mrtr; design §10",
        "flow/test_odd_questions.py::test_an_undeclared_question_names_the_capability_and_is_not_repeated",
    ),
    Promise(
        "A refused question ends a legacy client's call.",
        "MCP 2026-07-28 basic/patterns/mrtr; design §10",
        "flow/test_odd_questions.py::test_a_refused_question_ends_a_legacy_clients_call",
    ),
    Promise(
        "A resource may ask before it is read.",
        "MCP 2026-07-28 basic/patterns/mrtr",
        "flow/test_odd_questions.py::test_a_resource_may_ask_before_it_is_read",
    ),
    Promise(
        "A page an older server wants visited is a question to a modern client.",
        "MCP 2026-07-28 basic/patterns/mrtr; design §10",
        "flow/test_odd_questions.py::test_a_page_an_older_server_wants_visited_is_a_question_to_a_modern_client",
    ),
    Promise(
        "Who cannot visit pages is told what is missing.",
        "MCP 2026-07-28 basic/patterns/mrtr; design §10",
        "flow/test_odd_questions.py::test_who_cannot_visit_pages_is_told_what_is_missing",
    ),
    Promise(
        "A state is good for its own request and holds the upstream's out of sight.",
        "MCP 2026-07-28 basic/patterns/mrtr",
        "flow/test_questions.py::test_a_state_is_good_for_its_own_request_and_holds_the_upstreams_out_of_sight",
    ),
    Promise(
        "Answers that nobody asked for are the upstream's to judge.",
        "MCP 2026-07-28 basic/patterns/mrtr",
        "flow/test_questions.py::test_answers_that_nobody_asked_for_are_the_upstreams_to_judge",
    ),
    Promise(
        "A task asks only what its client declared and says which server asks.",
        "MCP Tasks extension; 2026-07-28 basic/patterns/mrtr",
        "flow/test_questions.py::test_a_task_asks_only_what_its_client_declared_and_says_which_server_asks",
    ),
    Promise(
        "A server of the oldest HTTP transport works whether its entry says so or not.",
        "MCP 2025-11-25 basic/transports, backwards compatibility",
        "e2e/test_old_transport.py::test_a_server_of_the_oldest_transport_is_listed_and_called",
    ),
    Promise(
        "What no list has is read by whoever was handed a link to it, and nobody else.",
        "protocol.md 4.8; MCP 2026-07-28 server/tools, resource links",
        "flow/test_links.py::test_what_no_list_has_is_read_by_whoever_was_handed_the_link_and_nobody_else",
    ),
    Promise(
        "A link carries its server on the endpoint of all; a web address stays one.",
        "protocol.md 4.8",
        "flow/test_links.py::test_on_the_endpoint_of_all_servers_a_link_carries_its_server_and_a_web_address_stays_one",
    ),
    Promise(
        "A link is worth no more than the right to the call that gave it.",
        "design: one decision function for read",
        "flow/test_links.py::test_a_link_is_worth_no_more_than_the_right_to_the_call_that_gave_it",
    ),
    Promise(
        "A link reads nothing that is switched off by name, whatever its scheme.",
        "design: one decision function for read",
        "flow/test_links.py::test_a_link_reads_nothing_that_is_switched_off_by_name_whatever_its_scheme",
    ),
    Promise(
        "Ten thousand calls of two hundred clients with one request id are never mixed up.",
        "JSON-RPC 2.0 section 4; MCP 2026-07-28 basic/index, request ids",
        "flow/test_crosstalk.py::test_ten_thousand_calls_of_two_hundred_clients_with_one_id_are_never_mixed_up",
    ),
    Promise(
        "A task is followed to its result under a handle of the gateway's own.",
        "Tasks extension (SEP-2663); design: sealed task ids",
        "flow/test_tasks.py::test_a_task_is_followed_to_its_result_under_a_handle_of_ours",
    ),
    Promise(
        "A task is worth no more than the right to the call that began it.",
        "Tasks extension: authorization checks on each task-related request",
        "flow/test_tasks.py::test_a_task_is_worth_no_more_than_the_right_to_its_call",
    ),
    Promise(
        "A task whose arguments no handle holds is refused where a rule reads them.",
        "design: unknown denies",
        "flow/test_tasks.py::test_a_task_whose_arguments_no_handle_holds_is_refused_where_a_rule_reads_them",
    ),
    Promise(
        "Readiness and liveness answer by whatever host name they are asked.",
        "design 10: failure behaviour",
        "flow/test_health.py::test_a_running_gateway_is_ready_by_whatever_name_it_is_asked",
    ),
    Promise(
        "An upstream that is down is no reason not to be ready.",
        "design 10: failure behaviour",
        "flow/test_health.py::test_an_upstream_that_is_down_is_no_reason_not_to_be_ready",
    ),
    Promise(
        "A gateway that cannot record is not ready, and is again when it can.",
        "design 10: audit cannot be written",
        "flow/test_health.py::test_a_gateway_that_cannot_record_is_not_ready_and_is_again_when_it_can",
    ),
    Promise(
        "Told to stop, a gateway refuses the new and finishes what is under way.",
        "design 10: failure behaviour",
        "flow/test_health.py::test_told_to_stop_it_refuses_the_new_and_finishes_what_is_under_way",
    ),
    Promise(
        "At ten times its capacity a gateway refuses whoever sends most first, has that on record, and recovers.",
        "design 3: limits and overload",
        "flow/test_overload.py::test_at_ten_times_its_capacity_it_refuses_whoever_sends_most_first_and_recovers",
    ),
    Promise(
        "A gateway that is well is well to doctor, stopped and running.",
        "design 10: bad input of any kind",
        "flow/test_doctor.py::test_a_gateway_that_is_well_is_well_stopped_and_running",
    ),
    Promise(
        "Doctor names each thing that is wrong with what to do.",
        "design 10: bad input of any kind",
        "flow/test_doctor.py::test_each_thing_that_is_wrong_is_named_with_what_to_do",
    ),
    Promise(
        "Doctor finds a changed record, a damaged store and a stranger on the port.",
        "design 10: bad input of any kind",
        "flow/test_doctor.py::test_a_changed_record_a_damaged_store_and_a_stranger_on_the_port_are_found",
    ),
    Promise(
        "Doctor names a configuration that is wrong in any way, without a traceback.",
        "design 10: bad input of any kind",
        "flow/test_doctor.py::test_a_configuration_that_is_wrong_in_any_way_is_named",
    ),
    Promise(
        "Doctor names an issuer that cannot be reached.",
        "design 10: bad input of any kind",
        "flow/test_doctor.py::test_an_issuer_that_cannot_be_reached_is_named",
    ),
    Promise(
        "Before the first start doctor says what comes next, and makes nothing.",
        "design 10: bad input of any kind",
        "flow/test_doctor.py::test_before_the_first_start_it_says_what_comes_next",
    ),
    Promise(
        "A traced call is one tree from its client's trace to what its upstream is told, over HTTP and stdio.",
        "N39, N172; MCP 2026-07-28 basic/index, trace context (SEP-414)",
        "flow/test_traces.py::test_a_call_is_one_tree_from_its_client_to_its_upstream",
    ),
    Promise(
        "The audit of a running gateway, and of the commands beside it, is covered by signed checkpoints and verifies.",
        "proof: the record unbreakable; reference/security.md 4.3",
        "flow/test_audit_proof.py::test_a_running_gateway_covers_its_records_and_those_of_commands",
    ),
    Promise(
        "A past that was cut off here shows by the second place, to an auditor and to the gateway.",
        "proof: the record unbreakable; reference/security.md 4.3",
        "flow/test_audit_proof.py::test_a_past_that_was_cut_off_here_shows_by_the_second_place",
    ),
    Promise(
        "Second places that are away are loud, hold up nothing and get every checkpoint in order.",
        "proof: the record unbreakable",
        "flow/test_audit_proof.py::test_second_places_that_are_away_are_loud_hold_up_nothing_and_get_everything_in_order",
    ),
    Promise(
        "Checkpoints that cannot be made are loud and stop no call.",
        "design 10: failure behaviour",
        "flow/test_audit_proof.py::test_checkpoints_that_cannot_be_made_are_loud_and_stop_no_call",
    ),
    Promise(
        "What a killed gateway wrote is covered by the next start's first checkpoint.",
        "design 10: kill -9 at any time",
        "flow/test_audit_proof.py::test_after_a_kill_the_next_start_covers_what_the_last_one_wrote",
    ),
    Promise(
        "One record is proven to somebody who has only the proof and the key.",
        "proof: inclusion proofs",
        "flow/test_audit_proof.py::test_one_record_is_proven_to_somebody_who_has_only_the_key",
    ),
    Promise(
        "A rotated key goes on from the one before, and either verifies.",
        "proof: the record unbreakable",
        "flow/test_audit_proof.py::test_a_rotated_key_goes_on_from_the_one_before",
    ),
    Promise(
        "Quiet traffic fires no alert.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_quiet_traffic_fires_no_alert",
    ),
    Promise(
        "Many denials fire the deny alerts.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_many_denials_fire_the_deny_alerts",
    ),
    Promise(
        "Denials that are usual fire no alert.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_denials_that_are_usual_fire_no_alert",
    ),
    Promise(
        "Many registrations fire the registration alert.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_many_registrations_fire_the_registration_alert",
    ),
    Promise(
        "Many wrong passwords fire the sign in alert.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_many_wrong_passwords_fire_the_sign_in_alert",
    ),
    Promise(
        "Many bad tokens fire the token alert though the audit does not tell each.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_many_bad_tokens_fire_the_token_alert_though_the_audit_does_not_tell_each",
    ),
    Promise(
        "A new grant fires whoever gives it.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_a_new_grant_fires_whoever_gives_it",
    ),
    Promise(
        "The first use of a destructive tool fires two alerts and its second use one.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_the_first_use_of_a_destructive_tool_fires_two_alerts_and_its_second_use_one",
    ),
    Promise(
        "A first use stays known over a restart and in another process.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_a_first_use_stays_known_over_a_restart_and_in_another_process",
    ),
    Promise(
        "Far more calls than ever fire the volume alert.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_far_more_calls_than_ever_fire_the_volume_alert",
    ),
    Promise(
        "An audit that is deleted fires the audit alert.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_an_audit_that_is_deleted_fires_the_audit_alert",
    ),
    Promise(
        "A process that stands still fires the lag alert.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_a_process_that_stands_still_fires_the_lag_alert",
    ),
    Promise(
        "A backend that is slow or silent and a server that is gone fire their alerts.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_a_backend_that_is_slow_or_silent_and_a_server_that_is_gone_fire_their_alerts",
    ),
    Promise(
        "A copy that hears nothing and a gateway that is gone fire their alerts.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_a_copy_that_hears_nothing_and_a_gateway_that_is_gone_fire_their_alerts",
    ),
    Promise(
        "Every alert was fired.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_every_alert_was_fired",
    ),
    Promise(
        "A trace begins where the client names none, and names no user or agent unless that is set.",
        "N39, N114; design: no secret or value in telemetry",
        "flow/test_traces.py::test_without_a_trace_of_the_client_one_begins_and_the_upstream_hears_of_it",
    ),
    Promise(
        "A trace in HTTP headers counts where the message has none; baggage stays here.",
        "MCP 2026-07-28 basic/index (SEP-414); OpenTelemetry conventions for MCP",
        "flow/test_traces.py::test_the_headers_count_where_the_message_says_nothing",
    ),
    Promise(
        "A denial is in the trace with its reason, and no upstream is.",
        "N39; N172",
        "flow/test_traces.py::test_a_denial_is_in_the_trace_with_its_reason_and_asks_no_upstream",
    ),
    Promise(
        "A failing tool, an upstream's error and a streamed answer are told apart in a trace.",
        "OpenTelemetry conventions for MCP: error.type",
        "flow/test_traces.py::test_a_failing_tool_and_a_streamed_answer_are_seen_as_what_they_are",
    ),
    Promise(
        "A call that its client left is traced to its end.",
        "N39; MCP 2026-07-28 patterns/cancellation",
        "flow/test_traces.py::test_a_call_its_client_left_is_traced_to_its_end",
    ),
    Promise(
        "Lists and refused tokens are traced; a stranger's trace is not joined.",
        "N39; W3C Trace Context 4, privacy and security",
        "flow/test_traces.py::test_a_list_and_a_refused_token_have_spans_of_their_own",
    ),
    Promise(
        "No trace context a client can think of breaks its call.",
        "W3C Trace Context 3; design 10: bad input of any kind",
        "flow/test_traces.py::test_no_trace_a_client_can_think_of_breaks_its_call",
    ),
    Promise(
        "While tracing is off a valid trace is passed on as it is, an invalid one is not.",
        "N172; W3C Trace Context 3",
        "flow/test_traces.py::test_while_tracing_is_off_a_trace_is_passed_on_as_it_is",
    ),
    Promise(
        "A linked trace is not joined; spans name people only where set; a hanging collector hurts no call.",
        "N39; W3C Trace Context 4, privacy and security",
        "flow/test_traces.py::test_a_linked_trace_is_not_joined_people_are_named_where_set_and_a_hanging_collector_hurts_no_call",
    ),
    Promise(
        "The trace of a request reaches its upstream in every transport, in _meta and in headers.",
        "N172; MCP 2026-07-28 basic/index, trace context (SEP-414)",
        "contract/test_upstream_transports.py::test_the_trace_of_a_request_reaches_the_upstream_in_every_way_there_is",
    ),
    Promise(
        "A copy of the audit that is behind fires the sink alert.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_a_copy_of_the_audit_that_is_behind_fires_the_sink_alert",
    ),
    Promise(
        "Checkpoints that are not made or not brought fire their alerts.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_checkpoints_that_are_not_made_or_not_brought_fire_their_alerts",
    ),
    Promise(
        "More requests than the process may have fire the shedding alert.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_more_requests_than_the_process_may_have_fire_the_shedding_alert",
    ),
    Promise(
        "Every metric that is described was on a real page.",
        "requirements N118, N119, N121, N122, N123, N173: alerts",
        "flow/test_alerts.py::test_every_metric_that_is_described_was_on_a_real_page",
    ),
    Promise(
        "With a token metrics are for its holder, and never on the address of clients.",
        "docs/operations.md: metrics",
        "flow/test_metrics.py::test_with_a_token_metrics_are_for_its_holder_and_never_on_the_clients_address",
    ),
    Promise(
        "An address of metrics that is taken and a token others can read end the start.",
        "docs/operations.md: metrics",
        "flow/test_metrics.py::test_an_address_that_is_taken_and_a_token_others_can_read_end_the_start",
    ),
)
