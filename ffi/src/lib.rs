//! The C ABI of ringbus.
