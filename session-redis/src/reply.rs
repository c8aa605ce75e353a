//! What servers answer, taken apart.

use redis::Value;
use session_core::Result;

use crate::failure;

/// The parts of an answer, one after the other.
pub(crate) struct Reply {
    parts: std::vec::IntoIter<Value>,
    doing: &'static str,
}

impl Reply {
    pub(crate) fn new(value: Value, doing: &'static str) -> Result<Self> {
        match value {
            Value::Array(parts) => Ok(Self {
                parts: parts.into_iter(),
                doing,
            }),
            _ => Err(failure::unexpected(doing)),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>> {
        let part = self.parts.next();
        part.and_then(bytes).ok_or_else(|| failure::unexpected(self.doing))
    }

    pub(crate) fn number(&mut self) -> Result<u64> {
        let bytes = self.bytes()?;
        number(&bytes).ok_or_else(|| failure::unexpected(self.doing))
    }

    pub(crate) fn array(&mut self) -> Result<Vec<Value>> {
        match self.parts.next() {
            Some(Value::Array(parts)) => Ok(parts),
            _ => Err(failure::unexpected(self.doing)),
        }
    }
}

/// The bytes of a string; `None` for anything else, nil included.
pub(crate) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

/// A whole number in decimal.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}
