//! Names for sessions in their owner's list. What is stored is chosen from the tables below: nothing of the header gets through.

/// What a `User-Agent` header calls a browser, and what we do. The first match counts: most browsers claim to be others too.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

/// The same for systems. Android claims to be Linux, an iPhone to be like a Mac.
const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// A short name for the browser that sent this `User-Agent` header, such as "Firefox on Linux": for
/// [`Session::set_label`](crate::Session::set_label), so that an owner recognises the session in a list.
///
/// It consists of names from a fixed table, at most 40 bytes, and never of the header itself, which is long, may hold anything and
/// helps to tell people apart (RFC 9110 §10.1.5). Anybody can send any header: the name is for people to read, never to decide by.
///
/// ```
/// use session_core::label;
///
/// let name = label::of_user_agent("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0");
/// assert_eq!(name, "Firefox on Linux");
/// assert_eq!(label::of_user_agent(""), "Unknown browser");
/// ```
pub fn of_user_agent(user_agent: &str) -> String {
    let browser = first_match(BROWSERS, user_agent).unwrap_or("Unknown browser");
    match first_match(SYSTEMS, user_agent) {
        Some(system) => format!("{browser} on {system}"),
        None => browser.to_owned(),
    }
}

fn first_match(table: &[(&str, &'static str)], text: &str) -> Option<&'static str> {
    table
        .iter()
        .find(|(mark, _)| text.contains(mark))
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::{BROWSERS, SYSTEMS, of_user_agent};

    #[track_caller]
    fn reads(user_agent: &str, label: &str) {
        assert_eq!(of_user_agent(user_agent), label);
    }

    #[test]
    fn firefox_on_linux() {
        reads(
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
            "Firefox on Linux",
        );
    }

    #[test]
    fn chrome_is_not_taken_for_safari() {
        reads(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
            "Chrome on macOS",
        );
    }

    #[test]
    fn edge_is_not_taken_for_chrome() {
        reads(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
            "Edge on Windows",
        );
    }

    #[test]
    fn an_iphone_is_not_taken_for_a_mac() {
        reads(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        );
    }

    #[test]
    fn android_is_not_taken_for_linux() {
        reads(
            "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0",
            "Firefox on Android",
        );
    }

    #[test]
    fn a_tool_without_a_system_is_named_alone() {
        reads("curl/8.11.0", "curl");
    }

    #[test]
    fn what_says_nothing_is_unknown() {
        reads("", "Unknown browser");
    }

    #[test]
    fn nothing_of_the_header_gets_through_and_the_name_stays_short() {
        for header in [
            "<script>Firefox/</script> Linux".repeat(10_000),
            "secret=hunter2 \r\n\0é".repeat(99),
        ] {
            let name = of_user_agent(&header);
            assert!(name.len() <= 40, "{name}");
            assert!(["Firefox on Linux", "Unknown browser"].contains(&&*name), "{name}");
        }
    }

    #[test]
    fn every_name_is_within_the_bound_that_is_documented() {
        let longest = |table: &[(&str, &str)]| table.iter().map(|(_, name)| name.len()).max();
        let all = longest(BROWSERS)
            .max(Some("Unknown browser".len()))
            .zip(longest(SYSTEMS));
        assert!(all.is_some_and(|(browser, system)| browser + " on ".len() + system <= 40));
    }
}
