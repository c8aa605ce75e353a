//! Every order of the store calls that two and three concurrent requests make on one session, through the engine: what they answer and
//! leave behind must be what they would have, one after the other ([`world`]), and nothing that a promise forbids may be seen in between
//! ([`script`]).
//!
//! Pairs are run in every order. Triples of what is not [rare](Wish::is_rare) are run in a sample of orders, the same one every time:
//! `SESSION_GATE_ORDERS` says how many, or `all`, and `SESSION_GATE_SEED` chooses another sample. A long run needs a longer
//! `SESSION_CONTRACT_PATIENCE`.

mod script;
mod site;
mod wish;
mod world;

use crate::conformance::store::test_store::{Orders, TestStore};
use crate::conformance::store::walk::{Chance, Walk};
use script::Way;
use site::{Site, Whose};
use wish::Wish;

/// What happens at once to whose session.
type Group = (Whose, Vec<Wish>);

const SEED: u64 = 0x5e55_1045;

pub(in super::super) async fn two_requests_in_every_order_of_their_calls(store: TestStore) {
    let site = Site::new(store);
    let groups = groups(&site, 2);
    in_every_order(&site, &groups).await;
}

pub(in super::super) async fn three_requests_in_many_orders_of_their_calls(store: TestStore) {
    let orders = orders(&store);
    let site = Site::new(store);
    let groups = groups(&site, 3);
    match orders {
        Orders::All => in_every_order(&site, &groups).await,
        Orders::Some(orders) => in_random_orders(&site, &groups, orders).await,
    }
}

fn orders(store: &TestStore) -> Orders {
    match std::env::var("SESSION_GATE_ORDERS").as_deref() {
        Err(_) => store.orders,
        Ok("all") => Orders::All,
        Ok(orders) => Orders::Some(orders.parse().expect("SESSION_GATE_ORDERS is a number, or all")),
    }
}

fn seed() -> u64 {
    let seed = std::env::var("SESSION_GATE_SEED");
    seed.map_or(SEED, |seed| seed.parse().expect("SESSION_GATE_SEED is a number"))
}

/// Every group of so many wishes, the same one several times included, at everybody's session.
fn groups(site: &Site, many: usize) -> Vec<Group> {
    let wishes: Vec<Wish> = Wish::ALL
        .into_iter()
        .filter(|wish| site.has_owner_index() || !wish.needs_owner_index())
        .filter(|wish| many < 3 || !wish.is_rare())
        .collect();
    let mut chosen: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..many {
        let longer = |group: &Vec<usize>| {
            let from = group.last().copied().unwrap_or_default();
            (from..wishes.len())
                .map(|next| [group.as_slice(), &[next]].concat())
                .collect::<Vec<_>>()
        };
        chosen = chosen.iter().flat_map(longer).collect();
    }
    let mut groups = Vec::new();
    for whose in Whose::ALL {
        let named = |group: &Vec<usize>| (whose, group.iter().map(|wish| wishes[*wish]).collect());
        groups.extend(chosen.iter().map(named));
    }
    groups
}

async fn in_every_order(site: &Site, groups: &[Group]) {
    let mut played = 0;
    for (whose, wishes) in groups {
        let mut walk = Walk::default();
        loop {
            script::play(site, *whose, wishes, played, Way::Next(&mut walk)).await;
            played += 1;
            if !walk.advance() {
                break;
            }
        }
    }
    println!("{played} orders: every one of {} groups of requests", groups.len());
}

async fn in_random_orders(site: &Site, groups: &[Group], orders: u64) {
    let seed = seed();
    let mut chance = Chance::new(seed);
    for played in 0..orders {
        let (whose, wishes) = &groups[chance.below(groups.len())];
        script::play(site, *whose, wishes, played, Way::Random(&mut chance)).await;
    }
    println!("{orders} orders of {} groups of requests, seed {seed}", groups.len());
}
