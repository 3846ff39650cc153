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
    fn bytes_take_the_unit_that_fits() {
        assert_eq!(
            [bytes(1023), bytes(1536), bytes(20 << 20)],
            ["1023 B", "1.5 KiB", "20.0 MiB"]
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
