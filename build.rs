//! Build script: gets ONNX Runtime, packs it, and leaves it in `OUT_DIR` for `src/model/runtime.rs`
//! to embed; also tells the program the target it is built for.
//!
//! The library comes from `MLSERVE_ORT_DYLIB=/path/to/libonnxruntime.so` when that is set, else out
//! of the official wheel on PyPI, fetched with `pip download` and pinned by hash. The Python package
//! index rather than the project's own release page, because build machines behind a mirror reach
//! the former; `pip` rather than our own HTTP, because it knows the machine's mirror, proxy and
//! certificates. Nothing of Python ends up in the program.
//!
//! What is fetched and packed is kept in `target/onnxruntime/`, for every profile, and checked
//! against its hash before it is used again. It is safe to delete at any time.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use sha2::{Digest, Sha256};

/// The release that is embedded; `WHEELS` holds its hashes.
const VERSION: &str = "1.32.0";

/// Any CPython would do, since only the library is taken out of the wheel.
const PYTHON_VERSION: &str = "3.12";
const PYTHON_ABI: &str = "cp312";

/// zstd's level: 19 makes 10 MB of a 35 MB library in 20 s, once for a checkout; lower levels only
/// save build time, which a cached result does not need.
const ZSTD_LEVEL: i32 = 19;

/// What every failure offers.
const REMEDY: &str =
    "or set MLSERVE_ORT_DYLIB=/path/to/libonnxruntime.so to embed a library you already have";

/// The files of a packed folder, as they are copied to `OUT_DIR`.
const LIBRARY_FILE: &str = "onnxruntime.zst";
const LICENSES_FILE: &str = "onnxruntime-licenses.zst";
const CONSTANTS_FILE: &str = "embedded.rs";
const PACKED_FILES: [&str; 3] = [LIBRARY_FILE, LICENSES_FILE, CONSTANTS_FILE];
/// The hashes of `PACKED_FILES`, written last.
const SUMS_FILE: &str = "sums";

type Result<T> = std::result::Result<T, String>;

/// The official wheel for one target.
struct Wheel {
    os: &'static str,
    arch: &'static str,
    /// The C library or ABI, `CARGO_CFG_TARGET_ENV`; empty means any.
    env: &'static str,
    /// pip's platform tag.
    platform: &'static str,
    sha256: &'static str,
    /// The plain C library inside the wheel; the Python module beside it is another file.
    library: &'static str,
}

/// To move to another release: `pip download` each platform's wheel, `sha256sum` it, list its
/// `onnxruntime/capi/`, and run the whole test suite.
const WHEELS: [Wheel; 4] = [
    Wheel {
        os: "linux",
        arch: "x86_64",
        env: "gnu",
        platform: "manylinux_2_28_x86_64",
        sha256: "99e1074c4b2197accd5073052a465361be17b89c093b8ffb6e6bd8f986c52df8",
        library: "onnxruntime/capi/libonnxruntime.so.1.32.0",
    },
    Wheel {
        os: "linux",
        arch: "aarch64",
        env: "gnu",
        platform: "manylinux_2_28_aarch64",
        sha256: "e36c187006e7a7c8b8d6d57f1a209dd63f52430dca6c282b177718ad6b841054",
        library: "onnxruntime/capi/libonnxruntime.so.1.32.0",
    },
    Wheel {
        os: "macos",
        arch: "aarch64",
        env: "",
        platform: "macosx_14_0_arm64",
        sha256: "d52510bbbcc880c13b826f7d75cdf33ac5cf0bb864d960000fc29ce73f0cb83e",
        library: "onnxruntime/capi/libonnxruntime.1.32.0.dylib",
    },
    Wheel {
        os: "windows",
        arch: "x86_64",
        env: "",
        platform: "win_amd64",
        sha256: "efe7456952c243a05a53d5b8732953625144642c2f3989094277f6217f0c0c40",
        library: "onnxruntime/capi/onnxruntime.dll",
    },
];

