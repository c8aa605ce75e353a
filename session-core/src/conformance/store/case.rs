//! [`CASES`]: the one list of cases. The constant and the tests that [`store_contract!`](crate::store_contract) makes both
//! come from it, so a case that is added to it reaches every store.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::cases;
use super::test_store::TestStore;

/// One behaviour that a store is held to.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Case {
    /// What must hold, as a sentence; also the name of the test.
    pub name: &'static str,
    /// The file that the case stands in.
    pub theme: &'static str,
    /// The promise it belongs to, for example `P6`; the design lists them.
    pub promise: &'static str,
    /// What the store must offer.
    pub needs: Needs,
    run: fn(TestStore) -> Running,
}

/// Which part of the contract a case is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// [`Store`](crate::Store) alone.
    Store,
    /// [`OwnerIndex`](crate::OwnerIndex) as well; against a store without one the case fails.
    OwnerIndex,
    /// [`Inventory`](crate::Inventory) as well; against a store without one the case fails.
    Inventory,
}

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// After this long a case has failed: something waits for itself. The slowest case takes seconds on a slow disk.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// For long runs, seconds in `SESSION_CONTRACT_PATIENCE`.
fn patience() -> Duration {
    match std::env::var("SESSION_CONTRACT_PATIENCE") {
        Ok(seconds) => Duration::from_secs(
            seconds
                .parse()
                .expect("SESSION_CONTRACT_PATIENCE is a number of seconds"),
        ),
        Err(_) => PATIENCE,
    }
}

impl Case {
    /// Runs the case on a fresh, empty store.
    ///
    /// # Panics
    ///
    /// If the store breaks the promise, or if the case does not end: the message is a sentence for the store's author.
    pub async fn run(&self, store: TestStore) {
        let patience = patience();
        let done = tokio::time::timeout(patience, (self.run)(store)).await;
        assert!(
            done.is_ok(),
            "{} did not end within {} s: an operation of this store waits for something that never comes ({})",
            self.name,
            patience.as_secs(),
            self.promise
        );
    }
}

/// Runs the case of that name on a runtime of its own with two workers: what the tests of
/// [`store_contract!`](crate::store_contract) do.
///
/// # Panics
///
/// If the store breaks the promise, or if there is no such case.
pub fn run<F, Fut>(name: &str, fresh: F)
where
    F: FnOnce() -> Fut,
    Fut: Future<Output: Into<TestStore>>,
{
    let case = CASES.iter().find(|case| case.name == name);
    let case = case.unwrap_or_else(|| panic!("there is no case named {name}"));
    on_a_runtime(async {
        let _blame = Blame(case);
        case.run(fresh().await.into()).await;
    });
}

/// Says under a failure what the case stands for.
struct Blame(&'static Case);

impl Drop for Blame {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Case {
                name, theme, promise, ..
            } = self.0;
            eprintln!("{name} stands for promise {promise}, theme {theme}");
        }
    }
}

/// Asserts that a store which is run without the cases for an owner index has none.
#[doc(hidden)]
pub fn assert_no_owner_index<F, Fut>(fresh: F)
where
    F: FnOnce() -> Fut,
    Fut: Future<Output: Into<TestStore>>,
{
    on_a_runtime(async {
        let store: TestStore = fresh().await.into();
        assert!(
            store.store.owner_index().is_none(),
            "this store has an owner index: hold it to the whole suite, store_contract!(factory)"
        );
    });
}

/// Asserts that a store which is run without the cases for an inventory has none.
#[doc(hidden)]
pub fn assert_no_inventory<F, Fut>(fresh: F)
where
    F: FnOnce() -> Fut,
    Fut: Future<Output: Into<TestStore>>,
{
    on_a_runtime(async {
        let store: TestStore = fresh().await.into();
        assert!(
            store.store.inventory().is_none(),
            "this store has an inventory: hold it to those cases too, leave out without_inventory"
        );
    });
}

pub(crate) fn on_a_runtime(case: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a test can start a runtime with two threads")
        .block_on(case);
}

