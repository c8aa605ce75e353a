//! The program `session-fjall`. Everything is in the library's `cli`.

fn main() -> std::process::ExitCode {
    session_fjall::cli::main()
}
