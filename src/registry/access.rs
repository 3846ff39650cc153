//! Who may do what on a bus and its topics, and what that means for each of their files.
//!
//! | grant | ring | cursors | registry | leases | directories |
//! |---|---|---|---|---|---|
//! | nothing | - | - | - | - | - |
//! | observe | r | r | r | - | r-x |
//! | subscribe | r | rw | rw | rw | r-x |
//! | publish | rw | rw | rw | rw | rwx |
//!
//! Whoever may read a file may also share a lock on it, and so keep others from taking it. So no lock
//! that anybody needs or relies on is on a file that observers can open.

use std::fmt;

use thiserror::Error;

use crate::segment::{FileAccess, Ownership};

/// What a class of users may do on a topic or a bus. Each grant includes the ones before it.
///
/// ```
/// use ringbus::Grant;
///
/// assert!(Grant::Observe < Grant::Subscribe && Grant::Subscribe < Grant::Publish);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grant {
    /// Nothing at all.
    #[default]
    Nothing,
    /// Read what is published, as an [`Observer`](crate::Observer), and see who takes part. Observers
    /// write nothing, hold no lock that counts, and so can neither change nor delay anything.
    Observe,
    /// Join as a [`Subscriber`](crate::Subscriber), reliable or lossy. The ring is mapped read-only:
    /// no message can be changed. But publishers wait for reliable subscribers, so this is for
    /// those who are trusted to keep up.
    Subscribe,
    /// Publish, and create and remove topics.
    Publish,
}

/// Who may use a topic or a bus besides its owner, who may do everything: private unless chosen.
///
/// Written as a mode, in the manner of `chmod`, each digit after the owner's is 0 for
/// [`Nothing`](Grant::Nothing), 4 for [`Observe`](Grant::Observe), 5 for
/// [`Subscribe`](Grant::Subscribe) or 6 for [`Publish`](Grant::Publish).
///
/// ```
/// use ringbus::{Access, Grant};
///
/// let access = Access::of_group(Grant::Subscribe).and_others(Grant::Observe);
/// assert_eq!(access.mode(), 0o654);
/// assert_eq!(Access::from_mode(0o654)?, access);
/// assert_eq!(access.to_string(), "the group may subscribe, others may observe");
/// assert_eq!(Access::PRIVATE.to_string(), "private");
/// # Ok::<(), ringbus::AccessError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Access {
    /// What members of the group may do.
    pub group: Grant,
    /// What all others may do.
    pub others: Grant,
    /// The number of the group; `None`: that of the bus, or of the user who makes the bus.
    pub gid: Option<u32>,
}

/// A mode that says nothing sensible.
///
/// ```
/// use ringbus::Access;
///
/// let error = Access::from_mode(0o620).unwrap_err();
/// assert!(error.to_string().starts_with("mode 0620: the group's digit is 2"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AccessError {
    /// More than three octal digits.
    #[error("mode {mode:#06o}: must be three octal digits, such as 600, 640 or 660")]
    TooLong {
        /// The mode.
        mode: u32,
    },
    /// The owner would not be allowed to use it.
    #[error("mode {mode:04o}: the owner's digit must be 6, as in 600; the owner may do everything")]
    Owner {
        /// The mode.
        mode: u32,
    },
    /// A digit that grants writing without reading, or the like.
    #[error(
        "mode {mode:04o}: {class} digit is {digit}, and must be 0 (nothing), 4 (observe), 5 \
         (subscribe) or 6 (publish)"
    )]
    Digit {
        /// The mode.
        mode: u32,
        /// Whose digit.
        class: &'static str,
        /// The digit.
        digit: u32,
    },
}

impl Access {
    /// For the owner alone; the default.
    pub const PRIVATE: Self = Self {
        group: Grant::Nothing,
        others: Grant::Nothing,
        gid: None,
    };

    /// For the owner, and for members of the group as far as `grant` goes.
    ///
    /// ```
    /// use ringbus::{Access, Grant};
    ///
    /// assert_eq!(Access::of_group(Grant::Publish).mode(), 0o660);
    /// ```
    pub const fn of_group(grant: Grant) -> Self {
        Self {
            group: grant,
            ..Self::PRIVATE
        }
    }

