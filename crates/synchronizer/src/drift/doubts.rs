//! When an object is to be confirmed by a dry run: soon after another hand wrote it without touching what we hold, less and
//! less often where that finds nothing; and once in a long while in any case, for what no event can tell.

use std::{collections::HashMap, time::Duration};

use lockstep_manifest::ObjectId;
use tokio::time::Instant;

/// Times in managed fields are whole seconds: a dry run in the second of the last write would look like that write.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const SECOND_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Between an apply and the next audit.
const LONGEST_REST: Duration = Duration::from_secs(120);

/// Objects that may differ though their managed fields say nothing of it.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    objects: HashMap<ObjectId, Doubt>,
}

#[derive(Debug)]
struct Doubt {
    due: Option<Instant>,
    /// No earlier than this once more.
    earliest: Instant,
    pause: Duration,
}

impl Doubts {
    /// Another hand wrote this object.
    pub(crate) fn raise(&mut self, id: &ObjectId, now: Instant) {
        let known = self.objects.entry(id.clone()).or_insert(Doubt { due: None, earliest: now, pause: SECOND_PAUSE });
        known.due.get_or_insert((now + FIRST_PAUSE).max(known.earliest));
    }

    /// Takes the objects that are to be confirmed now.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<ObjectId> {
        self.objects.retain(|_, doubt| doubt.due.is_some() || now < doubt.earliest + LONGEST_PAUSE);
        let is_due = |doubt: &Doubt| doubt.due.is_some_and(|due| due <= now);
        let due: Vec<ObjectId> =
            self.objects.iter().filter(|(_, doubt)| is_due(doubt)).map(|(id, _)| id.clone()).collect();
        for id in &due {
            let Some(doubt) = self.objects.get_mut(id) else { continue };
            doubt.due = None;
            doubt.earliest = now + doubt.pause;
            doubt.pause = (doubt.pause * 2).min(LONGEST_PAUSE);
        }
        due
    }

    /// There was no time for this object: it is due still.
    pub(crate) fn put_back(&mut self, id: ObjectId, now: Instant) {
        let known = self.objects.entry(id).or_insert(Doubt { due: None, earliest: now, pause: SECOND_PAUSE });
        known.due = Some(now);
        known.pause = (known.pause / 2).max(SECOND_PAUSE);
    }

    /// The doubt was right: the next one is looked into as soon as the first.
    pub(crate) fn confirmed(&mut self, id: &ObjectId) {
        self.objects.remove(id);
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.objects.values().filter_map(|doubt| doubt.due).min()
    }
}

/// The audit of one Sync: every object once in a period, one after the other, at even distances.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    period: Duration,
    cursor: usize,
    next: Option<Instant>,
}

impl Audit {
    /// Begins anywhere: a daemon that is often restarted must not look at the same objects each time.
    pub(crate) fn begin_at(&mut self, place: usize) {
        self.cursor = place;
    }

    /// Something was applied: the next minutes belong to what comes of it.
    pub(crate) fn rest(&mut self, now: Instant) {
        let rest = (self.period / 10).min(LONGEST_REST);
        self.next = self.next.map(|at| at.max(now + rest));
    }

    /// From now on there are so many objects, each due once in `period`; never with a period of zero.
    pub(crate) fn plan(&mut self, period: Duration, objects: usize, now: Instant) {
        if period.is_zero() || objects == 0 {
            self.next = None;
        } else if self.next.is_none() || self.period != period {
            self.period = period;
            self.next = Some(now + self.distance(period, objects));
            self.rest(now);
        }
        self.period = period;
    }

    /// Takes the places of the objects that are due, of a list of so many.
    pub(crate) fn due(&mut self, objects: usize, now: Instant) -> Vec<usize> {
        let mut due = Vec::new();
        while let Some(at) = self.next.filter(|at| *at <= now && objects > 0 && due.len() < objects) {
            due.push(self.cursor % objects);
            self.cursor = self.cursor.wrapping_add(1);
            self.next = Some(at + self.distance(self.period, objects));
        }
        // What could not be done in time, while the API server was away, is not caught up with.
        self.next = self.next.map(|at| at.max(now));
        due
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Up to a quarter more or less, by the place in the list: many daemons that start at once do not stay in step.
    fn distance(&self, period: Duration, objects: usize) -> Duration {
        let spread = 0.75 + (self.cursor.wrapping_mul(2_654_435_761) % 1000) as f64 / 2000.0;
        period.mul_f64(spread / objects as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubts_that_find_nothing_are_looked_into_less_and_less_often() {
        let id: ObjectId = "/ConfigMap/a/x".parse().unwrap();
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut doubts = Doubts::default();
        for second in 0..3 {
            assert_eq!(doubts.due(at(second)).len(), usize::from(second == 2), "{second}");
            doubts.raise(&id, at(second));
        }
        assert_eq!(doubts.next(), Some(at(12)), "no sooner than a pause after the last look");
        let mut looks = vec![];
        for second in 12..3600 {
            doubts.raise(&id, at(second));
            looks.extend(doubts.due(at(second)).iter().map(|_| second));
        }
        assert!(looks.len() < 15, "{looks:?}");
        assert_eq!(looks[1] - looks[0], 20);
        doubts.confirmed(&id);
        doubts.raise(&id, at(4000));
        assert_eq!(doubts.next(), Some(at(4002)));
        doubts.due(at(4002));
        doubts.due(at(5000));
        assert!(doubts.objects.is_empty(), "what is quiet is forgotten");
    }

    #[test]
    fn what_there_was_no_time_for_is_due_still() {
        let id: ObjectId = "/ConfigMap/a/x".parse().unwrap();
        let start = Instant::now();
        let mut doubts = Doubts::default();
        doubts.raise(&id, start);
        let due = start + FIRST_PAUSE;
        for _ in 0..20 {
            assert!(doubts.due(due).contains(&id));
            doubts.put_back(id.clone(), due);
        }
        assert!(doubts.due(due).contains(&id));
        doubts.raise(&id, due);
        assert_eq!(doubts.next(), Some(due + SECOND_PAUSE), "as after one look");
    }

    #[test]
    fn the_audit_comes_to_every_object_once_in_its_period() {
        let start = Instant::now();
        let mut audit = Audit::default();
        audit.begin_at(7);
        audit.plan(Duration::from_secs(6 * 3600), 100, start);
        let mut seen = vec![0; 100];
        for minute in 0..6 * 60 {
            for place in audit.due(100, start + Duration::from_secs(60 * minute)) {
                seen[place] += 1;
            }
        }
        let total: usize = seen.iter().sum();
        assert!((90..=110).contains(&total), "{total}");
        assert!(seen.iter().all(|times| *times <= 2));
        audit.plan(Duration::ZERO, 100, start);
        assert_eq!(audit.next(), None);
        assert!(audit.due(100, start + Duration::from_secs(100_000)).is_empty());
    }

    #[test]
    fn what_was_missed_is_not_caught_up_with_at_once() {
        let start = Instant::now();
        let mut audit = Audit::default();
        audit.plan(Duration::from_secs(100), 10, start);
        let late = start + Duration::from_secs(100_000);
        assert_eq!(audit.due(10, late).len(), 10);
        assert!(audit.next().is_some_and(|next| next >= late));
    }
}
