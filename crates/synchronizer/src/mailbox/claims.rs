//! Objects that one Sync owns and another wants. The other is refused and says so; the owner hears of it here.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_manifest::ObjectId;

use super::Mailboxes;
use crate::{board::SyncKey, nudge::Nudge};

/// An object of a Sync that another one wants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Claim {
    pub(crate) object: ObjectId,
    /// Who wants it.
    pub(crate) by: SyncKey,
}

/// By owner, whether it is followed here or not.
#[derive(Default)]
pub(super) struct Claims(BTreeMap<SyncKey, BTreeSet<Claim>>);

impl Claims {
    /// Puts what a Sync wants of others in the place of what it wanted before; answers who has to hear of it.
    fn replace(&mut self, by: &SyncKey, wanted: BTreeMap<ObjectId, SyncKey>) -> Vec<SyncKey> {
        let mut next: BTreeMap<SyncKey, BTreeSet<Claim>> = BTreeMap::new();
        for (object, owner) in wanted {
            next.entry(owner).or_default().insert(Claim { object, by: by.clone() });
        }
        let owners: BTreeSet<SyncKey> = self.0.keys().chain(next.keys()).cloned().collect();
        let mut heard = Vec::new();
        for owner in owners {
            let before = self.0.remove(&owner).unwrap_or_default();
            let mut now: BTreeSet<Claim> = before.iter().filter(|claim| claim.by != *by).cloned().collect();
            now.extend(next.remove(&owner).unwrap_or_default());
            if now != before {
                heard.push(owner.clone());
            }
            if !now.is_empty() {
                self.0.insert(owner, now);
            }
        }
        heard
    }
}

impl Mailboxes {
    /// Tells the owners which of their objects a Sync wants now, by object; what it wanted before is forgotten.
    pub(crate) fn claim(&self, by: &SyncKey, wanted: BTreeMap<ObjectId, SyncKey>) {
        let mut boxes = self.boxes();
        for owner in boxes.claims.replace(by, wanted) {
            if let Some(mailbox) = boxes.of.get(&owner) {
                mailbox.put(Nudge::Claim);
            }
        }
    }

    /// What others want of the objects of a Sync.
    pub(crate) fn claims_on(&self, owner: &SyncKey) -> BTreeSet<Claim> {
        self.boxes().claims.0.get(owner).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> SyncKey {
        SyncKey { namespace: "lockstep".into(), name: name.into() }
    }

    fn id(name: &str) -> ObjectId {
        format!("/ConfigMap/shop/{name}").parse().unwrap()
    }

    #[test]
    fn owners_hear_what_begins_and_what_ends() {
        let mut claims = Claims::default();
        let of = |names: &[&str]| names.iter().map(|name| (id(name), key("owner"))).collect::<BTreeMap<_, _>>();
        assert_eq!(claims.replace(&key("one"), of(&["a", "b"])), [key("owner")]);
        assert_eq!(claims.replace(&key("one"), of(&["a", "b"])), []);
        assert_eq!(claims.replace(&key("two"), of(&["a"])), [key("owner")]);
        assert_eq!(claims.replace(&key("three"), BTreeMap::new()), []);
        assert_eq!(claims.replace(&key("one"), of(&["b"])), [key("owner")]);
        let left: Vec<_> = claims.0[&key("owner")].iter().map(|it| (it.object.clone(), it.by.name.as_str())).collect();
        assert_eq!(left, [(id("a"), "two"), (id("b"), "one")]);
        claims.replace(&key("one"), BTreeMap::new());
        claims.replace(&key("two"), BTreeMap::from([(id("a"), key("another"))]));
        assert_eq!(claims.0.keys().collect::<Vec<_>>(), [&key("another")]);
    }
}
