//! The commands that the README shows, run as it shows them.

use std::fs;
use std::path::Path;

use crate::harness::Scratch;

/// The blocks of shell commands in the section of this title.
fn blocks(title: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).expect("the README");
    let section = readme.split(&format!("\n## {title}\n")).nth(1);
    let section = section.expect("the section").split("\n## ").next();
    let blocks = section.expect("its end").split("```sh\n").skip(1);
    let blocks = blocks.filter_map(|block| block.split("```\n").next());
    blocks.map(str::to_owned).collect()
}

#[test]
fn grants_are_given_as_the_readme_says() {
    let bus = Scratch::new();
    let blocks = blocks("Who may use a bus");
    let [block] = &blocks[..] else {
        panic!("{blocks:?}");
    };
    let plant = bus.path().join("plant");
    let mut script = "mkdir -p bin; ln -sf \"$R\" bin/ringbus; PATH=$PWD/bin:$PATH\n".to_owned();
    script += &block.replace("/dev/shm/plant", &plant.display().to_string());
    let ran = bus.shell(&script).well();
    let words = if cfg!(feature = "portable") {
        ""
    } else {
        "0640: "
    };
    assert!(ran.text().contains(words), "{ran:?}");
    ringbus::Bus::builder().dir(plant).destroy().unwrap();
}

#[test]
fn the_command_line_does_what_the_readme_says() {
    let bus = Scratch::new();
    let blocks = blocks("The command line");
    assert_eq!(blocks.len(), 2);
    for (block, said) in blocks.iter().zip(["HELLO\n", "buy 100\n"]) {
        let mut script =
            "mkdir -p bin; ln -sf \"$R\" bin/ringbus; PATH=$PWD/bin:$PATH\n".to_owned();
        script += "trap 'kill $begun 2>/dev/null || true' EXIT\n";
        // The alias is for a checkout and a terminal.
        for line in block.lines().filter(|line| !line.starts_with("alias ")) {
            script += &format!("{line}\n");
            if line.contains(" & ") || line.ends_with(" &") {
                script += "begun=\"$begun $!\"\n";
            }
        }
        let ran = bus.shell(&script);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.text().contains(said), "{said:?} is missing: {ran:?}");
    }
}
