//! [`Limits`]: how large names, values and records may become (P18).

use crate::error::{Error, ErrorKind, Result};
use crate::key::RESERVED_PREFIX;

/// The most bytes that names, values and a whole record may take.
///
/// What is over a limit is refused with [`ErrorKind::TooLarge`] where it is inserted, so that a handler can say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes in the name of a value. Default 128.
    pub name: usize,
    /// Bytes in one encoded value. Default 64 KiB.
    pub value: usize,
    /// Bytes in all names and values of a session together. Default 256 KiB.
    pub record: usize,
    /// Bytes in a label. Default 255.
    pub label: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            name: 128,
            value: 64 * 1024,
            record: 256 * 1024,
            label: 255,
        }
    }
}

impl Limits {
    /// Of a name that the application gives; the library's own are not asked about.
    pub(crate) fn check_name(&self, name: &str) -> Result<()> {
        if name.starts_with(RESERVED_PREFIX) {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "naming a session value: names that begin with {RESERVED_PREFIX:?} are the library's own; choose another one"
                ),
            ));
        }
        if name.is_empty() {
            return Err(Error::new(
                ErrorKind::Invalid,
                "naming a session value: the name is empty",
            ));
        }
        within("the name of a session value", name.len(), self.name)
    }

    pub(crate) fn check_value(&self, bytes: usize) -> Result<()> {
        within("one session value", bytes, self.value)
    }

    pub(crate) fn check_record(&self, bytes: usize) -> Result<()> {
        within("all values of a session", bytes, self.record)
    }

    pub(crate) fn check_label(&self, bytes: usize) -> Result<()> {
        within("the label of a session", bytes, self.label)
    }
}

fn within(what: &str, bytes: usize, most: usize) -> Result<()> {
    if bytes <= most {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::TooLarge,
        format!(
            "storing {what}: {bytes} bytes, at most {most} are allowed; keep large data elsewhere and its key in the session"
        ),
    ))
}
