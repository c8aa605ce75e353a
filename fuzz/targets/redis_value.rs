//! See `session_fuzz::redis_value`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| session_fuzz::redis_value(bytes));
