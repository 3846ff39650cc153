//! A ring from one writer to one reader, as fast as lines move.
//!
//! The sequence lies in the message's own first line, and no index is shared with each message: one
//! that is stored per message bounces between the processors as soon as the reader keeps up. The
//! reader says how far it is once every eighth of the ring. Both ask for all lines of a message well ahead,
//! the writer for those to write. A reader that has caught up lets the writer get ahead: at its heels both
//! go at the pace of single lines.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::backoff::Backoff;
use super::super::region::{LINE_PAIR, Region};
use super::{heeds_prefetch_to_write, prefetch, prefetch_to_write};

/// The form of a message, all of it known to the compiler where it is one of the usual ones.
pub trait Form: Copy {
    /// Bytes from one message to the next.
    fn stride(self) -> usize;
    /// Bytes before the payload, of which the first 8 are the sequence; none if the payload begins
    /// with the sequence itself.
    fn header(self) -> usize;
    /// Bytes of payload.
    fn payload(self) -> usize;
}

/// A form known to the compiler.
#[derive(Clone, Copy)]
pub struct Known<const STRIDE: usize, const HEADER: usize, const PAYLOAD: usize>;

impl<const STRIDE: usize, const HEADER: usize, const PAYLOAD: usize> Form
    for Known<STRIDE, HEADER, PAYLOAD>
{
    #[inline(always)]
    fn stride(self) -> usize {
        STRIDE
    }

    #[inline(always)]
    fn header(self) -> usize {
        HEADER
    }

    #[inline(always)]
    fn payload(self) -> usize {
        PAYLOAD
    }
}

/// Any form.
#[derive(Clone, Copy)]
pub struct Any {
    /// See [`Form`].
    pub stride: usize,
    /// See [`Form`].
    pub header: usize,
    /// See [`Form`].
    pub payload: usize,
}

/// What is done with a form once the compiler knows it.
pub trait WithForm {
    /// What comes of it.
    type Out;
    /// Does it.
    fn with<F: Form>(self, form: F) -> Self::Out;
}

impl Any {
    /// For a role's numbers.
    pub fn numbers(self) -> [u64; 3] {
        [self.stride, self.header, self.payload].map(|bytes| bytes as u64)
    }

    /// Lets the compiler know the usual forms.
    pub fn known<W: WithForm>(self, what: W) -> W::Out {
        match (self.stride, self.header, self.payload) {
            (64, 0, 64) => what.with(Known::<64, 0, 64>),
            (64, 0, 56) => what.with(Known::<64, 0, 56>),
            (64, 8, 56) => what.with(Known::<64, 8, 56>),
            (96, 8, 64) => what.with(Known::<96, 8, 64>),
            (96, 24, 64) => what.with(Known::<96, 24, 64>),
            _ => what.with(self),
        }
    }
}

impl Form for Any {
    fn stride(self) -> usize {
        self.stride
    }

    fn header(self) -> usize {
        self.header
    }

    fn payload(self) -> usize {
        self.payload
    }
}

/// One end of a ring.
pub struct Ring<'r, F> {
    region: &'r Region,
    form: F,
    slots: u64,
}

const LINE: usize = 64;
/// The reader's cursor and nothing else.
const CURSOR_BYTES: usize = LINE_PAIR;
/// How many messages ahead the reader asks for.
const AHEAD: u64 = 32;
/// How many messages ahead the writer asks for: measured, messages of 64 B in millions a second without
/// a header and with 24 B of it: none 195 and 33, 16 messages 205 and 117, 64 messages 265 and 125.
const WRITER_AHEAD: u64 = 64;
/// Slots that the writer claims together, as the bus does, where the processor does not heed what it is
/// asked ahead: measured on AMD Zen 4, with a header and without, in millions a second: none 71 and
/// 79, 8 slots 90 and 126.
const GROUP_SLOTS: u64 = 8;
/// Longer slots have lines enough of their own to be under way at once.
const CLAIMED_STRIDE_MAX: usize = 128;
/// Beyond this, the processor's own prefetching does it.
const AHEAD_BYTES_MAX: usize = 256;
/// How far a reader that has caught up lets the writer get ahead: from 64 to 1024 messages it is the same.
const LET_AHEAD: u64 = 256;
/// How often it looks whether the writer is; some 10 us, as long as a writer that is interrupted may take.
const LOOKS_AHEAD_MAX: u32 = 64;
const SPINS_PER_LOOK: u32 = 8;

impl<'r, F: Form> Ring<'r, F> {
    /// The most slots with which a ring stays in the second-level cache, a power of two.
    pub fn slots_in_cache(form: F) -> u64 {
        const CACHE_BYTES: usize = 256 * 1024;
        (1 << (CACHE_BYTES / form.stride()).max(4).ilog2()) as u64
    }

    /// Bytes for so many slots.
    pub fn bytes(form: F, slots: u64) -> usize {
        CURSOR_BYTES + slots as usize * form.stride()
    }

    /// One end of the ring that is all of `region`; `slots` is a power of two.
    pub fn new(region: &'r Region, form: F, slots: u64) -> Self {
        assert!(slots.is_power_of_two() && Self::bytes(form, slots) <= region.len());
        assert!(form.stride() >= form.header() + form.payload() && form.stride().is_multiple_of(8));
        Self {
            region,
            form,
            slots,
        }
    }

