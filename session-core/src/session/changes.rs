//! [`Changes`]: what a handler wants done to its session, apart from what the session holds. It is applied to whatever record the
//! commit finds, so that two requests that change different keys both survive (P5).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::entries::Entries;
use super::value::{Encoded, Update};
use crate::csrf;
use crate::error::{Error, ErrorKind, Result};
use crate::id::Owner;
use crate::lifetime::Lifetime;
use crate::record::{Limits, Persistence, StoredValue, Values};
use crate::store::Epoch;

/// Intent, in the order in which it takes effect: end the session, clear it, change keys, change what it is.
#[derive(Clone)]
pub(crate) struct Changes {
    /// The stored session is to be deleted; everything else here is for a new one.
    pub(crate) ending: Ending,
    pub(crate) identity: Identity,
    /// Whether a new id was asked for, and not only for the sake of a login.
    renewal: Renewal,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) lifetime: Option<(Lifetime, Persistence)>,
    scope: Scope,
    entries: Entries<Change>,
    /// What the entries would take, at most, in bytes.
    size: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    #[default]
    Continue,
    End,
}

#[derive(Clone, Debug, Default)]
pub(crate) enum Identity {
    #[default]
    Keep,
    Renew,
    Login(Login),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Renewal {
    #[default]
    Unasked,
    Asked,
}

/// Who signs in, and when that began in the store's history of revocations.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) owner: Owner,
    pub(crate) began: Epoch,
}

/// What happens to values that no entry names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Scope {
    #[default]
    Keep,
    Clear,
}

#[derive(Clone)]
enum Change {
    Set(Encoded),
    Remove,
    /// `value` is the result of the steps on what lies below, as far as this request knows; a commit applies the steps anew.
    Update {
        steps: Vec<Update>,
        value: Option<Encoded>,
    },
}

/// What these changes say about one value.
pub(crate) enum Lookup<'a> {
    Value(StoredValue<'a>),
    Absent,
    /// Nothing: ask the layer below.
    Below,
}

/// The most bytes that an entry takes besides its name and its value: two lengths and a version, as varints.
pub(crate) const ENTRY_OVERHEAD: usize = 13;

/// Updates of one value that may wait for a commit.
const MOST_STEPS: usize = 1_000;

/// The one value that belongs to the session's id rather than to the visitor: a new id comes without it. Somebody who knew the
/// session before a login must not know what proves a request genuine after it.
const BOUND_TO_ID: &str = csrf::NAME;

impl Default for Changes {
    fn default() -> Self {
        Self::NONE
    }
}

impl Change {
    /// What no longer depends on anything below.
    fn settled(value: Option<Encoded>) -> Self {
        value.map_or(Self::Remove, Self::Set)
    }

    fn value(&self) -> Option<&Encoded> {
        match self {
            Self::Set(value) => Some(value),
            Self::Update { value, .. } => value.as_ref(),
            Self::Remove => None,
        }
    }

    fn size(&self, name: &str) -> usize {
        self.value()
            .map_or(0, |value| name.len() + value.bytes.len() + ENTRY_OVERHEAD)
    }
}

impl Changes {
    pub(crate) const NONE: Self = Self {
        ending: Ending::Continue,
        identity: Identity::Keep,
        renewal: Renewal::Unasked,
        label: None,
        lifetime: None,
        scope: Scope::Keep,
        entries: Entries::new(),
        size: 0,
    };

    pub(crate) fn set(&mut self, name: &str, value: Encoded) {
        self.put(name.into(), Change::Set(value));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.put(name.into(), Change::Remove);
    }

    fn put(&mut self, name: Box<str>, change: Change) {
        self.drop_entry(&name);
        self.size += change.size(&name);
        self.entries.insert(name, change);
    }

    fn drop_entry(&mut self, name: &str) {
        if let Some(before) = self.entries.remove(name) {
            self.size -= before.size(name);
        }
    }

