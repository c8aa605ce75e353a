//! See `session_fuzz::form`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| session_fuzz::form(bytes));
