//! The number that C holds.

/// What a handle refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bus = 1,
    Topic,
    Publisher,
    Subscriber,
    Observer,
    Watch,
    WaitSet,
    MultiSubscriber,
    Client,
    Server,
    Dispatcher,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Bus,
        Self::Topic,
        Self::Publisher,
        Self::Subscriber,
        Self::Observer,
        Self::Watch,
        Self::WaitSet,
        Self::MultiSubscriber,
        Self::Client,
        Self::Server,
        Self::Dispatcher,
    ];

    /// The word for it in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bus => "bus",
            Self::Topic => "topic",
            Self::Publisher => "publisher",
            Self::Subscriber => "subscriber",
            Self::Observer => "observer",
            Self::Watch => "watch",
            Self::WaitSet => "wait set",
            Self::MultiSubscriber => "multi subscriber",
            Self::Client => "client",
            Self::Server => "server",
            Self::Dispatcher => "dispatcher",
        }
    }
}

/// `generation << 27 | index << 7 | kind << 3 | MARK`.
///
/// The mark makes it an address that no object has: those of objects that are passed by pointer are
/// multiples of 4 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token(pub(super) u64);

const MARK: u64 = 0b101;
const MARK_BITS: u32 = 3;
const KIND_BITS: u32 = 4;
const INDEX_SHIFT: u32 = MARK_BITS + KIND_BITS;
const INDEX_BITS: u32 = 20;
const GENERATION_SHIFT: u32 = INDEX_SHIFT + INDEX_BITS;
const GENERATION_BITS: u32 = u64::BITS - GENERATION_SHIFT;

/// Places that tokens can name.
pub(super) const INDEX_MAX: usize = 1 << INDEX_BITS;

impl Token {
    /// The handle that refers to nothing.
    pub(super) const NULL: Self = Self(0);

    pub(super) fn new(kind: Kind, index: usize, generation: u64) -> Self {
        let generation = generation << GENERATION_SHIFT;
        let index = (index as u64) << INDEX_SHIFT;
        Self(generation | index | (kind as u64) << MARK_BITS | MARK)
    }

    #[inline(always)]
    pub(super) fn from_pointer<T>(handle: *const T) -> Self {
        Self(handle.addr() as u64)
    }

    pub(super) fn as_pointer<T>(self) -> *mut T {
        std::ptr::without_provenance_mut(self.0 as usize)
    }

    pub(super) fn is_null(self) -> bool {
        self == Self::NULL
    }

    pub(super) const fn is_null_or_reserved(self) -> bool {
        self.0 & ((1 << MARK_BITS) - 1) != MARK
    }

    /// `None`: no token at all.
    pub(super) fn kind(self) -> Option<Kind> {
        let is_token = !self.is_null_or_reserved();
        Kind::ALL
            .into_iter()
            .find(|known| is_token && self.is_of(*known))
    }

    #[inline(always)]
    pub(super) fn is_of(self, kind: Kind) -> bool {
        (self.0 >> MARK_BITS) & ((1 << KIND_BITS) - 1) == kind as u64
    }

    #[inline(always)]
    pub(super) fn index(self) -> usize {
        (self.0 >> INDEX_SHIFT) as usize & (INDEX_MAX - 1)
    }

    pub(super) fn generation(self) -> u64 {
        self.0 >> GENERATION_SHIFT
    }

    /// As many generations as a token can tell apart.
    pub(super) fn wrap(generation: u64) -> u64 {
        generation & ((1 << GENERATION_BITS) - 1)
    }
}

// A handle is as wide as a pointer.
const _: () = assert!(size_of::<usize>() == size_of::<u64>());

#[cfg(test)]
mod tests {
    use super::{INDEX_MAX, Kind, Token};

    #[test]
    fn token_keeps_its_parts_apart() {
        for kind in Kind::ALL {
            for index in [0, 1, INDEX_MAX - 1] {
                for generation in [0, 1, Token::wrap(u64::MAX)] {
                    let token = Token::new(kind, index, generation);
                    assert_eq!(token.kind(), Some(kind));
                    assert_eq!((token.index(), token.generation()), (index, generation));
                    assert_eq!(Token::from_pointer(token.as_pointer::<u8>()), token);
                }
            }
        }
    }

    #[test]
    fn addresses_are_no_tokens() {
        let object = 7u64;
        assert_eq!(Token::from_pointer(&object).kind(), None);
        assert_eq!(Token::from_pointer(std::ptr::null::<u8>()).kind(), None);
    }
}