/// What is to be embedded, unpacked.
struct Content {
    version: String,
    /// Where it came from, for `--version`: the wheel's or the library's file name.
    source: String,
    library: Vec<u8>,
    licenses: String,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            for line in message.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=third_party/onnxruntime-LICENSE");
    for name in ["MLSERVE_ORT_DYLIB", "PYTHON"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let target = variable("TARGET")?;
    println!("cargo::rustc-env=MLSERVE_TARGET={target}");

    let out = PathBuf::from(variable("OUT_DIR")?);
    let cache = shared_folder(&out, &target);
    create_folder(&cache)?;
    let packed = match env::var_os("MLSERVE_ORT_DYLIB").filter(|path| !path.is_empty()) {
        Some(path) => pack_given(Path::new(&path), &cache)?,
        None => pack_wheel(wheel_for(&target)?, &cache)?,
    };
    for name in PACKED_FILES {
        fs::copy(packed.join(name), out.join(name))
            .map_err(|error| failed("copy", &packed.join(name), &error))?;
    }
    Ok(())
}

/// The folder that all profiles, targets and reruns of this script share: `target/onnxruntime`.
///
/// `OUT_DIR` is `<target>[/<triple>]/<profile>/build/<package>/out`, with more folders below `build`
/// in newer layouts of cargo, so the last `build` on the way is what to count from. In a layout not
/// known today the cache lands in `OUT_DIR`, which costs a second download and nothing else.
fn shared_folder(out: &Path, triple: &str) -> PathBuf {
    let root = out
        .ancestors()
        .find(|folder| folder.file_name() == Some(OsStr::new("build")))
        .and_then(|build| build.parent()?.parent());
    let root = match root {
        Some(root) if root.file_name() == Some(OsStr::new(triple)) => root.parent().unwrap_or(root),
        Some(root) => root,
        None => out,
    };
    root.join("onnxruntime")
}

fn wheel_for(target: &str) -> Result<&'static Wheel> {
    let os = variable("CARGO_CFG_TARGET_OS")?;
    let arch = variable("CARGO_CFG_TARGET_ARCH")?;
    let env = env::var("CARGO_CFG_TARGET_ENV").unwrap_or_default();
    WHEELS
        .iter()
        .find(|wheel| wheel.os == os && wheel.arch == arch && (wheel.env.is_empty() || wheel.env == env))
        .ok_or_else(|| {
            let known: Vec<&str> = WHEELS.iter().map(|wheel| wheel.platform).collect();
            format!(
                "no ONNX Runtime {VERSION} is published for {target} (only for {})\n\
                 build ONNX Runtime for this target and set MLSERVE_ORT_DYLIB=/path/to/libonnxruntime.so",
                known.join(", ")
            )
        })
}

// The packed folder: what `OUT_DIR` gets, kept under the hash of what it was made from.

/// Packs the pinned wheel, unless that was done before.
fn pack_wheel(wheel: &Wheel, cache: &Path) -> Result<PathBuf> {
    let packed = packed_folder(cache, wheel.sha256);
    if !is_whole(&packed) {
        let content = unpack_wheel(&fetch(wheel, cache)?, wheel)?;
        pack(&content, &packed)?;
    }
    Ok(packed)
}

/// Packs the library file that the builder named, unless that was done before.
fn pack_given(path: &Path, cache: &Path) -> Result<PathBuf> {
    println!("cargo::rerun-if-changed={}", path.display());
    let library = fs::read(path)
        .map_err(|error| format!("MLSERVE_ORT_DYLIB: cannot read {}: {error}", path.display()))?;
    let packed = packed_folder(cache, &hash(&library));
    if !is_whole(&packed) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let content = Content {
            version: find_version(path, &library).unwrap_or_else(|| "unknown".to_owned()),
            source: format!("{name} (MLSERVE_ORT_DYLIB)"),
            licenses: licenses_beside(path)?,
            library,
        };
        pack(&content, &packed)?;
    }
    Ok(packed)
}