    /// The same, and for everybody else as far as `grant` goes: whoever gets into the directory that
    /// holds the bus.
    ///
    /// ```
    /// use ringbus::{Access, Grant};
    ///
    /// assert_eq!(Access::PRIVATE.and_others(Grant::Observe).mode(), 0o604);
    /// ```
    pub const fn and_others(self, grant: Grant) -> Self {
        Self {
            others: grant,
            ..self
        }
    }

    /// The same for the group of this number.
    ///
    /// ```
    /// use ringbus::{Access, Grant};
    ///
    /// let access = Access::of_group(Grant::Observe).with_gid(1000);
    /// assert_eq!(access.to_string(), "group 1000 may observe");
    /// ```
    pub const fn with_gid(self, gid: u32) -> Self {
        Self {
            gid: Some(gid),
            ..self
        }
    }

    /// The access that a mode means.
    ///
    /// ```
    /// use ringbus::{Access, Grant};
    ///
    /// assert_eq!(Access::from_mode(0o640)?, Access::of_group(Grant::Observe));
    /// assert!(Access::from_mode(0o020).is_err());
    /// # Ok::<(), ringbus::AccessError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AccessError`] says which digit is none.
    pub const fn from_mode(mode: u32) -> Result<Self, AccessError> {
        if mode > 0o777 {
            return Err(AccessError::TooLong { mode });
        }
        if !matches!(Grant::of_digit(mode >> 6), Some(Grant::Publish)) {
            return Err(AccessError::Owner { mode });
        }
        let (group, others) = (mode >> 3 & 7, mode & 7);
        match (Grant::of_digit(group), Grant::of_digit(others)) {
            (Some(group), Some(others)) => Ok(Self::of_group(group).and_others(others)),
            (None, _) => Err(AccessError::Digit {
                mode,
                class: "the group's",
                digit: group,
            }),
            (_, None) => Err(AccessError::Digit {
                mode,
                class: "the others'",
                digit: others,
            }),
        }
    }

    /// The mode that says this: 0o600 for private.
    ///
    /// ```
    /// assert_eq!(ringbus::Access::PRIVATE.mode(), 0o600);
    /// ```
    pub const fn mode(self) -> u32 {
        Grant::Publish.digit() << 6 | self.group.digit() << 3 | self.others.digit()
    }

    /// For a topic's ring.
    pub(crate) fn ring(self) -> FileAccess {
        self.file(|grant| match grant {
            Grant::Nothing => 0,
            Grant::Observe | Grant::Subscribe => READ,
            Grant::Publish => READ | WRITE,
        })
    }

    /// For a topic's cursors, and for the registry of a bus.
    pub(crate) fn cursors(self) -> FileAccess {
        self.file(|grant| match grant {
            Grant::Nothing => 0,
            Grant::Observe => READ,
            Grant::Subscribe | Grant::Publish => READ | WRITE,
        })
    }

    /// For the file on which leases are locks: closed to those who cannot have one.
    pub(crate) fn leases(self) -> FileAccess {
        self.file(|grant| match grant {
            Grant::Nothing | Grant::Observe => 0,
            Grant::Subscribe | Grant::Publish => READ | WRITE,
        })
    }

    /// For a directory. What is made in one that is shared belongs to its group (setgid), whoever
    /// makes it.
    pub(crate) fn directory(self) -> FileAccess {
        let FileAccess { mode, group } = self.file(|grant| match grant {
            Grant::Nothing => 0,
            Grant::Observe | Grant::Subscribe => READ | PASS,
            Grant::Publish => READ | WRITE | PASS,
        });
        let inherit = match self.group {
            Grant::Nothing => 0,
            _ => SETGID,
        };
        FileAccess {
            mode: mode | PASS << 6 | inherit,
            group,
        }
    }

