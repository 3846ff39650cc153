//! Payloads that say where they come from and whether they are whole: those of `ringbus torture`.

#[path = "../../cli/src/torture/checked.rs"]
mod torture;

#[allow(unused_imports)] // each program uses a part of it
pub use torture::{LEN_MIN, fill, payload};

/// Origin and serial of a payload; panics if a single bit of it is not as it was written.
#[track_caller]
pub fn check(payload: &[u8]) -> (u64, u64) {
    torture::read(payload).unwrap_or_else(|| panic!("torn: {payload:?}"))
}
