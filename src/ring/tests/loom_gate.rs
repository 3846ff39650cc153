//! Publishers and the reliable subscribers that they wait for.

use loom::thread;

use super::{
    model::explore,
    shapes::{exclusive, slim},
};
use crate::ring::{cursor::Delivery, publish::Shut};

/// Edge RELEASE. Fails if the cursor is stored or loaded Relaxed.
#[test]
fn loom_gate_keeps_the_publisher_off_what_is_being_read() {
    explore(slim(exclusive(1)), None, |topic| {
        let mut subscriber = topic.join(0, 0, Delivery::Reliable);
        let mut publisher = topic.exclusive();
        let publisher = thread::spawn(move || {
            let attempts = [0; 3].map(|_| topic.publish(&mut publisher));
            attempts.iter().filter(|attempt| attempt.is_ok()).count() as u64
        });
        let got = topic.follow(&mut subscriber, 2, 1);
        let published = publisher.join().unwrap();
        assert_eq!(got + topic.follow(&mut subscriber, 2, 1), published);
    });
}

/// Edge RELEASE, with a limit that is good for two messages. Fails if a look clears more than it
/// has seen.
#[test]
fn loom_cached_gate_keeps_the_publisher_off_what_is_being_read() {
    explore(slim(exclusive(16)), None, |topic| {
        let mut subscriber = topic.join(0, 0, Delivery::Reliable);
        let mut publisher = topic.exclusive();
        for seq in 0..16 {
            assert_eq!(topic.publish(&mut publisher), Ok(seq));
        }
        assert_eq!(topic.publish(&mut publisher), Err(Shut::Gate { cell: 0 }));
        let publisher = thread::spawn(move || {
            let attempts = [0; 3].map(|_| topic.publish(&mut publisher));
            attempts.iter().filter(|attempt| attempt.is_ok()).count() as u64
        });
        let got = topic.follow(&mut subscriber, 2, 1);
        assert!(publisher.join().unwrap() <= got);
    });
}
