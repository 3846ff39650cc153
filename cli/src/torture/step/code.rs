//! Addresses by the file that they belong to, so that they mean the same in every process.

use std::fs;
use std::ops::Range;

/// Where code lies in this process and those that it forks.
pub struct Code(Vec<(Range<u64>, String)>);

impl Code {
    /// What is executable now.
    pub fn of_this_process() -> Self {
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        Self(maps.lines().filter_map(parse).collect())
    }

    /// An address as a name and an offset, as `addr2line` takes it.
    pub fn name(&self, address: u64) -> String {
        let found = self.0.iter().find(|(range, _)| range.contains(&address));
        match found {
            Some((range, name)) => {
                let (file, offset) = name.rsplit_once('+').unwrap_or((name, "0"));
                let offset = u64::from_str_radix(offset, 16).unwrap_or(0);
                format!("{file}+{:#x}", address - range.start + offset)
            }
            None => format!("{address:#x}"),
        }
    }
}

/// One line of `/proc/self/maps`: where, and its file's last name with the offset in hex digits.
fn parse(line: &str) -> Option<(Range<u64>, String)> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let number = |digits| u64::from_str_radix(digits, 16).ok();
    let range = number(start)?..number(end)?;
    if !words.next()?.contains('x') {
        return None;
    }
    let offset = words.next()?;
    let path = words.nth(2).unwrap_or("?");
    let name = path.rsplit('/').next()?;
    Some((range, format!("{name}+{offset}")))
}
