//! Names a session after the browser it began in, "Firefox on Linux" say, so that its owner recognises it in a list.
//!
//! A `User-Agent` may claim anything: the label is for people to read, never to decide by.

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

/// A short name for the browser that sent this `User-Agent`.
pub fn of_user_agent(user_agent: Option<&str>) -> String {
    let user_agent = user_agent.unwrap_or_default();
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
    use super::of_user_agent;

    #[track_caller]
    fn reads(user_agent: &str, label: &str) {
        assert_eq!(of_user_agent(Some(user_agent)), label);
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
        assert_eq!(of_user_agent(None), "Unknown browser");
    }
}
