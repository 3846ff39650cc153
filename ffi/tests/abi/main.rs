//! What the ABI is: the symbols, and the name of the library.

#[path = "../support/mod.rs"]
mod support;

mod symbols;
