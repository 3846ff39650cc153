//! Programs in C and C++ against the library as it is shipped, and against Rust.
//!
//! Compiles `tests/c/roundtrip.c` with every warning an error, as C11 against the shared library and
//! as C++17 against the static one. Without a compiler each test says so and passes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use ringbus::{Bus, Meta, Patience, Start};

const COUNT: u64 = 10_000;
const LONG: Duration = Duration::from_secs(60);

#[test]
fn header_is_clean_in_every_dialect() {
    for (compiler, language, standard) in [
        ("cc", "c", "c99"),
        ("cc", "c", "c17"),
        ("c++", "c++", "c++11"),
        ("c++", "c++", "c++20"),
    ] {
        if let Some(mut command) = warn_about_everything(compiler) {
            let standard = format!("-std={standard}");
            let header = root().join("include/ringbus.h");
            succeed(
                command
                    .args(["-x", language, &standard, "-fsyntax-only"])
                    .arg(header),
            );
        }
    }
}

#[test]
fn every_function_works_from_c() {
    let Some(program) = c_program() else { return };
    let dir = Directory::new("check-c");
    finish(&mut spawn(program, &["check", dir.text()]));
}

#[test]
fn every_function_works_from_cpp() {
    let Some(program) = cpp_program() else { return };
    let dir = Directory::new("check-cpp");
    finish(&mut spawn(program, &["check", dir.text()]));
}

#[test]
fn program_of_the_readme_works() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let source = read("tests/c/hello.c");
    let shown = format!("```c\n{source}```\n");
    assert!(
        read("README.md").contains(&shown),
        "README.md differs from tests/c/hello.c"
    );
    let Some(mut command) = compile("hello.c", "c99", Library::Shared) else {
        return;
    };
    let program = scratch().join("hello");
    succeed(command.arg("-o").arg(&program));
    let dir = Directory::new("hello");
    let output = Command::new(&program)
        .env("RINGBUS_DIR", dir.text())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "0: hello, world\n",
        "{output:?}"
    );
}

#[test]
fn c_sends_to_cpp() {
    let (Some(c), Some(cpp)) = (c_program(), cpp_program()) else {
        return;
    };
    let dir = Directory::new("c-to-cpp");
    let count = COUNT.to_string();
    let mut subscriber = spawn(cpp, &["subscribe", dir.text(), "from/c", &count]);
    let mut publisher = spawn(c, &["publish", dir.text(), "from/c", &count]);
    finish(&mut publisher);
    finish(&mut subscriber);
}

#[test]
fn c_sends_to_rust() {
    let Some(program) = c_program() else { return };
    let dir = Directory::new("c-to-rust");
    let topic = dir.bus().topic("from/c").open_or_create().unwrap();
    let mut subscriber = topic
        .subscriber()
        .reliable()
        .start(Start::Oldest)
        .join()
        .unwrap();
    let publish = ["publish", dir.text(), "from/c", &COUNT.to_string()];
    let mut publisher = spawn(program, &publish);
    for n in 0..COUNT {
        assert!(subscriber.wait(LONG).unwrap(), "message {n} did not come");
        let message = subscriber.poll().unwrap().unwrap();
        assert_eq!((message.sequence(), message.tag()), (n, tag_of(n)));
        assert_eq!(message.payload(), text_of(n).as_bytes());
    }
    finish(&mut publisher);
}

#[test]
fn rust_sends_to_c() {
    let Some(program) = c_program() else { return };
    let dir = Directory::new("rust-to-c");
    let topic = dir.bus().topic("from/rust").open_or_create().unwrap();
    let publisher = topic.publisher().unwrap();
    let subscribe = ["subscribe", dir.text(), "from/rust", &COUNT.to_string()];
    let mut subscriber = spawn(program, &subscribe);
    assert!(publisher.wait_subscribers(1, LONG).unwrap());
    for n in 0..COUNT {
        let meta = Meta::new().tag(tag_of(n));
        let sent = publisher.publish_with(meta, text_of(n).as_bytes(), Patience::For(LONG));
        assert_eq!(sent.unwrap(), n);
    }
    finish(&mut subscriber);
}

