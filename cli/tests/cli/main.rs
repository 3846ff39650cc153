//! The built `ringbus` binary, run as its users run it: real processes on a bus of their own.

mod demo;
mod endings;
mod harness;
mod inspect;
mod pub_sub;
mod real_data;
