//! No panic crosses the border, wherever it begins.

use std::ptr::{null, null_mut};

use crate::code::Code;
use crate::guard::tests::plan_panic;
use crate::{
    attribute::*, bus::*, client::*, dispatcher::*, handler::*, library::*, loan::*, multi::*,
    observer::*, publisher::*, reading::*, report::*, server::*, subscriber::*, topic::*,
    wait_set::*, watch::*,
};

/// What can neither fail nor panic, and returns no code.
const PLAIN: [&str; 4] = [
    "ringbus_last_error",
    "ringbus_open_handles",
    "ringbus_strerror",
    "ringbus_version",
];

/// Calls each function so that it panics at once, and gives the names of all.
macro_rules! panicking {
    ($($function:ident($($argument:expr),*);)+) => {{
        $(
            plan_panic();
            // SAFETY: every pointer is NULL, as the contract of the crate allows.
            let code = unsafe { $function($($argument),*) };
            assert_eq!(code, Code::Panicked, stringify!($function));
        )+
        vec![$(stringify!($function)),+]
    }};
}

#[test]
fn panic_in_any_function_becomes_a_code() {
    let start = RawStart {
        kind: RINGBUS_START_LATEST,
        reserved: 0,
        value: 0,
    };
    let mut called = panicking! {
        ringbus_last_failure(null_mut());
        ringbus_now(null_mut());
        ringbus_pattern_matches(null(), null(), null_mut());
        ringbus_policy_matches(null(), null(), 0, null_mut());
        ringbus_bus_open(null(), null(), null_mut());
        ringbus_bus_close(null_mut());
        ringbus_bus_name(null(), null_mut());
        ringbus_bus_path(null(), null_mut());
        ringbus_bus_id(null(), null_mut());
        ringbus_bus_access(null(), null_mut(), null_mut());
        ringbus_bus_remove(null(), null(), 0);
        ringbus_bus_gc(null(), null_mut());
        ringbus_bus_destroy(null(), null());
        ringbus_bus_topics(null(), null_mut(), null_mut());
        ringbus_bus_participants(null(), null_mut(), null_mut());
        ringbus_bus_names(null(), null_mut(), null_mut());
        ringbus_topic_open(null(), null(), null(), null_mut());
        ringbus_topic_create(null(), null(), null(), null_mut());
        ringbus_topic_open_or_create(null(), null(), null(), null_mut());
        ringbus_topic_close(null_mut());
        ringbus_topic_is_removed(null(), null_mut());
        ringbus_topic_describe(null(), null_mut());
        ringbus_publisher_open(null(), null_mut());
        ringbus_publisher_close(null_mut());
        ringbus_publish(null_mut(), null(), 0, 0, null_mut());
        ringbus_publish_with(null_mut(), null(), 0, 0, 0, 0, null_mut());
        ringbus_publish_message(null_mut(), null(), 0, null_mut());
        ringbus_publish_batch(null_mut(), null(), 0, 0, null_mut());
        ringbus_publish_array(null_mut(), null(), 0, 0, 0, null_mut());
        ringbus_publisher_wait_subscribers(null_mut(), 0, 0);
        ringbus_publisher_id(null_mut(), null_mut());
        ringbus_publisher_published(null_mut(), null_mut());
        ringbus_loan_open(null_mut(), 0, 0, null_mut());
        ringbus_loan_commit(null_mut(), null_mut(), 0, null_mut());
        ringbus_loan_set_attributes(null_mut(), null(), null(), 0);
        ringbus_loan_abort(null_mut(), null_mut());
        ringbus_run_open(null_mut(), 0, 0, null_mut());
        ringbus_run_payload(null_mut(), null(), 0, null_mut());
        ringbus_run_commit(null_mut(), null_mut(), null_mut());
        ringbus_run_abort(null_mut(), null_mut());
        ringbus_subscriber_open(null(), null(), null_mut());
        ringbus_subscriber_close(null_mut());
        ringbus_subscriber_poll(null_mut(), null_mut());
        ringbus_subscriber_poll_batch(null_mut(), null_mut(), 0, null_mut());
        ringbus_subscriber_latest(null_mut(), null_mut());
        ringbus_subscriber_time(null_mut(), 0, null_mut());
        ringbus_subscriber_attributes(null_mut(), 0, null_mut(), 0, null_mut());
        ringbus_subscriber_attribute(null_mut(), 0, null(), null_mut());
        ringbus_subscriber_wait(null_mut(), 0);
        ringbus_subscriber_release(null_mut());
        ringbus_subscriber_seek(null_mut(), start);
        ringbus_subscriber_cursor(null_mut(), null_mut());
        ringbus_subscriber_lag(null_mut(), null_mut());
        ringbus_subscriber_lagged(null_mut(), null_mut());
        ringbus_subscriber_skipped(null_mut(), null_mut());
        ringbus_subscriber_held(null_mut(), null_mut());
        ringbus_observer_open(null(), start, null_mut());
        ringbus_observer_close(null_mut());
        ringbus_observer_poll(null_mut(), null_mut());
        ringbus_observer_latest(null_mut(), null_mut());
        ringbus_observer_current(null_mut(), null_mut());
        ringbus_observer_changed_since(null_mut(), 0, null_mut());
        ringbus_observer_time(null_mut(), 0, null_mut());
        ringbus_observer_attributes(null_mut(), 0, null_mut(), 0, null_mut());
        ringbus_observer_attribute(null_mut(), 0, null(), null_mut());
        ringbus_observer_wait(null_mut(), 0);
        ringbus_observer_cursor(null_mut(), null_mut());
        ringbus_observer_lag(null_mut(), null_mut());
        ringbus_observer_lagged(null_mut(), null_mut());
        ringbus_wait_set_open(null(), null_mut());
        ringbus_wait_set_close(null_mut());
        ringbus_wait_set_add(null(), null_mut(), 0);
        ringbus_wait_set_add_fd(null(), -1, 0);
        ringbus_wait_set_remove(null(), 0);
        ringbus_wait_set_wait(null(), 0, 0, null_mut(), null_mut());
        ringbus_wait_set_interrupt(null());
        ringbus_wait_set_fd(null(), null_mut());
        ringbus_multi_subscriber_open(null(), null(), 0, null(), null_mut());
        ringbus_multi_subscriber_close(null_mut());
        ringbus_multi_subscriber_poll(null_mut(), null_mut());
        ringbus_multi_subscriber_wait(null_mut(), 0);
        ringbus_multi_subscriber_release(null_mut());
        ringbus_multi_subscriber_attributes(null_mut(), null_mut(), 0, null_mut());
        ringbus_multi_subscriber_attribute(null_mut(), null(), null_mut());
        ringbus_multi_subscriber_topics(null_mut(), null_mut(), null_mut());
        ringbus_multi_subscriber_lagged(null_mut(), null_mut());
        ringbus_dispatcher_open(null(), null(), 0, null(), null_mut());
        ringbus_dispatcher_close(null_mut());
        ringbus_dispatcher_run(null(), 0);
        ringbus_dispatcher_drain(null(), null_mut());
        ringbus_dispatcher_stop(null(), null_mut());
        ringbus_dispatcher_dispatched(null(), null_mut());
        ringbus_handler_attributes(null_mut(), 0, null_mut());
        ringbus_handler_attribute(null(), null_mut());
        ringbus_client_open(null(), null(), null(), null_mut());
        ringbus_client_close(null_mut());
        ringbus_client_call(null_mut(), null(), 0, 0, null_mut());
        ringbus_client_send(null_mut(), null(), 0, 0, null_mut());
        ringbus_client_send_to_all(null_mut(), null(), 0, 0, null_mut());
        ringbus_client_next(null_mut(), 0, 0, null_mut());
        ringbus_client_gather(null_mut(), null(), 0, 0, null_mut(), null_mut());
        ringbus_client_cancel(null_mut(), 0);
        ringbus_client_servers(null_mut(), null_mut());
        ringbus_server_open(null(), null(), null(), null_mut());
        ringbus_server_close(null_mut());
        ringbus_server_id(null_mut(), null_mut());
        ringbus_server_poll(null_mut(), null_mut());
        ringbus_server_wait(null_mut(), 0);
        ringbus_server_send(null_mut(), 0, null(), 0);
        ringbus_server_reply(null_mut(), 0, null(), 0);
        ringbus_server_finish(null_mut(), 0);
        ringbus_server_fail(null_mut(), 0, null());
        ringbus_watch_open(null(), null_mut());
        ringbus_watch_close(null_mut());
        ringbus_watch_next(null_mut(), 0, null_mut());
    };
    called.extend(PLAIN);
    called.sort_unstable();
    let committed = include_str!("../symbols.txt").lines();
    let committed: Vec<&str> = committed.filter(|line| !line.starts_with('#')).collect();
    assert_eq!(called, committed);
}

