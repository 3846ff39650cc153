//! The list.

use super::{Bug, Check, Flaw, Place};

/// The bugs, each with what finds it.
pub const BUGS: &[Bug] = &[
    Bug {
        name: "commit_relaxed",
        flaw: Flaw::Relaxed,
        place: place!("ring/publish.rs", "fn store(", ".store("),
        found_by: &[Check::Model(
            "ring::tests::loom_publish::loom_commit_publishes_payload",
            "Causality violation",
        )],
    },
    Bug {
        name: "commit_by_store",
        flaw: Flaw::Stored,
        place: place!("ring/publish_shared.rs", "fn swap(", ".compare_exchange("),
        found_by: &[Check::Model(
            "ring::tests::loom_publish_shared::loom_two_publishers_make_one_order",
            "Corrupted",
        )],
    },
    Bug {
        name: "commit_swap_relaxed",
        flaw: Flaw::Relaxed,
        place: place!("ring/publish_shared.rs", "fn swap(", ".compare_exchange("),
        found_by: &[
            Check::Model(
                "ring::tests::loom_publish_shared::loom_second_message_after_a_look_is_whole",
                "Causality violation",
            ),
            Check::Model(
                "ring::tests::loom_vanish_publisher::loom_chunks_of_a_publisher_that_vanished_are_found",
                "assertion `left == right` failed",
            ),
        ],
    },
    Bug {
        name: "gate_looks_relaxed",
        flaw: Flaw::Relaxed,
        place: place!("ring/gate.rs", "fn cursor_of(", ".load("),
        found_by: &[Check::Model(
            "ring::tests::loom_gate::loom_cached_gate_keeps_the_publisher_off_what_is_being_read",
            "Causality violation",
        )],
    },
    Bug {
        name: "gate_does_not_look",
        flaw: Flaw::LeftOut,
        place: place!("ring/gate.rs", "fn cursor_of(", ".load("),
        found_by: &[
            Check::Model(
                "ring::tests::loom_gate::loom_gate_keeps_the_publisher_off_what_is_being_read",
                "is corrupted",
            ),
            Check::Process(
                "reap::a_stopped_subscriber_is_alive_and_waited_for",
                "panicked",
            ),
        ],
    },
    Bug {
        name: "cursor_moved_early",
        flaw: Flaw::Plus(1 << 16),
        place: place!("ring/cursor.rs", "fn store_cursor(", ".store(word.0"),
        found_by: &[Check::Model(
            "ring::tests::loom_gate::loom_gate_keeps_the_publisher_off_what_is_being_read",
            "is corrupted",
        )],
    },
    Bug {
        name: "overtaken_by_store",
        flaw: Flaw::Stored,
        place: place!(
            "ring/gate.rs",
            "fn overtake_if_in_the_way(",
            ".compare_exchange("
        ),
        found_by: &[Check::Model(
            "ring::tests::loom_cursor::loom_held_message_is_not_written",
            "Causality violation",
        )],
    },
    Bug {
        name: "pinned_by_store",
        flaw: Flaw::Stored,
        place: place!("ring/cursor.rs", "fn swap_word(", ".compare_exchange("),
        found_by: &[Check::Model(
            "ring::tests::loom_cursor::loom_held_message_is_not_written",
            "is corrupted",
        )],
    },
    Bug {
        name: "limit_raised_past_a_pin",
        flaw: Flaw::Plus(-4),
        place: place!(
            "ring/gate.rs",
            "fn overtake_if_in_the_way(",
            ".compare_exchange("
        ),
        found_by: &[
            Check::Model(
                "ring::tests::loom_cursor::loom_held_message_is_not_written",
                "Causality violation",
            ),
            Check::Process(
                "pins::a_stopped_holder_delays_nobody_and_its_messages_stay",
                "panicked",
            ),
        ],
    },
    Bug {
        name: "evicted_by_store",
        flaw: Flaw::Stored,
        place: place!("ring/gate.rs", "fn evict(", ".compare_exchange("),
        found_by: &[Check::Model(
            "ring::tests::loom_cursor::loom_evicted_subscriber_keeps_what_it_holds",
            "Causality violation",
        )],
    },
    Bug {
        name: "pins_left_behind",
        flaw: Flaw::LeftOut,
        place: place!("ring/cursor.rs", "fn release_pins(", ".store(passed"),
        found_by: &[Check::Model(
            "ring::tests::loom_cursor::loom_pins_given_up_are_gone",
            "assertion `left == right` failed",
        )],
    },
    Bug {
        name: "look_without_fence",
        flaw: Flaw::LeftOut,
        place: place!("ring/gate.rs", "fn raise(", "fence("),
        found_by: &[Check::Model(
            "ring::tests::loom_publish::loom_observer_finds_out_a_torn_copy",
            "assertion `left == right` failed",
        )],
    },
    Bug {
        name: "limit_not_raised",
        flaw: Flaw::LeftOut,
        place: place!("ring/gate.rs", "fn raise(", ".fetch_max("),
        found_by: &[Check::Model(
            "ring::tests::loom_publish_shared::loom_observer_finds_out_a_chunk_written_anew",
            "assertion `left == right` failed",
        )],
    },
    Bug {
        name: "join_without_fence",
        flaw: Flaw::LeftOut,
        place: place!("ring/cursor.rs", "fn attach(", "fence("),
        found_by: &[
            Check::Model(
                "ring::tests::loom_join::loom_reliable_newcomer_at_the_oldest_misses_nothing_after_its_first_message",
                "Causality violation",
            ),
            Check::Model(
                "ring::tests::loom_cursor::loom_passed_subscriber_comes_back_by_the_limit",
                "is corrupted",
            ),
        ],
    },
    Bug {
        name: "join_without_limit_check",
        flaw: Flaw::LeftOut,
        place: place!("ring/tail.rs", "fn find_oldest(", "load_acquire("),
        found_by: &[Check::Model(
            "ring::tests::loom_join::loom_reliable_newcomer_at_the_oldest_misses_nothing_after_its_first_message",
            "is corrupted",
        )],
    },
    Bug {
        name: "intent_not_recorded",
        flaw: Flaw::LeftOut,
        place: place!("ring/publish_shared.rs", "fn swap(", ".store(Intent::new"),
        found_by: &[Check::Model(
            "ring::tests::loom_vanish_publisher::loom_chunks_of_a_publisher_that_vanished_are_found",
            "assertion `left == right` failed",
        )],
    },
    Bug {
        name: "won_not_marked",
        flaw: Flaw::LeftOut,
        place: place!("ring/chunk_list.rs", "fn mark_won(", ".compare_exchange("),
        found_by: &[Check::Model(
            "ring::tests::loom_vanish_publisher::loom_chunks_of_a_publisher_that_vanished_are_found",
            "assertion `left == right` failed",
        )],
    },
    Bug {
        name: "won_looked_for_relaxed",
        flaw: Flaw::Relaxed,
        place: place!("ring/chunk_list.rs", "fn is_in_ring(", ".stamp(seq).load("),
        found_by: &[Check::Model(
            "ring::tests::loom_vanish_publisher::loom_chunks_of_a_publisher_that_vanished_are_found",
            "assertion `left == right` failed",
        )],
    },
    Bug {
        name: "displaced_chunk_lost",
        flaw: Flaw::LeftOut,
        place: place!("ring/chunk_list.rs", "fn recover_swap(", ".store("),
        found_by: &[Check::Model(
            "ring::tests::loom_vanish_publisher::loom_chunks_of_a_publisher_that_vanished_are_found",
            "assertion `left == right` failed",
        )],
    },
    Bug {
        name: "spare_taken_by_store",
        flaw: Flaw::Stored,
        place: place!(
            "ring/chunk_list.rs",
            "pub(crate) fn exchange(",
            ".compare_exchange("
        ),
        found_by: &[Check::Model(
            "ring::tests::loom_publish_shared::loom_spare_is_exchanged_by_one_publisher_at_a_time",
            "Causality violation",
        )],
    },
    Bug {
        name: "cell_taken_by_store",
        flaw: Flaw::Stored,
        place: place!(
            "ring/owner.rs",
            "fn take_from_the_dead(",
            ".compare_exchange("
        ),
        found_by: &[Check::Model(
            "ring::tests::loom_owner::loom_cell_of_the_dead_is_taken_once",
            "is_heeded",
        )],
    },
    Bug {
        name: "cell_not_cleared",
        flaw: Flaw::LeftOut,
        place: place!("ring/owner.rs", "fn clear(", ".store("),
        found_by: &[Check::Model(
            "ring::tests::loom_vanish_subscriber::loom_reliable_subscriber_that_vanishes_is_waited_for_until_it_is_dead",
            "Gate",
        )],
    },
    Bug {
        name: "reap_left_out",
        flaw: Flaw::LeftOut,
        place: place!(
            "ring/owner.rs",
            "fn take_from_the_dead(",
            ".compare_exchange("
        ),
        found_by: &[
            Check::Model(
                "ring::tests::loom_vanish_subscriber::loom_reliable_subscriber_that_vanishes_is_waited_for_until_it_is_dead",
                "on a `None` value",
            ),
            Check::Process(
                "reap::a_dead_subscriber_is_reaped_in_the_publishers_wait",
                "Full",
            ),
        ],
    },
    Bug {
        name: "owner_found_relaxed",
        flaw: Flaw::Relaxed,
        place: place!("ring/owner.rs", "fn take_from_the_dead(", ".load("),
        found_by: &[Check::Model(
            "registry::loom_lease::loom_participant_that_vanishes_is_dead_for_ever_by_its_epoch_alone",
            "assertion `left == right` failed",
        )],
    },
    Bug {
        name: "epoch_reused",
        flaw: Flaw::LeftOut,
        place: place!("registry/slot.rs", "fn begin_lease(", ".store(epoch"),
        found_by: &[Check::Model(
            "registry::loom_lease::loom_participant_that_vanishes_is_dead_for_ever",
            "assertion `left == right` failed",
        )],
    },
    Bug {
        name: "wake_left_out",
        flaw: Flaw::LeftOut,
        place: place!("wait/event.rs", "fn wake(", ".compare_exchange("),
        found_by: &[Check::Model(
            "wait::tests::loom_event::loom_a_sleeper_sees_what_it_was_notified_of",
            "deadlock",
        )],
    },
    Bug {
        name: "rung_without_fence",
        flaw: Flaw::LeftOut,
        place: place!("wait/event.rs", "fn notify_and(", "fence("),
        found_by: &[Check::Model(
            "wait::tests::loom_bell::loom_a_publish_rings_the_bell_of_one_who_asked",
            "deadlock",
        )],
    },
    Bug {
        name: "entered_without_fence",
        flaw: Flaw::LeftOut,
        place: place!("wait/bell.rs", "fn enter(", "fence("),
        found_by: &[Check::Model(
            "wait::tests::loom_bell::loom_a_notifier_that_saw_the_bit_finds_who_came_before_it_clears_it",
            "deadlock",
        )],
    },
    Bug {
        name: "called_without_fence",
        flaw: Flaw::LeftOut,
        place: place!("wait/event.rs", "fn wake(", "fence("),
        found_by: &[Check::Model(
            "wait::tests::loom_bell::loom_a_notifier_that_saw_the_bit_finds_who_came_before_it_clears_it",
            "deadlock",
        )],
    },
    Bug {
        name: "bell_not_marked",
        flaw: Flaw::LeftOut,
        place: place!("wait/bell.rs", "fn ring(", ".fetch_or("),
        found_by: &[Check::Model(
            "wait::tests::loom_bell::loom_a_publish_rings_the_bell_of_one_who_asked",
            "deadlock",
        )],
    },
    Bug {
        name: "not_asked",
        flaw: Flaw::LeftOut,
        place: place!("wait/event.rs", "fn ask(", ".fetch_or("),
        found_by: &[Check::Model(
            "wait::tests::loom_bell::loom_a_publish_rings_the_bell_of_one_who_asked",
            "deadlock",
        )],
    },
    Bug {
        name: "request_for_another",
        flaw: Flaw::Plus(1),
        place: place!("ring/block.rs", "fn write_header_in(", "tag.store("),
        found_by: &[Check::Process(
            "call::others_answer_when_one_server_is_killed",
            "panicked",
        )],
    },
    Bug {
        name: "reply_of_another",
        flaw: Flaw::Plus(1 << 48),
        place: place!("ring/block.rs", "fn write_fields(", ".store(value"),
        found_by: &[Check::Process(
            "call::others_answer_when_one_server_is_killed",
            "panicked",
        )],
    },
    Bug {
        name: "server_not_seen",
        flaw: Flaw::LeftOut,
        place: place!("bus/lease.rs", "fn publisher_owner(", ".load("),
        found_by: &[Check::Process(
            "call::others_answer_when_one_server_is_killed",
            "no server of s lives",
        )],
    },
    Bug {
        name: "torn_value_not_noticed",
        flaw: Flaw::LeftOut,
        place: place!("ring/observe.rs", "fn is_intact(", ".load("),
        found_by: &[Check::Model(
            "ring::tests::loom_publish::loom_observer_finds_out_a_torn_copy",
            "assertion `left == right` failed",
        )],
    },
    Bug {
        name: "current_value_not_found",
        flaw: Flaw::LeftOut,
        place: place!("ring/tail.rs", "fn is_published(", "load_acquire("),
        found_by: &[Check::Process(
            "blackboard::the_value_outlives_its_publisher_whole",
            "panicked",
        )],
    },
];
