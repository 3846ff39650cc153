//! A registry, whatever is in it: opened, joined, listed.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ringbus_fuzz::registry(input));
