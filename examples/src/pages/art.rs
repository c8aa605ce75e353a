//! Line drawings of the products, in the page itself: nothing to fetch, and they take the colour of the text.

use maud::{Markup, PreEscaped, html};

/// The shop's mark.
pub(super) fn brand() -> Markup {
    html! {
        svg.mark viewBox="0 0 24 24" aria-hidden="true" {
            path d="M5 9h14l-1.3 11.5H6.3zM8.5 9V7a3.5 3.5 0 0 1 7 0v2" {}
        }
    }
}

/// The drawing of a product; decoration, as its name stands beside it.
pub(super) fn product(id: &str) -> Markup {
    html! {
        svg.drawing viewBox="0 0 64 64" aria-hidden="true" { (PreEscaped(strokes(id))) }
    }
}

fn strokes(id: &str) -> &'static str {
    match id {
        "mug" => {
            "<path d='M15 21h27v22a7 7 0 0 1-7 7H22a7 7 0 0 1-7-7z'/>\
             <path d='M42 27h4a6 6 0 0 1 6 6v3a6 6 0 0 1-6 6h-4'/>\
             <path d='M22 14c0-3 3-3 3-6M31 14c0-3 3-3 3-6'/>"
        }
        "notebook" => {
            "<rect x='15' y='9' width='35' height='46' rx='3'/><path d='M23 9v46'/>\
             <path class='dots' d='M31 20h12M31 28h12M31 36h12M31 44h12'/>"
        }
        "pencil" => {
            "<path d='m12 52 3-13 28-28a3.5 3.5 0 0 1 5 0l5 5a3.5 3.5 0 0 1 0 5L25 49z'/>\
             <path d='m15 39 10 10M37 17l10 10M13.5 46l4.5 4.5'/>"
        }
        "lamp" => {
            "<path d='M20 55h22M31 55V46L20 32l13-15'/><path d='m29 20 9-10 14 12-15 8z'/>\
             <path d='M40.5 28.5a4.5 4.5 0 0 0 7-4'/>"
        }
        "teapot" => {
            "<path d='M18 26h28c4 5 5 9 5 13 0 8-6 14-19 14s-19-6-19-14c0-4 1-8 5-13z'/>\
             <path d='M22 26c0-5 4-8 10-8s10 3 10 8M32 18v-3'/><path d='M51 38c5 0 3-9 9-11M20 24C12 4 52 4 44 24'/>"
        }
        "blanket" => {
            "<path d='M14 20h32a5 5 0 0 1 5 5v21H19a5 5 0 0 1-5-5z'/><path d='M14 20a5 5 0 0 1 5-5h27a5 5 0 0 1 5 5v8'/>\
             <path d='M14 28h37M14 34h37'/><path d='M20 46v5M27 46v5M34 46v5M41 46v5M48 46v5'/>"
        }
        _ => "<circle cx='32' cy='32' r='16'/>",
    }
}