/// The list. Hands `store { … } owners { … } inventory { … }` to another macro, behind what it was given.
#[doc(hidden)]
#[macro_export]
macro_rules! __store_cases {
    ([$($then:tt)*] $given:tt) => {
        $($then)*! {
            $given
            store {
                "P3" round_trip::an_unknown_key_loads_nothing;
                "P16" round_trip::a_stored_record_loads_with_every_field;
                "P16" round_trip::either_timeout_alone_survives;
                "P16" round_trip::a_record_without_values_loads;
                "P18" round_trip::values_of_every_size_survive;
                "P18" round_trip::the_largest_record_survives;
                "P18" round_trip::many_small_values_survive;
                "P18" round_trip::text_of_any_script_survives;
                "P2" round_trip::many_sessions_do_not_mix;
                "P2" round_trip::keys_that_differ_in_one_bit_are_different_sessions;
                "P16" round_trip::every_handle_to_the_store_sees_the_same_sessions;
                "P9" round_trip::loading_writes_nothing;
                "P7" create::a_key_that_is_taken_is_a_collision;
                "P7" create::of_parallel_creates_under_one_key_one_wins;
                "P5" replace::a_replaced_record_loads_as_the_new_one;
                "P5" replace::another_revision_is_a_conflict_that_hands_back_the_current_record;
                "P9" replace::a_conflict_hands_back_the_latest_sighting;
                "P6" replace::replace_never_creates;
                "P6" replace::replace_finds_an_expired_record_gone;
                "P9" replace::replace_keeps_a_later_sighting;
                "P8" replace::replace_brings_its_own_later_sighting;
                "P8" replace::replace_changes_the_lifetime;
                "P5" replace::replace_leaves_other_sessions_alone;
                "P5" replace::sixty_four_parallel_increments_make_sixty_four;
                "P5" replace::of_parallel_replaces_with_one_revision_one_wins;
                "P7" rotate::the_old_key_is_dead_and_the_new_one_holds_the_session;
                "P6" rotate::nothing_reaches_a_session_through_its_old_key;
                "P5" rotate::rotate_with_another_revision_is_a_conflict_that_changes_nothing;
                "P6" rotate::rotate_never_creates;
                "P7" rotate::a_new_key_that_is_taken_is_a_collision_that_changes_nothing;
                "P9" rotate::rotate_keeps_a_later_sighting;
                "P7" rotate::a_rotated_session_goes_on_under_its_new_key;
                "P7" rotate::of_parallel_rotations_one_wins;
                "P6" rotate::of_a_rotation_and_a_delete_exactly_one_finds_the_session;
                "P7" rotate::a_reader_never_finds_both_keys_alive;
                "P9" touch::touch_moves_the_sighting_and_leaves_data_and_revision;
                "P9" touch::an_earlier_sighting_changes_nothing;
                "P8" touch::touch_extends_a_sliding_session;
                "P9" touch::touch_never_passes_the_absolute_deadline;
                "P6" touch::touch_finds_an_unknown_key_gone_and_creates_nothing;
                "P6" touch::touch_finds_an_expired_record_gone;
                "P9" touch::a_replace_after_a_touch_keeps_the_sighting;
                "P9" touch::parallel_touches_keep_the_latest;
                "P5" touch::touches_beside_commits_lose_neither;
                "P11" delete::a_deleted_session_does_not_load;
                "P11" delete::deleting_what_is_not_there_answers_absent;
                "P11" delete::delete_leaves_other_sessions_alone;
                "P6" delete::a_late_replace_does_not_revive_a_deleted_session;
                "P6" delete::a_late_touch_does_not_revive_a_deleted_session;
                "P6" delete::a_late_rotation_does_not_revive_a_deleted_session;
                "P6" delete::commits_beside_a_delete_never_revive_the_session;
                "P11" delete::of_parallel_deletes_one_removes;
                "P6" load::what_is_in_memory_is_what_load_answers;
                "P8" expiry::an_idle_deadline_holds_to_the_millisecond;
                "P8" expiry::an_absolute_deadline_holds_to_the_millisecond;
                "P8" expiry::the_earlier_of_two_deadlines_counts;
                "P8" expiry::the_idle_deadline_counts_from_the_stored_sighting;
                "P6" expiry::rotate_finds_an_expired_record_gone;
                "P15" sweep::sweep_removes_only_what_has_expired;
                "P15" sweep::sweep_on_an_empty_store_finds_nothing;
                "P8" sweep::sweep_counts_the_deadline_itself_as_expired;
                "P15" sweep::sweep_keeps_its_limit_and_reports_the_rest;
                "P15" sweep::a_second_sweep_removes_nothing;
                "P15" sweep::sweep_leaves_what_was_touched;
                "P15" sweep::what_was_touched_is_swept_at_its_new_deadline;
                "P15" sweep::what_replace_has_extended_stays_until_it_ends;
                "P15" sweep::what_replace_has_shortened_is_swept_in_time;
                "P15" sweep::what_was_rotated_is_swept_once;
                "P15" sweep::sweep_finds_deleted_sessions_gone;
                "P15" sweep::sweeping_beside_touches_removes_no_live_session;
                "P15" sweep::parallel_sweeps_count_each_record_once;
                "P15" sweep::a_backlog_is_finished_while_sessions_arrive;
                "P6" interleavings::two_operations_in_every_order;
                "P6" interleavings::three_operations_in_every_order;
                "P7" interleavings::two_operations_at_once_happen_in_some_order;
                "P7" interleavings::three_operations_at_once_happen_in_some_order;
                "P7" requests::two_requests_in_every_order_of_their_calls;
                "P7" requests::three_requests_in_many_orders_of_their_calls;
                "P7" model_check::random_operations_follow_the_model;
                "P7" cancellation::an_abandoned_rotation_leaves_exactly_one_key_alive;
                "P5" cancellation::an_abandoned_replace_is_done_or_not_done;
                "P11" cancellation::an_abandoned_delete_is_done_or_not_done;
                "P9" cancellation::an_abandoned_touch_leaves_the_data_alone;
                "P13" cancellation::an_abandoned_operation_blocks_nobody;
            }
            owners {
                "P12" create::a_session_without_owner_is_never_refused_as_revoked;
                "P12" replace::replace_leaves_the_owner_index_alone;
                "P12" rotate::a_renewed_session_is_listed_once;
                "P12" rotate::a_login_puts_the_session_in_its_owners_list;
                "P12" rotate::a_session_that_changes_owner_leaves_the_old_owners_list;
                "P12" delete::a_deleted_session_leaves_its_owners_list;
                "P12" sweep::a_swept_session_leaves_its_owners_list;
                "P12" owner_list::an_owner_without_sessions_has_an_empty_list;
                "P12" owner_list::sessions_are_listed_newest_first;
                "P12" owner_list::sessions_that_began_together_are_ordered_by_handle;
                "P12" owner_list::pages_of_every_size_cover_the_list_exactly;
                "P12" owner_list::a_list_shows_the_latest_sighting;
                "P12" owner_list::sessions_of_others_are_not_listed;
                "P12" owner_list::a_list_names_where_each_session_is_stored;
                "P8" owner_list::an_expired_session_is_not_listed;
                "P12" owner_list::a_touched_session_stays_listed;
                "P12" owner_list::a_cursor_outlives_its_session;
                "P12" owner_list::a_page_starts_behind_any_cursor;
                "P12" owner_list::a_walk_is_exact_while_sessions_come_and_go;
                "P12" owner_list::a_session_that_is_renewed_meanwhile_stays_listed;
                "P12" revoke::revoking_one_ends_that_session_only;
                "P12" revoke::revoking_others_spares_the_one_that_is_named;
                "P12" revoke::revoking_all_ends_every_session_of_the_owner;
                "P11" revoke::many_sessions_are_revoked_at_once;
                "P12" revoke::a_handle_revokes_only_together_with_its_owner;
                "P12" revoke::revoking_an_owner_without_sessions_ends_nothing;
                "P12" revoke::revoke_counts_live_sessions_only;
                "P6" revoke::nothing_revives_a_revoked_session;
                "P11" revoke::a_renewed_session_is_revoked_under_its_new_key;
                "P12" revoke::revocations_of_different_owners_do_not_mix;
                "P12" login::a_login_that_began_before_a_revocation_is_refused;
                "P12" login::a_login_that_begins_after_a_revocation_is_stored;
                "P12" login::revoking_one_refuses_no_login;
                "P12" login::a_revocation_refuses_no_login_of_others;
                "P12" login::a_revocation_is_remembered_after_later_ones;
                "P12" login::a_login_by_rotation_that_began_before_a_revocation_is_refused;
                "P12" login::a_login_by_rotation_that_begins_after_a_revocation_is_stored;
                "P12" login::a_later_revocation_spares_no_login_that_an_earlier_one_refuses;
                "P12" login::a_login_is_stored_that_every_revocation_since_it_began_spares;
                "P12" login::a_change_of_owner_counts_as_a_login_of_the_new_one;
                "P12" login::a_survivor_may_be_renewed_with_an_old_epoch;
                "P12" login::a_logout_by_rotation_is_never_refused;
                "P12" login::no_login_outlives_a_revocation_that_it_races_with;
                "P12" login::a_login_that_was_refused_is_never_alive;
                "P12" owner_limit::a_login_beyond_the_limit_is_refused_and_changes_nothing;
                "P12" owner_limit::a_login_beyond_the_limit_ends_exactly_the_oldest;
                "P12" owner_limit::nothing_revives_a_session_that_made_room;
                "P12" owner_limit::sessions_that_began_together_make_room_in_the_order_of_the_list;
                "P12" owner_limit::a_limit_that_was_lowered_ends_as_many_as_it_takes;
                "P12" owner_limit::expired_sessions_do_not_count;
                "P12" owner_limit::a_touched_session_counts_until_its_new_deadline;
                "P12" owner_limit::a_renewal_and_a_login_to_the_same_session_do_not_count;
                "P12" owner_limit::a_limit_is_for_each_owner_alone;
                "P12" owner_limit::a_change_of_owner_counts_for_the_new_one_and_frees_room_of_the_old_one;
                "P12" owner_limit::a_revoked_or_deleted_session_makes_room;
                "P12" owner_limit::a_login_that_a_revocation_refuses_ends_nothing;
                "P12" owner_limit::a_collision_ends_nothing;
                "P12" owner_limit::of_64_parallel_logins_as_many_succeed_as_the_limit_allows;
                "P12" owner_limit::of_64_parallel_logins_as_many_stay_as_the_limit_allows;
                "P12" owner_limit::a_limit_holds_beside_a_revocation;
                "P12" cancellation::an_abandoned_login_is_alive_and_listed_or_neither;
            }
            inventory {
                "P12" inventory::an_empty_store_has_an_empty_inventory;
                "P12" inventory::pages_of_every_size_show_every_session_once;
                "P12" inventory::an_inventory_page_starts_behind_any_key;
                "P12" inventory::an_inventory_shows_the_latest_sighting;
                "P15" inventory::what_has_expired_is_shown_until_it_is_swept;
                "P12" inventory::an_inventory_is_exact_while_sessions_come_and_go;
                "P11" inventory::clearing_ends_every_session;
                "P11" inventory::sessions_that_begin_after_a_clearing_stay;
                "P11" inventory::no_session_outlives_a_clearing_by_being_renewed;
                "P12" inventory::a_login_that_began_before_a_clearing_is_refused;
            }
        }
    };
}

