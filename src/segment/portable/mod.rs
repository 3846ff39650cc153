//! The system behind segments where it is not Linux, or the feature `portable` asks for it: the crate
//! `shared_memory`, and what the standard library has.
//!
//! Memory has a name of its own there, in a place that no directory can show. So a segment is two
//! things: an [object](object) of memory under a random name, and a small file, its
//! [descriptor], which stands in the directory of the bus and says that name. Whoever
//! makes, names, finds or removes a segment does it by the descriptor. Each byte that can be locked
//! is a [lock file](lock), made when it is first needed.
//!
//! `ARCHITECTURE.md`, "The portable backend", lists what this cannot promise, and why.

mod descriptor;
mod directory;
mod file;
mod lock;
mod object;
mod room;
mod system;

pub(crate) use self::room::{ROOM_BYTES, Room};
pub(super) use self::{
    directory::{
        create_directory, default_parent, is_directory_of, rename_new, set_directory_access,
    },
    file::{
        File, available_bytes, close, create_named, create_unnamed, file_size_limit, free_space_in,
        is_abandoned_draft, link_named, link_unnamed, open, open_own, read_at, remove, reserve,
        set_access, set_len, status, write_at,
    },
    lock::{locked_len, try_lock_range, unlock, unlock_all},
    object::Mapping,
    system::{effective_user, is_not_regular, is_out_of_files, may_remove, ownership},
};

/// Bytes of a huge page: no portable way to them is known.
pub(super) fn huge_page_bytes() -> Option<usize> {
    None
}

/// Bytes that the process may lock in memory, as this backend never does.
pub(super) fn memory_lock_limit() -> u64 {
    0
}
