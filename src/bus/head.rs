//! What stands beside a payload.

use super::clock::Clock;
use crate::ring::block::BlockHeader;

/// What stands beside a payload, and how to read it.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) header: BlockHeader,
    pub(super) clock: Clock,
    pub(super) is_lean: bool,
}
