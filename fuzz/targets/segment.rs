//! The head of a ring's file, whatever is in it: opened, and used if it opens.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ringbus_fuzz::segment(input));
