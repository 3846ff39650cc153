//! Files full of lies, and a process that writes them: an error or data, never a crash or a hang.
//!
//! In this order: every byte of every [header](headers) changed; [files] cut and replaced; random
//! [mutations] of whole files; a [vandal] among others who work; a [reader] who tries to write. What
//! may crash or hang is done by workers that are [watched](watch).

mod book;
mod exhibit;
mod fence;
mod files;
mod headers;
mod museum;
mod mutate;
mod mutations;
mod operate;
mod reader;
mod traffic;
mod vandal;
mod watch;

use std::time::Duration;

use super::actor::Role;
use super::findings::Findings;
use super::setting::Setting;
use crate::outcome::Failure;

use book::Book;
use headers::Extent;

/// Who damages, and who has to live with it.
pub const ROLES: &[Role] = &[
    headers::ROLE,
    files::ROLE,
    mutations::ROLE,
    vandal::ROLE,
    reader::ROLE,
    traffic::ROLES[0],
    traffic::ROLES[1],
];

/// Mutations of a whole run.
const USUAL: u64 = 1_000_000;
/// With fewer mutations than these, not every byte of the headers is changed either.
const BRIEF: u64 = 10_000;
/// How long the vandal is at work in a whole run, and in a shorter one.
const VANDAL_TIMES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(1)];

/// Runs the case.
pub fn run(setting: &Setting, findings: &mut Findings) -> Result<(), Failure> {
    let book = Book::open(setting.root())?;
    let count = setting.count(USUAL);
    if let Some(first) = setting.first() {
        mutations::run(setting, &book, first, count, findings)?;
    } else {
        let is_whole = setting.is_whole();
        reader::run(setting, findings)?;
        files::run(setting, &book, is_whole, findings)?;
        let time = VANDAL_TIMES[usize::from(!is_whole)];
        vandal::run(setting, &book, time, findings)?;
        let extent = match count {
            _ if is_whole => Extent::All,
            0..BRIEF => Extent::Some,
            _ => Extent::Each,
        };
        headers::run(setting, &book, extent, findings)?;
        mutations::run(setting, &book, 0, count, findings)?;
    }
    Book::remove(setting.root());
    Ok(())
}
