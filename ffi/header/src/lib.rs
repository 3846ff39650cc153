//! Makes `include/ringbus.h` from the sources of the C ABI, whose documentation it is.
//!
//! A crate of its own, so that nobody else has to build the generator.

use std::path::Path;

/// What `include/ringbus.h` has to be.
///
/// # Panics
///
/// Where the sources cannot be read.
pub fn generate() -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = cbindgen::Config::from_file(here.join("cbindgen.toml")).unwrap();
    config.after_includes = Some(versions());
    let inline = config.trailer.take().unwrap();
    let bindings = cbindgen::Builder::new()
        .with_crate(here.join(".."))
        .with_config(config)
        .generate()
        .unwrap();
    let mut text = Vec::new();
    bindings.write(&mut text);
    // The enum of the codes lends them its name, which is longer than they need; every struct has a
    // name without `struct`; what is inline belongs within the guard.
    let text = String::from_utf8(text)
        .unwrap()
        .replace("RINGBUS_CODE_", "RINGBUS_")
        .replace("struct ringbus_", "ringbus_")
        .replace("typedef ringbus_", "typedef struct ringbus_")
        .replace(
            "\n#endif  /* RINGBUS_H */",
            &format!("{inline}\n\n#endif  /* RINGBUS_H */"),
        );
    with_short_comments(&text)
}

fn versions() -> String {
    let parts = [
        ("MAJOR", env!("CARGO_PKG_VERSION_MAJOR")),
        ("MINOR", env!("CARGO_PKG_VERSION_MINOR")),
        ("PATCH", env!("CARGO_PKG_VERSION_PATCH")),
    ];
    let define = |(part, number)| format!("#define RINGBUS_VERSION_{part} {number}\n");
    let defines: String = parts.into_iter().map(define).collect();
    format!(
        "\n/** The version of this header; ringbus_version() is that of the library. */\n{defines}"
    )
}

/// Puts comments of one line onto one line.
fn with_short_comments(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        lines.push(line.to_owned());
        if let [.., start, content, end] = &lines[..]
            && let (Some(indent), Some((_, content))) =
                (start.strip_suffix("/**"), content.split_once(" * "))
            && end.trim() == "*/"
        {
            let short = format!("{indent}/** {content} */");
            lines.truncate(lines.len() - 3);
            lines.push(short);
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::{env, fs};

    /// Set it to write the header instead of comparing it.
    const WRITE: &str = "RINGBUS_WRITE_HEADER";

    #[test]
    fn header_is_fresh() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../include/ringbus.h");
        let fresh = super::generate();
        if env::var_os(WRITE).is_some() {
            fs::write(&path, &fresh).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap();
        let mut pairs = committed.lines().zip(fresh.lines());
        let differs = pairs.position(|(committed, fresh)| committed != fresh);
        assert!(
            committed == fresh,
            "include/ringbus.h is not what ffi/src makes, from line {}; run `{WRITE}=1 cargo test \
             -p ringbus-ffi-header`",
            differs.map_or(0, |line| line + 1)
        );
    }
}
