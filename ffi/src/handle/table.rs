//! Where the objects behind handles are: places that are never freed, so that any number can be looked
//! up, and that are used again.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use super::token::{INDEX_MAX, Token};
use super::turn::Turn;
use super::uses::Uses;

/// A place for an object. A line pair of its own: its neighbours are used by other threads.
#[repr(align(128))]
pub(super) struct Slot {
    /// Whose handle refers to the object; [`Token::NULL`] if free, [`CLAIMED`] in between.
    token: AtomicU64,
    object: AtomicPtr<()>,
    /// A [`Free`]: how the object is dropped.
    free: AtomicPtr<()>,
    pub(super) turn: Turn,
    pub(super) uses: Uses,
    /// How often the place was used; written by who claimed it. The tokens' generations count from
    /// [`seed`] on.
    generation: AtomicU64,
    /// The process that opened the object.
    pid: AtomicU32,
}

/// Drops an object of the type that it was made for.
pub(super) type Free = unsafe fn(*mut ());

/// A place without a handle that is not free: its object is being made or dropped.
pub(super) const CLAIMED: Token = Token(2);

/// Places come in blocks, each made when the one before it is full.
const BLOCK: usize = 1 << 10;
const BLOCKS: usize = INDEX_MAX / BLOCK;

/// The first block, which most programs never fill: its places are found without a look at the table.
static FIRST: [Slot; BLOCK] = [const { Slot::new() }; BLOCK];

/// The other blocks; the entry of the first is not used.
static TABLE: [AtomicPtr<[Slot; BLOCK]>; BLOCKS] =
    [const { AtomicPtr::new(ptr::null_mut()) }; BLOCKS];

/// Where to look for a free place first.
static HINT: AtomicUsize = AtomicUsize::new(0);

static OPEN: AtomicUsize = AtomicUsize::new(0);

/// How many handles are open.
pub(crate) fn open_handles() -> usize {
    OPEN.load(Ordering::Relaxed)
}

/// The place that a token names if it is one of the first; another one if not, as its token tells.
#[inline(always)]
pub(super) fn guess(token: Token) -> &'static Slot {
    &FIRST[token.index() % BLOCK]
}

/// The place that a token names.
pub(super) fn find(token: Token) -> Option<&'static Slot> {
    let slot = place(token.index())?;
    (slot.token() == token).then_some(slot)
}

/// Whether this library gave such a token to C, whatever became of it.
pub(super) fn was_given(token: Token) -> bool {
    let use_number = Token::wrap(token.generation().wrapping_sub(seed()));
    place(token.index()).is_some_and(|slot| {
        let given = slot.generation.load(Ordering::Relaxed);
        (1..=given).contains(&use_number)
    })
}

/// Takes a free place.
pub(super) fn claim() -> Option<(usize, &'static Slot)> {
    let hint = HINT.load(Ordering::Relaxed);
    let mut indices = (hint..INDEX_MAX).chain(0..hint);
    let found = indices.find_map(|index| {
        let slot = place(index).or_else(|| make_block(index))?;
        let is_taken = slot.token() == Token::NULL && slot.swap(Token::NULL, CLAIMED);
        is_taken.then_some((index, slot))
    })?;
    HINT.store((found.0 + 1) % INDEX_MAX, Ordering::Relaxed);
    OPEN.fetch_add(1, Ordering::Relaxed);
    Some(found)
}

fn place(index: usize) -> Option<&'static Slot> {
    if index < BLOCK {
        return Some(&FIRST[index]);
    }
    let block = TABLE[index / BLOCK % BLOCKS].load(Ordering::Acquire);
    // SAFETY: NULL, or a block that was leaked by `make_block`.
    let block = unsafe { block.as_ref() }?;
    Some(&block[index % BLOCK])
}

#[cold]
fn make_block(index: usize) -> Option<&'static Slot> {
    let block: Box<[Slot]> = (0..BLOCK).map(|_| Slot::new()).collect();
    let block = Box::into_raw(block).cast::<[Slot; BLOCK]>();
    let entry = &TABLE[index / BLOCK];
    let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
    if entry
        .compare_exchange(ptr::null_mut(), block, success, failure)
        .is_err()
    {
        // SAFETY: made above; another thread's block is in the table, so nobody knows this one.
        drop(unsafe { Box::from_raw(block) });
    }
    place(index)
}

/// The generation before the first, which differs between processes and between copies of the library
/// in one: what one gave is no handle to the other.
fn seed() -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let address = ptr::from_ref(&TABLE).addr() as u64;
    Token::wrap(address.wrapping_mul(GOLDEN) >> 20)
}

impl Slot {
    const fn new() -> Self {
        Self {
            token: AtomicU64::new(Token::NULL.0),
            object: AtomicPtr::new(ptr::null_mut()),
            free: AtomicPtr::new(ptr::null_mut()),
            turn: Turn::new(),
            uses: Uses::new(),
            generation: AtomicU64::new(0),
            pid: AtomicU32::new(0),
        }
    }

    #[inline(always)]
    pub(super) fn token(&self) -> Token {
        // Acquire: pairs with `settle`.
        Token(self.token.load(Ordering::Acquire))
    }

    #[inline(always)]
    pub(super) fn object(&self) -> *mut () {
        self.object.load(Ordering::Relaxed)
    }

    /// Counts a use of the place, which the caller has claimed; the generation of its token.
    pub(super) fn next_generation(&self) -> u64 {
        let number = Token::wrap(self.generation.load(Ordering::Relaxed) + 1);
        self.generation.store(number, Ordering::Relaxed);
        Token::wrap(seed().wrapping_add(number))
    }

    /// Puts an object into the place, which the caller has claimed.
    pub(super) fn settle(&self, object: *mut (), free: Free, is_shared: bool, token: Token) {
        self.object.store(object, Ordering::Relaxed);
        self.free.store(free as *mut (), Ordering::Relaxed);
        self.pid.store(std::process::id(), Ordering::Relaxed);
        self.turn.start();
        if is_shared {
            self.uses.start();
        }
        // Release: whoever sees the token sees the object.
        self.token.store(token.0, Ordering::Release);
    }

    /// Ends a handle; `false` if it had ended before.
    pub(super) fn unsettle(&self, token: Token) -> bool {
        self.swap(token, CLAIMED)
    }

    /// Drops the object, and gives the place back even if that panics.
    ///
    /// # Safety
    ///
    /// The handle has ended, and the object is used by nobody, now or later.
    pub(super) unsafe fn vacate(&self) {
        let _vacating = Vacating(self);
        let free = self.free.load(Ordering::Relaxed);
        // SAFETY: stored from a `Free` by `settle`.
        let free = unsafe { std::mem::transmute::<*mut (), Free>(free) };
        // SAFETY: stored together with its object by `settle`, which nobody uses any more.
        unsafe { free(self.object()) };
    }

    /// Whether a parent of this process opened the object.
    pub(super) fn is_of_parent(&self) -> bool {
        self.pid.load(Ordering::Relaxed) != std::process::id()
    }

    fn swap(&self, from: Token, to: Token) -> bool {
        let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        self.token
            .compare_exchange(from.0, to.0, success, failure)
            .is_ok()
    }
}

/// Makes a place free.
struct Vacating<'s>(&'s Slot);

impl Drop for Vacating<'_> {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
        // Release: whoever claims the place next sees it as it was left.
        self.0.token.store(Token::NULL.0, Ordering::Release);
    }
}
