//! Compiling programs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use crate::support::{has, library_directory, root, succeed};

/// A compiler and what it is to make of a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compiler {
    pub(crate) program: &'static str,
    pub(crate) standard: &'static str,
    pub(crate) link: Library,
    pub(crate) flags: &'static [&'static str],
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Library {
    Shared,
    Static,
}

pub(crate) const GCC: Compiler = Compiler {
    program: "gcc",
    standard: "c11",
    link: Library::Shared,
    flags: &[],
};
pub(crate) const CLANG: Compiler = Compiler {
    program: "clang",
    link: Library::Static,
    ..GCC
};
pub(crate) const GXX: Compiler = Compiler {
    program: "g++",
    standard: "c++17",
    link: Library::Static,
    ..GCC
};
pub(crate) const CLANGXX: Compiler = Compiler {
    program: "clang++",
    link: Library::Shared,
    ..GXX
};

/// Stops at the first misuse of memory or undefined behaviour, and at a leak.
pub(crate) const SANITIZED: &[&str] = &[
    "-g",
    "-O1",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
];

const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// What `rustc --print native-static-libs` names beyond the C library. Not the unwinder, `-lgcc_s`: the compiler
/// links the one that is right for the program, which with `-static` is another.
const SYSTEM_LIBRARIES: [&str; 5] = ["-lutil", "-lrt", "-lpthread", "-lm", "-ldl"];

impl Compiler {
    pub(crate) fn with(self, flags: &'static [&'static str]) -> Self {
        Self { flags, ..self }
    }

    /// The same for another standard.
    pub(crate) fn standard(self, standard: &'static str) -> Self {
        Self { standard, ..self }
    }

    fn is_cpp(self) -> bool {
        self.standard.contains("++")
    }

    /// Whether it is there, and its libraries; says that a test is skipped where it is not.
    pub(crate) fn is_there(self) -> bool {
        if !has(self.program) {
            return false;
        }
        let probe = scratch().join(format!("probe-{}-{}", self.program, self.flags.len()));
        let source = probe.with_extension("c");
        std::fs::write(&source, "int main(void) { return 0; }\n").unwrap();
        let language = if self.is_cpp() { "c++" } else { "c" };
        let mut command = Command::new(self.program);
        command.args(self.flags).args(["-x", language]).arg(source);
        let links = command.arg("-o").arg(&probe).output().unwrap();
        if !links.status.success() {
            println!("skipped: {} cannot link {:?}", self.program, self.flags);
        }
        links.status.success()
    }

    /// Checks what a header declares, where it is included twice.
    pub(crate) fn check_header(self, header: &str) {
        if self.is_there() {
            let include = format!("#include <{header}>\n");
            let source = scratch().join(format!("{header}_{}.c", self.program));
            std::fs::write(&source, include.repeat(2)).unwrap();
            let mut command = self.command();
            command.args(["-x", if self.is_cpp() { "c++" } else { "c" }]);
            succeed(command.arg("-fsyntax-only").arg(&source));
        }
    }

    /// What it says of a program that it must not accept, unless it is missing.
    pub(crate) fn refuse(self, source: &str) -> Option<String> {
        if !self.is_there() {
            return None;
        }
        let path = scratch().join(format!("refused_{}.cpp", self.program));
        std::fs::write(&path, source).unwrap();
        let output = self.command().arg("-fsyntax-only").arg(path).output();
        let output = output.unwrap();
        assert!(!output.status.success(), "accepted:\n{source}");
        Some(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Makes a program of a source, unless the compiler is missing. Once for all tests: none writes what
    /// another runs.
    pub(crate) fn build(self, source: &str) -> Option<PathBuf> {
        static BUILT: Mutex<BTreeMap<String, Arc<OnceLock<Option<PathBuf>>>>> =
            Mutex::new(BTreeMap::new());
        let stem = source.replace(['/', '.'], "_");
        let kind = self.flags.join("");
        let name = format!("{stem}_{}_{}{kind}", self.program, self.standard);
        let name = name.replace([',', '='], "");
        let built = Arc::clone(BUILT.lock().unwrap().entry(name.clone()).or_default());
        let build = || self.is_there().then(|| self.build_at(source, name));
        built.get_or_init(build).clone()
    }

    fn build_at(self, source: &str, name: String) -> PathBuf {
        let program = scratch().join(name);
        let mut command = self.command();
        command.args(["-x", if self.is_cpp() { "c++" } else { "c" }]);
        command.arg(root().join(source)).args(["-x", "none"]);
        let directory = library_directory();
        match self.link {
            Library::Shared => {
                let directory = soname_directory();
                let directory = directory.display();
                command.arg(format!("-L{directory}"));
                command
                    .arg(format!("-Wl,-rpath,{directory}"))
                    .arg("-lringbus");
            }
            Library::Static => {
                command.arg(directory.join("libringbus.a"));
                command.args(SYSTEM_LIBRARIES);
            }
        }
        command.arg("-pthread").arg("-o").arg(&program);
        succeed(&mut command);
        program
    }

    fn command(self) -> Command {
        let mut command = Command::new(self.program);
        command.arg(format!("-std={}", self.standard));
        command.args(WARNINGS).args(self.flags);
        command.arg("-I").arg(root().join("include"));
        command
    }
}

/// A directory with the shared library under the names by which it is linked and found at run time.
pub(crate) fn soname_directory() -> PathBuf {
    static ONCE: std::sync::Once = std::sync::Once::new();
    let directory = scratch().join("lib");
    ONCE.call_once(|| {
        std::fs::create_dir_all(&directory).unwrap();
        let library = library_directory().join("libringbus.so");
        for name in ["libringbus.so".to_owned(), soname()] {
            let link = directory.join(name);
            let _ = std::fs::remove_file(&link);
            std::os::unix::fs::symlink(&library, link).unwrap();
        }
    });
    directory
}

/// The name that programs are linked with.
fn soname() -> String {
    match (
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
    ) {
        ("0", minor) => format!("libringbus.so.0.{minor}"),
        (major, _) => format!("libringbus.so.{major}"),
    }
}

/// Where this test's programs are.
pub(crate) fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}
