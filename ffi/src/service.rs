//! What clients and servers of a service agree on, as C says it.

use std::ffi::c_char;

use ringbus::TypeDescription;

use crate::argument::text;
use crate::failure::Failure;

/// The type of requests or replies. All zeros are untyped bytes, as which every service can be used.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawType {
    /// The same name in every program, `[Name]` for messages of several values; NULL for bytes.
    pub name: *const c_char,
    /// The size in bytes of one value.
    pub size_bytes: u64,
    /// Its alignment in bytes.
    pub alignment_bytes: u64,
}

impl RawType {
    /// # Safety
    ///
    /// As the crate's contract says.
    pub(crate) unsafe fn read(self, field: &str) -> Result<TypeDescription, Failure> {
        // SAFETY: as this function requires.
        let name = unsafe { text(self.name, field) }?;
        let (size, alignment) = (self.size_bytes, self.alignment_bytes);
        let is_one = size > 0 && alignment.is_power_of_two() && size.is_multiple_of(alignment);
        match name {
            Some(name) if !is_one => Err(Failure::invalid(format!(
                "`{field}`: the type {name} cannot have size {size} and alignment {alignment}; set \
                 `size_bytes` to its `sizeof` and `alignment_bytes` to its `alignof`"
            ))),
            name => Ok(TypeDescription {
                name: name.map(str::to_owned),
                size_bytes: size,
                alignment_bytes: alignment,
            }),
        }
    }
}
