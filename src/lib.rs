//! A lock-free shared-memory message bus.
