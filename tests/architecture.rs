//! The layers of the crate, checked: who may use whom, who may name an atomic, who may map memory.
//!
//! Works on the tokens of the sources, so comments, documentation and strings do not count.

use std::fmt;
use std::fs;
use std::path::Path;

/// A layer may use only those before it.
const LAYERS: [&str; 7] = [
    "sync", "shared", "ring", "segment", "wait", "registry", "bus",
];

/// Helpers of the unit tests: no layer, and named by tests only.
const TEST_HELPERS: &str = "testing";

/// Layers which do not know of each other, wherever they stand in the order.
const STRANGERS: [(&str, &str); 1] = [("ring", "segment")];

/// The calls that change what is mapped, and where they may stand.
const MAPPING_CALLS: [&str; 5] = ["mmap", "mmap64", "mremap", "munmap", "mprotect"];
const MAPPING_LAYER: &str = "segment";

/// What only the model-checking seam may name.
const SEAM_WORDS: [&str; 2] = ["atomic", "loom"];
const SEAM: &str = "sync";

#[test]
fn sources_keep_the_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(root, "src", &mut files);
    assert!(
        files.iter().any(|file| file == "src/sync.rs"),
        "no `{SEAM}` in {files:?}"
    );
    let found: Vec<String> = files
        .iter()
        .flat_map(|file| violations(file, &fs::read_to_string(root.join(file)).unwrap()))
        .map(|violation| violation.to_string())
        .collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn use_of_a_later_layer_is_reported_with_file_and_line() {
    let source = "//! use crate::bus::Bus;\nuse crate::sync::fence;\n\nuse crate::wait::Event;\n";
    let found = violations("src/ring/gate.rs", source);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        found[0].to_string(),
        "src/ring/gate.rs:4: `ring` may not use `wait`"
    );
}

#[test]
fn every_way_to_name_a_layer_is_seen() {
    let ring = |source| violations("src/ring/gate.rs", source).len();
    assert_eq!(
        ring("use crate::{sync::fence, wait::{self, Event}, bus};"),
        2
    );
    assert_eq!(ring("fn f() { crate::registry::join() }"), 1);
    assert_eq!(ring("use super::super::registry::Registry;"), 1);
    assert_eq!(ring("use super::{publish, super::wait};"), 1);
    assert_eq!(ring("mod inner { use super::super::super::wait; }"), 1);
    assert_eq!(
        ring("mod inner { use super::super::publish; }\nuse super::publish;"),
        0
    );
    assert_eq!(ring("macro_rules! m { () => { $crate::bus::open() } }"), 1);
    assert_eq!(
        ring("pub(in crate::bus) fn f() {}\npub(crate) fn g() {}"),
        1
    );
    assert_eq!(
        ring("use crate::Bus;"),
        1,
        "the root's re-exports belong to the last layer"
    );
    assert_eq!(ring("use crate::*;"), 1);
    assert_eq!(
        violations("src/wait/mod.rs", "use super::registry;").len(),
        1
    );
    assert_eq!(violations("src/sync.rs", "use super::shared;").len(), 1);
}

#[test]
fn ring_and_segment_never_see_each_other() {
    assert_eq!(
        violations("src/ring/mod.rs", "use crate::segment::Segment;").len(),
        1
    );
    assert_eq!(
        violations("src/segment/mod.rs", "use crate::ring::Ring;").len(),
        1
    );
    assert_eq!(
        violations("src/bus/topic.rs", "use crate::{ring, segment};").len(),
        0
    );
}

#[test]
fn atomics_outside_of_the_seam_are_reported() {
    let planted = "use std::sync::{\n    Arc,\n    atomic::AtomicU64,\n};";
    let found = violations("src/bus/topic.rs", planted);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].path.as_str(), found[0].line),
        ("src/bus/topic.rs", 3)
    );
    assert_eq!(violations("src/ring/mod.rs", "use loom::thread;").len(), 1);
    assert_eq!(violations("src/sync.rs", planted).len(), 0);
    assert_eq!(
        violations("src/ring/tests/loom_gate.rs", "use loom::thread;").len(),
        0
    );
    assert_eq!(
        violations("src/ring/mod.rs", "#[cfg(ringbus_loom)]\nmod loom_gate;").len(),
        0
    );
}