#[test]
fn sizes_are_those_of_the_policy() {
    use crate::{
        attribute, bus, client, dispatcher, failure, filter, handler, loan, message, multi,
        publisher, report, server, service, subscriber, topic, watch,
    };
    let sizes = [
        ("bus_options", size_of::<bus::BusOptions>()),
        ("topic_options", size_of::<topic::TopicOptions>()),
        (
            "subscriber_options",
            size_of::<subscriber::SubscriberOptions>(),
        ),
        ("filter", size_of::<filter::RawFilter>()),
        ("failure", size_of::<failure::FailureFacts>()),
        ("message", size_of::<message::RawMessage>()),
        ("outgoing", size_of::<publisher::Outgoing>()),
        ("attribute", size_of::<attribute::RawAttribute>()),
        ("loan", size_of::<loan::RawLoan>()),
        ("run", size_of::<loan::RawRun>()),
        ("start", size_of::<subscriber::RawStart>()),
        ("collected", size_of::<bus::Collected>()),
        ("topic_info", size_of::<report::RawTopicInfo>()),
        ("publisher_info", size_of::<report::RawPublisherInfo>()),
        ("subscriber_info", size_of::<report::RawSubscriberInfo>()),
        ("participant_info", size_of::<report::RawParticipantInfo>()),
        ("topic_event", size_of::<watch::RawTopicEvent>()),
        ("type", size_of::<service::RawType>()),
        ("client_options", size_of::<client::ClientOptions>()),
        ("reply", size_of::<client::RawReply>()),
        ("server_options", size_of::<server::ServerOptions>()),
        ("request", size_of::<server::RawRequest>()),
        ("handler", size_of::<handler::RawHandler>()),
        ("trouble", size_of::<handler::RawTrouble>()),
        (
            "dispatcher_options",
            size_of::<dispatcher::DispatcherOptions>(),
        ),
        ("dispatched", size_of::<dispatcher::RawDispatched>()),
        ("multi_options", size_of::<multi::RawMultiOptions>()),
        ("multi_message", size_of::<multi::RawMultiMessage>()),
        ("multi_topic", size_of::<multi::RawMultiTopic>()),
    ];
    let policy = include_str!("../ABI.md");
    for (name, size) in sizes {
        let row = format!("| `ringbus_{name}` | {size} |");
        assert!(policy.contains(&row), "ABI.md does not say: {row}");
    }
}
