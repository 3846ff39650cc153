//! Messages that C writes where they will be read.

use std::ffi::c_void;

use crate::argument::{Out, patience};
use crate::attribute::{self, RawAttribute};
use crate::code::Code;
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle;
use crate::publisher::Publisher;

use ringbus::Patience;

/// A message that is being written where it will be read. Set `tag` and `flags`, and lower
/// `payload_len_bytes` where the message became shorter; leave the rest alone.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawLoan {
    /// Where to write the message: `payload_len_bytes`, which hold whatever an earlier message left
    /// there, or zeros. NULL once it was committed or aborted.
    pub payload: *mut c_void,
    /// The length in bytes that the message will have.
    pub payload_len_bytes: usize,
    /// The caller's: a filter key, a type, an instrument.
    pub tag: u64,
    /// The caller's.
    pub flags: u16,
    /// Unused.
    pub reserved: [u16; 3],
    /// What the library knows the loan by.
    pub id: u64,
}

/// Consecutive messages of an exclusive topic that are being written where they will be read.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawRun {
    /// How many messages.
    pub count: usize,
    /// The length in bytes of each.
    pub payload_len_bytes: usize,
    /// The tag that all will have; the caller's.
    pub tag: u64,
    /// What the library knows the run by.
    pub id: u64,
}

/// The loans of one publisher that C has.
#[derive(Default)]
pub(crate) struct Loans {
    out: Vec<(u64, ringbus::Loan<'static, [u8]>)>,
    last_id: u64,
}

/// The run that C has.
pub(crate) struct Run {
    id: u64,
    run: ringbus::LoanRun<'static, [u8]>,
}

impl Loans {
    /// An id that no loan or run of the publisher had before; 0 is none.
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn position(&self, id: u64) -> Result<usize, Failure> {
        let found = self.out.iter().position(|(known, _)| *known == id);
        found.ok_or_else(no_loan)
    }
}

#[cold]
fn no_loan() -> Failure {
    Failure::new(
        Code::NoLoan,
        "no such loan of this publisher is out; it was committed or aborted before, or is another's",
    )
}

/// Lends the place of the next message, `payload_len_bytes` long at most, to be written and then
/// committed. Waits while the topic is full as ringbus_publish() does.
///
/// On an exclusive topic this is the next slot of the ring itself, and there can be one at a time. On a
/// shared topic there can be as many as the topic allows, committed in any order, which becomes the
/// order of the messages; one that is held for long holds up nobody. A process that dies with a loan
/// leaves no trace of it. Close the publisher, or abort the loan, and it is gone.
///
/// `RINGBUS_FULL`, `RINGBUS_LOAN_OUTSTANDING`, `RINGBUS_LOAN_LIMIT`, `RINGBUS_TOO_LONG`,
/// `RINGBUS_WRONG_SIZE`: nothing is on loan then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_loan_open(
    publisher: *mut Publisher,
    payload_len_bytes: usize,
    timeout_ns: u64,
    loan: *mut RawLoan,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(loan, "loan") }?;
        handle::with(publisher, "publisher", |publisher| {
            // SAFETY: the publisher drops what borrows from it, which is in `loans`, first.
            let inner: &'static ringbus::Publisher<[u8]> = unsafe { publisher.inner.borrow() };
            let mut lent = match patience(timeout_ns) {
                Patience::Try => inner.try_loan(payload_len_bytes),
                Patience::Forever => inner.loan(payload_len_bytes),
                Patience::For(time) => inner.loan_timeout(payload_len_bytes, time),
            }?;
            let payload = lent.as_mut_ptr().cast();
            let id = publisher.loans.next_id();
            publisher.loans.out.push((id, lent));
            out.set(RawLoan {
                payload,
                payload_len_bytes,
                tag: 0,
                flags: 0,
                reserved: [0; 3],
                id,
            });
            Ok(Code::Ok)
        })
    })
}