#[test]
fn no_memory_is_misused() {
    let Some(mut command) = compile("roundtrip.c", "c11", Library::Shared) else {
        return;
    };
    let program = scratch().join("roundtrip_asan");
    let flags = [
        "-g",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
        "-o",
    ];
    if !command
        .args(flags)
        .arg(&program)
        .output()
        .unwrap()
        .status
        .success()
    {
        println!("skipped: cc cannot link the address sanitizer");
        return;
    }
    let dir = Directory::new("asan");
    finish(&mut spawn(&program, &["check", dir.text()]));
}

/// As `compose` and `tag_of` of the C program.
fn text_of(n: u64) -> String {
    format!("message {n}")
}

fn tag_of(n: u64) -> u64 {
    n * 7 + 1
}

/// The program in C with the shared library; none where there is no compiler.
fn c_program() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    program(&PROGRAM, "c11", Library::Shared)
}

/// The same in C++ with the static library.
fn cpp_program() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    program(&PROGRAM, "c++17", Library::Static)
}

fn program(
    once: &'static OnceLock<Option<PathBuf>>,
    standard: &str,
    library: Library,
) -> Option<&'static Path> {
    let built = once.get_or_init(|| {
        let program = scratch().join(format!("roundtrip_{standard}"));
        succeed(
            compile("roundtrip.c", standard, library)?
                .arg("-o")
                .arg(&program),
        );
        Some(program)
    });
    built.as_deref()
}

enum Library {
    Shared,
    Static,
}

/// A command that compiles and links a program of `tests/c`, but for its output.
fn compile(source: &str, standard: &str, library: Library) -> Option<Command> {
    let cpp = standard.starts_with("c++");
    let mut command = warn_about_everything(if cpp { "c++" } else { "cc" })?;
    let directory = library_directory();
    command.arg(format!("-std={standard}"));
    command.args(["-x", if cpp { "c++" } else { "c" }]);
    command.arg(root().join("tests/c").join(source));
    command.args(["-x", "none"]);
    match library {
        Library::Shared => command
            .arg(format!("-L{}", directory.display()))
            .arg(format!("-Wl,-rpath,{}", directory.display()))
            .arg("-lringbus_c"),
        // What `rustc --print native-static-libs` names beyond the C library.
        Library::Static => command.arg(directory.join("libringbus_c.a")).args([
            "-lgcc_s",
            "-lutil",
            "-lrt",
            "-lpthread",
            "-lm",
            "-ldl",
        ]),
    };
    Some(command)
}

fn warn_about_everything(compiler: &str) -> Option<Command> {
    if Command::new(compiler).arg("--version").output().is_err() {
        println!("skipped: no {compiler}");
        return None;
    }
    let mut command = Command::new(compiler);
    command.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"]);
    command.arg(root().join("include"));
    Some(command)
}

/// Where the libraries are. Tests of this crate cannot depend on them, as it has no `rlib`: so they
/// are built here, in the profile and the target directory of this test.
fn library_directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        // .../target/debug/deps/this_test
        let directory = env::current_exe()
            .unwrap()
            .ancestors()
            .nth(2)
            .unwrap()
            .to_owned();
        let mut build = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
        build.args(["build", "--quiet", "-p", "ringbus-ffi", "--target-dir"]);
        build.arg(directory.parent().unwrap());
        if cfg!(feature = "portable") {
            build.args(["--features", "portable"]);
        }
        if directory.ends_with("release") {
            build.arg("--release");
        }
        succeed(build.current_dir(root()));
        directory
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{error}");
}

fn spawn(program: &Path, arguments: &[&str]) -> Child {
    Command::new(program).args(arguments).spawn().unwrap()
}

/// Waits for a program, which must succeed in good time.
fn finish(child: &mut Child) {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return;
        }
        if start.elapsed() > LONG {
            child.kill().unwrap();
            panic!("the program did not end; its process was {}", child.id());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A directory for buses, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("ringbus-ffi-{name}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// The bus that the programs use.
    fn bus(&self) -> Bus {
        Bus::builder().dir(&self.0).name("c").open().unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let root = || Bus::builder().dir(&self.0);
        for bus in root().names().unwrap_or_default() {
            let _ = root().name(&bus).destroy();
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}
