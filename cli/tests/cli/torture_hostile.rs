//! The torture case `hostile`, run short: it finds nothing, and leaves nothing.

use std::fs;

use crate::harness::Scratch;

#[test]
fn lies_harm_nobody_but_those_who_tell_them() {
    let bus = Scratch::new();
    let line = format!(
        "torture hostile --count 500 --seed 1 --json --dir {}",
        bus.path().display()
    );
    let ran = bus.start(&line).finish();
    println!("{}", String::from_utf8_lossy(&ran.out));
    let json = ran.well().json();
    assert_eq!(
        (&json["held"], &json["did"]["mutations"]),
        (&true.into(), &500.into())
    );
    let at_least = [
        ("header_changes", 7_000),
        ("files_replaced_before_use", 60),
        ("files_replaced_in_use", 10),
        ("vandal_words", 100),
        ("sound_messages", 100),
        ("attempts_to_write_as_a_reader", 5),
    ];
    for (what, least) in at_least {
        let did = json["did"][what].as_u64().unwrap_or(0);
        assert!(did >= least, "{what}: {did}");
    }
    assert!(json["found"]["fences_seen"].as_u64() > Some(0));
    assert_eq!(fs::read_dir(bus.path()).unwrap().count(), 0);
}

#[test]
fn one_mutation_is_made_again_by_its_number() {
    let bus = Scratch::new();
    let line = format!(
        "torture hostile --seed 1 --first 77 --count 1 --json --dir {}",
        bus.path().display()
    );
    let operations = || {
        let json = bus.start(&line).finish().well().json();
        assert_eq!(json["did"]["mutations"], 1);
        json["found"]["mutations_refused"].clone()
    };
    assert_eq!(operations(), operations());
}

#[test]
fn the_last_mutations_there_are_are_the_end() {
    let bus = Scratch::new();
    let line = |first: u64| {
        let dir = bus.path().display();
        format!("torture hostile --seed 1 --first {first} --json --dir {dir}")
    };
    let json = bus.start(&line(u64::MAX - 1)).finish().well().json();
    assert_eq!(json["did"]["mutations"], 1);
    let told = bus.start(&line(u64::MAX)).finish();
    told.badly(2, "is not in 0..18446744073709551615");
}

#[test]
fn only_hostile_has_a_first_mutation() {
    let bus = Scratch::new();
    let told = bus.start("torture kill --first 3").finish();
    told.badly(2, "--first is for the case hostile only");
}
