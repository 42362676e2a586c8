//! Times as people read them.

/// `2026-11-23 08:15 UTC`, by the civil calendar.
pub fn date(unix: u64) -> String {
    let (year, month, day) = civil(unix / 86_400);
    let minutes = unix % 86_400 / 60;
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

/// `20261123T081500Z`, for the name of a directory.
pub fn stamp(unix: u64) -> String {
    let (year, month, day) = civil(unix / 86_400);
    let seconds = unix % 86_400;
    let (hours, minutes) = (seconds / 3600, seconds % 3600 / 60);
    format!("{year}{month:02}{day:02}T{hours:02}{minutes:02}{:02}Z", seconds % 60)
}

/// Year, month and day of a count of days since 1970-01-01.
fn civil(mut days: u64) -> (u64, u64, u64) {
    let leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(date(1_795_421_700), "2026-11-23 08:15 UTC");
        assert_eq!(date(4_107_542_399), "2100-02-28 23:59 UTC");
        assert_eq!(date(4_107_542_400), "2100-03-01 00:00 UTC");
        assert_eq!(stamp(1_795_421_709), "20261123T081509Z");
    }
}
