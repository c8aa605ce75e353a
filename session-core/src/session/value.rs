//! One value between the application's type and its bytes: postcard, exactly one value, of the key's version.

use std::any::type_name;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};
use crate::key::AsKey;
use crate::record::{Limits, StoredValue};

/// An encoded value that is not stored yet.
#[derive(Clone, Debug)]
pub(crate) struct Encoded {
    pub(crate) version: u16,
    pub(crate) bytes: Vec<u8>,
}

impl Encoded {
    pub(crate) fn stored(&self) -> StoredValue<'_> {
        StoredValue {
            version: self.version,
            bytes: &self.bytes,
        }
    }
}

pub(super) fn encode<T: Serialize>(key: &impl AsKey<T>, value: &T) -> Result<Encoded> {
    let bytes = postcard::to_stdvec(value).map_err(|error| {
        Error::new(
            ErrorKind::Value,
            format!(
                "encoding session value {:?} of type {}: postcard cannot",
                key.name(),
                type_name::<T>()
            ),
        )
        .with_source(error)
    })?;
    Ok(Encoded {
        version: key.version(),
        bytes,
    })
}

pub(super) fn decode<T: DeserializeOwned>(key: &impl AsKey<T>, stored: StoredValue<'_>) -> Result<T> {
    if stored.version != key.version() {
        return Err(Error::new(
            ErrorKind::ValueVersion,
            format!(
                "reading session value {:?}: it was stored under version {} of the key, not {}; convert it, or remove it",
                key.name(),
                stored.version,
                key.version()
            ),
        ));
    }
    let wrong = || {
        Error::new(
            ErrorKind::Value,
            format!(
                "reading session value {:?} as {}: it was stored as another type",
                key.name(),
                type_name::<T>()
            ),
        )
    };
    match postcard::take_from_bytes(stored.bytes) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(wrong()),
        Err(error) => Err(wrong().with_source(error)),
    }
}

/// A change of one value that depends on the value it finds; it can be applied again to another one. Its result may be that there
/// is none.
#[derive(Clone)]
pub(crate) struct Update(Arc<Step>);

type Step = dyn Fn(Option<StoredValue<'_>>) -> Result<Option<Encoded>> + Send + Sync;

/// A key's name and version without its type's borrow: what an update keeps.
struct Named {
    name: String,
    version: u16,
}

impl crate::key::KeyName for Named {
    fn name(&self) -> &str {
        &self.name
    }
}

impl<T> AsKey<T> for Named {
    fn version(&self) -> u16 {
        self.version
    }
}

impl Update {
    pub(crate) fn new<T, F>(key: &impl AsKey<T>, limits: Limits, f: F) -> Self
    where
        T: Serialize + DeserializeOwned,
        F: Fn(Option<T>) -> Option<T> + Send + Sync + 'static,
    {
        let key = Named {
            name: key.name().to_owned(),
            version: key.version(),
        };
        Self(Arc::new(move |stored| {
            let present = stored.map(|stored| decode::<T>(&key, stored)).transpose()?;
            let encoded = f(present).map(|value| encode(&key, &value)).transpose()?;
            limits.check_value(encoded.as_ref().map_or(0, |encoded| encoded.bytes.len()))?;
            Ok(encoded)
        }))
    }

    pub(crate) fn apply(&self, present: Option<StoredValue<'_>>) -> Result<Option<Encoded>> {
        (self.0)(present)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;

    #[test]
    fn a_value_survives_its_bytes() {
        let encoded = encode(&"cart", &vec![(7_u64, 2_u32)]).unwrap();
        let read: Vec<(u64, u32)> = decode(&"cart", encoded.stored()).unwrap();
        assert_eq!(read, [(7, 2)]);
    }

    #[test]
    fn bytes_left_over_are_an_error() {
        let encoded = encode(&"n", &(1_u8, 2_u8)).unwrap();
        let read: Result<u8> = decode(&"n", encoded.stored());
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Value);
    }

    #[test]
    fn another_version_of_a_key_is_an_error_of_its_own() {
        let encoded = encode(&Key::<u8>::new("n"), &1).unwrap();
        let read = decode(&Key::<u8>::new("n").version(1), encoded.stored());
        assert_eq!(read.unwrap_err().kind(), ErrorKind::ValueVersion);
    }
}
