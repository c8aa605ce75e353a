//! Finds the candidates for a token in the `Cookie` headers of a request. It judges form only; [`seal`](super::seal) judges MACs.

use super::seal::TOKEN_LEN;

/// The most cookies of our name that are tried in one request: a neighbouring domain may have tossed some (P3).
pub(crate) const MOST_CANDIDATES: usize = 4;

/// Every cookie of that name which could be a token, in the order sent, each once, at most four.
pub(crate) fn candidates<'a>(headers: impl IntoIterator<Item = &'a [u8]>, name: &str) -> Candidates<'a> {
    let mut found = Candidates::default();
    for header in headers {
        // Cookies of others are skipped at once; a browser sends all that a site has.
        let mut rest = header;
        while !rest.is_empty() {
            let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
            let pair = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            let Some(value) = value_of(pair.trim_ascii(), name) else {
                continue;
            };
            found.named = Named::Some;
            if let Ok(token) = value.try_into() {
                found.keep(token);
            }
        }
    }
    found
}

/// What a request carries under our cookie's name.
#[derive(Default)]
pub(crate) struct Candidates<'a> {
    pub(crate) named: Named,
    /// Filled from the front.
    pub(crate) tokens: [Option<&'a [u8; TOKEN_LEN]>; MOST_CANDIDATES],
}

impl<'a> Candidates<'a> {
    /// Unless it is there already, or there is no room.
    fn keep(&mut self, token: &'a [u8; TOKEN_LEN]) {
        let place = self
            .tokens
            .iter_mut()
            .find(|kept| kept.is_none_or(|kept| kept == token));
        if let Some(place) = place {
            *place = Some(token);
        }
    }
}

/// Whether a cookie of our name was there at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Named {
    #[default]
    None,
    Some,
}

/// The value of a `name=value` pair, without the quotes that RFC 6265 §4.1.1 allows around it.
fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let value = pair
        .strip_prefix(name.as_bytes())?
        .trim_ascii_start()
        .strip_prefix(b"=")?
        .trim_ascii_start();
    Some(
        value
            .strip_prefix(b"\"")
            .and_then(|value| value.strip_suffix(b"\""))
            .unwrap_or(value),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(byte: u8) -> String {
        char::from(byte).to_string().repeat(TOKEN_LEN)
    }

    fn tokens(headers: &[String]) -> Vec<String> {
        candidates(headers.iter().map(String::as_bytes), "session")
            .tokens
            .iter()
            .flatten()
            .map(|token| String::from_utf8_lossy(token.as_slice()).into_owned())
            .collect()
    }

    #[test]
    fn the_cookie_is_found_among_others_in_any_header() {
        let headers = [
            format!("a=1; session={}", token(b'x')),
            format!("session=\"{}\";b=2", token(b'y')),
        ];
        assert_eq!(tokens(&headers), [token(b'x'), token(b'y')]);
    }

    #[test]
    fn a_cookie_whose_name_merely_starts_or_ends_alike_is_none_of_ours() {
        for name in ["sessions", "xsession", "Session", "session-id"] {
            assert!(tokens(&[format!("{name}={}", token(b'x'))]).is_empty(), "{name}");
        }
    }

    #[test]
    fn at_most_four_different_candidates_are_tried() {
        let many: Vec<_> = (b'a'..=b'h')
            .flat_map(|byte| [token(byte), token(byte)])
            .map(|t| format!("session={t}"))
            .collect();
        assert_eq!(tokens(&many), [token(b'a'), token(b'b'), token(b'c'), token(b'd')]);
    }

    #[test]
    fn a_value_of_another_length_is_noticed_but_no_candidate() {
        let found = candidates([b"session=short".as_slice()], "session");
        assert_eq!((found.named, found.tokens), (Named::Some, [None; MOST_CANDIDATES]));
    }

    proptest! {
        #[test]
        fn no_header_makes_parsing_panic(header in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = candidates([header.as_slice()], "session");
        }
    }
}