/// Sends the message. Never waits on an exclusive topic; on a shared one it waits while the topic is
/// full, for at most `timeout_ns`. `sequence` may be NULL.
///
/// On success the loan is over: `loan->payload` is NULL then. On a failure it is as it was, to be
/// committed later or aborted. `RINGBUS_FULL`, `RINGBUS_NOT_KEPT`; `RINGBUS_NO_LOAN` for one that was
/// committed or aborted before, or is another publisher's; `RINGBUS_INVALID_ARGUMENT` for one that was
/// lengthened.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_loan_commit(
    publisher: *mut Publisher,
    loan: *mut RawLoan,
    timeout_ns: u64,
    sequence: *mut u64,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::optional(sequence, "sequence") }?;
        // SAFETY: as the crate's contract says.
        let mut raw = unsafe { InOut::new(loan, "loan") }?;
        handle::with(publisher, "publisher", |publisher| {
            let sent = commit(&mut publisher.loans, raw.value(), patience(timeout_ns))?;
            raw.end_loan();
            if let Some(out) = out {
                out.set(sent);
            }
            Ok(Code::Ok)
        })
    })
}

fn commit(loans: &mut Loans, raw: RawLoan, patience: Patience) -> Result<u64, Failure> {
    let position = loans.position(raw.id)?;
    let (_, lent) = &mut loans.out[position];
    let lent_bytes = lent.len();
    if raw.payload_len_bytes > lent_bytes {
        return Err(Failure::invalid(format!(
            "`loan->payload_len_bytes` is {}, more than the {lent_bytes} that were lent",
            raw.payload_len_bytes
        )));
    }
    if raw.payload_len_bytes < lent_bytes {
        lent.truncate(raw.payload_len_bytes)?;
    }
    lent.set_tag(raw.tag);
    lent.set_flags(raw.flags);
    let (id, lent) = loans.out.swap_remove(position);
    let committed = match patience {
        Patience::Try => lent.try_commit(),
        Patience::Forever => lent.commit_timeout(std::time::Duration::MAX),
        Patience::For(time) => lent.commit_timeout(time),
    };
    committed.map_err(|refused| {
        loans.out.push((id, refused.loan));
        refused.error.into()
    })
}

/// Sets the attributes that the message will have; earlier ones are forgotten. May be called as often as
/// one likes before the commit.
///
/// `RINGBUS_NOT_KEPT`, `RINGBUS_ATTRIBUTES_TOO_LONG`, `RINGBUS_INVALID_ARGUMENT`, `RINGBUS_NO_LOAN`: then
/// nothing has changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_loan_set_attributes(
    publisher: *mut Publisher,
    loan: *const RawLoan,
    attributes: *const RawAttribute,
    attribute_count: usize,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let raw = unsafe { InOut::new(loan.cast_mut(), "loan") }?.value();
        handle::with(publisher, "publisher", |publisher| {
            let position = publisher.loans.position(raw.id)?;
            let mut beside = publisher.attributes.pop().unwrap_or_default();
            // SAFETY: as the crate's contract says.
            let encoded = unsafe { attribute::encode(attributes, attribute_count, &mut beside) };
            let (_, lent) = &mut publisher.loans.out[position];
            let set = encoded.and_then(|()| Ok(lent.set_attributes(&beside)?));
            publisher.attributes.push(beside);
            set?;
            Ok(Code::Ok)
        })
    })
}

/// Gives the loan up: the message never was. `RINGBUS_NO_LOAN` for one that was committed or aborted
/// before, or is another publisher's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_loan_abort(publisher: *mut Publisher, loan: *mut RawLoan) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let mut raw = unsafe { InOut::new(loan, "loan") }?;
        handle::with(publisher, "publisher", |publisher| {
            let position = publisher.loans.position(raw.value().id)?;
            drop(publisher.loans.out.swap_remove(position));
            raw.end_loan();
            Ok(Code::Ok)
        })
    })
}

