//! `cargo run --release -p bench -- <command>`: measures ours beside the peers; `check` holds counts to their bounds.

use std::time::Duration;

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
    /// What `check` runs under callgrind
    #[command(hide = true)]
    Counted {
        peer: String,
        scenario: String,
        requests: u64,
    },
    /// One kind of request, again and again, on one thread: for `perf record` and flame graphs
    Profile {
        /// bare, memory or fjall
        peer: String,
        /// As in the tables of `micro`, for example "live read"
        scenario: String,
        /// Seconds
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Mixed traffic for half an hour: fails if an answer is wrong or something grows
    #[cfg(feature = "soak")]
    Soak(soak::Options),
    /// What `soak` starts
    #[cfg(feature = "soak")]
    #[command(hide = true)]
    SoakServer(bench::soak::server::Options),
    #[cfg(feature = "peers")]
    #[command(flatten)]
    Measure(measure::Command),
}

fn main() -> Result<()> {
    match Options::parse().command {
        Command::Check => bench::check::run(),
        Command::Counted {
            peer,
            scenario,
            requests,
        } => bench::check::counted(&peer, &scenario, requests),
        Command::Profile {
            peer,
            scenario,
            seconds,
        } => bench::check::profile(&peer, &scenario, Duration::from_secs(seconds)),
        #[cfg(feature = "soak")]
        Command::Soak(options) => options.run(),
        #[cfg(feature = "soak")]
        Command::SoakServer(options) => bench::soak::server::serve(options),
        #[cfg(feature = "peers")]
        Command::Measure(command) => command.run(),
    }
}

#[cfg(feature = "soak")]
mod soak {
    use std::path::{Path, PathBuf};

    use anyhow::Result;
    use bench::soak::{self, Effort, server::Fault};
    use clap::Args;

    #[derive(Args)]
    pub(super) struct Options {
        /// How long
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(5..))]
        minutes: u64,
        /// MiB of each of the store's two caches; small ones are full sooner
        #[arg(long, default_value_t = 64)]
        cache: u64,
        /// Half a minute, with shorter sessions: its figures mean little, and go to `target/quick`
        #[arg(long)]
        quick: bool,
        /// Breaks the server on purpose: the run must fail, and goes to `target/quick`
        #[arg(long)]
        fault: Option<Fault>,
        /// Where the tables and plots go [default: docs/benchmarks]
        #[arg(long)]
        out: Option<PathBuf>,
    }

    impl Options {
        pub(super) fn run(self) -> Result<()> {
            let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
            let usual = if self.quick || self.fault.is_some() {
                bench.join("target/quick")
            } else {
                bench.join("../docs/benchmarks")
            };
            let effort = if self.quick {
                Effort::SHORT
            } else {
                Effort::minutes(self.minutes, self.cache)
            };
            soak::run(&self.out.unwrap_or(usual), effort, self.fault)
        }
    }
}

#[cfg(feature = "peers")]
mod measure {
    use std::path::{Path, PathBuf};

    use anyhow::Result;
    use bench::{cleaner, fleet, http, memory, micro, redis, store};
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
        /// What it takes to remove what has expired, and what requests feel of it
        Cleaner {
            #[command(flatten)]
            options: Options,
            /// 10 M sessions instead of 1 M: some ten minutes and 6 GB of disk
            #[arg(long)]
            large: bool,
        },
        /// What a session takes of memory and disk, and how long opening takes
        Memory {
            #[command(flatten)]
            options: Options,
            /// 10 M sessions instead of 1 M, without redb and SQLite: some twenty minutes, 10 GB of memory and 15 GB of disk
            #[arg(long)]
            large: bool,
        },
        /// All of these, one after the other
        All {
            #[command(flatten)]
            options: Options,
            /// As of each command
            #[arg(long)]
            large: bool,
        },
        /// What `memory` starts
        #[command(hide = true)]
        Hold {
            task: memory::Task,
            kind: memory::Kind,
            sessions: u64,
            cache: u64,
            folder: PathBuf,
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
                Self::Cleaner { options, large } => cleaner::run(
                    &options.folder(),
                    match (options.quick, large) {
                        (true, _) => cleaner::Effort::QUICK,
                        (false, true) => cleaner::Effort::LARGE,
                        (false, false) => cleaner::Effort::FULL,
                    },
                ),
                Self::Memory { options, large } => memory::run(
                    &options.folder(),
                    match (options.quick, large) {
                        (true, _) => 20_000,
                        (false, true) => 10_000_000,
                        (false, false) => 1_000_000,
                    },
                ),
                Self::All { options, large } => {
                    Self::Micro(options.clone()).run()?;
                    Self::Http(options.clone()).run()?;
                    Self::Redis(options.clone()).run()?;
                    let (store, cleaner) = (options.clone(), options.clone());
                    Self::Store { options: store, large }.run()?;
                    Self::Cleaner {
                        options: cleaner,
                        large,
                    }
                    .run()?;
                    Self::Memory { options, large }.run()
                }
                Self::Hold {
                    task,
                    kind,
                    sessions,
                    cache,
                    folder,
                } => memory::child(task, kind, sessions, cache, folder),
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
