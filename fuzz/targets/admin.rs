//! See `session_fuzz::admin`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| session_fuzz::admin(bytes));