/// Lends the places of the next `count` messages of an exclusive topic, each `payload_len_bytes` long.
/// Waits without an end while the topic is full.
///
/// `RINGBUS_NO_RUNS` on a shared topic, `RINGBUS_RUN_TOO_LONG` for more messages than the ring has
/// slots, `RINGBUS_LOAN_OUTSTANDING`: nothing is on loan then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_run_open(
    publisher: *mut Publisher,
    count: usize,
    payload_len_bytes: usize,
    run: *mut RawRun,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(run, "run") }?;
        handle::with(publisher, "publisher", |publisher| {
            // SAFETY: the publisher drops what borrows from it, which is in `run`, first.
            let inner: &'static ringbus::Publisher<[u8]> = unsafe { publisher.inner.borrow() };
            let run = inner.loan_run(count, payload_len_bytes)?;
            let id = publisher.loans.next_id();
            publisher.run = Some(Run { id, run });
            out.set(RawRun {
                count,
                payload_len_bytes,
                tag: 0,
                id,
            });
            Ok(Code::Ok)
        })
    })
}

/// Where to write message `index` of the run, counted from 0. Valid until the run is committed or
/// aborted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_run_payload(
    publisher: *mut Publisher,
    run: *const RawRun,
    index: usize,
    payload: *mut *mut c_void,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(payload, "payload") }?;
        // SAFETY: as the crate's contract says.
        let raw = unsafe { InOut::new(run.cast_mut(), "run") }?.value();
        handle::with(publisher, "publisher", |publisher| {
            let lent = publisher.run.as_mut().filter(|lent| lent.id == raw.id);
            let run = &mut lent.ok_or_else(no_loan)?.run;
            let count = run.len();
            let message = run.message_mut(index).ok_or_else(|| {
                Failure::invalid(format!(
                    "`index` is {index}, and the run has {count} messages"
                ))
            })?;
            out.set(message.as_mut_ptr().cast());
            Ok(Code::Ok)
        })
    })
}

/// Sends all messages of the run in order, with `run->tag`, and looks for sleeping subscribers once.
/// Never waits. `first_sequence` may be NULL. A process that dies in the middle has sent the first so
/// many.
///
/// `RINGBUS_NO_LOAN`; `RINGBUS_NOT_KEPT` for a tag on a topic without: then the run is aborted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_run_commit(
    publisher: *mut Publisher,
    run: *mut RawRun,
    first_sequence: *mut u64,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::optional(first_sequence, "first_sequence") }?;
        // SAFETY: as the crate's contract says.
        let raw = unsafe { InOut::new(run, "run") }?;
        handle::with(publisher, "publisher", |publisher| {
            let Run { mut run, .. } = take_run(publisher, raw.value().id)?;
            raw.0.id = 0;
            run.set_tag(raw.value().tag);
            let first = run.commit()?;
            if let Some(out) = out {
                out.set(first);
            }
            Ok(Code::Ok)
        })
    })
}

/// Gives the run up: its messages never were. `RINGBUS_NO_LOAN` for one that was committed or aborted
/// before, or is another publisher's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_run_abort(publisher: *mut Publisher, run: *mut RawRun) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let raw = unsafe { InOut::new(run, "run") }?;
        handle::with(publisher, "publisher", |publisher| {
            drop(take_run(publisher, raw.value().id)?);
            raw.0.id = 0;
            Ok(Code::Ok)
        })
    })
}

fn take_run(publisher: &mut Publisher, id: u64) -> Result<Run, Failure> {
    publisher
        .run
        .take_if(|run| run.id == id)
        .ok_or_else(no_loan)
}

/// A value of C's that a call reads and changes.
struct InOut<'a, T>(&'a mut T);

impl<'a, T: Copy> InOut<'a, T> {
    /// # Safety
    ///
    /// `pointer` is NULL or points to a valid `T` that nobody else uses during `'a`.
    unsafe fn new(pointer: *mut T, name: &str) -> Result<Self, Failure> {
        // SAFETY: as this function requires; checked for NULL and alignment.
        let place = unsafe { crate::argument::places(pointer, 1, name) }?;
        // SAFETY: a valid `T`: as this function requires.
        Ok(Self(unsafe { place[0].assume_init_mut() }))
    }

    fn value(&self) -> T {
        *self.0
    }
}

impl InOut<'_, RawLoan> {
    fn end_loan(&mut self) {
        self.0.payload = std::ptr::null_mut();
        self.0.id = 0;
    }
}
