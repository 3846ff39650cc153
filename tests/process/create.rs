//! To come.
use super::actor::Roles;
pub const ROLES: Roles = &[];
