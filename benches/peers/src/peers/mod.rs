//! How each peer does it, tuned as those who know it would.

#[cfg(feature = "aeron")]
mod aeron;
mod disruptor;
mod iceoryx2;
mod ringbus;
mod socket;

use serde_json::Value;

use crate::Failure;
use crate::cases::{self, Peer};
use crate::crew::Part;

/// A peer as those who measure and play need it.
struct Entry {
    name: &'static str,
    cases: &'static [&'static str],
    measure: fn(&str, u64) -> Result<Value, Failure>,
    play: fn(&str, &mut Part) -> Result<(), Failure>,
}

const fn entry<P: Peer>() -> Entry {
    Entry {
        name: P::NAME,
        cases: P::CASES,
        measure: cases::measure::<P>,
        play: cases::play::<P>,
    }
}

const PEERS: &[Entry] = &[
    entry::<iceoryx2::Iceoryx2>(),
    entry::<disruptor::Disruptor>(),
    #[cfg(feature = "aeron")]
    entry::<aeron::Aeron>(),
    entry::<socket::Socket>(),
    entry::<ringbus::Ringbus>(),
];

fn find(peer: &str) -> Result<&'static Entry, Failure> {
    let found = PEERS.iter().find(|entry| entry.name == peer);
    found.ok_or_else(|| match peer {
        "aeron" => "aeron is not built in: build with --features aeron (needs CMake 3.30)".into(),
        other => format!("there is no peer {other}").into(),
    })
}

/// Measures a case of a peer.
pub fn measure(peer: &str, case: &str, count: u64) -> Result<Value, Failure> {
    (find(peer)?.measure)(case, count)
}

/// Plays a role of a peer's.
pub fn play(peer: &str, role: &str, part: &mut Part) -> Result<(), Failure> {
    (find(peer)?.play)(role, part)
}

/// Whether a peer is built in and has a case.
pub fn has(peer: &str, case: &str) -> bool {
    find(peer).is_ok_and(|entry| entry.cases.contains(&case))
}
