//! Hashes, keys and times as people read and write them.

use data_encoding::HEXLOWER;
use llarp_core::crypto::identity::PublicKey;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// 64 hex digits, lower case.
pub(super) fn hex32(text: &str) -> Result<[u8; 32], String> {
    let bytes = HEXLOWER.decode(text.as_bytes()).ok();
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| "64 hex digits (0-9, a-f) expected".to_owned())
}

/// An authority's key: 64 hex digits that are a key.
pub(super) fn authority_key(text: &str) -> Result<PublicKey, String> {
    PublicKey::check(&hex32(text)?).map_err(|error| format!("no authority's key: {error}"))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// Enough of a hash or key for people to tell it from others.
pub(super) fn short(bytes: &[u8; 32]) -> String {
    hex(bytes.first_chunk::<8>().unwrap_or(&[0; 8]))
}

/// A time as `2026-11-21 16:41 UTC`.
pub(super) fn date(unix: u64) -> String {
    let (year, month, day) = civil(unix / DAY);
    let (hour, minute) = (unix % DAY / HOUR, unix % HOUR / MINUTE);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

/// A day as `2026-11-21`.
pub(super) fn day(days: u64) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// How long, in the two largest units: `6 days 23 h`.
pub(super) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / DAY, seconds % DAY / HOUR, seconds % HOUR / MINUTE);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (1, hours, _) => format!("1 day {hours} h"),
        (days, hours, _) => format!("{days} days {hours} h"),
    }
}

/// `1 relay`, `2 relays`.
pub(super) fn count(number: usize, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        some => format!("{some} {one}s"),
    }
}

/// Year, month and day of a day counted from 1970, in the Gregorian calendar. Years are walked by
/// 400, then one by one: no input takes more than 400 steps.
fn civil(days: u64) -> (u64, u64, u64) {
    const FOUR_CENTURIES: u64 = 146_097;
    // Nobody means a day behind the year 9999.
    let days = days.min(2_932_896);
    let mut year = 1970 + days / FOUR_CENTURIES * 400;
    let mut left = days % FOUR_CENTURIES;
    while left >= year_len(year) {
        left -= year_len(year);
        year += 1;
    }
    let february = year_len(year) - 337;
    let mut month = 1;
    for len in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < len {
            break;
        }
        left -= len;
        month += 1;
    }
    (year, month, left + 1)
}

const fn year_len(year: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (unix, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (951_868_799, "2000-02-29 23:59 UTC"),
            (1_740_000_000, "2025-02-19 21:20 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
            (1_798_761_599, "2026-12-31 23:59 UTC"),
            (u64::MAX, "9999-12-31 07:00 UTC"),
        ] {
            assert_eq!(date(unix), text, "{unix}");
        }
    }

    #[test]
    fn spans_have_two_units() {
        for (seconds, text) in [
            (59, "59 s"),
            (60, "1 min"),
            (3 * HOUR + 61, "3 h 1 min"),
            (DAY, "1 day 0 h"),
            (7 * DAY - 1, "6 days 23 h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
