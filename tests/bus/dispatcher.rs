//! Handlers that are called with messages.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ringbus::{MultiError, TroubleKind};

use crate::support::TestBus;

#[test]
fn each_handler_gets_what_its_pattern_matches_in_order() {
    let bus = TestBus::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |who: &'static str| {
        let seen = Arc::clone(&seen);
        move |message: &ringbus::MultiMessage<'_, [u8]>| {
            let mut seen = seen.lock().unwrap();
            seen.push((who, message.topic().to_string(), message.sequence()));
            Ok(())
        }
    };
    let builder = bus
        .dispatcher()
        .on("a/*", note("all"))
        .on("a/x", note("x"))
        .on("b", note("b"));
    let mut dispatcher = builder.join().unwrap();
    let topic = bus.topic("a/x").create().unwrap();
    topic
        .publisher()
        .unwrap()
        .publish_batch([&b"1"[..], b"2"])
        .unwrap();
    assert_eq!(dispatcher.drain().unwrap(), 2);
    assert_eq!(dispatcher.drain().unwrap(), 0);
    let x = || "a/x".to_owned();
    let expected = [
        ("all", x(), 0),
        ("x", x(), 0),
        ("all", x(), 1),
        ("x", x(), 1),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
    assert_eq!(dispatcher.dispatched().handled, 4);
}

#[test]
fn errors_and_panics_are_contained_counted_and_told() {
    let bus = TestBus::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let handled = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&handled);
    let mut dispatcher = bus
        .dispatcher()
        .on("t", |message| match message[0] {
            b'p' => panic!("on {}", message.sequence()),
            b'e' => Err("no e".into()),
            _ => Ok(()),
        })
        .on("t", move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .on_trouble(move |trouble| {
            tell.lock().unwrap().push(trouble.to_string());
            assert!(
                !matches!(trouble.kind, TroubleKind::Panicked { .. }),
                "a bad teller"
            );
        })
        .join()
        .unwrap();
    let publisher = bus.topic("t").create().unwrap().publisher().unwrap();
    publisher.publish_batch([&b"p"[..], b"ok", b"e"]).unwrap();
    dispatcher.drain().unwrap();
    let done = dispatcher.dispatched();
    // One panic of the handler, one of the teller.
    assert_eq!(
        (done.messages, done.handled, done.failed, done.panicked),
        (3, 4, 1, 2)
    );
    assert_eq!(handled.load(Ordering::Relaxed), 3);
    let expected = [
        "t 0: the handler of t panicked: on 0",
        "t 2: the handler of t failed: no e",
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[test]
fn losses_are_counted_and_told() {
    let bus = TestBus::new();
    let mut dispatcher = bus.dispatcher().on("t", |_| Ok(())).join().unwrap();
    let publisher = bus
        .topic("t")
        .capacity(8)
        .create()
        .unwrap()
        .publisher()
        .unwrap();
    for _ in 0..100 {
        publisher.publish(b"x").unwrap();
    }
    dispatcher.drain().unwrap();
    let done = dispatcher.dispatched();
    assert_eq!(done.messages + done.missed, 100);
    assert!(done.missed > 80);
}

#[test]
fn stopping_handles_all_that_was_published_before() {
    for threads in [1, 3] {
        let bus = TestBus::new();
        let seen = Arc::new(Mutex::new(BTreeMap::<String, Vec<u64>>::new()));
        let note = Arc::clone(&seen);
        let dispatching = bus
            .dispatcher()
            .on("t/*", move |message| {
                let mut seen = note.lock().unwrap();
                seen.entry(message.topic().to_string())
                    .or_default()
                    .push(message.sequence());
                Ok(())
            })
            .reliable()
            .spawn(threads)
            .unwrap();
        for number in 0..10 {
            let topic = bus.topic(&format!("t/{number}")).create().unwrap();
            let publisher = topic.publisher().unwrap();
            for _ in 0..300 {
                publisher.publish(b"x").unwrap();
            }
        }
        let done = dispatching.stop().unwrap();
        assert_eq!(
            (done.messages, done.handled, done.missed),
            (3_000, 3_000, 0)
        );
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 10);
        assert!(
            seen.values().all(|seqs| seqs.iter().copied().eq(0..300)),
            "{threads} threads"
        );
    }
}

#[test]
fn stopping_ends_though_publishers_go_on() {
    let bus = TestBus::new();
    let dispatching = bus.dispatcher().on("t", |_| Ok(())).spawn(1).unwrap();
    let topic = bus.topic("t").create().unwrap();
    let go_on = AtomicU64::new(1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let publisher = topic.publisher().unwrap();
            while go_on.load(Ordering::Relaxed) == 1 {
                publisher.publish(b"x").unwrap();
            }
        });
        while dispatching.dispatched().messages == 0 {
            std::thread::yield_now();
        }
        let done = dispatching.stop().unwrap();
        go_on.store(0, Ordering::Relaxed);
        assert!(done.messages > 0);
    });
}

#[test]
fn a_wrong_pattern_is_refused() {
    let bus = TestBus::new();
    let refused = bus.dispatcher().on("a/>/b", |_| Ok(())).spawn(2);
    assert!(matches!(refused, Err(MultiError::Pattern(_))));
}

#[test]
fn a_thread_that_ends_with_its_bus_is_told_of() {
    let bus = TestBus::new();
    let (tell, told) = std::sync::mpsc::channel();
    let dispatcher = bus.dispatcher().on(">", |_| Ok(()));
    let dispatcher = dispatcher.on_trouble(move |trouble| tell.send(trouble.to_string()).unwrap());
    bus.topic("t").create().unwrap();
    let dispatching = dispatcher.spawn(1).unwrap();
    ringbus::Bus::builder()
        .dir(bus.root().path())
        .destroy()
        .unwrap();
    let words = told.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(words.contains("removed since it was opened"), "{words}");
    assert!(matches!(
        dispatching.stop(),
        Err(ringbus::MultiError::Watch(_))
    ));
}
