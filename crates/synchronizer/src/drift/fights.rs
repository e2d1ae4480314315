//! The fight meter: an object that is changed by another hand as often as it is changed back is repaired more and more
//! slowly, and at full speed again once the other hand rests.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use lockstep_manifest::ObjectId;
use lockstep_plan::FieldLoss;
use tokio::time::Instant;

/// So many repairs of one object within a minute are no fight yet.
const PEACEFUL: usize = 5;
const MINUTE: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Repairs of the recent past.
#[derive(Debug, Default)]
pub(crate) struct Fights {
    objects: HashMap<ObjectId, Rounds>,
}

#[derive(Debug, Default)]
struct Rounds {
    recent: VecDeque<Instant>,
    pause: Option<Duration>,
    until: Option<Instant>,
    /// What the other hand took the last time.
    fields: Vec<FieldLoss>,
}

/// Whether an object may be repaired now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// At once.
    Repair,
    /// A fight: not before this pause is over. Says it once for each pause.
    Begin(Duration),
    /// The pause goes on.
    Wait,
}

impl Fights {
    /// Asks to repair an object now, which lost these fields. [`Verdict::Repair`] counts as a repair.
    pub(crate) fn ask(&mut self, id: &ObjectId, fields: &[FieldLoss], now: Instant) -> Verdict {
        let rounds = self.objects.entry(id.clone()).or_default();
        fields.clone_into(&mut rounds.fields);
        if let Some(until) = rounds.until {
            if now < until {
                return Verdict::Wait;
            }
            rounds.until = None;
            rounds.recent.clear();
            // One repair after each pause: the next one within a minute means that the fight goes on.
            rounds.recent.extend(std::iter::repeat_n(now, PEACEFUL));
            return Verdict::Repair;
        }
        while rounds.recent.front().is_some_and(|first| now.duration_since(*first) >= MINUTE) {
            rounds.recent.pop_front();
        }
        if rounds.recent.is_empty() {
            rounds.pause = None;
        }
        if rounds.recent.len() < PEACEFUL {
            rounds.recent.push_back(now);
            return Verdict::Repair;
        }
        let pause = rounds.pause.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
        rounds.pause = Some(pause);
        rounds.until = Some(now + pause);
        Verdict::Begin(pause)
    }

    /// When the next pause is over, or the next fight if the other hand rests.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.objects.values().filter_map(|rounds| rounds.until.or(rounds.pause.and(rounds.peace()))).min()
    }

    /// The fights that go on, and what they are about.
    pub(crate) fn ongoing(&self) -> BTreeMap<ObjectId, Vec<FieldLoss>> {
        let fighting = self.objects.iter().filter(|(_, rounds)| rounds.pause.is_some());
        fighting.map(|(id, rounds)| (id.clone(), rounds.fields.clone())).collect()
    }

    /// Ends the pauses of all objects but these, which still differ, and forgets those that were at peace for a minute.
    pub(crate) fn rest_all_but(&mut self, drifted: impl Fn(&ObjectId) -> bool, now: Instant) {
        for (id, rounds) in &mut self.objects {
            if !drifted(id) {
                rounds.until = None;
            }
        }
        let fresh = |rounds: &Rounds| rounds.peace().is_some_and(|peace| now < peace);
        self.objects.retain(|_, rounds| rounds.until.is_some() || fresh(rounds));
    }
}

impl Rounds {
    /// A minute after the last repair.
    fn peace(&self) -> Option<Instant> {
        self.recent.back().map(|last| *last + MINUTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_repair_in_a_minute_waits_longer_each_time_and_peace_resets_it() {
        let id: ObjectId = "/ConfigMap/a/x".parse().unwrap();
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut fights = Fights::default();
        for second in 0..5 {
            assert_eq!(fights.ask(&id, &[], at(second)), Verdict::Repair);
        }
        assert_eq!(fights.ask(&id, &[], at(5)), Verdict::Begin(FIRST_PAUSE));
        assert_eq!(fights.ask(&id, &[], at(6)), Verdict::Wait);
        assert_eq!(fights.next(), Some(at(15)));
        assert!(fights.ongoing().contains_key(&id));
        assert_eq!(fights.ask(&id, &[], at(15)), Verdict::Repair);
        assert_eq!(fights.ask(&id, &[], at(16)), Verdict::Begin(FIRST_PAUSE * 2));
        assert_eq!(fights.ask(&id, &[], at(36)), Verdict::Repair);
        assert_eq!(fights.ask(&id, &[], at(100)), Verdict::Repair);
        for second in 101..105 {
            assert_eq!(fights.ask(&id, &[], at(second)), Verdict::Repair);
        }
        assert_eq!(fights.ask(&id, &[], at(105)), Verdict::Begin(FIRST_PAUSE));
        // The other hand rests: what is left of the fight goes a minute after the last repair.
        fights.rest_all_but(|_| false, at(110));
        assert_eq!(fights.next(), Some(at(164)));
        assert_eq!(fights.ongoing().len(), 1);
        fights.rest_all_but(|_| false, at(164));
        assert_eq!((fights.next(), fights.ongoing().len()), (None, 0));
    }
}
