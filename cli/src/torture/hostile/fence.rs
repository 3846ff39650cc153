//! Pages that nobody may touch on both sides of what is mapped next.
//!
//! The kernel maps a file into the highest gap that has room for it. So a stretch of address space is
//! taken, and gaps as large as the segments are torn into it: whatever is mapped there has a fence
//! around it, and an access outside of it is a signal instead of a look at its neighbour.

use std::ffi::c_void;
use std::fs;
use std::path::Path;
use std::ptr;

/// Bytes between two gaps.
const FENCE: usize = 1 << 20;

/// Prepares `count` gaps of each of these sizes, in bytes; the largest are taken last.
pub fn put_up(sizes: &[usize], count: usize) {
    let mut sizes: Vec<_> = sizes
        .iter()
        .map(|size| size.next_multiple_of(4096))
        .flat_map(|size| std::iter::repeat_n(size, count))
        .collect();
    // The kernel looks from the top: what is small must not sit in what is large.
    sizes.sort_unstable();
    let total: usize = sizes.iter().map(|size| size + FENCE).sum::<usize>() + FENCE;
    let Some(base) = take(total) else {
        return; // the looks at the maps will say so
    };
    fill_above(base);
    let mut end = base.addr() + total - FENCE;
    for size in sizes {
        let start = base.with_addr(end - size);
        // SAFETY: inside of the mapping made above, which nobody uses.
        unsafe { libc::munmap(start, size) };
        end -= size + FENCE;
    }
}

/// Takes the gaps above `base`, which the kernel would fill first.
fn fill_above(base: *mut c_void) {
    for size in [1 << 20, 64 << 10, 4 << 10] {
        while let Some(taken) = take(size) {
            if taken < base {
                // SAFETY: made by `take` just now, and nobody's.
                unsafe { libc::munmap(taken, size) };
                break;
            }
        }
    }
}

/// Takes a stretch of address space that nobody may touch.
fn take(size: usize) -> Option<*mut c_void> {
    // SAFETY: a new mapping, at an address of the kernel's choice: it replaces none.
    let base = unsafe {
        libc::mmap(
            ptr::null_mut(),
            size,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    (base != libc::MAP_FAILED).then_some(base)
}

/// Whether every mapping of a file below `root` has nothing but fence on both sides; `None` where none
/// is mapped.
pub fn stands(root: &Path) -> Option<bool> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let root = root.to_str()?;
    let areas: Vec<_> = maps.lines().filter_map(Area::parse).collect();
    let is_ours = |area: &&Area| area.path.starts_with(root);
    let ours: Vec<_> = areas.iter().filter(is_ours).collect();
    let has_neighbour = |area: &Area| {
        let touches = |other: &Area| other.end == area.start || other.start == area.end;
        areas
            .iter()
            .any(|other| other.is_readable && touches(other))
    };
    (!ours.is_empty()).then(|| !ours.iter().any(|area| has_neighbour(area)))
}

/// One line of the maps.
struct Area<'a> {
    start: usize,
    end: usize,
    is_readable: bool,
    path: &'a str,
}

impl<'a> Area<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        Some(Self {
            start: usize::from_str_radix(start, 16).ok()?,
            end: usize::from_str_radix(end, 16).ok()?,
            is_readable: fields.next()?.starts_with('r'),
            path: fields.nth(3).unwrap_or(""),
        })
    }
}
