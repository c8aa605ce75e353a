//! The published suite, with the mark that each test needs a server.

/// Like `session_core::store_contract!`, for tests that only run when they are asked for.
#[macro_export]
macro_rules! redis_contract {
    ($fresh:expr) => {
        session_core::__store_cases! { [$crate::redis_contract] [$fresh] }
    };
    (
        [$fresh:expr]
        store { $($promise:literal $theme:ident :: $name:ident;)* }
        owners { $($owners_promise:literal $owners_theme:ident :: $owners_name:ident;)* }
        inventory { $($inventory:tt)* }
    ) => {
        $($crate::redis_contract! { one $fresh, $name })*
        $($crate::redis_contract! { one $fresh, $owners_name })*

        #[test]
        #[ignore = "needs redis-server"]
        fn this_store_has_no_inventory() {
            session_core::conformance::store::assert_no_inventory($fresh);
        }
    };
    (one $fresh:expr, $name:ident) => {
        #[test]
        #[ignore = "needs redis-server"]
        fn $name() {
            session_core::conformance::store::run(stringify!($name), $fresh);
        }
    };
}
