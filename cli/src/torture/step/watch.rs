//! What victims share with others, watched for changes.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The files of a bus and its topics, as they were at the last look.
pub struct Watch {
    topics: PathBuf,
    names: BTreeSet<OsString>,
    files: Vec<Seen>,
    now: Vec<u8>,
}

struct Seen {
    file: File,
    range: Range<usize>,
    before: Vec<u8>,
}

/// Headers never change.
const HEADER_BYTES: usize = 4 << 10;
/// As much of a topic's files as there is in a small bus.
const TOPIC_BYTES: usize = 20 << 10;
/// Room for more participants than there are.
const REGISTRY_BYTES: usize = 1 << 10;

impl Watch {
    /// Watches what there is now.
    pub fn new(bus: &Path) -> Self {
        let topics = bus.join("topics");
        let names = names(&topics);
        let files = names.iter().map(|name| (topics.join(name), TOPIC_BYTES));
        let all = files.chain([(bus.join("registry"), REGISTRY_BYTES)]);
        let files = all.filter_map(|(path, bytes)| {
            let file = File::open(path).ok()?;
            let len = usize::try_from(file.metadata().ok()?.len()).ok()?;
            Some(Seen {
                file,
                range: HEADER_BYTES..len.min(HEADER_BYTES + bytes),
                before: Vec::new(),
            })
        });
        Self {
            files: files.collect(),
            names,
            topics,
            now: vec![0; TOPIC_BYTES],
        }
    }

    /// Whether anything has changed since the last look; what files there are, only by a system call.
    pub fn has_changed(&mut self, by_call: bool) -> bool {
        let mut has_changed = false;
        if by_call {
            let names = names(&self.topics);
            has_changed = names != self.names;
            self.names = names;
        }
        for Seen {
            file,
            range,
            before,
        } in &mut self.files
        {
            let now = &mut self.now[..range.len()];
            let len = file.read_at(now, range.start as u64).unwrap_or(0);
            if before[..] != now[..len] {
                before.clear();
                before.extend_from_slice(&now[..len]);
                has_changed = true;
            }
        }
        has_changed
    }
}

fn names(directory: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).collect()
}
