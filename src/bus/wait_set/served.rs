//! A wait set that is a file descriptor: the waiter's thread sleeps for it at the bell, and makes it
//! readable.

use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    super::Bus,
    WaitError,
    source::Source,
    waiter::{Told, Waiter},
};
use crate::wait::{Epoll, EventFd};

pub(super) struct Served {
    epoll: Epoll,
    /// The members of the set by their keys, and the other way round.
    members: HashMap<usize, usize>,
    keys: HashMap<usize, usize>,
    /// Plain descriptors by their tokens.
    fds: HashMap<u64, OwnedFd>,
    /// By which epoll knows them: a token may be any number.
    numbers: HashMap<u64, u64>,
    next_number: u64,
    doorstep: Arc<Doorstep>,
    waiter: Arc<Waiter>,
}

/// Where the waiter's thread leaves what it has heard.
pub(super) struct Doorstep {
    news: EventFd,
    heard: Mutex<Vec<usize>>,
}

impl Told for Doorstep {
    fn tell(&self, key: usize) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push(key);
        drop(heard);
        self.news.set();
    }
}

impl Doorstep {
    /// Makes the set readable.
    pub(super) fn set(&self) {
        self.news.set();
    }
}

/// The number of the doorstep's descriptor.
const DOORSTEP: u64 = 0;

impl Served {
    pub(super) fn new(bus: &Bus) -> Result<Self, WaitError> {
        let (epoll, news) = (Epoll::new()?, EventFd::new()?);
        epoll.add(news.as_fd(), DOORSTEP)?;
        let heard = Mutex::default();
        Ok(Self {
            epoll,
            members: HashMap::new(),
            keys: HashMap::new(),
            fds: HashMap::new(),
            numbers: HashMap::new(),
            next_number: DOORSTEP + 1,
            doorstep: Arc::new(Doorstep { news, heard }),
            waiter: Waiter::of(bus)?,
        })
    }

    pub(super) fn doorstep(&self) -> &Arc<Doorstep> {
        &self.doorstep
    }

    pub(super) fn add(&mut self, member: usize, source: &Arc<Source>) -> Result<(), WaitError> {
        let (source, told) = (Arc::clone(source), Arc::clone(&self.doorstep));
        let key = self.waiter.add(source, told)?;
        self.members.insert(key, member);
        self.keys.insert(member, key);
        Ok(())
    }

    pub(super) fn remove(&mut self, member: usize) {
        if let Some(key) = self.keys.remove(&member) {
            self.members.remove(&key);
            self.waiter.remove(key);
        }
    }

    pub(super) fn has_fd(&self, token: u64) -> bool {
        self.fds.contains_key(&token)
    }

    pub(super) fn fds(&self) -> usize {
        self.fds.len()
    }

    pub(super) fn add_fd(&mut self, fd: BorrowedFd<'_>, token: u64) -> Result<(), WaitError> {
        let fd = match fd.try_clone_to_owned() {
            Err(error) if error.raw_os_error() == Some(libc::EBADF) => {
                return Err(WaitError::NotOpen);
            }
            copy => copy?,
        };
        let added = self.epoll.add(fd.as_fd(), self.next_number);
        added.map_err(not_added)?;
        self.numbers.insert(self.next_number, token);
        self.next_number += 1;
        self.fds.insert(token, fd);
        Ok(())
    }

    pub(super) fn remove_fd(&mut self, token: u64) -> bool {
        let Some(fd) = self.fds.remove(&token) else {
            return false;
        };
        self.epoll.remove(fd.as_fd());
        self.numbers.retain(|_, known| *known != token);
        true
    }

    /// The members of which the thread has told since the last call; the set is not readable by them
    /// any more.
    pub(super) fn heard(&self) -> Vec<usize> {
        self.doorstep.news.clear();
        let heard = &self.doorstep.heard;
        let heard = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
        let member = |key: &usize| self.members.get(key).copied();
        heard.iter().filter_map(member).collect()
    }

    /// Has the thread tell of these members; false if one has news already.
    pub(super) fn arm(&self, members: &[usize]) -> bool {
        let key = |member: &usize| self.keys.get(member).copied();
        let keys: Vec<usize> = members.iter().filter_map(key).collect();
        keys.is_empty() || self.waiter.arm(&keys)
    }

    /// Sleeps until there is something to look at; the tokens of descriptors that are ready.
    pub(super) fn sleep(&self, timeout: Duration) -> Result<Vec<u64>, WaitError> {
        let mut numbers = Vec::new();
        self.epoll.wait(timeout, &mut numbers)?;
        let token = |number: &u64| self.numbers.get(number).copied();
        Ok(numbers.iter().filter_map(token).collect())
    }
}

/// Why an epoll does not take a descriptor, by the words of epoll_ctl(2).
fn not_added(error: io::Error) -> WaitError {
    match error.raw_os_error() {
        Some(libc::EPERM) => WaitError::NotWaitable,
        // A copy of it could be made, so it is open.
        Some(libc::EBADF) => WaitError::NotReadable,
        Some(libc::EINVAL | libc::ELOOP) => WaitError::Circular,
        _ => error.into(),
    }
}

impl AsFd for Served {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
