//! Flash messages: texts that one request leaves for the next page to show, once. They are a value of the session, changed by updates
//! alone, so that requests at the same time lose none (P5) and show none twice without need.
//!
//! Stored under [`FLASHES`], version 0: the postcard encoding of a list of (id: 8 bytes, level: varint, text: str), oldest first.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::id::random_bytes;
use crate::key::Key;
use crate::session::{FromSession, Session};

const FLASHES: Key<Vec<Waiting>> = Key::new("_session.flashes");

/// How many may wait. Where nothing shows them, the oldest makes room.
const MOST: usize = 32;

/// Bytes in one text.
const LONGEST: usize = 1024;

/// A text for the next page.
///
/// `Debug` shows no text: it was meant for one visitor.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Flash {
    /// What kind of news it is.
    pub level: FlashLevel,
    /// What it says, as it was given: escape it in a page.
    pub text: String,
}

/// What kind of news a flash message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FlashLevel {
    /// Something to know.
    Info,
    /// What was asked for is done.
    Success,
    /// It is done, but.
    Warning,
    /// It is not done.
    Error,
}

/// A message that was not shown yet. The id tells it from others with the same text.
#[derive(Clone, Serialize, Deserialize)]
struct Waiting {
    id: [u8; 8],
    /// [`FlashLevel::code`]. A number, so that one of a later release is no damage.
    level: u32,
    text: String,
}

impl Session {
    /// Leaves a message for the next page that shows them, also after a redirect, a [`renew`](Self::renew) or a visitor's
    /// [`login`](Self::login). After [`logout`](Self::logout) it begins a new session.
    ///
    /// At most 32 messages wait, and no more than [one value](crate::Limits::value) may hold; one more takes the place of the oldest.
    ///
    /// ```
    /// # use session_core::{Error, FlashLevel, Session};
    /// fn saved(session: &Session) -> Result<(), Error> {
    ///     session.flash(FlashLevel::Success, "Your changes are saved.")
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if the text has more than 1024 bytes; [`ErrorKind::Unavailable`] if the operating system yields no
    /// randomness; as [`update`](Self::update).
    pub fn flash(&self, level: FlashLevel, text: impl Into<String>) -> Result<()> {
        let text = text.into();
        if text.len() > LONGEST {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "leaving a flash message: {} bytes, at most {LONGEST} are allowed; store a long text elsewhere",
                    text.len()
                ),
            ));
        }
        let waiting = Waiting {
            id: random_bytes()?,
            level: level.code(),
            text,
        };
        let room = self.limits().value;
        self.change(FLASHES, move |present| {
            Some(with(present.unwrap_or_default(), &waiting, room))
        })?;
        Ok(())
    }

    /// Takes the messages that wait, oldest first, to show them in this answer. Those are removed, and no others: one that another
    /// request leaves meanwhile waits for the next page.
    ///
    /// If this request fails with a server error, they keep waiting. Two requests at the same time may both get one message: to be
    /// shown twice is better than never.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn take_flashes(&self) -> Result<Vec<Flash>> {
        let Some(taken) = self.get(FLASHES)? else {
            return Ok(Vec::new());
        };
        let ids: Vec<_> = taken.iter().map(|waiting| waiting.id).collect();
        self.change(FLASHES, move |present| without(present?, &ids))?;
        Ok(taken.into_iter().map(Flash::from).collect())
    }
}

/// The flash messages of a session: what an extractor hands to a handler. They wait until they are [taken](Self::take).
#[derive(Clone, Debug)]
pub struct Flashes(Session);

impl Flashes {
    /// As [`Session::take_flashes`].
    ///
    /// # Errors
    ///
    /// As [`Session::take_flashes`].
    pub fn take(&self) -> Result<Vec<Flash>> {
        self.0.take_flashes()
    }

    /// As [`Session::flash`].
    ///
    /// # Errors
    ///
    /// As [`Session::flash`].
    pub fn add(&self, level: FlashLevel, text: impl Into<String>) -> Result<()> {
        self.0.flash(level, text)
    }
}

impl FromSession for Flashes {
    fn from_session(session: Session) -> Result<Self> {
        Ok(Self(session))
    }
}

impl From<Waiting> for Flash {
    fn from(waiting: Waiting) -> Self {
        Self {
            level: FlashLevel::of_code(waiting.level),
            text: waiting.text,
        }
    }
}

