//! Where a bus keeps its files.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
    process::Command,
    sync::Barrier,
    thread,
};

use crate::{
    registry::{
        BusDirectory, BusName, DirectoryError, TopicName, directory::check_owner, list_buses,
    },
    segment::{Access, effective_user},
    testing::{Actor, PRIVATE, Scratch, say},
};

fn open(root: &Path) -> BusDirectory {
    BusDirectory::open_or_create(Some(root), &BusName::default(), PRIVATE).unwrap()
}

#[test]
fn a_bus_is_a_directory_with_one_for_its_topics() {
    let scratch = Scratch::new();
    let root = scratch.join("root");
    let bus = open(&root);
    assert_eq!(bus.path(), root.join("default"));
    assert!(bus.topics().is_dir());
    let id = TopicName::new("a").unwrap().file_id();
    assert_eq!(
        bus.ring(id),
        bus.path().join("topics/af63dc4c8601ec8c.ring")
    );
    let cursors = bus
        .path()
        .join("topics/af63dc4c8601ec8c-00000000000000ff.cursors");
    assert_eq!(bus.cursors(id, 255), cursors);
}

#[test]
fn rights_of_directories_follow_from_those_of_files() {
    let scratch = Scratch::new();
    let access = Access {
        mode: 0o640,
        group: None,
    };
    let bus =
        BusDirectory::open_or_create(Some(&scratch.join("root")), &BusName::default(), access);
    let bus = bus.unwrap();
    for path in [&scratch.join("root"), bus.path(), &bus.topics()] {
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, 0o750);
    }
}

#[test]
fn a_bus_that_is_not_there_is_not_made_by_a_look_at_it() {
    let scratch = Scratch::new();
    let look = || BusDirectory::open(Some(scratch.path()), &BusName::default());
    assert!(matches!(look(), Err(DirectoryError::NoBus { .. })));
    assert_eq!(scratch.names(), [""; 0]);
    open(scratch.path());
    assert!(look().is_ok());
}

#[test]
fn racing_makers_share_one_bus() {
    for _ in 0..50 {
        let scratch = Scratch::new();
        let (root, start) = (scratch.join("root"), Barrier::new(4));
        thread::scope(|scope| {
            for index in 0..4 {
                let (root, start) = (&root, &start);
                scope.spawn(move || {
                    start.wait();
                    fs::write(open(root).ring(index), "").unwrap();
                });
            }
        });
        assert_eq!(open(&root).rings().unwrap(), [0, 1, 2, 3]);
        assert_eq!(scratch.names(), ["root"]);
    }
}

#[test]
fn only_rings_are_listed() {
    let scratch = Scratch::new();
    let bus = open(scratch.path());
    let names = [
        "0000000000000002.ring",
        "ffffffffffffffff.ring",
        "0000000000000001-0000000000000001.cursors",
        "1.ring",
        "+000000000000001.ring",
        "000000000000000A.ring",
        "0000000000000001.rings",
        ".draft-0000000000000001",
    ];
    for name in names {
        fs::write(bus.topics().join(name), "").unwrap();
    }
    assert_eq!(bus.rings().unwrap(), [2, u64::MAX]);
}

#[test]
fn buses_are_listed_by_name() {
    let scratch = Scratch::new();
    let buses = || list_buses(Some(scratch.path())).unwrap();
    assert_eq!(buses(), []);
    let name = |name| BusName::new(name).unwrap();
    for bus in ["b", "a"] {
        BusDirectory::open_or_create(Some(scratch.path()), &name(bus), PRIVATE).unwrap();
    }
    fs::create_dir(scratch.join("no-bus")).unwrap();
    assert_eq!(buses(), [name("a"), name("b")]);
    assert_eq!(list_buses(Some(&scratch.join("no"))).unwrap(), []);
}

#[test]
fn the_environment_names_the_root() {
    let scratch = Scratch::new();
    let mut command = Command::new(Actor::binary());
    command.env("RINGBUS_DIR", scratch.join("root"));
    let role = "registry::tests::directory::role_default_root";
    let mut actor = Actor::start_by(command, role, scratch.path());
    assert_eq!(
        actor.hears(),
        scratch.join("root/default").to_str().unwrap()
    );
    assert!(actor.ends_well());
}

#[test]
#[ignore = "a role"]
fn role_default_root() {
    let bus = BusDirectory::open_or_create(None, &BusName::default(), PRIVATE).unwrap();
    say(bus.path().to_str().unwrap());
}

#[test]
fn a_root_that_somebody_else_may_have_laid_is_refused() {
    let scratch = Scratch::new();
    let uid = effective_user();
    assert!(check_owner(scratch.path(), uid).is_ok());
    let others = check_owner(scratch.path(), uid + 1);
    assert!(matches!(others, Err(DirectoryError::NotOwned { .. })));
    symlink(scratch.path(), scratch.join("link")).unwrap();
    let link = check_owner(&scratch.join("link"), uid);
    assert!(matches!(link, Err(DirectoryError::NotOwned { .. })));
    let missing = check_owner(&scratch.join("no"), uid);
    assert!(matches!(missing, Err(DirectoryError::NoBus { .. })));
}
