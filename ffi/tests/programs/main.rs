//! Programs in C and C++ against the libraries as they are shipped, and against Rust.
//!
//! Compiled with every warning an error, by gcc and, where it is installed, by clang. What a machine
//! cannot do is skipped, and says so.

#[path = "../support/mod.rs"]
mod support;

mod compiler;
mod cpp;
mod examples;
mod exchange;
mod functions;
mod installed;
mod misuse;
mod scratch;
