use clap::CommandFactory;

use super::values::Unreadable;
use super::*;

#[test]
fn the_flags_do_not_contradict_each_other() {
    Args::command().debug_assert();
}

#[test]
fn start_points_are_read() {
    assert_eq!("latest".parse(), Ok(StartPoint::Latest));
    assert_eq!("oldest".parse(), Ok(StartPoint::Oldest));
    assert_eq!("last:3".parse(), Ok(StartPoint::Last(3)));
    assert_eq!(
        "seq:18446744073709551615".parse(),
        Ok(StartPoint::Sequence(u64::MAX))
    );
    for wrong in [
        "", "last", "last:", "last:-1", "seq:x", "latest:1", "newest",
    ] {
        assert_eq!(
            wrong.parse::<StartPoint>(),
            Err(Unreadable::START),
            "{wrong}"
        );
    }
}

#[test]
fn one_framing_at_a_time() {
    let framing = |flags: &[&str]| {
        let line = ["ringbus", "pub", "t"].iter().chain(flags);
        match Args::try_parse_from(line).map(|args| args.verb) {
            Ok(Verb::Pub(args)) => Some(args.framing()),
            _ => None,
        }
    };
    assert_eq!(framing(&[]), Some(Framing::Lines));
    assert_eq!(framing(&["--fixed", "56"]), Some(Framing::Fixed(56)));
    assert_eq!(
        framing(&["--length-prefixed"]),
        Some(Framing::LengthPrefixed)
    );
    assert_eq!(framing(&["--lines", "--fixed", "56"]), None);
    assert_eq!(framing(&["--fixed", "0"]), None);
    assert_eq!(framing(&["--capacity", "3"]), None);
    assert_eq!(framing(&["--rate", "nan"]), None);
}

#[test]
fn modes_and_groups_are_read() {
    use super::values::{access, group};
    use ringbus::{Access, Grant};

    assert_eq!(access("600"), Ok(Access::PRIVATE));
    assert_eq!(access("0650"), Ok(Access::of_group(Grant::Subscribe)));
    for wrong in ["", "rw", "680", "0o640", "-640"] {
        assert!(access(wrong).unwrap_err().contains("octal"), "{wrong}");
    }
    assert!(access("620").unwrap_err().contains("group's digit is 2"));
    assert!(access("060").unwrap_err().contains("owner's digit"));
    assert_eq!(group("1000"), Ok(1000));
    assert_eq!(group("root"), Ok(0));
    assert!(group("no such group").unwrap_err().contains("/etc/group"));
}
