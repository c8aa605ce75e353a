//! [`Session::ended`]: waits for the end of a session without asking the store all the time.

use std::time::Duration;

use super::Session;
use crate::event::Chain;

/// How long it may take until an end is noticed that another process has brought about: it costs one load each time.
const RECHECK: Duration = Duration::from_secs(30);

/// When it is looked again after a look that settled nothing.
const RETRY: Duration = Duration::from_secs(1);

impl Session {
    /// Waits until the session has ended: until [`is_live`](Self::is_live) would say no. For a WebSocket or a stream, which is open for
    /// longer than a request and would not notice that its user was signed out (OWASP ASVS 5.0 V7.4.1).
    ///
    /// - What goes through this engine is noticed at once: revocations of one, the others or all sessions, a logout, a session that
    ///   had to make room for a newer one, a login as somebody else.
    /// - So is the deadline, by the engine's clock, also if another request brings it forward. Waiting is no sighting: it keeps no session alive.
    /// - What goes through another engine, in this process or on another machine, is noticed within 30 seconds, by one load in that time.
    /// - A renewal *by another request* is an end too. It locks out whoever knows the old token (P7), and that may be
    ///   who opened this socket; the client connects again, with the token that it has now.
    ///   A renewal by this session itself, or a clone of it, is none.
    /// - A visitor for whom nothing is stored has nothing to wait for: it answers at once. Call it when the response has gone out, or
    ///   after [`save`](Self::save).
    ///
    /// A store that is down does not end a session (P13): it is asked again every second. Needs a tokio runtime with its timer. Dropping the
    /// future is harmless, and nothing is kept for a session that nobody waits for.
    ///
    /// ```
    /// # use session_core::Session;
    /// # async fn next_message() -> Option<String> { None }
    /// async fn serve(session: Session) {
    ///     tokio::select! {
    ///         () = session.ended() => { /* close the socket */ }
    ///         message = next_message() => { /* answer it */ }
    ///     }
    /// }
    /// ```
    pub async fn ended(&self) {
        let engine = self.engine();
        let mut awaited = None;
        loop {
            // No turn is taken: a caller may stop polling this future and wait for a `save` of the same session.
            let Some((key, handle, owner)) = self.state().base.live().map(|live| {
                let record = &live.record;
                (live.key, record.handle(), record.owner().cloned())
            }) else {
                return;
            };
            // After a logout or a login as somebody else this session may stand for another one.
            if *awaited.get_or_insert(handle) != handle {
                return;
            }
            let watch = engine.watchers().watch(handle, owner);
            // Before looking, so that nothing that happens in between is missed.
            let woken = watch.woken();
            let pause = match engine.load(key).await {
                Ok(Some(record)) => record.expires_at().saturating_since(engine.now()).min(RECHECK),
                Ok(None) => {
                    let state = self.state();
                    let moved = state.base.live().is_none_or(|live| live.key != key);
                    match &state.in_flight {
                        _ if moved => continue,
                        None => return,
                        // A commit of this very session may be what has moved it, and wakes us when it is through.
                        Some(_) => RETRY,
                    }
                }
                Err(error) => {
                    tracing::debug!(error = %Chain(&error), "looking whether a session has ended failed");
                    RETRY
                }
            };
            let _ = tokio::time::timeout(pause, woken).await;
        }
    }
}