/// The build script's own hash is part of the name: another level or layout is another folder.
fn packed_folder(cache: &Path, source_hash: &str) -> PathBuf {
    let script = hash(include_bytes!("build.rs"));
    cache.join(format!("packed-{}-{}", &source_hash[..16], &script[..8]))
}

/// Whether the folder holds all that `pack` wrote, unharmed.
fn is_whole(packed: &Path) -> bool {
    let sums = PACKED_FILES.map(|name| fs::read(packed.join(name)).map(|bytes| hash(&bytes)));
    let recorded = fs::read_to_string(packed.join(SUMS_FILE)).unwrap_or_default();
    let recorded: Vec<&str> = recorded.lines().collect();
    recorded.len() == sums.len()
        && sums
            .iter()
            .zip(recorded)
            .all(|(sum, line)| sum.as_ref().is_ok_and(|sum| sum == line))
}

/// Writes the packed folder under another name and renames it, so that two builds at once cannot
/// see each other's half-written files; where the other build was first, its folder stays.
fn pack(content: &Content, packed: &Path) -> Result<()> {
    let library = compress(&content.library)?;
    let licenses = compress(content.licenses.as_bytes())?;
    let constants = constants(content);
    let files: [&[u8]; 3] = [&library, &licenses, constants.as_bytes()];

    let scratch = scratch_name(packed);
    create_folder(&scratch)?;
    let mut sums = String::new();
    for (name, bytes) in PACKED_FILES.iter().zip(files) {
        write(&scratch.join(name), bytes)?;
        sums.push_str(&hash(bytes));
        sums.push('\n');
    }
    write(&scratch.join(SUMS_FILE), sums.as_bytes())?;

    if packed.exists() && !is_whole(packed) {
        fs::remove_dir_all(packed).map_err(|error| failed("remove", packed, &error))?;
    }
    let renamed = fs::rename(&scratch, packed);
    if renamed.is_err() {
        let _ = fs::remove_dir_all(&scratch);
    }
    match renamed {
        Err(error) if !is_whole(packed) => Err(failed("write", packed, &error)),
        _ => Ok(()),
    }
}

/// The Rust source that `runtime.rs` includes.
fn constants(content: &Content) -> String {
    format!(
        "/// ONNX Runtime's version, `unknown` when the library given at build time does not tell.\n\
         pub(super) const VERSION: &str = {:?};\n\
         /// The file that the library came from.\n\
         pub(super) const SOURCE: &str = {:?};\n\
         /// The unpacked library's SHA-256, lower-case hex.\n\
         pub(super) const SHA256: &str = {:?};\n\
         /// The unpacked library's length.\n\
         pub(super) const LENGTH_BYTES: u64 = {};\n\
         /// The library, as one zstd frame.\n\
         pub(super) static LIBRARY: &[u8] = include_bytes!({LIBRARY_FILE:?});\n\
         /// The licence texts that go with it, as one zstd frame.\n\
         pub(super) static LICENSES: &[u8] = include_bytes!({LICENSES_FILE:?});\n",
        content.version,
        content.source,
        hash(&content.library),
        content.library.len(),
    )
}

// Getting the wheel.

/// The wheel's file, from the cache when it is there and unharmed, else from the package index.
fn fetch(wheel: &Wheel, cache: &Path) -> Result<PathBuf> {
    let path = cache.join(format!("onnxruntime-{VERSION}-{}.whl", wheel.platform));
    if fs::read(&path).is_ok_and(|bytes| hash(&bytes) == wheel.sha256) {
        return Ok(path);
    }
    let scratch = scratch_name(&path);
    create_folder(&scratch)?;
    let fetched = download(wheel, &scratch).and_then(|found| {
        let bytes = fs::read(&found).map_err(|error| failed("read", &found, &error))?;
        let got = hash(&bytes);
        if got != wheel.sha256 {
            return Err(wrong_hash(wheel, &format!("found {got}")));
        }
        fs::rename(&found, &path).map_err(|error| failed("write", &path, &error))
    });
    let _ = fs::remove_dir_all(&scratch);
    fetched.map(|()| path)
}

