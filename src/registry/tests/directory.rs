//! Where a bus keeps its files.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::Path,
    process::Command,
    sync::Barrier,
    thread,
};

use crate::{
    registry::{
        Access, BusDirectory, BusName, DirectoryError, TopicName, directory::check_owner,
        list_buses,
    },
    segment::effective_user,
    testing::{Actor, Scratch, say},
};

fn open(root: &Path) -> BusDirectory {
    BusDirectory::open_or_create(Some(root), &BusName::default(), Access::PRIVATE).unwrap()
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
fn rights_of_directories_follow_from_grants() {
    for (mode, of_directories) in [
        (0o600, 0o700),
        (0o640, 0o2750),
        (0o650, 0o2750),
        (0o660, 0o2770),
        (0o664, 0o2775),
        (0o604, 0o705),
    ] {
        let scratch = Scratch::new();
        let access = Access::from_mode(mode).unwrap();
        let root = scratch.join("root");
        let bus = BusDirectory::open_or_create(Some(&root), &BusName::default(), access).unwrap();
        for path in [&root, bus.path(), &bus.topics()] {
            assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, of_directories);
        }
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
        BusDirectory::open_or_create(Some(scratch.path()), &name(bus), Access::PRIVATE).unwrap();
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
    let bus = BusDirectory::open_or_create(None, &BusName::default(), Access::PRIVATE).unwrap();
    say(bus.path().to_str().unwrap());
}

#[test]
fn where_anybody_may_make_a_bus_that_of_somebody_else_is_refused() {
    let scratch = Scratch::new();
    let set_mode = |mode| fs::set_permissions(scratch.path(), Permissions::from_mode(mode));
    let look = |create: bool| {
        let (root, bus) = (Some(scratch.path()), BusName::default());
        match create {
            true => BusDirectory::open_or_create(root, &bus, Access::PRIVATE),
            false => BusDirectory::open(root, &bus),
        }
    };
    let is_refused = |create| matches!(look(create), Err(DirectoryError::NotOwned { .. }));
    set_mode(0o1777).unwrap();
    assert!(look(true).is_ok() && look(false).is_ok());
    if effective_user() == 0 {
        chown(scratch.join("default"), Some(64_001), None).unwrap();
        assert!(is_refused(true) && is_refused(false));
        // Where only some may make one, they are trusted.
        set_mode(0o770).unwrap();
        assert!(look(true).is_ok() && look(false).is_ok());
        set_mode(0o1777).unwrap();
    }
    fs::rename(scratch.join("default"), scratch.join("elsewhere")).unwrap();
    symlink(scratch.join("elsewhere"), scratch.join("default")).unwrap();
    assert!(is_refused(true) && is_refused(false));
}

#[test]
fn a_bus_for_others_is_not_made_where_they_cannot_enter() {
    let scratch = Scratch::new();
    let make = |mode| {
        let access = Access::from_mode(mode).unwrap();
        BusDirectory::open_or_create(Some(scratch.path()), &BusName::default(), access)
    };
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o700)).unwrap();
    for mode in [0o640, 0o604, 0o666] {
        let error = make(mode).err().unwrap();
        assert!(matches!(error, DirectoryError::Closed { mode: 0o700, .. }));
        assert!(error.to_string().contains("chmod"), "{error}");
    }
    assert_eq!(scratch.names(), [""; 0]);
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o710)).unwrap();
    assert!(make(0o640).is_ok());
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