    /// Refuses one more update of a value of which too many wait: each keeps its function, whose size nobody knows.
    pub(crate) fn check_steps(&self, name: &str) -> Result<()> {
        match self.entries.get(name) {
            Some(Change::Update { steps, .. }) if steps.len() >= MOST_STEPS => Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "updating session value {name:?}: {MOST_STEPS} updates of it wait to be committed; save in between"
                ),
            )),
            _ => Ok(()),
        }
    }

    pub(crate) fn update(&mut self, name: &str, update: Update, value: Option<Encoded>) {
        let change = match self.entries.get(name).cloned() {
            // What it depends on is our own doing already, so the result is settled.
            Some(Change::Set(_) | Change::Remove) => Change::settled(value),
            None if self.scope == Scope::Clear || self.forgets(name) => Change::settled(value),
            Some(Change::Update { mut steps, .. }) => {
                steps.push(update);
                Change::Update { steps, value }
            }
            None => Change::Update {
                steps: vec![update],
                value,
            },
        };
        self.put(name.into(), change);
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.size = 0;
        self.scope = Scope::Clear;
    }

    pub(crate) fn renew(&mut self) {
        self.renewal = Renewal::Asked;
        // A login renews anyway.
        if matches!(self.identity, Identity::Keep) {
            self.identity = Identity::Renew;
        }
        self.drop_entry(BOUND_TO_ID);
    }

    pub(crate) fn login(&mut self, login: Login) {
        self.identity = Identity::Login(login);
        self.drop_entry(BOUND_TO_ID);
    }

    /// Whether what lies below under this name does not outlive these changes, because they give the session another id.
    fn forgets(&self, name: &str) -> bool {
        name == BOUND_TO_ID && !matches!(self.identity, Identity::Keep)
    }

    pub(crate) fn end(&mut self) {
        *self = Self {
            ending: Ending::End,
            ..Self::default()
        };
    }

    /// Whether nothing is wanted.
    pub(crate) fn are_none(&self) -> bool {
        self.ending == Ending::Continue && matches!(self.identity, Identity::Keep) && !self.change_data()
    }

    /// Whether a record would look different afterwards, apart from its id and owner.
    pub(crate) fn change_data(&self) -> bool {
        self.change_values() || self.label.is_some() || self.lifetime.is_some()
    }

    /// Whether anything happens to values.
    pub(crate) fn change_values(&self) -> bool {
        self.scope == Scope::Clear || !self.entries.is_empty()
    }

    /// Whether these changes alone would make a session that holds a value.
    pub(crate) fn hold_something(&self) -> bool {
        self.entries.iter().any(|(_, change)| change.value().is_some())
    }

    pub(crate) fn lookup(&self, name: &str) -> Lookup<'_> {
        match self.entries.get(name).map(Change::value) {
            Some(Some(value)) => Lookup::Value(value.stored()),
            Some(None) => Lookup::Absent,
            None if self.hides_below() || self.forgets(name) => Lookup::Absent,
            None => Lookup::Below,
        }
    }

    /// Whether values below this layer are out of sight.
    pub(crate) fn hides_below(&self) -> bool {
        self.scope == Scope::Clear || self.ending == Ending::End
    }

    /// Does to the names of what lies below what these changes do to the values.
    pub(crate) fn overlay<'a>(&'a self, names: &mut BTreeSet<&'a str>) {
        if self.hides_below() {
            names.clear();
        }
        if self.forgets(BOUND_TO_ID) {
            names.remove(BOUND_TO_ID);
        }
        for (name, change) in self.entries.iter() {
            match change.value() {
                Some(_) => names.insert(name),
                None => names.remove(name),
            };
        }
    }

    /// What lies below has changed: runs updates again, so that reads show what a commit would store. One that fails is left as it
    /// is; the commit will report it.
    pub(crate) fn rebase(&mut self, below: &Values) {
        for (name, change) in self.entries.iter_mut() {
            let before = change.size(name);
            if let Change::Update { steps, value } = change
                && let Ok(result) = run(steps, below.get(name))
            {
                *value = result;
                self.size = self.size - before + change.size(name);
            }
        }
    }

    /// The values that result on top of these.
    pub(crate) fn apply(&self, base: &Values, limits: &Limits) -> Result<Values> {
        let base = if self.scope == Scope::Clear {
            Values::none()
        } else {
            base
        };
        if self.entries.is_empty() && !self.forgets(BOUND_TO_ID) {
            return Ok(base.clone());
        }
        // Both are in the order of names, and so is the result.
        let mut values = Values::writer(base.encoded_len() + self.size);
        let forgotten = self.forgets(BOUND_TO_ID).then_some(BOUND_TO_ID.as_bytes());
        let mut kept = base.entries().filter(|entry| Some(entry.name) != forgotten).peekable();
        for (name, change) in self.entries.iter() {
            while let Some(before) = kept.next_if(|entry| entry.name < name.as_bytes()) {
                values.copy(&before);
            }
            let present = kept
                .next_if(|entry| entry.name == name.as_bytes())
                .map(|entry| entry.value);
            match change {
                Change::Set(value) => values.push(name, value.stored()),
                Change::Remove => {}
                Change::Update { steps, .. } => {
                    if let Some(value) = run(steps, present)? {
                        values.push(name, value.stored());
                    }
                }
            }
        }
        for behind in kept {
            values.copy(&behind);
        }
        let values = values.finish();
        limits.check_record(values.encoded_len())?;
        Ok(values)
    }

    /// Bytes that the entries would take, at most.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The session was ended; what remains is for the new one.
    pub(crate) fn after_ending(self) -> Self {
        Self {
            ending: Ending::Continue,
            ..self
        }
    }

    /// Only what is carried out when the handler failed: ending and renewing.
    pub(crate) fn without_data(self) -> Self {
        let identity = match self.renewal {
            Renewal::Asked => Identity::Renew,
            Renewal::Unasked => Identity::Keep,
        };
        Self {
            ending: self.ending,
            identity,
            renewal: self.renewal,
            ..Self::default()
        }
    }

    /// These changes, then others that were made on top of them.
    pub(crate) fn then(mut self, later: Self) -> Self {
        if later.ending == Ending::End {
            return later;
        }
        if later.scope == Scope::Clear {
            self.clear();
        }
        if later.forgets(BOUND_TO_ID) {
            self.drop_entry(BOUND_TO_ID);
        }
        for (name, change) in later.entries {
            let merged = match (self.entries.get(&name).cloned(), change) {
                (Some(Change::Update { mut steps, .. }), Change::Update { steps: more, value }) => {
                    steps.extend(more);
                    Change::Update { steps, value }
                }
                (Some(_), Change::Update { value, .. }) => Change::settled(value),
                (None, Change::Update { value, .. }) if self.scope == Scope::Clear || self.forgets(&name) => {
                    Change::settled(value)
                }
                (_, change) => change,
            };
            self.put(name, merged);
        }
        match later.identity {
            Identity::Keep => {}
            Identity::Renew if matches!(self.identity, Identity::Login(_)) => {}
            other => self.identity = other,
        }
        if later.renewal == Renewal::Asked {
            self.renewal = Renewal::Asked;
        }
        self.label = later.label.or(self.label);
        self.lifetime = later.lifetime.or(self.lifetime);
        self
    }
}

