//! Numbers as people read them.

/// `1234567` as `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes with a binary unit: `999 B`, `1.5 KiB`, `20.0 MiB`.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Nanoseconds in the unit that keeps the number short: `850 ns`, `12.3 us`, `4.5 ms`, `1.2 s`.
pub fn nanos(number: u64) -> String {
    let value = number as f64;
    match number {
        0..1_000 => format!("{number} ns"),
        1_000..1_000_000 => format!("{:.1} us", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", value / 1e6),
        _ => format!("{:.1} s", value / 1e9),
    }
}

/// Events a second, from how many there were in so many seconds.
pub fn per_second(events: u64, seconds: f64) -> String {
    if seconds <= 0.0 {
        return "-".to_owned();
    }
    count((events as f64 / seconds).round() as u64)
}

/// `1 message`, `2 messages`.
pub fn plural(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let read: Vec<_> = [0, 999, 1_000, 123_456, 1_234_567].map(count).into();
        assert_eq!(read, ["0", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn bytes_and_nanoseconds_take_the_unit_that_fits() {
        assert_eq!(
            [bytes(1023), bytes(1536), bytes(20 << 20)],
            ["1023 B", "1.5 KiB", "20.0 MiB"]
        );
        assert_eq!(
            [nanos(999), nanos(12_340), nanos(4_500_000)],
            ["999 ns", "12.3 us", "4.5 ms"]
        );
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(
            [plural(1, "loss"), plural(2, "message")],
            ["1 loss", "2 messages"]
        );
    }
}