#[test]
fn mapping_outside_of_segment_is_reported() {
    let planted = "fn f() {\n    libc::mmap(p, n, 0, 0, 0, 0);\n}";
    let found = violations("src/bus/topic.rs", planted);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].line, 2);
    assert_eq!(violations("src/segment/map.rs", planted).len(), 0);
}

#[test]
fn a_module_outside_of_the_layers_is_reported() {
    assert_eq!(violations("src/util.rs", "").len(), 1);
    assert_eq!(
        violations("src/lib.rs", "pub use crate::bus::Bus;").len(),
        0
    );
}

#[test]
fn comments_strings_and_documentation_do_not_count() {
    let harmless = r####"
        //! crate::bus, std::sync::atomic
        /// [`crate::bus::Bus`] and loom
        /* crate::bus /* libc::mmap( */ loom */
        #[doc = "crate::bus"]
        const A: &str = "use crate::bus; \" loom";
        const B: &str = r#"crate::bus "loom" mmap"#;
        const C: &[u8] = br##"crate::bus"# loom"##;
        const D: char = '"'; const E: char = '\''; const F: char = 'é';
        fn f<'atomic>(r#use: &'atomic str) -> &'atomic str { r#use }
    "####;
    let found = violations("src/ring/mod.rs", harmless);
    assert!(found.is_empty(), "{found:?}");
    let after = format!("{harmless}use crate::bus;");
    assert_eq!(
        violations("src/ring/mod.rs", &after).len(),
        1,
        "the tokens after them count"
    );
}