/// One step after the other, the first one on what is there.
fn run(steps: &[Update], present: Option<StoredValue<'_>>) -> Result<Option<Encoded>> {
    let Some((first, rest)) = steps.split_first() else {
        return Ok(None);
    };
    let mut value = first.apply(present)?;
    for step in rest {
        value = step.apply(value.as_ref().map(Encoded::stored))?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::super::value;
    use super::*;

    fn encoded(number: u32) -> Encoded {
        value::encode(&"n", &number).unwrap()
    }

    fn values(entries: &[(&str, u32)]) -> Values {
        let encoded: Vec<_> = entries.iter().map(|(name, number)| (*name, encoded(*number))).collect();
        Values::from_sorted(encoded.iter().map(|(name, value)| (*name, value.stored())))
    }

    fn plus(n: u32) -> Update {
        value::Update::new::<u32, _>(&"n", Limits::default(), move |present| Some(present.unwrap_or(0) + n))
    }

    /// Counts down, and removes what would become zero.
    fn minus_one() -> Update {
        value::Update::new::<u32, _>(&"n", Limits::default(), |present| {
            present.and_then(|n| n.checked_sub(1)).filter(|n| *n > 0)
        })
    }

    fn applied(changes: &Changes, base: &[(&str, u32)]) -> Vec<(String, u32)> {
        let values = changes.apply(&values(base), &Limits::default()).unwrap();
        let read = |stored| value::decode::<u32>(&"n", stored).unwrap();
        values
            .iter()
            .map(|(name, stored)| (name.to_owned(), read(stored)))
            .collect()
    }

    fn is(found: &[(String, u32)], expected: &[(&str, u32)]) {
        let found: Vec<_> = found.iter().map(|(name, number)| (name.as_str(), *number)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_set_key_leaves_the_others() {
        let mut changes = Changes::default();
        changes.set("b", encoded(2));
        is(
            &applied(&changes, &[("a", 1), ("c", 3)]),
            &[("a", 1), ("b", 2), ("c", 3)],
        );
    }

    #[test]
    fn an_update_runs_again_on_what_it_finds() {
        let mut changes = Changes::default();
        changes.update("n", plus(1), Some(encoded(6)));
        changes.update("n", plus(10), Some(encoded(16)));
        is(&applied(&changes, &[("n", 5)]), &[("n", 16)]);
        is(&applied(&changes, &[("n", 100)]), &[("n", 111)]);
        is(&applied(&changes, &[]), &[("n", 11)]);
    }

    #[test]
    fn an_update_that_removes_runs_again_on_what_it_finds() {
        let mut changes = Changes::default();
        changes.update("n", minus_one(), None);
        changes.update("n", minus_one(), None);
        assert!(!changes.hold_something());
        is(&applied(&changes, &[("n", 1)]), &[]);
        is(&applied(&changes, &[("n", 5)]), &[("n", 3)]);
    }

    #[test]
    fn a_step_after_a_removal_finds_nothing() {
        let mut changes = Changes::default();
        changes.update("n", minus_one(), None);
        changes.update("n", plus(10), Some(encoded(10)));
        is(&applied(&changes, &[("n", 1)]), &[("n", 10)]);
    }

    #[test]
    fn the_size_follows_an_update_that_a_reload_made_larger() {
        let mut changes = Changes::default();
        changes.update("n", plus(1), Some(encoded(1)));
        changes.rebase(&values(&[("n", 1_000_000)]));
        changes.remove("n");
        assert_eq!(changes.size(), 0);
    }

    #[test]
    fn what_is_bound_to_the_id_does_not_outlive_it() {
        let base = [("a", 1), (csrf::NAME, 2)];
        let mut renewed = Changes::default();
        renewed.renew();
        is(&applied(&renewed, &base), &[("a", 1)]);
        is(&applied(&renewed.clone().without_data(), &base), &[("a", 1)]);
        assert!(matches!(renewed.lookup(csrf::NAME), Lookup::Absent));

        let mut before = Changes::default();
        before.set(csrf::NAME, encoded(3));
        is(&applied(&before.then(renewed.clone()), &base), &[("a", 1)]);

        let mut after = Changes::default();
        after.update(csrf::NAME, plus(4), Some(encoded(4)));
        is(&applied(&renewed.then(after), &base), &[(csrf::NAME, 4), ("a", 1)]);
    }

    #[test]
    fn an_update_of_a_value_we_set_is_settled() {
        let mut changes = Changes::default();
        changes.set("n", encoded(1));
        changes.update("n", plus(1), Some(encoded(2)));
        is(&applied(&changes, &[("n", 100)]), &[("n", 2)]);
    }

    #[test]
    fn clear_removes_what_the_base_has_and_keeps_what_comes_after() {
        let mut changes = Changes::default();
        changes.set("a", encoded(1));
        changes.clear();
        changes.set("b", encoded(2));
        is(&applied(&changes, &[("x", 9)]), &[("b", 2)]);
    }

    #[test]
    fn later_changes_compose_with_earlier_ones() {
        let mut first = Changes::default();
        first.update("n", plus(1), Some(encoded(1)));
        first.set("a", encoded(1));
        let mut second = Changes::default();
        second.update("n", plus(2), Some(encoded(3)));
        second.remove("a");
        is(&applied(&first.then(second), &[("a", 5), ("n", 10)]), &[("n", 13)]);
    }

    #[test]
    fn ending_drops_what_came_before() {
        let mut changes = Changes::default();
        changes.set("a", encoded(1));
        changes.renew();
        changes.end();
        assert!(!changes.change_data());
        assert_eq!(changes.ending, Ending::End);
    }

    #[test]
    fn a_record_over_its_limit_is_refused() {
        let limits = Limits {
            record: 20,
            ..Limits::default()
        };
        let mut changes = Changes::default();
        changes.set("a", value::encode(&"a", &vec![0_u8; 30]).unwrap());
        let refused = changes.apply(&Values::default(), &limits).unwrap_err();
        assert_eq!(refused.kind(), crate::ErrorKind::TooLarge);
    }
}
