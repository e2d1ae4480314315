//! When updates may be committed: spans of the week in a time zone.

use std::fmt;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];
const FORM: &str = "write one as in Mon-Thu 09:00-16:00 Europe/Berlin, several separated by commas";

/// Spans of the week; updates may be committed within any of them.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    text: String,
    spans: Vec<Span>,
}

#[derive(Clone, Debug)]
struct Span {
    /// The days on which it begins.
    days: Vec<Weekday>,
    begins: Time,
    /// On the next day, if it is not after the beginning.
    ends: Time,
    zone: TimeZone,
}

/// A text is not a window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a window: {problem}; {FORM}")]
pub(crate) struct WindowError {
    text: String,
    problem: String,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Window {
    /// Reads `DAYS HH:MM-HH:MM ZONE`, several separated by commas. DAYS is a day or two joined by a dash, and may be left
    /// out for every day. A span whose end is not after its beginning ends on the next day.
    pub(crate) fn parse(text: &str) -> Result<Self, WindowError> {
        let spans = text.split(',').map(span).collect::<Result<_, _>>();
        let spans = spans.map_err(|problem| WindowError { text: text.to_owned(), problem })?;
        Ok(Self { text: text.to_owned(), spans })
    }

    /// When it opens next; `None` while it is open.
    pub(crate) fn opens(&self, now: Timestamp) -> Option<Zoned> {
        let mut next: Option<Zoned> = None;
        for (begins, ends) in self.spans.iter().flat_map(|span| span.around(now)) {
            if begins.timestamp() <= now && now < ends.timestamp() {
                return None;
            }
            if begins.timestamp() > now && next.as_ref().is_none_or(|next| begins < *next) {
                next = Some(begins);
            }
        }
        // Every span begins within a week, so there is always a next one.
        next
    }
}

impl Span {
    /// When it is open, from the day before to the day in a week.
    fn around(&self, now: Timestamp) -> Vec<(Zoned, Zoned)> {
        let today = now.to_zoned(self.zone.clone()).date();
        let day = |offset: i64| today.checked_add(offset.days()).ok();
        (-1..=8)
            .filter_map(day)
            .filter(|day| self.days.contains(&day.weekday()))
            .filter_map(|day| self.on(day))
            .collect()
    }

    /// A time that the clocks skip on that day is taken as much later as they skip.
    fn on(&self, day: Date) -> Option<(Zoned, Zoned)> {
        let last = if self.ends > self.begins { day } else { day.tomorrow().ok()? };
        let at = |day: Date, time: Time| day.to_datetime(time).to_zoned(self.zone.clone()).ok();
        Some((at(day, self.begins)?, at(last, self.ends)?))
    }
}

fn span(text: &str) -> Result<Span, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (days, times, zone) = match words[..] {
        [days, times, zone] => (self::days(days)?, times, zone),
        [times, zone] => (DAYS.map(|(_, day)| day).to_vec(), times, zone),
        _ => return Err(format!("{:?} is not days, times and a time zone", text.trim())),
    };
    let (begins, ends) = times.split_once('-').ok_or_else(|| format!("{times:?} is not two times"))?;
    let (begins, ends) = (time(begins)?, if ends == "24:00" { Time::midnight() } else { time(ends)? });
    if begins == ends && begins != Time::midnight() {
        return Err(format!("{times:?} ends when it begins"));
    }
    let zone = TimeZone::get(zone).map_err(|_| format!("{zone:?} is not a time zone"))?;
    Ok(Span { days, begins, ends, zone })
}

fn days(text: &str) -> Result<Vec<Weekday>, String> {
    let day = |name: &str| {
        let found = DAYS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, day)| *day).ok_or_else(|| format!("{name:?} is not one of Mon Tue Wed Thu Fri Sat Sun"))
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (day(first)?, day(last)?);
    let mut days = vec![first];
    let mut next = first;
    while next != last {
        next = next.next();
        days.push(next);
    }
    Ok(days)
}

