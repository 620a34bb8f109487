//! ONNX Runtime found, refused, unpacked and kept quiet, through the real program: `inspect --check`
//! starts the runtime and prints its version.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What is embedded, as the program prints it.
const VERSION: &str = "1.32.0";

/// The program under test with an environment that has nothing in it but the path.
fn inspect(arguments: &[&str]) -> Command {
    bare(env!("CARGO_BIN_EXE_mlserve"), &inspect_arguments(arguments))
}

fn inspect_arguments<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["inspect", "--check"], arguments, &["models/iris.onnx"]].concat()
}

fn bare(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Runs it, and holds it to success, the embedded version and silence on standard error.
#[track_caller]
fn expect_embedded(command: &mut Command) {
    let output = command.output().unwrap();
    let (stdout, stderr) = texts(&output);
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains(VERSION), "{stdout}");
    assert_eq!(stderr, "");
}

/// Runs it, and holds it to exit code 3 and these words on standard error.
#[track_caller]
fn expect_refusal(command: &mut Command, words: &[&str]) {
    let output = command.output().unwrap();
    let (_, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    for words in words {
        assert!(stderr.contains(words), "expected {words:?} in: {stderr}");
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A cache folder that the program has filled once, and the library in it.
fn filled_cache() -> (tempfile::TempDir, PathBuf) {
    let cache = tempfile::tempdir().unwrap();
    expect_embedded(inspect(&[]).env("MLSERVE_CACHE_DIR", cache.path()));
    let library = entries(cache.path())
        .into_iter()
        .find(|path| path.extension().unwrap() == "so");
    (cache, library.unwrap())
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

#[expect(clippy::print_stderr, reason = "a skipped test says why")]
fn skip(why: &str) {
    eprintln!("skipped: {why}");
}

/// Whether this process may mount file systems, in a name space of its own.
fn may_mount() -> bool {
    let answer = Command::new("unshare")
        .args(["-m", "true"])
        .stderr(Stdio::null())
        .status();
    answer.is_ok_and(|status| status.success())
}

/// `inspect --check`, run where `folder` is a new, empty file system with these mount options.
fn inspect_with_mount(folder: &Path, options: &str) -> Command {
    let script = format!("mount -t tmpfs -o {options} mlserve-test \"$0\" && exec \"$@\"");
    let folder = folder.to_str().unwrap();
    let program = env!("CARGO_BIN_EXE_mlserve");
    let arguments = [
        &["-m", "sh", "-c", &script, folder, program],
        inspect_arguments(&[]).as_slice(),
    ]
    .concat();
    bare("unshare", &arguments)
}

#[test]
fn an_empty_environment_is_enough() {
    expect_embedded(inspect(&[]).env_clear());
}

#[test]
fn a_home_gets_one_cache_folder_for_its_owner_alone() {
    let home = tempfile::tempdir().unwrap();
    expect_embedded(inspect(&[]).env("HOME", home.path()));
    let cache = home.path().join(".cache/mlserve");
    assert_eq!(
        fs::metadata(&cache).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(entries(&cache).len(), 2, "the library and its stamp");
    expect_embedded(inspect(&[]).env("HOME", home.path()));
    // ONNX Runtime's telemetry keeps a device's number and a database in `.cache/Microsoft`, even
    // when it is switched off by the C API; only the variable that `main` sets prevents that.
    assert_eq!(entries(home.path()), [home.path().join(".cache")]);
    assert_eq!(entries(&home.path().join(".cache")), [cache]);
}

#[test]
fn a_home_that_cannot_be_written_is_no_hindrance() {
    let home = tempfile::tempdir().unwrap();
    if may_mount() {
        // Root writes wherever it likes, but not to a read-only file system.
        expect_embedded(inspect_with_mount(home.path(), "ro").env("HOME", home.path()));
    } else {
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o500)).unwrap();
        expect_embedded(inspect(&[]).env("HOME", home.path()));
    }
}

#[test]
fn a_cache_on_a_file_system_mounted_noexec_is_no_hindrance() {
    if !may_mount() {
        return skip("mounting a file system takes root");
    }
    let cache = tempfile::tempdir().unwrap();
    let mut command = inspect_with_mount(cache.path(), "noexec,mode=0700");
    expect_embedded(command.env("MLSERVE_CACHE_DIR", cache.path()));
}

#[test]
fn someone_elses_cache_folder_is_neither_used_nor_touched() {
    let (cache, library) = filled_cache();
    fs::write(&library, "what someone else put there").unwrap();
    if chown(cache.path(), Some(12_345), None).is_err() {
        return skip("only root can give a folder to another user");
    }
    expect_embedded(inspect(&[]).env("MLSERVE_CACHE_DIR", cache.path()));
    assert_eq!(fs::read(&library).unwrap(), b"what someone else put there");
}

#[test]
fn a_damaged_cached_library_is_replaced() {
    let (cache, library) = filled_cache();
    let whole = fs::read(&library).unwrap();
    let middle = whole.len() as u64 / 2;
    type Damage = fn(&mut fs::File, u64);
    let overwrite: Damage = |file, middle| {
        file.seek(SeekFrom::Start(middle)).unwrap();
        file.write_all(&[0x5a; 4096]).unwrap();
    };
    let truncate: Damage = |file, middle| file.set_len(middle).unwrap();
    for (name, damage) in [("overwritten", overwrite), ("truncated", truncate)] {
        let mut file = fs::OpenOptions::new().write(true).open(&library).unwrap();
        damage(&mut file, middle);
        drop(file);
        expect_embedded(inspect(&[]).env("MLSERVE_CACHE_DIR", cache.path()));
        assert!(fs::read(&library).unwrap() == whole, "{name}: not mended");
    }
}

#[test]
fn eight_first_starts_at_once_all_succeed_and_leave_one_library() {
    let cache = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| expect_embedded(inspect(&[]).env("MLSERVE_CACHE_DIR", cache.path())));
        }
    });
    assert_eq!(entries(cache.path()).len(), 2, "the library and its stamp");
}

