//! `check`
pub fn run() -> anyhow::Result<()> {
    Ok(())
}
