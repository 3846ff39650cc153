//! What loom can explore of the registry: the slots. The kernel's locks are a part of the model.

#[cfg(test)]
#[path = "tests/loom_lease.rs"]
mod loom_lease;
mod owner;
mod slot;
