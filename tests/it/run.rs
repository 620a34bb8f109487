//! Runs the program as a user does, and holds what comes of it against what was promised.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::compare;

/// The repository: where the program runs unless a test says otherwise.
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The program under test, about to be started.
pub(crate) struct Program {
    command: Command,
    input: Option<Vec<u8>>,
}

/// What came of a run.
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// `mlserve` with `args`.
pub(crate) fn mlserve(args: &[&str]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlserve"));
    command.args(args).current_dir(ROOT);
    // The library is unpacked once, and not where the user's own program looks for it.
    command.env("MLSERVE_CACHE_DIR", env!("CARGO_TARGET_TMPDIR"));
    Program {
        command,
        input: None,
    }
}

/// `mlserve predict` with the model at `model`, a path in the repository or the name of a sample.
pub(crate) fn predict(model: &str, args: &[&str]) -> Program {
    let model = model_path(model);
    mlserve(&[&["predict", model.as_str()], args].concat())
}

/// The full path of a model, so that it is found from any folder.
pub(crate) fn model_path(model: &str) -> String {
    let path = if model.contains('/') {
        PathBuf::from(model)
    } else {
        Path::new("models").join(model).with_extension("onnx")
    };
    Path::new(ROOT).join(path).display().to_string()
}

impl Program {
    /// Runs in `folder`, so that messages name its files without their random path.
    pub(crate) fn within(mut self, folder: &Folder) -> Self {
        self.command.current_dir(folder.path());
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives it `input` on standard input, which is empty otherwise.
    pub(crate) fn given(mut self, input: impl AsRef<[u8]>) -> Self {
        self.input = Some(input.as_ref().to_vec());
        self
    }

    /// The command itself, for what this wrapper has no word for.
    pub(crate) fn command(mut self) -> Command {
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        self.command
    }

    /// Runs it to its end.
    pub(crate) fn run(mut self) -> Outcome {
        let input = self.input.take();
        let mut command = self.command();
        if input.is_none() {
            command.stdin(Stdio::null());
        }
        let mut child = command.spawn().unwrap();
        let writer = child.stdin.take().map(|mut stdin| {
            // From a thread of its own: it writes while we read. A program that stops early closes
            // the pipe, which is its right.
            std::thread::spawn(move || stdin.write_all(&input.unwrap_or_default()).is_ok())
        });
        let output = child.wait_with_output().unwrap();
        if let Some(writer) = writer {
            writer.join().unwrap();
        }
        Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            bytes: output.stdout,
        }
    }

    /// Runs it and holds it to success, to this output (floats with a tolerance, all else to the
    /// byte) and, being told `--quiet`, to silence.
    #[track_caller]
    pub(crate) fn prints(mut self, expected: &str) {
        self.command.arg("--quiet");
        let outcome = self.run();
        assert_eq!(outcome.stderr, "");
        assert_eq!(outcome.code, 0);
        outcome.assert_stdout(expected);
    }

    /// Runs it and holds it to this exit code and to these words on standard error, no others.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, stderr: &str) {
        let outcome = self.run();
        assert_eq!(outcome.stderr, format!("{stderr}\n"), "{}", outcome.stdout);
        assert_eq!(outcome.code, code, "{stderr}");
    }
}

impl Outcome {
    /// Standard output is this text, but for the last digits of floats.
    #[track_caller]
    pub(crate) fn assert_stdout(&self, expected: &str) {
        if let Err(difference) = compare::texts(&self.stdout, expected) {
            panic!(
                "{difference}\n--- expected\n{expected}--- found\n{}",
                self.stdout
            );
        }
    }

    /// Standard error without the seconds and rows/s of the closing line.
    pub(crate) fn notes(&self) -> String {
        compare::without_speed(&self.stderr)
    }
}

/// A folder of files for one test; gone when the test is over.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// A folder with these files in it.
    pub(crate) fn with(files: &[(&str, &[u8])]) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        for (name, content) in files {
            folder.write(name, content);
        }
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.file(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    /// The names of all files, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        names_in(self.path())
    }
}

/// The names of what is in `folder`, sorted.
pub(crate) fn names_in(folder: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The text of a file of the repository.
pub(crate) fn repository_file(path: &str) -> String {
    let path = Path::new(ROOT).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