macro_rules! define_cases {
    (
        []
        store { $($promise:literal $theme:ident :: $name:ident;)* }
        owners { $($owners_promise:literal $owners_theme:ident :: $owners_name:ident;)* }
        inventory { $($inventory_promise:literal $inventory_theme:ident :: $inventory_name:ident;)* }
    ) => {
        /// Every case, those that need an owner index or an inventory last. New releases add cases.
        pub const CASES: &[Case] = &[
            $(Case {
                name: stringify!($name),
                theme: stringify!($theme),
                promise: $promise,
                needs: Needs::Store,
                run: |store| Box::pin(cases::$theme::$name(store)),
            },)*
            $(Case {
                name: stringify!($owners_name),
                theme: stringify!($owners_theme),
                promise: $owners_promise,
                needs: Needs::OwnerIndex,
                run: |store| Box::pin(cases::$owners_theme::$owners_name(store)),
            },)*
            $(Case {
                name: stringify!($inventory_name),
                theme: stringify!($inventory_theme),
                promise: $inventory_promise,
                needs: Needs::Inventory,
                run: |store| Box::pin(cases::$inventory_theme::$inventory_name(store)),
            },)*
        ];
    };
}

__store_cases! { [define_cases] [] }

/// Makes one named test of every case, each on a store of its own.
///
/// The factory is an `async fn` or a closure that answers a fresh, empty store: anything that implements
/// [`Store`](crate::Store), or a [`TestStore`] if something must be kept with it. No further dependency is needed; the tests
/// bring their own runtime.
///
/// A store whose [`owner_index`](crate::Store::owner_index) is `None` says so: `store_contract!(fresh, without_owner_index)`; one
/// whose [`inventory`](crate::Store::inventory) is `None` as well: `without_inventory`. Both go in this order.
///
/// ```
/// # fn main() {}
/// mod memory {
///     use session_core::MemoryStore;
///
///     session_core::store_contract!(async || MemoryStore::new());
/// }
/// ```
#[macro_export]
macro_rules! store_contract {
    ($factory:expr $(, $without:ident)* $(,)?) => {
        $crate::__store_cases! { [$crate::__store_tests] [$factory; $($without)*] }
    };
}

