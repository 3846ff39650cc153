//! Servers that have let a client wait in vain.

use std::time::{Duration, Instant};

use crate::registry::OwnerId;

/// Servers with which a call timed out, and that have answered nothing since.
///
/// Each is asked again from time to time: one that was evicted has missed the requests for which it was put
/// down, and could not show by an answer that it is back.
#[derive(Default)]
pub(super) struct Silent {
    servers: Vec<Server>,
}

struct Server {
    id: (u16, OwnerId),
    /// How long it is spared after the last request that it was sent, or left without an answer.
    pause: Duration,
    spared_until: Instant,
}

/// A stopped server then costs a client seven timeouts in its first two minutes, and one a minute afterwards.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

impl Silent {
    /// These did not answer in time.
    pub(super) fn add(&mut self, servers: &[(u16, OwnerId)], now: Instant) {
        for id in servers {
            let (id, pause) = (*id, FIRST_PAUSE);
            match self.servers.iter_mut().find(|one| one.id == id) {
                Some(known) => known.spare(now),
                None => self.servers.push(Server {
                    id,
                    pause,
                    spared_until: now + pause,
                }),
            }
        }
    }

    /// Whether others are to be asked first.
    pub(super) fn is_last(&self, server: &(u16, OwnerId), now: Instant) -> bool {
        let mut silent = self.servers.iter();
        silent.any(|one| one.id == *server && now < one.spared_until)
    }

    /// A request was sent to it.
    pub(super) fn was_asked(&mut self, server: &(u16, OwnerId), now: Instant) {
        if let Some(silent) = self.servers.iter_mut().find(|one| one.id == *server)
            && now >= silent.spared_until
        {
            silent.pause = PAUSE_MAX.min(silent.pause * 2);
            silent.spare(now);
        }
    }

    /// It has answered something.
    pub(super) fn has_answered(&mut self, server: u16) {
        self.servers.retain(|one| one.id.0 != server);
    }

    /// Those that live; others need no heed any more.
    pub(super) fn keep_only(&mut self, living: &[(u16, OwnerId)]) {
        self.servers.retain(|one| living.contains(&one.id));
    }
}

impl Server {
    fn spare(&mut self, now: Instant) {
        self.spared_until = now + self.pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn server(id: u16) -> (u16, OwnerId) {
        (id, OwnerId::from_word(u64::from(id) + 1).unwrap())
    }

    #[test]
    fn a_silent_server_is_asked_again_after_pauses_that_double_up_to_a_minute() {
        let (mut silent, mut now) = (Silent::default(), Instant::now());
        assert!(!silent.is_last(&server(1), now));
        let mut pauses = Vec::new();
        for _ in 0..9 {
            silent.add(&[server(1)], now);
            let mut pause = Duration::ZERO;
            while silent.is_last(&server(1), now) {
                now += SECOND;
                pause += SECOND;
            }
            pauses.push(pause.as_secs());
            silent.was_asked(&server(1), now);
            assert!(silent.is_last(&server(1), now)); // one request, not many
            now += 2 * SECOND; // in vain
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn an_answer_or_an_end_is_the_end_of_silence() {
        let (mut silent, now) = (Silent::default(), Instant::now());
        silent.add(&[server(1), server(2), server(3)], now);
        silent.has_answered(2);
        silent.keep_only(&[server(2), server(3)]);
        let is_last = [1, 2, 3].map(|id| silent.is_last(&server(id), now));
        assert_eq!(is_last, [false, false, true]);
    }
}