    /// What was granted, by two files that exist: the one that publishers write (a ring, or the
    /// directory of topics) and the one that subscribers write (cursors, or the registry).
    pub(crate) fn of_files(publishers: Ownership, subscribers: Option<Ownership>) -> Self {
        let may = |file: Ownership, bits: u32, class: u32| file.mode >> class & bits == bits;
        let grant = |class| {
            let joins = subscribers.is_some_and(|file| may(file, READ | WRITE, class));
            match may(publishers, READ, class) {
                false => Grant::Nothing,
                true if !joins => Grant::Observe,
                true if may(publishers, WRITE, class) => Grant::Publish,
                true => Grant::Subscribe,
            }
        };
        Self {
            group: grant(3),
            others: grant(0),
            gid: Some(publishers.gid),
        }
    }

    /// Whether all that this grants can be used on a bus of access `bus`: through its directories, and
    /// with its registry. Members of two groups are given the benefit of the doubt.
    pub(crate) fn is_within(self, bus: Self) -> bool {
        let is_same_group = self.gid.is_none() || self.gid == bus.gid;
        let group = match is_same_group {
            true => bus.group,
            false => bus.group.max(bus.others),
        };
        self.group <= group && self.others <= bus.others
    }

    fn file(self, bits: impl Fn(Grant) -> u32) -> FileAccess {
        FileAccess {
            mode: (READ | WRITE) << 6 | bits(self.group) << 3 | bits(self.others),
            group: self.gid,
        }
    }
}

/// What was asked for of an access, in part or not at all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AccessOptions {
    pub(crate) mode: Option<u32>,
    pub(crate) gid: Option<u32>,
}

impl AccessOptions {
    /// The whole of it.
    pub(crate) fn of(access: Access) -> Self {
        Self {
            mode: Some(access.mode()),
            gid: access.gid,
        }
    }

    /// The access asked for, the rest of it as in `inherited`.
    pub(crate) fn resolve(self, inherited: Access) -> Result<Access, AccessError> {
        let access = match self.mode {
            Some(mode) => Access::from_mode(mode)?,
            None => inherited,
        };
        // A private file needs no group, and perhaps this user cannot give it one.
        let inherited_gid = inherited
            .gid
            .filter(|_| (access.group, access.others) != (Grant::Nothing, Grant::Nothing));
        Ok(Access {
            gid: self.gid.or(inherited_gid),
            ..access
        })
    }

    /// Whether anything was asked for.
    pub(crate) fn is_any(self) -> bool {
        self.mode.is_some() || self.gid.is_some()
    }

    /// Whether `found` is what was asked for, as far as anything was.
    pub(crate) fn agree(self, found: Access) -> Result<bool, AccessError> {
        let asked = self.resolve(found)?;
        let is_same_group = self.gid.is_none() || self.gid == found.gid;
        Ok((asked.group, asked.others) == (found.group, found.others) && is_same_group)
    }
}

impl Grant {
    const fn digit(self) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::Observe => READ,
            Self::Subscribe => READ | PASS,
            Self::Publish => READ | WRITE,
        }
    }

    /// Who may write may also subscribe, so 7 is 6.
    const fn of_digit(digit: u32) -> Option<Self> {
        match digit {
            0 => Some(Self::Nothing),
            4 => Some(Self::Observe),
            5 => Some(Self::Subscribe),
            6 | 7 => Some(Self::Publish),
            _ => None,
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "do nothing",
            Self::Observe => "observe",
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
        })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |f: &mut fmt::Formatter<'_>| match self.gid {
            Some(gid) => write!(f, "group {gid} may {}", self.group),
            None => write!(f, "the group may {}", self.group),
        };
        match (self.group, self.others) {
            (Grant::Nothing, Grant::Nothing) => f.write_str("private"),
            (_, Grant::Nothing) => group(f),
            (Grant::Nothing, others) => write!(f, "others may {others}"),
            (_, others) => {
                group(f)?;
                write!(f, ", others may {others}")
            }
        }
    }
}

const READ: u32 = 4;
const WRITE: u32 = 2;
const PASS: u32 = 1;
const SETGID: u32 = 0o2000;
