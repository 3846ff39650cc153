//! Handles: what C holds instead of pointers, so that nothing C does with one can crash.
//!
//! A handle is a number in the shape of a pointer, never an address: a [`Token`] of its kind, of its
//! place in a [`table`] and of how often that place was used before. Each call looks the token up; one
//! that is NULL, closed, of another kind or from elsewhere is told apart and refused.
//!
//! Objects that many threads may use at once are counted while they are in use ([`uses`]), the others
//! belong to one call at a time ([`turn`]), which another thread is refused.

mod barrier;
mod table;
mod token;
mod turn;
mod uses;

#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use self::table::{CLAIMED, Slot};
use self::token::Token;
pub(crate) use self::{table::open_handles, token::Kind};
use crate::code::Code;
use crate::failure::Failure;

/// An object that C refers to by a handle.
pub(crate) trait Handle: Sized + Send {
    /// What tells its handles from others'.
    const KIND: Kind;
    /// Whether many threads may use it at once.
    const IS_SHARED: bool;
}

/// Takes an object in, for C to refer to.
pub(crate) fn give<T: Handle>(object: T) -> Result<*mut T, Failure> {
    let Some((index, slot)) = table::claim() else {
        let message = "all handles that one process can have are open; close some";
        return Err(Failure::new(Code::TooManyHandles, message));
    };
    let object = Box::into_raw(Box::new(object));
    let token = Token::new(T::KIND, index, slot.next_generation());
    slot.settle(object.cast(), free::<T>, T::IS_SHARED, token);
    Ok(token.as_pointer())
}

/// An object in the hands of the only call that uses it.
pub(crate) struct Taken<'t, T> {
    /// Not a reference: that it is not NULL would be asked in each call.
    object: *mut T,
    borrow: PhantomData<&'t mut T>,
    /// Ends after the use of the object.
    _turn: turn::Taken<'t>,
}

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: borrowed for `'t`, as `new` requires.
        unsafe { &*self.object }
    }
}

impl<T> DerefMut for Taken<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: borrowed for `'t`, as `new` requires.
        unsafe { &mut *self.object }
    }
}

/// Takes an object for the only call that uses it.
#[inline(always)]
pub(crate) fn take<'t, T: Handle>(
    handle: *mut T,
    name: &'static str,
) -> Result<Taken<'t, T>, Failure> {
    if let Some(taken) = take_at_once(handle) {
        return Ok(taken);
    }
    let (slot, turn) = find_and_take(Token::from_pointer(handle), T::KIND, name)?;
    // SAFETY: the token is of its kind, and was here after the turn was taken.
    Ok(unsafe { Taken::new(slot, turn) })
}

/// The same without a call, if this thread was the last to use the object; `None` says nothing else.
#[inline(always)]
pub(crate) fn take_at_once<'t, T: Handle>(handle: *mut T) -> Option<Taken<'t, T>> {
    const { assert!(!T::IS_SHARED, "shared objects are used by `share`") };
    let token = Token::from_pointer(handle);
    let slot = table::guess(token);
    // Asked first: somebody may want the seat of what a wrong guess leads to. And not again: only who has
    // a turn ends a handle that is not shared.
    if !token.is_of(T::KIND) || slot.token() != token {
        return None;
    }
    let turn = slot.turn.sit()?;
    // SAFETY: the token is of its kind, and is here as long as the turn is.
    Some(unsafe { Taken::new(slot, turn) })
}

impl<'t, T: Handle> Taken<'t, T> {
    /// # Safety
    ///
    /// The turn is one at `slot`, where a token of the kind of `T` was after it was taken: so an object of
    /// that type lives there, as whoever closes it takes the turn first, and nobody else uses it.
    #[inline(always)]
    unsafe fn new(slot: &'t Slot, _turn: turn::Taken<'t>) -> Self {
        let (object, borrow) = (slot.object().cast(), PhantomData);
        Self {
            object,
            borrow,
            _turn,
        }
    }
}

/// Takes a turn where the guess is wrong, or the seat is another's.
#[cold]
fn find_and_take(
    token: Token,
    kind: Kind,
    name: &'static str,
) -> Result<(&'static Slot, turn::Taken<'static>), Failure> {
    let Some(slot) = table::find(token).filter(|_| token.is_of(kind)) else {
        return Err(refusal(token, kind, name));
    };
    let turn = slot.turn.take(|| slot.token() == token);
    match turn {
        Some(turn) => Ok((slot, turn)),
        None => Err(refused_turn(slot, token, kind, name)),
    }
}