/// Has pip put the wheel into `folder`; returns its path there.
fn download(wheel: &Wheel, folder: &Path) -> Result<PathBuf> {
    let python = python()?;
    let requirements = folder.join("requirements.txt");
    write(
        &requirements,
        format!("onnxruntime=={VERSION} --hash=sha256:{}\n", wheel.sha256).as_bytes(),
    )?;
    let output = Command::new(&python)
        .args(["-m", "pip", "--disable-pip-version-check", "download"])
        .args([
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            "--progress-bar=off",
        ])
        .args([
            "--python-version",
            PYTHON_VERSION,
            "--implementation",
            "cp",
            "--abi",
            PYTHON_ABI,
        ])
        .args(["--platform", wheel.platform])
        .arg("--requirement")
        .arg(&requirements)
        .arg("--dest")
        .arg(folder)
        // Nothing is installed, so a user's rule to install into virtual environments only is met.
        .env("PIP_REQUIRE_VIRTUALENV", "0")
        .env("PIP_NO_INPUT", "1")
        .output()
        .map_err(|error| format!("cannot run {}: {error}\n{REMEDY}", python.display()))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        return Err(explain_pip(wheel, &String::from_utf8_lossy(&said)));
    }
    fs::read_dir(folder)
        .map_err(|error| failed("read", folder, &error))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension() == Some(OsStr::new("whl")))
        .ok_or_else(|| {
            format!(
                "pip said it downloaded onnxruntime {VERSION}, but left no wheel in {}",
                folder.display()
            )
        })
}

/// The first Python 3 with pip: `$PYTHON` alone when it is set, else the usual names.
fn python() -> Result<OsString> {
    let chosen = env::var_os("PYTHON").filter(|name| !name.is_empty());
    let candidates = match chosen {
        Some(name) => vec![name],
        None => ["python3", "python", "py"].map(OsString::from).to_vec(),
    };
    let works = |name: &OsString| {
        Command::new(name)
            .args(["-c", "import sys, pip; sys.exit(sys.version_info < (3, 7))"])
            .output()
            .is_ok_and(|output| output.status.success())
    };
    candidates.iter().find(|name| works(name)).cloned().ok_or_else(|| {
        let tried: Vec<_> = candidates.iter().map(|name| name.to_string_lossy()).collect();
        format!(
            "building mlserve fetches ONNX Runtime {VERSION} with pip, and found no Python 3 that has pip \
             (tried {})\n\
             install one (Debian: apt-get install python3-pip), or name one with PYTHON=/path/to/python3\n\
             {REMEDY}",
            tried.join(", ")
        )
    })
}

/// pip's failure in our words, with its own last lines.
fn explain_pip(wheel: &Wheel, said: &str) -> String {
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let tail = lines[lines.len().saturating_sub(6)..].join("\n");
    if said.contains("DO NOT MATCH THE HASHES") {
        return wrong_hash(wheel, &format!("pip said:\n{tail}"));
    }
    format!(
        "pip could not download onnxruntime {VERSION} for {}; it said:\n{tail}\n\
         check that this machine reaches a Python package index (pip's index-url, proxy)\n{REMEDY}",
        wheel.platform
    )
}

fn wrong_hash(wheel: &Wheel, found: &str) -> String {
    format!(
        "the onnxruntime {VERSION} wheel for {} is not the one build.rs pins: expected sha256 {}; {found}\n\
         check what your package index serves\n{REMEDY}",
        wheel.platform, wheel.sha256
    )
}

// What is in the wheel, and what is known about a library given by hand.

