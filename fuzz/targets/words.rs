//! The words of a topic, written between the operations of those who use it.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ringbus_fuzz::words(input));