#[test]
fn a_library_named_by_the_user_is_never_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("model.txt");
    fs::write(&text, "no library").unwrap();
    let (text, missing) = (text.to_str().unwrap(), "/nowhere/libonnxruntime.so");
    let folder = folder.path().to_str().unwrap();
    expect_refusal(
        inspect(&[]).env("ORT_DYLIB_PATH", missing),
        &[missing, "no such file", "hint:"],
    );
    expect_refusal(
        &mut inspect(&["--runtime", missing]),
        &[missing, "no such file"],
    );
    expect_refusal(
        &mut inspect(&["--runtime", text]),
        &[text, "expected an ONNX Runtime library"],
    );
    expect_refusal(
        &mut inspect(&["--runtime", folder]),
        &[folder, "found a folder"],
    );
    // The flag is looked at before the variable.
    expect_refusal(
        inspect(&["--runtime", text]).env("ORT_DYLIB_PATH", missing),
        &[text],
    );
}

#[test]
fn a_library_named_by_the_user_is_used() {
    let (_cache, library) = filled_cache();
    let library = library.to_str().unwrap();
    expect_embedded(&mut inspect(&["--runtime", library]));
    expect_embedded(inspect(&[]).env("ORT_DYLIB_PATH", library));
}

#[test]
fn a_library_beside_the_executable_takes_precedence_over_the_embedded_one() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("mlserve");
    fs::copy(env!("CARGO_BIN_EXE_mlserve"), &program).unwrap();
    let library = fake_runtime(folder.path(), "1.26.0");
    let mut command = bare(program.to_str().unwrap(), &inspect_arguments(&[]));
    expect_refusal(&mut command, &[library.to_str().unwrap(), "1.26.0"]);
}

#[test]
fn a_library_that_is_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let library = compile(
        folder.path(),
        "libother.so",
        &["-shared", "-fPIC"],
        "int something_else;\n",
    );
    expect_refusal(
        &mut inspect(&["--runtime", library.to_str().unwrap()]),
        &["libother.so", "found one without OrtGetApiBase"],
    );
}