fn unpack_wheel(path: &Path, wheel: &Wheel) -> Result<Content> {
    let file = File::open(path).map_err(|error| failed("open", path, &error))?;
    let mut archive = zip::ZipArchive::new(file)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let mut entry = |name: &str| -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        archive
            .by_name(name)
            .map_err(|error| error.to_string())
            .and_then(|mut entry| {
                entry
                    .read_to_end(&mut bytes)
                    .map_err(|error| error.to_string())
            })
            .map_err(|error| {
                format!(
                    "cannot take {name} out of {}: {error}\n{REMEDY}",
                    path.display()
                )
            })?;
        Ok(bytes)
    };
    let license = entry("onnxruntime/LICENSE")?;
    let notices = entry("onnxruntime/ThirdPartyNotices.txt")?;
    Ok(Content {
        version: VERSION.to_owned(),
        source: format!(
            "onnxruntime-{VERSION}-{PYTHON_ABI}-{PYTHON_ABI}-{}.whl",
            wheel.platform
        ),
        library: entry(wheel.library)?,
        licenses: join_licenses(&[license, notices]),
    })
}

/// The licence files beside a library given by hand or a folder up, as the release archives have
/// them; without any, ONNX Runtime's own licence, since that is what such a library contains.
fn licenses_beside(library: &Path) -> Result<String> {
    let folders: Vec<&Path> = library.ancestors().skip(1).take(2).collect();
    let find = |name: &str| {
        folders
            .iter()
            .find_map(|folder| fs::read(folder.join(name)).ok())
    };
    let own = Path::new("third_party/onnxruntime-LICENSE");
    let license = match find("LICENSE") {
        Some(text) => text,
        None => fs::read(own).map_err(|error| failed("read", own, &error))?,
    };
    let notices = find("ThirdPartyNotices.txt").unwrap_or_default();
    Ok(join_licenses(&[license, notices]))
}

fn join_licenses(texts: &[Vec<u8>]) -> String {
    let texts: Vec<String> = texts
        .iter()
        .map(|text| {
            String::from_utf8_lossy(text)
                .replace("\r\n", "\n")
                .trim()
                .to_owned()
        })
        .filter(|text| !text.is_empty())
        .collect();
    texts.join("\n\n") + "\n"
}

/// The version that a library tells without being loaded, which a cross build cannot do: by its
/// symbol version `VERS_1.32.0` on Linux, elsewhere by its file name, `libonnxruntime.1.32.0.dylib`,
/// once links are followed.
fn find_version(path: &Path, library: &[u8]) -> Option<String> {
    const MARKER: &[u8] = b"VERS_";
    let in_symbols = (0..library.len().saturating_sub(MARKER.len()))
        .filter(|at| library[*at..].starts_with(MARKER))
        .find_map(|at| version_at(&library[at + MARKER.len()..]));
    let in_name = || {
        let real = fs::canonicalize(path).ok()?;
        let name = real.file_name()?.as_encoded_bytes();
        (0..name.len()).find_map(|at| version_at(&name[at..]))
    };
    in_symbols.or_else(in_name)
}

/// Three numbers with dots between, at the start of `bytes`.
fn version_at(bytes: &[u8]) -> Option<String> {
    let end = bytes
        .iter()
        .position(|byte| !byte.is_ascii_digit() && *byte != b'.')
        .unwrap_or(bytes.len());
    let text = std::str::from_utf8(&bytes[..end])
        .ok()?
        .trim_end_matches('.');
    let is_version = text.split('.').count() == 3 && text.split('.').all(|part| !part.is_empty());
    is_version.then(|| text.to_owned())
}

// Small things.

fn variable(name: &str) -> Result<String> {
    env::var(name).map_err(|_| format!("cargo did not set {name}; build mlserve with cargo"))
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// One zstd frame that carries its content's length and checksum.
fn compress(bytes: &[u8]) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| format!("cannot compress ONNX Runtime: {error}");
    let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(failed)?;
    compressor.include_checksum(true).map_err(failed)?;
    compressor.compress(bytes).map_err(failed)
}

/// A name beside `path` that no other process uses: builds may run at once, in one machine.
fn scratch_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| failed("create", path, &error))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|error| failed("write", path, &error))
}

fn failed(verb: &str, path: &Path, error: &std::io::Error) -> String {
    format!("cannot {verb} {}: {error}", path.display())
}