/// Lets the only call that uses it do something with an object.
#[inline(always)]
pub(crate) fn with<T: Handle, R>(
    handle: *mut T,
    name: &'static str,
    work: impl FnOnce(&mut T) -> Result<R, Failure>,
) -> Result<R, Failure> {
    work(&mut *take(handle, name)?)
}

/// Lets a call use an object together with others.
pub(crate) fn share<T: Handle + Sync, R>(
    handle: *const T,
    name: &'static str,
    work: impl FnOnce(&T) -> Result<R, Failure>,
) -> Result<R, Failure> {
    const { assert!(T::IS_SHARED, "other objects are used by `with`") };
    let token = Token::from_pointer(handle);
    let refuse = || refusal(token, T::KIND, name);
    let slot = table::find(token)
        .filter(|_| token.is_of(T::KIND))
        .ok_or_else(refuse)?;
    let _use = slot.uses.begin(slot).ok_or_else(refuse)?;
    if slot.token() != token {
        return Err(refuse());
    }
    // SAFETY:
    // - an object of this type lives here: the token is of its kind, and was here after the use began;
    //   it is freed by the end of the last use.
    work(unsafe { &*slot.object().cast::<T>() })
}

/// Takes an object back and drops it; NULL is none. A shared one is dropped when the calls that use it
/// have ended.
pub(crate) fn close<T: Handle>(handle: *mut T, name: &'static str) -> Result<Code, Failure> {
    let token = Token::from_pointer(handle);
    if token.is_null() {
        return Ok(Code::Ok);
    }
    let refuse = || refusal(token, T::KIND, name);
    let slot = table::find(token)
        .filter(|_| token.is_of(T::KIND))
        .ok_or_else(refuse)?;
    if T::IS_SHARED {
        if !slot.unsettle(token) {
            return Err(refuse());
        }
        // The handle's own.
        slot.uses.end(slot);
        return Ok(Code::Ok);
    }
    let turn = slot.turn.take(|| slot.unsettle(token));
    if turn.is_none() {
        return Err(refused_turn(slot, token, T::KIND, name));
    }
    drop(turn);
    // SAFETY: its handle ended just now, in a turn, so that no other call uses it.
    unsafe { slot.vacate() };
    Ok(Code::Ok)
}

/// Drops an object.
///
/// # Safety
///
/// `object` was made by [`give`] from a `T`, and is used by nobody, now or later.
unsafe fn free<T>(object: *mut ()) {
    // SAFETY: a box of this type: as this function requires.
    drop(unsafe { Box::from_raw(object.cast::<T>()) });
}

/// Why no turn could be had: somebody else has it, or the handle was closed meanwhile.
#[cold]
fn refused_turn(slot: &Slot, token: Token, kind: Kind, name: &'static str) -> Failure {
    if slot.token() != token {
        return refusal(token, kind, name);
    }
    if slot.is_of_parent() {
        let message = format!("`{name}` was opened before fork(); open it again in the child");
        return Failure::new(Code::Forked, message);
    }
    let message = format!(
        "`{name}` is in use by another call; let one thread at a time use a {}, or open one for each",
        kind.name()
    );
    Failure::new(Code::Busy, message)
}

/// What is wrong with a handle that was not found.
#[cold]
fn refusal(token: Token, kind: Kind, name: &'static str) -> Failure {
    if token.is_null() {
        return Failure::null(name);
    }
    match token.kind() {
        Some(found) if table::was_given(token) && found != kind => {
            let message = format!("`{name}` is a {}, not a {}", found.name(), kind.name());
            Failure::new(Code::WrongHandle, message)
        }
        Some(_) if table::was_given(token) => {
            let message = format!("`{name}` is a {} that was closed", kind.name());
            Failure::new(Code::Closed, message)
        }
        _ => {
            let message = format!(
                "`{name}` is no handle of this library; pass what its `_open` function gave"
            );
            Failure::new(Code::NotAHandle, message)
        }
    }
}

const _: () = assert!(CLAIMED.is_null_or_reserved());