#[test]
fn releases_that_score_wrongly_or_are_too_old_are_refused_by_name() {
    for (version, words) in [
        ("1.26.0", "onnxruntime#28557"),
        ("1.27.0", "onnxruntime#28557"),
        (
            "1.20.1",
            "expected ONNX Runtime 1.31 or later, found \"1.20.1\"",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let library = fake_runtime(folder.path(), version);
        expect_refusal(
            &mut inspect(&["--runtime", library.to_str().unwrap()]),
            &[words, version, "hint:"],
        );
    }
}

/// A library with ONNX Runtime's entry point that reports `version`, and dies if it is asked more.
fn fake_runtime(folder: &Path, version: &str) -> PathBuf {
    let source = format!(
        "#include <stdlib.h>\n\
         struct base {{ const void *(*api)(unsigned); const char *(*version)(void); }};\n\
         static const void *api(unsigned number) {{ abort(); }}\n\
         static const char *version(void) {{ return \"{version}\"; }}\n\
         static const struct base base = {{ api, version }};\n\
         const struct base *OrtGetApiBase(void) {{ return &base; }}\n"
    );
    compile(folder, "libonnxruntime.so", &["-shared", "-fPIC"], &source)
}

/// Compiles C with the compiler that Rust links with, so there is always one.
fn compile(folder: &Path, name: &str, flags: &[&str], source: &str) -> PathBuf {
    let (path, source_path) = (folder.join(name), folder.join(format!("{name}.c")));
    fs::write(&source_path, source).unwrap();
    let status = Command::new("cc")
        .args(flags)
        .arg(&source_path)
        .arg("-o")
        .arg(&path)
        .arg("-ldl")
        .status();
    assert!(status.unwrap().success());
    path
}

/// Says in the file `$NETWORK_LOG` when the process makes a socket that could leave the machine, or
/// looks up a host (glibc's own sockets for that do not pass through `socket`).
const NETWORK_SPY: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static void say(const char *what) {
    int log = open(getenv("NETWORK_LOG"), O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (write(log, what, strlen(what)) < 0) abort();
    close(log);
}
int socket(int domain, int type, int protocol) {
    int (*real)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
    if (domain != AF_UNIX && domain != AF_NETLINK) say("socket\n");
    return real(domain, type, protocol);
}
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
    say("lookup\n");
    return EAI_FAIL;
}
"#;

/// Does both: what the spy must see for its silence to prove anything.
const NETWORK_USER: &str = r#"
#include <netdb.h>
#include <sys/socket.h>
int main(void) {
    struct addrinfo *found;
    getaddrinfo("localhost", 0, 0, &found);
    return socket(AF_INET, SOCK_STREAM, 0) < 0;
}
"#;

/// Official builds since 1.29 collect telemetry unless told otherwise, and keep quiet under CI; the
/// bare environment that these tests run in has no CI variable. What they would send, they first
/// write to `~/.cache/Microsoft`, also where they have no way to send it: so that must be missing.
#[test]
fn nothing_is_sent_and_nothing_collected() {
    let folder = tempfile::tempdir().unwrap();
    let spy = compile(folder.path(), "spy.so", &["-shared", "-fPIC"], NETWORK_SPY);
    let user = compile(folder.path(), "user", &[], NETWORK_USER);
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    let network_use_of = |command: &mut Command, log: &str| {
        let log = folder.path().join(log);
        let output = command
            .env("LD_PRELOAD", &spy)
            .env("NETWORK_LOG", &log)
            .env("HOME", &home)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", texts(&output).1);
        fs::read_to_string(&log).unwrap_or_default()
    };
    let mut user = bare(user.to_str().unwrap(), &[]);
    assert_eq!(network_use_of(&mut user, "user.log"), "lookup\nsocket\n");
    assert_eq!(network_use_of(&mut inspect(&[]), "mlserve.log"), "");
    assert!(!home.join(".cache/Microsoft").exists());
}
