//! [`Durability`]: what the relaxed class of writes survives.

/// What creating, replacing and touching a session survives once it has answered.
///
/// Deleting, rotating and revoking survive power loss whatever is set here (P11): a lost save annoys, a lost delete signs somebody in
/// again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of this process, by `kill -9` too. Power loss costs at most the last second.
    #[default]
    Process,
    /// Power loss. Every write waits for the disk; writes that wait together share one sync.
    PowerLoss,
}
