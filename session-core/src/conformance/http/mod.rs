//! The http half: [`CASES`], and what runs them ([`http_contract!`](crate::http_contract)). Every case starts a [probe](super::probe)
//! through the adapter and talks to it over TCP, byte by byte.

mod admin;
pub mod client;
mod csrf;
mod data;
mod faults;
mod flash;
mod forgery;
mod headers;
mod identity;
mod injection;
mod late;
mod lifetime;
pub mod secrets;
pub mod site;
mod tokens;
mod typed;

use super::store::{PATIENCE, on_a_runtime};
use site::{BoxFuture, World};

pub use site::{Server, Site};

/// One behaviour that an adapter is held to.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Case {
    /// What must hold, as a sentence; also the name of the test.
    pub name: &'static str,
    /// The file that the case stands in.
    pub theme: &'static str,
    /// The promise it belongs to, for example `P6`; the design lists them.
    pub promise: &'static str,
    run: fn(World) -> BoxFuture<()>,
}

impl Case {
    /// Runs the case.
    ///
    /// # Panics
    ///
    /// If the adapter breaks the promise, or if the case does not end: the message says what was broken.
    pub async fn run(&self, world: World) {
        let done = tokio::time::timeout(PATIENCE, (self.run)(world)).await;
        assert!(
            done.is_ok(),
            "{} did not end within {} s ({})",
            self.name,
            PATIENCE.as_secs(),
            self.promise
        );
    }
}

/// Runs the case of that name on a runtime of its own with two workers: what the tests of [`http_contract!`](crate::http_contract)
/// do.
///
/// # Panics
///
/// If the adapter breaks the promise, or if there is no such case.
pub fn run(name: &str, world: World) {
    let case = CASES.iter().find(|case| case.name == name);
    let case = case.unwrap_or_else(|| panic!("there is no case named {name}"));
    // `world` outlives the runtime, and with it every server: a store is closed before its folder is removed.
    on_a_runtime(case.run(world.clone()));
}

