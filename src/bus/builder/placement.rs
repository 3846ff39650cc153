//! Where the memory of a topic is.

use super::TopicBuilder;
use crate::bus::Payload;

/// Memory.
///
/// These do not make another topic of it: one that exists is opened whatever they say. A topic's
/// memory comes from the NUMA node on which the process runs that creates it, which writes to every
/// slot: create it where it is read, or by `numactl --membind`. Which processor a thread runs on is the
/// program's to say, as by `taskset` or `sched_setaffinity(2)`.
impl<T: Payload + ?Sized> TopicBuilder<T> {
    /// Creates the ring on huge pages, for all who open it; `false` by default. For rings of many
    /// megabytes that are read here and there: each page needs an entry of the processor's TLB, and
    /// each mapping a fault. Creating it takes 0.5 to 2 ms more a MiB.
    ///
    /// Takes Linux 6.1, and a bus on a tmpfs such as /dev/shm, whatever its option `huge=`. What is
    /// left over at the ring's end is in small pages. A topic that exists stays as it is.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::{SegmentError, TopicError};
    ///
    /// let frames = || bus.topic("frames").payload_max(1 << 20).capacity(8);
    /// let topic = match frames().huge_pages(true).create() {
    ///     Err(TopicError::Segment(error @ SegmentError::NoHugePages { .. })) => {
    ///         eprintln!("going without: {error}");
    ///         frames().create()?
    ///     }
    ///     # Err(TopicError::Segment(SegmentError::Unsupported { .. })) => frames().create()?,
    ///     created => created?,
    /// };
    /// # assert_eq!(topic.info().capacity_slots, 8);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When it is created: [`SegmentError::NoHugePages`](crate::SegmentError::NoHugePages) says what
    /// the system lacks, and for a ring that is smaller than such a page; nothing was made then. By the
    /// portable backend [`SegmentError::Unsupported`](crate::SegmentError::Unsupported).
    pub fn huge_pages(mut self, yes: bool) -> Self {
        self.options.huge_pages = yes;
        self
    }

    /// Faults all memory of the topic in that publishers, subscribers and observers from this
    /// handle use, when they come; `false` by default. Opening and joining take longer, by some 0.1 us
    /// a page, and the first lap of the ring is as fast as the others.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("quotes").prefault(true).open_or_create()?;
    /// topic.publisher()?.publish(b"without a page fault")?;
    /// # assert_eq!(topic.info().published, 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn prefault(mut self, yes: bool) -> Self {
        self.options.placement.prefault = yes;
        self
    }

    /// Locks all memory of the topic that this handle maps, so that it is never swapped out; `false`
    /// by default. It stays locked while the handle, or what was opened from it, lives.
    ///
    /// Spare chunks, and those that shared publishers bring with them, are not locked.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::{SegmentError, TopicError};
    ///
    /// match bus.topic("quotes").capacity(64).lock_memory(true).open_or_create() {
    ///     Ok(topic) => println!("{} is locked", topic.name()),
    ///     Err(TopicError::Segment(SegmentError::LockLimit { limit_bytes, .. })) => {
    ///         println!("{limit_bytes} bytes are too little: see `ulimit -l`");
    ///     }
    ///     # Err(TopicError::Segment(SegmentError::Unsupported { .. })) => {}
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SegmentError::LockLimit`](crate::SegmentError::LockLimit) when the topic is opened, or when
    /// the first publisher or subscriber joins; by the portable backend
    /// [`SegmentError::Unsupported`](crate::SegmentError::Unsupported). A topic that the refused call
    /// created is removed again; one that was made and cannot be joined stays.
    pub fn lock_memory(mut self, yes: bool) -> Self {
        self.options.placement.lock = yes;
        self
    }
}