fn time(text: &str) -> Result<Time, String> {
    let wrong = || format!("{text:?} is not a time of day");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let digits = |text: &str| (text.len() == 2).then(|| text.parse::<i8>().ok()).flatten().ok_or_else(wrong);
    Time::new(digits(hour)?, digits(minute)?, 0, 0).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `open`, or when it opens.
    fn opens(window: &str, now: &str) -> String {
        let opens = Window::parse(window).unwrap().opens(now.parse().unwrap());
        opens.map_or("open".to_owned(), |opens| opens.strftime("%a %F %H:%M %:z").to_string())
    }

    #[test]
    fn a_window_is_open_or_says_when_it_opens() {
        // The 23rd of November 2026 is a Monday.
        for (window, now, expected) in [
            ("Mon-Thu 09:00-16:00 Europe/Berlin", "2026-11-23T08:00:00Z", "open"),
            ("Mon-Thu 09:00-16:00 Europe/Berlin", "2026-11-23T07:59:59Z", "Mon 2026-11-23 09:00 +01:00"),
            ("Mon-Thu 09:00-16:00 Europe/Berlin", "2026-11-23T15:00:00Z", "Tue 2026-11-24 09:00 +01:00"),
            ("Mon-Thu 09:00-16:00 Europe/Berlin", "2026-11-26T15:00:00Z", "Mon 2026-11-30 09:00 +01:00"),
            ("Mon 09:00-16:00 UTC", "2026-11-23T16:00:00Z", "Mon 2026-11-30 09:00 +00:00"),
            ("09:00-16:00 UTC", "2026-11-28T10:00:00Z", "open"),
            ("sat-sun 00:00-24:00 UTC", "2026-11-29T23:59:59Z", "open"),
            ("sat-sun 00:00-24:00 UTC", "2026-11-30T00:00:00Z", "Sat 2026-12-05 00:00 +00:00"),
            ("Fri-Mon 10:00-11:00 UTC", "2026-11-23T10:30:00Z", "open"),
            ("Fri-Mon 10:00-11:00 UTC", "2026-11-23T11:00:00Z", "Fri 2026-11-27 10:00 +00:00"),
            ("Sun 22:00-04:00 UTC", "2026-11-23T03:00:00Z", "open"),
            ("Sun 22:00-04:00 UTC", "2026-11-23T04:00:00Z", "Sun 2026-11-29 22:00 +00:00"),
            ("Mon 09:00-10:00 UTC, Tue 08:00-09:00 Asia/Tokyo", "2026-11-23T12:00:00Z", "Tue 2026-11-24 08:00 +09:00"),
            // In Berlin the clocks skip from 02:00 to 03:00 on the 28th of March 2027.
            ("Sun 02:30-04:00 Europe/Berlin", "2027-03-28T00:00:00Z", "Sun 2027-03-28 03:30 +02:00"),
            ("Sun 09:00-10:00 Europe/Berlin", "2027-03-28T06:59:00Z", "Sun 2027-03-28 09:00 +02:00"),
        ] {
            assert_eq!(opens(window, now), expected, "{window} at {now}");
        }
    }

    #[test]
    fn what_is_no_window_is_refused_with_the_part_that_is_wrong() {
        for (text, expected) in [
            ("", "\"\" is not days, times and a time zone"),
            ("Mon-Thu", "\"Mon-Thu\" is not days, times and a time zone"),
            ("Mon 09:00-10:00", "\"Mon\" is not two times"),
            ("Foo 09:00-10:00 UTC", "\"Foo\" is not one of Mon"),
            ("Mon 9:00-10:00 UTC", "\"9:00\" is not a time of day"),
            ("Mon 09:00-25:00 UTC", "\"25:00\" is not a time of day"),
            ("Mon 09:00 UTC", "\"09:00\" is not two times"),
            ("Mon 09:00-09:00 UTC", "ends when it begins"),
            ("Mon 09:00-10:00 Europe/Atlantis", "\"Europe/Atlantis\" is not a time zone"),
            ("Mon 09:00-10:00 UTC,", "\"\" is not days"),
        ] {
            let error = Window::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("write one as in"), "{text}: {error}");
        }
    }
}