/// Writes the tests: of a store without a part of the contract one that says so, instead of the cases for that part.
#[doc(hidden)]
#[macro_export]
macro_rules! __store_tests {
    ([$factory:expr;] store $store:tt owners $owners:tt inventory $inventory:tt) => {
        $crate::__named_tests! { $factory, $store }
        $crate::__named_tests! { $factory, $owners }
        $crate::__named_tests! { $factory, $inventory }
    };
    ([$factory:expr; without_owner_index $($without:ident)?] store $store:tt owners $owners:tt inventory $inventory:tt) => {
        $crate::__store_tests! { [$factory; $($without)?] store $store owners {} inventory $inventory }

        #[test]
        fn this_store_has_no_owner_index() {
            $crate::conformance::store::assert_no_owner_index($factory);
        }
    };
    ([$factory:expr; without_inventory] store $store:tt owners $owners:tt inventory $inventory:tt) => {
        $crate::__store_tests! { [$factory;] store $store owners $owners inventory {} }

        #[test]
        fn this_store_has_no_inventory() {
            $crate::conformance::store::assert_no_inventory($factory);
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __named_tests {
    ($factory:expr, { $($promise:literal $theme:ident :: $name:ident;)* }) => {
        $(
            #[test]
            fn $name() {
                $crate::conformance::store::run(stringify!($name), $factory);
            }
        )*
    };
}