/// A breach of the architecture.
#[derive(Debug)]
struct Violation {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// What `source`, standing at `path` (from the root of the crate), breaks.
fn violations(path: &str, source: &str) -> Vec<Violation> {
    let tokens = tokens(source);
    let modules = module_path(path);
    let mut found = Vec::new();
    let mut report = |line, what| {
        found.push(Violation {
            path: path.to_owned(),
            line,
            what,
        })
    };

    let layer = modules.first().map(String::as_str);
    let is_test = path.contains("/tests/");
    if let Some(layer) = layer.filter(|layer| *layer != TEST_HELPERS) {
        if !LAYERS.contains(&layer) {
            report(
                1,
                format!("`{layer}` has no place in the order of layers {LAYERS:?}"),
            );
        }
        for (line, target) in crate_paths(&tokens, &modules) {
            let is_helper = is_test && target == TEST_HELPERS;
            if !is_helper && !may_use(layer, target) {
                report(line, format!("`{layer}` may not use `{target}`"));
            }
        }
    }
    for token in &tokens {
        if SEAM_WORDS.contains(&token.text) && layer != Some(SEAM) && !is_test {
            report(
                token.line,
                format!("only `{SEAM}` may name `{}`", token.text),
            );
        }
        if MAPPING_CALLS.contains(&token.text) && layer != Some(MAPPING_LAYER) {
            report(
                token.line,
                format!("only `{MAPPING_LAYER}` may call `{}`", token.text),
            );
        }
    }
    found
}

/// Whether code of `layer` may name `target`, the first name after `crate::`.
fn may_use(layer: &str, target: &str) -> bool {
    let place = |name| LAYERS.iter().position(|layer| *layer == name);
    let strangers = STRANGERS.contains(&(layer, target)) || STRANGERS.contains(&(target, layer));
    layer == target || (!strangers && place(target).is_some() && place(target) < place(layer))
}

/// `src/ring/gate.rs` is `[ring, gate]`, `src/ring/mod.rs` is `[ring]`, `src/lib.rs` is `[]`.
fn module_path(path: &str) -> Vec<String> {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    let inner = inner.strip_suffix(".rs").unwrap_or(inner);
    let names = inner
        .split('/')
        .filter(|name| !matches!(*name, "mod" | "lib"));
    names.map(str::to_owned).collect()
}

/// The first name of every path from the root of the crate, whether it is written `crate::name`,
/// `crate::{name, ..}` or with as many `super::` as lead there; and the line of each.
fn crate_paths<'s>(tokens: &[Token<'s>], modules: &[String]) -> Vec<(usize, &'s str)> {
    let mut found = Vec::new();
    let mut depth = 0; // of braces
    let mut inline_modules = Vec::new(); // the depth of each `mod name {` around this token
    let mut at = 0;
    while at < tokens.len() {
        let text = |offset: usize| tokens.get(at + offset).map_or("", |token| token.text);
        match text(0) {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if inline_modules.last() == Some(&depth) {
                    inline_modules.pop();
                }
            }
            "mod" if text(2) == "{" => inline_modules.push(depth),
            "crate" if text(1) == "::" => tree(tokens, at + 2, 0, &mut found),
            "super" if text(1) == "::" => {
                // The whole chain at once: `super::super::` counts from here only.
                let levels = modules.len() + inline_modules.len();
                let ups = (0..).step_by(2).take_while(|i| text(*i) == "super").count();
                tree(tokens, at + 2 * ups, levels.saturating_sub(ups), &mut found);
                at += 2 * ups - 1;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Collects the first names of the path or `{..}` at `at`, which stands `levels` modules below the
/// root: at the root a name is a layer, further down only a `super` can lead there.
fn tree<'s>(tokens: &[Token<'s>], at: usize, levels: usize, found: &mut Vec<(usize, &'s str)>) {
    let Some(first) = tokens.get(at) else { return };
    match first.text {
        "{" => {
            let mut depth = 0;
            for (offset, token) in tokens[at..].iter().enumerate() {
                match token.text {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    return;
                }
                if depth == 1 && matches!(token.text, "{" | ",") {
                    tree(tokens, at + offset + 1, levels, found);
                }
            }
        }
        "super" if levels > 0 => tree(tokens, at + 2, levels - 1, found),
        "}" | "self" => {}
        name if levels == 0 => found.push((first.line, name)),
        _ => {}
    }
}

/// A word or a mark of the source; neither comment, nor literal, nor lifetime.
struct Token<'s> {
    text: &'s str,
    line: usize,
}

/// The tokens of `source`: words, `::`, and every other mark by itself.
fn tokens(source: &str) -> Vec<Token<'_>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let length = if first.is_whitespace() {
            first.len_utf8()
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_string(rest, word) {
            length
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' {
            character_or_lifetime(rest)
        } else {
            let length = match word {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                word => word,
            };
            tokens.push(Token {
                text: &rest[..length],
                line,
            });
            length
        };
        let (passed, ahead) = rest.split_at(length);
        line += passed.matches('\n').count();
        rest = ahead;
    }
    tokens
}

/// The length of the block comment, which may hold others, at the start of `rest`.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let (step, change) = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        at += step;
        depth += change;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of the raw string at the start of `rest`, whose first word is `word` bytes long.
fn raw_string(rest: &str, word: usize) -> Option<usize> {
    if !matches!(&rest[..word], "r" | "br" | "cr") {
        return None;
    }
    let hashes = rest[word..]
        .bytes()
        .take_while(|byte| *byte == b'#')
        .count();
    let body = rest[word + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(
        body.find(&end)
            .map_or(rest.len(), |at| rest.len() - body.len() + at + end.len()),
    )
}

/// The length of the literal at the start of `rest`, up to the closing `quote`.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of `'x'` or `'name` at the start of `rest`.
fn character_or_lifetime(rest: &str) -> usize {
    let mut chars = rest.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) | (_, Some('\'')) => quoted(rest, '\''),
        _ => {
            let name = rest[1..].find(|c: char| !c.is_alphanumeric() && c != '_');
            name.map_or(rest.len(), |at| at + 1)
        }
    }
}

/// Every `.rs` file under `root/dir`, as a path from `root`, sorted.
fn collect(root: &Path, dir: &str, files: &mut Vec<String>) {
    let mut names: Vec<_> = fs::read_dir(root.join(dir))
        .unwrap()
        .map(|e| e.unwrap())
        .collect();
    names.sort_by_key(|entry| entry.file_name());
    for entry in names {
        let path = format!("{dir}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(root, &path, files);
        } else if path.ends_with(".rs") {
            files.push(path);
        }
    }
}
