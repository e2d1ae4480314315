//! Points in time on the wire.

use prost_types::Timestamp;

/// The protobuf timestamp of `seconds` and `nanos` since the Unix epoch.
///
/// `nanos` may be outside of 0..1_000_000_000, also negative; the answer is normalised as the
/// protobuf specification asks (nanos count forward, also before the epoch).
#[must_use]
pub fn timestamp(seconds: i64, nanos: i32) -> Timestamp {
    const SECOND: i32 = 1_000_000_000;
    Timestamp { seconds: seconds.saturating_add(i64::from(nanos.div_euclid(SECOND))), nanos: nanos.rem_euclid(SECOND) }
}

/// Seconds and nanoseconds (0..1_000_000_000) since the Unix epoch of a received timestamp,
/// which may come from any client and is normalised first.
#[must_use]
pub fn seconds_and_nanos(timestamp: &Timestamp) -> (i64, i32) {
    let normal = self::timestamp(timestamp.seconds, timestamp.nanos);
    (normal.seconds, normal.nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_always_count_forward() {
        for (given, wanted) in [
            ((0, 0), (0, 0)),
            ((1_700_000_000, 999_999_999), (1_700_000_000, 999_999_999)),
            ((10, 1_000_000_000), (11, 0)),
            ((10, -1), (9, 999_999_999)),
            ((-1, 250_000_000), (-1, 250_000_000)),
            ((0, i32::MIN), (-3, 852_516_352)),
            ((i64::MAX, i32::MAX), (i64::MAX, 147_483_647)),
        ] {
            let made = timestamp(given.0, given.1);
            assert_eq!((made.seconds, made.nanos), wanted, "timestamp{given:?}");
            let received = Timestamp { seconds: given.0, nanos: given.1 };
            assert_eq!(seconds_and_nanos(&received), wanted, "received {given:?}");
        }
    }
}
