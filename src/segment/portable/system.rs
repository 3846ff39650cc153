//! The few things that differ between Unix and Windows.

use std::{
    fs::{File, OpenOptions},
    io,
};

#[cfg(unix)]
pub(in crate::segment) use crate::segment::unix::{effective_user, file_size_limit, may_remove};
#[cfg(unix)]
pub(in crate::segment) use unix::{is_not_regular, is_out_of_files, ownership};
#[cfg(unix)]
pub(super) use unix::{not_regular, set_access, set_private, without_links};
#[cfg(not(unix))]
pub(in crate::segment) use windows::{
    effective_user, is_not_regular, is_out_of_files, may_remove, ownership,
};
#[cfg(not(unix))]
pub(super) use windows::{file_size_limit, not_regular, set_access, set_private, without_links};

/// Opens a regular file, not through a symbolic link, and without waiting for a pipe's other end.
pub(super) fn open(path: &std::path::Path, write: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = without_links(options.read(true).write(write)).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(not_regular()),
    }
}

#[cfg(unix)]
mod unix {
    use std::{
        fs::{File, Metadata, OpenOptions, Permissions},
        io,
        os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    };

    use crate::segment::{FileAccess, Ownership};

    pub(in super::super) fn without_links(options: &mut OpenOptions) -> &mut OpenOptions {
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
    }

    pub(in super::super) fn set_private(options: &mut OpenOptions) -> &mut OpenOptions {
        options.mode(0o600)
    }

    /// Gives a file its group and mode; the group first, so that the mode never serves another one.
    pub(in super::super) fn set_access(file: &File, access: FileAccess) -> io::Result<()> {
        if access.group.is_some() {
            fchown(file, None, access.group)?;
        }
        file.set_permissions(Permissions::from_mode(access.mode))
    }

    /// Whose a file is, and what others may do with it.
    pub(in crate::segment) fn ownership(status: &Metadata) -> Option<Ownership> {
        Some(Ownership {
            uid: status.uid(),
            gid: status.gid(),
            mode: status.mode() & 0o7777,
        })
    }

    pub(in super::super) fn not_regular() -> io::Error {
        io::Error::from_raw_os_error(libc::ENODEV)
    }

    /// True where `open` met something that is not a regular file.
    pub(in crate::segment) fn is_not_regular(error: &io::Error) -> bool {
        matches!(
            error.raw_os_error(),
            Some(libc::ELOOP | libc::EISDIR | libc::ENXIO | libc::ENODEV)
        )
    }

    /// True where no further file can be opened.
    pub(in crate::segment) fn is_out_of_files(error: &io::Error) -> bool {
        matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
    }
}

#[cfg(not(unix))]
mod windows {
    use std::{
        fs::{File, Metadata, OpenOptions},
        io::{self, ErrorKind},
    };

    use crate::segment::{FileAccess, Ownership};

    pub(in super::super) fn without_links(options: &mut OpenOptions) -> &mut OpenOptions {
        options
    }

    pub(in super::super) fn set_private(options: &mut OpenOptions) -> &mut OpenOptions {
        options
    }

    /// Does nothing: files have the rights of their directory.
    pub(in super::super) fn set_access(_file: &File, _access: FileAccess) -> io::Result<()> {
        Ok(())
    }

    /// Nothing: access control lists say more than there is to be said here.
    pub(in crate::segment) fn ownership(_status: &Metadata) -> Option<Ownership> {
        None
    }

    pub(in super::super) fn not_regular() -> io::Error {
        ErrorKind::IsADirectory.into()
    }

    /// True where `open` met something that is not a regular file.
    pub(in crate::segment) fn is_not_regular(error: &io::Error) -> bool {
        error.kind() == ErrorKind::IsADirectory
    }

    /// True where no further file can be opened.
    pub(in crate::segment) fn is_out_of_files(error: &io::Error) -> bool {
        const ERROR_TOO_MANY_OPEN_FILES: i32 = 4;
        error.raw_os_error() == Some(ERROR_TOO_MANY_OPEN_FILES)
    }

    /// The largest file: any.
    pub(in super::super) fn file_size_limit() -> u64 {
        u64::MAX
    }

    /// The user: always 0, as the directories that a bus is in by default are a user's own.
    pub(in crate::segment) fn effective_user() -> u32 {
        0
    }

    /// Whether this user may remove a file: nobody says before it is tried.
    pub(in crate::segment) fn may_remove(_path: &std::path::Path) -> io::Result<bool> {
        Ok(true)
    }
}
