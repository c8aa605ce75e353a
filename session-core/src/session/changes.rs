//! [`Changes`]: what a handler wants done to its session, apart from what the session holds. It is applied to whatever record the
//! commit finds, so that two requests that change different keys both survive (P5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::value::{Encoded, Update};
use crate::error::Result;
use crate::id::Owner;
use crate::lifetime::Lifetime;
use crate::record::{Limits, Persistence, StoredValue, Values};
use crate::store::Epoch;

/// Intent, in the order in which it takes effect: end the session, clear it, change keys, change what it is.
#[derive(Clone, Default)]
pub(crate) struct Changes {
    /// The stored session is to be deleted; everything else here is for a new one.
    pub(crate) ending: Ending,
    pub(crate) identity: Identity,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) lifetime: Option<(Lifetime, Persistence)>,
    scope: Scope,
    entries: BTreeMap<Box<str>, Change>,
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
        value: Encoded,
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

impl Change {
    fn value(&self) -> Option<&Encoded> {
        match self {
            Self::Set(value) | Self::Update { value, .. } => Some(value),
            Self::Remove => None,
        }
    }
}

impl Changes {
    pub(crate) fn set(&mut self, name: &str, value: Encoded) {
        self.put(name.into(), Change::Set(value));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.put(name.into(), Change::Remove);
    }

    fn put(&mut self, name: Box<str>, change: Change) {
        let size = |name: &str, change: &Change| {
            change
                .value()
                .map_or(0, |value| name.len() + value.bytes.len() + ENTRY_OVERHEAD)
        };
        self.size += size(&name, &change);
        if let Some(before) = self.entries.get(&name) {
            self.size -= size(&name, before);
        }
        self.entries.insert(name, change);
    }

    pub(crate) fn update(&mut self, name: &str, update: Update, value: Encoded) {
        let change = match (self.entries.get(name).cloned(), self.scope) {
            // What it depends on is our own doing already, so the result is settled.
            (Some(Change::Set(_) | Change::Remove), _) | (None, Scope::Clear) => Change::Set(value),
            (Some(Change::Update { mut steps, .. }), _) => {
                steps.push(update);
                Change::Update { steps, value }
            }
            (None, Scope::Keep) => Change::Update {
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
        if matches!(self.identity, Identity::Keep) {
            self.identity = Identity::Renew;
        }
    }

    pub(crate) fn end(&mut self) {
        *self = Self {
            ending: Ending::End,
            ..Self::default()
        };
    }

    /// Whether a record would look different afterwards, apart from its id and owner.
    pub(crate) fn change_data(&self) -> bool {
        self.scope == Scope::Clear || !self.entries.is_empty() || self.label.is_some() || self.lifetime.is_some()
    }

    /// Whether these changes alone would make a session that holds a value.
    pub(crate) fn hold_something(&self) -> bool {
        self.entries.values().any(|change| !matches!(change, Change::Remove))
    }

    pub(crate) fn lookup(&self, name: &str) -> Lookup<'_> {
        match self.entries.get(name) {
            Some(Change::Set(value) | Change::Update { value, .. }) => Lookup::Value(value.stored()),
            Some(Change::Remove) => Lookup::Absent,
            None if self.hides_below() => Lookup::Absent,
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
        for (name, change) in &self.entries {
            match change.value() {
                Some(_) => names.insert(name),
                None => names.remove(&**name),
            };
        }
    }

    /// What lies below has changed: runs updates again, so that reads show what a commit would store. One that fails is left as it
    /// is; the commit will report it.
    pub(crate) fn rebase(&mut self, below: &Values) {
        for (name, change) in &mut self.entries {
            if let Change::Update { steps, value } = change
                && let Ok(Some(result)) = run(steps, below.get(name))
            {
                *value = result;
            }
        }
    }

    /// The values that result on top of these.
    pub(crate) fn apply(&self, base: &Values, limits: &Limits) -> Result<Values> {
        let nothing = Values::default();
        let base = if self.scope == Scope::Clear { &nothing } else { base };
        if self.entries.is_empty() {
            return Ok(base.clone());
        }
        let mut settled: BTreeMap<&str, Option<Encoded>> = BTreeMap::new();
        for (name, change) in &self.entries {
            let value = match change {
                Change::Set(value) => Some(value.clone()),
                Change::Remove => None,
                Change::Update { steps, .. } => run(steps, base.get(name))?,
            };
            settled.insert(name, value);
        }
        let mut entries: BTreeMap<&str, StoredValue<'_>> = base.iter().collect();
        for (name, value) in &settled {
            match value {
                Some(value) => entries.insert(name, value.stored()),
                None => entries.remove(name),
            };
        }
        let values = Values::from_sorted(entries);
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
        let identity = match self.identity {
            Identity::Renew => Identity::Renew,
            Identity::Keep | Identity::Login(_) => Identity::Keep,
        };
        Self {
            ending: self.ending,
            identity,
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
        for (name, change) in later.entries {
            let merged = match (self.entries.get(&name).cloned(), change) {
                (Some(Change::Update { mut steps, .. }), Change::Update { steps: more, value }) => {
                    steps.extend(more);
                    Change::Update { steps, value }
                }
                (Some(_), Change::Update { value, .. }) => Change::Set(value),
                (None, Change::Update { value, .. }) if self.scope == Scope::Clear => Change::Set(value),
                (_, change) => change,
            };
            self.put(name, merged);
        }
        match later.identity {
            Identity::Keep => {}
            // A login renews anyway.
            Identity::Renew => self.renew(),
            login @ Identity::Login(_) => self.identity = login,
        }
        self.label = later.label.or(self.label);
        self.lifetime = later.lifetime.or(self.lifetime);
        self
    }
}

/// One step after the other, the first one on what is there.
fn run(steps: &[Update], present: Option<StoredValue<'_>>) -> Result<Option<Encoded>> {
    let mut value: Option<Encoded> = None;
    for step in steps {
        value = Some(step.apply(value.as_ref().map(Encoded::stored).or(present))?);
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
        value::Update::new::<u32, _>(&"n", Limits::default(), move |present| present.unwrap_or(0) + n)
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
        changes.update("n", plus(1), encoded(6));
        changes.update("n", plus(10), encoded(16));
        is(&applied(&changes, &[("n", 5)]), &[("n", 16)]);
        is(&applied(&changes, &[("n", 100)]), &[("n", 111)]);
        is(&applied(&changes, &[]), &[("n", 11)]);
    }

    #[test]
    fn an_update_of_a_value_we_set_is_settled() {
        let mut changes = Changes::default();
        changes.set("n", encoded(1));
        changes.update("n", plus(1), encoded(2));
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
        first.update("n", plus(1), encoded(1));
        first.set("a", encoded(1));
        let mut second = Changes::default();
        second.update("n", plus(2), encoded(3));
        second.remove("a");
        is(&applied(&first.then(second), &[("n", 10), ("a", 5)]), &[("n", 13)]);
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
