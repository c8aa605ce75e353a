//! `cargo run --release -p bench -- <command>`: measures ours beside the peers; `check` holds counts to their bounds.

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    about = "Measures our sessions side by side with other libraries",
    max_term_width = 100
)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Allocations, store calls and instructions of ours, against the bounds in the source
    Check,
    #[cfg(feature = "peers")]
    #[command(flatten)]
    Measure(measure::Command),
}

fn main() -> Result<()> {
    match Options::parse().command {
        Command::Check => bench::check::run(),
        #[cfg(feature = "peers")]
        Command::Measure(command) => command.run(),
    }
}

#[cfg(feature = "peers")]
mod measure {
    use std::path::{Path, PathBuf};

    use anyhow::Result;
    use bench::{fleet, http, micro, redis, store};
    use clap::{Args, Subcommand};

    #[derive(Subcommand)]
    pub(super) enum Command {
        /// What a session costs a request in process
        Micro(Options),
        /// What a session costs a server, and the runtime's heartbeat
        Http(Options),
        /// What a session on Redis costs the application and Redis
        Redis(Options),
        /// What one operation of a store takes
        Store {
            #[command(flatten)]
            options: Options,
            /// Also 1 M sessions of 2 KiB and 10 M of 300 B: some ten minutes and 15 GB of disk more
            #[arg(long)]
            large: bool,
        },
        /// What `http` and `redis` start
        #[command(hide = true)]
        Serve {
            server: String,
            #[arg(long)]
            port: u16,
            #[arg(long)]
            folder: PathBuf,
            #[arg(long)]
            redis: String,
        },
    }

    #[derive(Args, Clone)]
    pub(super) struct Options {
        /// A short run, to see that everything works: its figures mean little, and go to `target/quick`
        #[arg(long)]
        quick: bool,
        /// Where the tables and plots go [default: docs/benchmarks]
        #[arg(long)]
        out: Option<PathBuf>,
    }

    impl Options {
        fn folder(&self) -> PathBuf {
            let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
            let usual = if self.quick {
                bench.join("target/quick")
            } else {
                bench.join("../docs/benchmarks")
            };
            self.out.clone().unwrap_or(usual)
        }

        fn load(&self) -> fleet::Effort {
            if self.quick {
                fleet::Effort::QUICK
            } else {
                fleet::Effort::FULL
            }
        }
    }

    impl Command {
        pub(super) fn run(self) -> Result<()> {
            match self {
                Self::Micro(options) => micro::run(
                    &options.folder(),
                    if options.quick {
                        micro::Effort::QUICK
                    } else {
                        micro::Effort::FULL
                    },
                ),
                Self::Http(options) => http::run(&options.folder(), options.load()),
                Self::Redis(options) => redis::run(&options.folder(), options.load()),
                Self::Serve {
                    server,
                    port,
                    folder,
                    redis,
                } => fleet::serve(&server, port, folder, redis),
                Self::Store { options, large } => store::run(
                    &options.folder(),
                    match (options.quick, large) {
                        (true, _) => store::Effort::QUICK,
                        (false, true) => store::Effort::LARGE,
                        (false, false) => store::Effort::FULL,
                    },
                ),
            }
        }
    }
}