    /// Writes messages 1 to `count`, the payload as `fill` does: all of it but the sequence, where
    /// it begins with that.
    #[inline(always)]
    pub fn write(&self, count: u64, mut fill: impl FnMut(u64, &mut [u8])) {
        let cursor = self.region.word(0);
        let mut may_write_until = self.slots;
        let stride = self.form.stride();
        let claims = !heeds_prefetch_to_write()
            && stride <= CLAIMED_STRIDE_MAX
            && stride.is_multiple_of(LINE / 2)
            && self.slots >= GROUP_SLOTS;
        for seq in 1..=count {
            let mut backoff = Backoff::new();
            while seq > may_write_until {
                may_write_until = cursor.load(Ordering::Acquire) + self.slots;
                backoff.pause();
            }
            self.ask_ahead(seq + WRITER_AHEAD, prefetch_to_write);
            self.put(seq, |payload| fill(seq, payload));
            if claims
                && seq % GROUP_SLOTS == GROUP_SLOTS - 1
                && seq + GROUP_SLOTS <= may_write_until
            {
                self.claim(seq + 1);
            }
        }
    }

    /// Stores something into each line of a group of slots, none of which is a slot's first word: all of
    /// them are on their way to this processor then.
    #[inline(never)]
    fn claim(&self, first: u64) {
        let group = self.slot(first);
        for end in (LINE..=GROUP_SLOTS as usize * self.form.stride()).step_by(LINE) {
            // SAFETY: within the group, which lies within the region as groups begin at their multiples.
            let word = unsafe { group.add(end - size_of::<u64>()) };
            // SAFETY: as above; the reader is done with the group, and waits for its stamps.
            unsafe { word.cast::<u64>().write_volatile(0) };
        }
    }

    /// Writes message `seq`, whose slot the reader is done with.
    #[inline(always)]
    pub fn put(&self, seq: u64, fill: impl FnOnce(&mut [u8])) {
        let form = self.form;
        if form.header() > 8 {
            self.put_word(seq, 8, form.payload() as u64); // a length and the like
        }
        if form.header() > 16 {
            self.put_word(seq, 16, 0); // a tag
        }
        let from = form.header().max(8);
        // SAFETY: within the slot: `new`.
        let payload = unsafe { self.slot(seq).add(from) };
        // SAFETY:
        // - mapped while the region lives, and so long: `new`.
        // - the reader has read what was there, and waits for the stamp.
        let payload = unsafe {
            std::slice::from_raw_parts_mut(payload, form.header() + form.payload() - from)
        };
        fill(payload);
        self.stamp(seq).store(seq, Ordering::Release);
    }

    /// The payload of message `seq`, if it is there; the writer is held up by the cursor.
    #[inline(always)]
    pub fn get(&self, seq: u64) -> Option<&[u8]> {
        if self.stamp(seq).load(Ordering::Acquire) != seq {
            return None;
        }
        // SAFETY: the payload lies within the slot: `new`.
        let payload = unsafe { self.slot(seq).add(self.form.header()) };
        // SAFETY:
        // - mapped while the region lives, and as long: above.
        // - the writer has published it, and waits for the cursor before it writes it again.
        Some(unsafe { std::slice::from_raw_parts(payload, self.form.payload()) })
    }

    #[inline(always)]
    fn put_word(&self, seq: u64, offset: usize, value: u64) {
        // SAFETY: within the slot's header: `write`.
        let word = unsafe { self.slot(seq).add(offset) };
        // SAFETY: as above, aligned as slots are; the reader waits for the stamp.
        unsafe { word.cast::<u64>().write(value) };
    }

    /// Reads messages 1 to `count`, each as soon as it is there.
    #[inline(always)]
    pub fn read(&self, count: u64, mut use_it: impl FnMut(u64, &[u8])) {
        let cursor = self.region.word(0);
        let eighth = (self.slots / 8).max(1);
        for seq in 1..=count {
            self.ask_ahead(seq + AHEAD, prefetch);
            let payload = match self.get(seq) {
                Some(payload) => payload,
                None => self.wait_for(seq, count),
            };
            use_it(seq, payload);
            if seq % eighth == 0 {
                cursor.store(seq, Ordering::Release);
            }
        }
    }

    /// Waits for message `seq` of `count`, and where messages are short until the writer is well past it.
    #[cold]
    fn wait_for(&self, seq: u64, count: u64) -> &[u8] {
        if self.form.stride() <= AHEAD_BYTES_MAX {
            let ahead = count.min(seq + LET_AHEAD.min(self.slots / 2));
            for _ in 0..LOOKS_AHEAD_MAX {
                // Relaxed: only whether it is time to look for `seq`.
                if self.stamp(ahead).load(Ordering::Relaxed) == ahead {
                    break;
                }
                (0..SPINS_PER_LOOK).for_each(|_| spin_loop());
            }
        }
        let mut backoff = Backoff::new();
        loop {
            match self.get(seq) {
                Some(payload) => return payload,
                None => backoff.pause(),
            }
        }
    }

    /// Asks for the lines of message `seq`, if it is short: one or two, as slots begin at any half line.
    #[inline(always)]
    fn ask_ahead(&self, seq: u64, ask: impl Fn(*const u8)) {
        let (stride, used) = (self.form.stride(), self.form.header() + self.form.payload());
        if stride > AHEAD_BYTES_MAX {
            return;
        }
        let slot = self.slot(seq);
        ask(slot);
        if stride % LINE + used > LINE {
            ask(slot.wrapping_add(used - 1));
        }
    }

    #[inline(always)]
    fn stamp(&self, seq: u64) -> &AtomicU64 {
        // SAFETY: a word within the slot, aligned as slots are; atomics may have any value.
        unsafe { &*self.slot(seq).cast::<AtomicU64>() }
    }

    #[inline(always)]
    fn slot(&self, seq: u64) -> *mut u8 {
        let index = (seq & (self.slots - 1)) as usize;
        // SAFETY: within the region, by the check in `new`.
        unsafe {
            self.region
                .base()
                .add(CURSOR_BYTES + index * self.form.stride())
        }
    }
}