impl FlashLevel {
    /// What is stored. Once given, a number keeps its meaning.
    fn code(self) -> u32 {
        match self {
            Self::Info => 0,
            Self::Success => 1,
            Self::Warning => 2,
            Self::Error => 3,
        }
    }

    /// A level that only a later release knows is shown as news of the plainest kind.
    fn of_code(code: u32) -> Self {
        match code {
            1 => Self::Success,
            2 => Self::Warning,
            3 => Self::Error,
            _ => Self::Info,
        }
    }

    /// In lower case, as a page's style sheet may name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Success => "success",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for FlashLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text alone.
impl fmt::Display for Flash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Flash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flash")
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// `room` is how many bytes the whole list may take. The new message stays in any case: it is not dropped in silence.
fn with(mut waiting: Vec<Waiting>, new: &Waiting, room: usize) -> Vec<Waiting> {
    // It is there already if a commit is tried again whose answer was lost.
    if waiting.iter().all(|other| other.id != new.id) {
        waiting.push(new.clone());
    }
    waiting.drain(..waiting.len().saturating_sub(MOST));
    while waiting.len() > 1 && encoded_len(&waiting) > room {
        waiting.remove(0);
    }
    waiting
}

fn encoded_len(waiting: &[Waiting]) -> usize {
    // What cannot be encoded is refused by whoever stores it.
    postcard::to_stdvec(waiting).map_or(0, |bytes| bytes.len())
}

fn without(mut waiting: Vec<Waiting>, shown: &[[u8; 8]]) -> Option<Vec<Waiting>> {
    waiting.retain(|waiting| !shown.contains(&waiting.id));
    Some(waiting).filter(|waiting| !waiting.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyName, RESERVED_PREFIX};

    fn waiting(number: u8) -> Waiting {
        Waiting {
            id: [number; 8],
            level: FlashLevel::Info.code(),
            text: number.to_string(),
        }
    }

    fn texts(waiting: &[Waiting]) -> Vec<&str> {
        waiting.iter().map(|waiting| waiting.text.as_str()).collect()
    }

    #[test]
    fn one_message_too_many_takes_the_place_of_the_oldest() {
        let most = u8::try_from(MOST).unwrap();
        let all = (0..=most).fold(Vec::new(), |all, number| with(all, &waiting(number), usize::MAX));
        assert_eq!(all.len(), MOST);
        assert_eq!((texts(&all)[0], texts(&all)[MOST - 1]), ("1", "32"));
    }

    #[test]
    fn a_message_is_added_once_however_often_its_commit_is_tried() {
        let all = with(with(Vec::new(), &waiting(1), 100), &waiting(1), 100);
        assert_eq!(texts(&all), ["1"]);
    }

    #[test]
    fn only_what_was_shown_is_removed_and_nothing_is_left_of_the_last() {
        let left = without(vec![waiting(1), waiting(2), waiting(3)], &[[1; 8], [3; 8]]).unwrap();
        assert_eq!(texts(&left), ["2"]);
        assert!(without(left, &[[2; 8]]).is_none());
    }

    #[test]
    fn a_level_of_a_later_release_reads_as_info_and_is_kept() {
        let stored = [vec![1], vec![4; 8], vec![9, 1, b'4']].concat();
        let read: Vec<Waiting> = postcard::from_bytes(&stored).unwrap();
        assert_eq!(Flash::from(read[0].clone()).level, FlashLevel::Info);
        assert_eq!(postcard::to_stdvec(&read).unwrap(), stored);
    }

    #[test]
    fn every_level_survives_its_number() {
        use FlashLevel::{Error, Info, Success, Warning};
        for level in [Info, Success, Warning, Error] {
            assert_eq!(FlashLevel::of_code(level.code()), level);
        }
    }

    #[test]
    fn messages_are_stored_as_the_module_says() {
        assert!(FLASHES.name().starts_with(RESERVED_PREFIX));
        let mut last = waiting(5);
        last.level = FlashLevel::Error.code();
        let stored = postcard::to_stdvec(&vec![waiting(4), last]).unwrap();
        let expected = [vec![2], vec![4; 8], vec![0, 1, b'4'], vec![5; 8], vec![3, 1, b'5']].concat();
        assert_eq!(stored, expected);
    }
}
