//! [`Note`]: what is written on the card of a gift. The cart's form posts one; its socket saves it while it is typed.

use std::fmt;

/// A gift note that fits its card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// At most [`Note::LONGEST`] characters, with lines that end in `\n`.
    text: String,
}

impl Note {
    /// The most characters of a note.
    pub const LONGEST: usize = 500;

    /// A note as it was typed.
    ///
    /// # Errors
    ///
    /// If it is longer than [`Self::LONGEST`].
    pub fn new(text: &str) -> Result<Self, NoteTooLong> {
        // A form posts every line end as two characters (HTML, "constructing the entry list"); who typed it saw one.
        let text = text.replace("\r\n", "\n");
        match text.chars().count() {
            0..=Self::LONGEST => Ok(Self { text }),
            _ => Err(NoteTooLong),
        }
    }

    /// What it says; `None` if nothing.
    pub fn into_text(self) -> Option<String> {
        Some(self.text).filter(|text| !text.trim().is_empty())
    }
}

/// A note that does not fit its card. `Display` says so to whoever wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoteTooLong;

impl fmt::Display for NoteTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "That is more than fits the card: please use at most {} characters.",
            Note::LONGEST
        )
    }
}

impl std::error::Error for NoteTooLong {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_measured_in_characters() {
        assert!(Note::new(&"ä".repeat(500)).is_ok());
        assert_eq!(Note::new(&"a".repeat(501)), Err(NoteTooLong));
    }

    #[test]
    fn a_line_end_is_one_character_however_it_was_sent() {
        assert_eq!(Note::new("Dear Ada,\r\nenjoy!"), Note::new("Dear Ada,\nenjoy!"));
        assert!(Note::new(&"\r\n".repeat(500)).is_ok());
    }

    #[test]
    fn spaces_are_no_note() {
        assert_eq!(Note::new(" \n").unwrap().into_text(), None);
    }
}