/// The one list of cases: the table below and the tests of every adapter are made from it.
#[doc(hidden)]
#[macro_export]
macro_rules! __http_cases {
    ($callback:ident $(, $argument:expr)*) => {
        $crate::$callback! {
            ($($argument),*)
            tokens::a_token_is_64_characters_of_base64url => "P1",
            tokens::every_session_gets_a_token_of_its_own => "P1",
            tokens::a_forged_token_costs_no_store_access => "P3",
            tokens::a_tampered_token_costs_no_store_access => "P3",
            tokens::a_tampered_mac_costs_no_store_access => "P3",
            tokens::a_truncated_token_costs_no_store_access => "P3",
            tokens::a_lengthened_token_costs_no_store_access => "P3",
            tokens::a_very_long_cookie_costs_no_store_access => "P3",
            tokens::a_token_of_foreign_bytes_costs_no_store_access => "P3",
            tokens::a_token_under_an_unknown_key_costs_no_store_access => "P3",
            tokens::an_id_that_was_never_stored_is_not_adopted => "P3",
            tokens::the_first_valid_cookie_of_several_counts => "P3",
            tokens::cookies_in_several_headers_are_all_seen => "P3",
            tokens::at_most_four_cookies_of_our_name_are_tried => "P3",
            tokens::a_token_under_an_old_key_is_accepted_and_issued_again => "P4",
            forgery::a_token_planted_before_a_login_is_worth_nothing_after_it => "P7",
            forgery::a_genuine_token_of_an_id_that_was_never_stored_is_not_adopted => "P3",
            forgery::cookies_tossed_around_the_real_one_do_not_hide_it => "P3",
            forgery::a_session_tossed_behind_the_real_one_is_left_alone => "P3",
            forgery::tossed_forgeries_cost_no_store_access_and_take_no_cookie_away => "P3",
            forgery::a_mac_cut_short_filled_up_or_moved_is_refused => "P3",
            forgery::a_mac_made_for_anything_else_is_refused => "P3",
            forgery::a_token_under_a_key_that_was_taken_out_is_refused => "P4",
            forgery::a_token_of_a_form_and_a_handle_open_no_session => "P3",
            data::a_value_set_in_one_request_is_read_in_the_next => "P5",
            data::a_removed_value_is_gone_and_the_others_stay => "P5",
            data::clear_removes_every_value_and_keeps_who_is_signed_in => "P5",
            data::visitors_do_not_see_each_other_s_values => "P2",
            data::sixty_four_parallel_increments_make_sixty_four => "P5",
            data::parallel_writes_of_different_keys_all_survive => "P5",
            data::of_two_plain_writes_of_one_key_the_later_commit_wins => "P5",
            data::an_untouched_request_costs_no_store_access => "P10",
            data::an_anonymous_read_costs_no_store_access_and_sets_no_cookie => "P10",
            data::nothing_is_stored_for_a_visitor_whose_session_holds_nothing => "P10",
            data::a_read_of_a_live_session_is_one_load => "P9",
            data::a_read_and_write_is_one_load_and_one_replace => "P9",
            data::a_first_write_is_one_create => "P10",
            data::a_value_that_is_too_large_is_refused_and_nothing_is_stored => "P18",
            typed::a_value_found_by_its_type_is_read_changed_and_removed => "P5",
            typed::parallel_updates_of_a_value_found_by_its_type_all_survive => "P5",
            typed::a_damaged_value_is_an_error_and_no_default => "P16",
            flash::a_message_is_shown_once => "P5",
            flash::a_message_waits_through_a_redirect_and_through_pages_that_show_none => "P5",
            flash::messages_of_parallel_requests_all_appear => "P5",
            flash::a_message_survives_a_login_and_a_renewal => "P7",
            flash::a_message_is_not_lost_to_a_commit_that_fails => "P13",
            identity::a_login_renews_the_id_and_the_old_one_is_dead => "P7",
            identity::a_login_keeps_what_the_visitor_had => "P7",
            identity::a_login_of_somebody_else_drops_what_was_there => "P7",
            identity::renewing_keeps_data_owner_and_handle => "P7",
            identity::of_parallel_renewals_one_wins_and_one_id_lives => "P7",
            identity::a_logout_ends_the_session_and_removes_the_cookie => "P6",
            identity::an_owner_s_sessions_are_listed_with_the_current_one_marked => "P12",
            identity::a_listing_shows_no_token => "P17",
            identity::a_listing_needs_somebody_signed_in => "P12",
            identity::a_revoked_session_is_turned_away_at_once => "P11",
            identity::nobody_revokes_somebody_else_s_session => "P12",
            identity::the_answer_to_a_foreign_handle_is_the_one_to_a_handle_that_never_was => "P12",
            identity::owners_that_look_alike_share_nothing => "P12",
            identity::handles_have_nothing_in_common => "P12",
            identity::revoking_the_others_keeps_this_one => "P12",
            identity::revoking_all_ends_every_session_of_the_owner => "P12",
            identity::a_renewed_session_is_revoked_by_its_handle => "P12",
            csrf::a_token_is_accepted_in_a_form_and_in_a_header => "P3",
            csrf::tokens_of_one_session_differ_and_all_are_good => "P17",
            csrf::a_missing_token_is_refused_and_changes_nothing => "P3",
            csrf::a_forged_token_is_refused_and_changes_nothing => "P3",
            csrf::a_token_of_another_session_is_refused_and_changes_nothing => "P3",
            csrf::a_token_in_the_wrong_place_is_refused_and_changes_nothing => "P3",
            csrf::a_token_from_before_a_renewal_is_refused => "P7",
            csrf::a_token_from_before_a_login_is_refused => "P7",
            csrf::a_refused_visitor_costs_no_store_access_and_gets_no_cookie => "P10",
            csrf::a_store_that_is_down_is_no_forgery => "P13",
            csrf::a_form_that_cannot_be_read_is_a_client_error_and_changes_nothing => "P18",
            late::a_logout_during_a_slow_request_stays_logged_out => "P6",
            late::a_revocation_during_a_slow_request_holds => "P6",
            late::an_expiry_during_a_slow_request_holds => "P6",
            late::a_renewal_during_a_slow_request_leaves_the_old_id_dead => "P6",
            late::a_logout_that_a_renewal_overtakes_still_ends_the_session => "P6",
            late::a_sweep_during_a_slow_request_does_not_bring_the_session_back => "P6",
            late::a_login_that_was_overtaken_by_another_stands_on_its_own => "P6",
            late::a_stream_saves_through_a_handle_kept_past_the_head => "P6",
            late::a_stream_cannot_start_a_session_after_the_head => "P6",
            lifetime::a_session_lives_until_its_idle_timeout_and_no_longer => "P8",
            lifetime::a_busy_session_outlives_its_idle_timeout => "P8",
            lifetime::a_busy_session_ends_at_its_absolute_timeout => "P8",
            lifetime::a_clock_that_is_set_back_extends_nothing => "P8",
            lifetime::reads_of_a_busy_session_write_at_most_once_per_touch_window => "P9",
            lifetime::a_sighting_moves_the_deadline => "P9",
            lifetime::a_cookie_ends_with_the_browser_unless_it_is_remembered => "P8",
            lifetime::a_remembered_cookie_lives_as_long_as_its_record => "P8",
            lifetime::the_cookie_of_a_remembered_sliding_session_follows_its_deadline => "P8",
            faults::a_store_that_is_down_before_the_load_is_an_error => "P13",
            faults::a_commit_that_fails_never_answers_success_and_sets_no_cookie => "P13",
            faults::a_read_goes_on_when_its_sighting_cannot_be_recorded => "P13",
            faults::an_untouched_request_does_not_notice_that_the_store_is_down => "P13",
            faults::a_server_error_drops_what_the_handler_changed => "P13",
            faults::a_server_error_stores_nothing_for_a_visitor => "P13",
            faults::a_client_error_keeps_what_the_handler_changed => "P13",
            faults::an_unknown_route_answers_404 => "P13",
            faults::an_error_tells_the_visitor_nothing_of_the_inside => "P17",
            headers::the_cookie_is_http_only_and_same_site => "P10",
            headers::the_default_cookie_is_bound_to_its_host_over_https => "P1",
            headers::a_response_that_used_its_session_varies_by_cookie => "P14",
            headers::a_response_that_sets_the_cookie_stays_out_of_shared_caches => "P14",
            headers::a_public_response_becomes_private_when_it_sets_the_cookie => "P14",
            headers::what_the_application_varies_by_stays => "P14",
            headers::a_head_request_commits_like_a_get => "P5",
            headers::an_answer_sets_the_cookie_once => "P10",
            headers::every_answer_that_depends_on_the_cookie_varies_by_it => "P14",
            injection::every_byte_value_in_the_cookie_header_is_survived => "P18",
            injection::nothing_that_a_visitor_writes_becomes_a_header => "P17",
            injection::a_visitor_s_text_comes_back_as_text => "P17",
            injection::hundreds_of_cookies_in_dozens_of_headers_are_survived => "P18",
            injection::no_hostile_path_or_query_is_a_server_error => "P18",
            injection::a_flood_of_strangers_stores_nothing_and_is_told_nothing => "P10",
            admin::strangers_and_other_owners_find_no_administration => "P12",
            admin::the_page_shows_every_session_and_escapes_what_strangers_wrote => "P17",
            admin::a_listing_for_administrators_shows_no_token_and_no_store_key => "P17",
            admin::the_parts_of_the_list_cover_every_session_once_while_others_begin => "P12",
            admin::an_administrator_ends_one_session_and_it_is_turned_away_at_once => "P11",
            admin::the_buttons_of_the_page_do_what_they_say_and_lead_back => "P11",
            admin::a_sweep_by_hand_removes_what_has_expired => "P15",
            admin::without_a_token_of_its_session_an_administrator_ends_nothing => "P3",
            admin::no_answer_of_the_administration_is_stored_or_framed => "P14",
            admin::a_store_that_is_down_is_no_empty_list => "P13",
            admin::what_an_administrator_sends_is_bounded_and_checked => "P18",
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __http_table {
    (() $($theme:ident::$name:ident => $promise:literal,)*) => {
        /// All cases, in the order of their themes.
        pub const CASES: &[Case] = &[
            $(Case {
                name: stringify!($name),
                theme: stringify!($theme),
                promise: $promise,
                run: |world| Box::pin($theme::$name(world)),
            },)*
        ];
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __http_tests {
    (($spawn:expr, $store:expr) $($theme:ident::$name:ident => $promise:literal,)*) => {
        $(
            #[test]
            fn $name() {
                let world = $crate::conformance::http::site::World::new($spawn, $store);
                $crate::conformance::http::run(stringify!($name), world);
            }
        )*
    };
}

/// Holds an adapter to the http half of the suite, on one store: makes a test of every case.
///
/// `$spawn` is an async function from [`Probe`](crate::conformance::probe::Probe) to [`Server`](crate::conformance::http::Server);
/// `$store` is an async function that makes an empty store, as for [`store_contract!`](crate::store_contract).
///
/// Put it into a module of its own for every store.
#[macro_export]
macro_rules! http_contract {
    ($spawn:expr, $store:expr) => {
        $crate::__http_cases! { __http_tests, $spawn, $store }
    };
}

__http_cases! { __http_table }
