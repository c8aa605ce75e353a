//! [`Proxy`]: stands between a store and a server, counts, and breaks what it is told to.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    plan: Plan,
    /// How many plans there were.
    plans: usize,
    /// What came from the store since the plan was made.
    requests: usize,
    /// Times that the store spoke after the server.
    trips: usize,
    last_spoke: Side,
    /// A request has come to where it is held.
    is_held: bool,
    /// Answers that wait.
    held: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Store,
    Server,
}

/// What happens to requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    Pass,
    /// This request, and all behind it, wait until the plan changes.
    HoldAt(usize),
    /// This request is lost, and the connection with it; so are all behind it: the process has died before it.
    CutBefore(usize),
    /// This request arrives, its answer does not: the process has died behind it.
    CutAfter(usize),
    /// The same, once: what comes later passes.
    CutOnceAfter(usize),
    /// Nothing arrives any more, and nobody is told.
    Swallow,
    /// Answers wait until the plan changes, and then come all at once, so that the store finds them in one piece.
    HoldAnswers,
    /// The same, but only on connections that tell of changes, from the next such message on.
    HoldNews,
    /// Answers come late.
    Delay(Duration),
}

impl Proxy {
    pub(crate) fn start(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let state = State {
            plan: Plan::Pass,
            plans: 0,
            requests: 0,
            trips: 0,
            last_spoke: Side::Server,
            is_held: false,
            held: Vec::new(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let for_all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for store in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
                    continue;
                };
                let _ = (store.set_nodelay(true), server.set_nodelay(true));
                let (Ok(store_too), Ok(server_too)) = (store.try_clone(), server.try_clone()) else {
                    continue;
                };
                let has_hole = Arc::new(AtomicBool::new(false));
                let (shared, hole) = (Arc::clone(&for_all), Arc::clone(&has_hole));
                std::thread::spawn(move || shared.pump(Side::Store, &hole, store, server));
                let shared = Arc::clone(&for_all);
                std::thread::spawn(move || shared.pump(Side::Server, &has_hole, server_too, store_too));
            }
        });
        Self { port, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Lets go what was held, and counts from here.
    pub(crate) fn plan(&self, plan: Plan) {
        let mut state = self.shared.state.lock().expect("no thread panics here");
        state.plan = plan;
        state.plans += 1;
        state.requests = 0;
        state.trips = 0;
        state.last_spoke = Side::Server;
        state.is_held = false;
        state.held.clear();
        self.shared.changed.notify_all();
    }

    pub(crate) fn trips(&self) -> usize {
        self.shared.state.lock().expect("no thread panics here").trips
    }

    pub(crate) fn requests(&self) -> usize {
        self.shared.state.lock().expect("no thread panics here").requests
    }

    /// Whether this is among the answers that wait.
    pub(crate) fn holds(&self, part: &str) -> bool {
        has(&self.shared.state.lock().expect("no thread panics here").held, part)
    }

    /// Blocks until a request is held, or until `is_over`.
    pub(crate) fn wait_until_held(&self, is_over: impl Fn() -> bool) {
        super::until("a request is held", || {
            is_over() || self.shared.state.lock().expect("no thread panics here").is_held
        });
    }
}

impl Shared {
    /// `has_hole`: something of this connection is lost. It never goes on behind that: TCP knows no holes.
    fn pump(&self, side: Side, has_hole: &AtomicBool, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let mut read = match from.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(read) => read,
            };
            if side == Side::Server && self.has_to_wait(&buffer[..read]) {
                read += self.hold(&mut from, &mut buffer[read..]);
            }
            let goes_on = match side {
                Side::Store => self.lets_request_through(),
                Side::Server => self.lets_answer_through(),
            };
            match goes_on {
                Fate::Pass => {
                    if has_hole.load(Ordering::Relaxed) || to.write_all(&buffer[..read]).is_err() {
                        break;
                    }
                }
                Fate::Lost => has_hole.store(true, Ordering::Relaxed),
                Fate::Cut => break,
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }

    /// Whether this answer waits; then it is kept, and so is what comes behind it.
    fn has_to_wait(&self, answer: &[u8]) -> bool {
        let mut state = self.state.lock().expect("no thread panics here");
        let waits = match state.plan {
            Plan::HoldAnswers => true,
            Plan::HoldNews => has(answer, "invalidate"),
            _ => false,
        };
        if waits {
            state.held.extend(answer);
        }
        waits
    }

    fn goes_on_waiting(&self, answer: &[u8]) -> bool {
        let mut state = self.state.lock().expect("no thread panics here");
        state.held.extend(answer);
        matches!(state.plan, Plan::HoldAnswers | Plan::HoldNews)
    }

    /// Collects answers until they need not wait any more.
    fn hold(&self, from: &mut TcpStream, mut buffer: &mut [u8]) -> usize {
        let mut collected = 0;
        let _ = from.set_read_timeout(Some(Duration::from_millis(5)));
        while self.goes_on_waiting(&[]) {
            if let Ok(read) = from.read(buffer) {
                self.goes_on_waiting(&buffer[..read]);
                collected += read;
                buffer = &mut buffer[read..];
            }
        }
        let _ = from.set_read_timeout(None);
        collected
    }

    fn lets_request_through(&self) -> Fate {
        let mut state = self.state.lock().expect("no thread panics here");
        state.requests += 1;
        if state.last_spoke == Side::Server {
            state.trips += 1;
            state.last_spoke = Side::Store;
        }
        let number = state.requests;
        match state.plan {
            Plan::CutBefore(at) if number >= at => return Fate::Cut,
            Plan::CutAfter(at) if number > at => return Fate::Cut,
            Plan::Swallow => return Fate::Lost,
            _ => {}
        }
        let made = state.plans;
        while made == state.plans && matches!(state.plan, Plan::HoldAt(at) if number >= at) {
            state.is_held = true;
            self.changed.notify_all();
            state = self.changed.wait(state).expect("no thread panics here");
        }
        Fate::Pass
    }

    fn lets_answer_through(&self) -> Fate {
        let mut state = self.state.lock().expect("no thread panics here");
        state.last_spoke = Side::Server;
        let (plan, requests) = (state.plan, state.requests);
        if matches!(plan, Plan::CutOnceAfter(at) if requests >= at) {
            state.plan = Plan::Pass;
            return Fate::Cut;
        }
        drop(state);
        match plan {
            Plan::CutAfter(at) if requests >= at => Fate::Cut,
            Plan::Swallow => Fate::Lost,
            Plan::Delay(by) => {
                std::thread::sleep(by);
                Fate::Pass
            }
            _ => Fate::Pass,
        }
    }
}

fn has(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

enum Fate {
    Pass,
    Lost,
    Cut,
}
