//! How much memory the process may have with its models, and whether one more fits.
//!
//! ```text
//! facts -> what a model takes at least ----> before it is loaded: can it fit at all?
//!          what the process has now    ----> after it was loaded: does it fit?
//! ```
//!
//! What a model takes at least is its weights once, as ONNX Runtime keeps them, and its trees. It was
//! measured with ONNX Runtime 1.32 (resident memory before and after): weights of 135 MB and 270 MB take
//! 133 MB and 266 MB, and up to twice that for a moment; 1.5 million tree nodes take 86 to 127 MB in
//! mlserve's kernel and 704 MB in ONNX Runtime. An estimate that is too high would refuse what fits, so it is low, and
//! what was really taken is looked at afterwards. Runs take memory on top, by the size of a batch.

use std::fs;
use std::path::{Path, PathBuf};

use super::onnx::Facts;
use super::trees::Choice;
use crate::error::{Error, Result};

/// Bytes that a node of a tree takes at least: in mlserve's kernel, and in ONNX Runtime.
const OUR_NODE: u64 = 50;
const THEIR_NODE: u64 = 400;

/// The most memory that the process may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    bytes: u64,
    /// In words, for errors.
    said: String,
}

impl Limit {
    /// So many `bytes`, or those of the cgroup that this process is in where they are fewer.
    pub fn new(bytes: u64) -> Limit {
        Limit::within(bytes, cgroup_bytes())
    }

    fn within(bytes: u64, cgroup: Option<u64>) -> Limit {
        let flag = format!("--mem-limit {}", shown(bytes));
        match cgroup {
            Some(cgroup) if cgroup < bytes => Limit {
                bytes: cgroup,
                said: format!(
                    "{} that its cgroup (container) may have, less than {flag}",
                    shown(cgroup)
                ),
            },
            Some(cgroup) => Limit {
                bytes,
                said: format!("{flag} (its cgroup may have {})", shown(cgroup)),
            },
            None => Limit { bytes, said: flag },
        }
    }

    /// Whether the model of `facts` can fit at all, before it is loaded.
    ///
    /// # Errors
    /// [`Error::Model`] with what it takes at least, what the process has and may have.
    pub fn fits(&self, facts: &Facts, trees: Choice) -> Result<()> {
        self.room(facts, trees, resident_bytes())
    }

    fn room(&self, facts: &Facts, trees: Choice, now: Option<u64>) -> Result<()> {
        let least = least_bytes(facts, trees);
        let now = now.unwrap_or(0);
        if now.saturating_add(least) <= self.bytes {
            return Ok(());
        }
        let message = format!(
            "the model takes {} at least, and the process has {} already: more than {}",
            shown(least),
            shown(now),
            self.said
        );
        Err(Error::model(facts.path.display().to_string(), message).hint(HINT))
    }

    /// Whether the process, which has loaded the model of `facts` and had `before` until then, is
    /// within it.
    ///
    /// # Errors
    /// [`Error::Model`] with what was really taken; the model has to be dropped.
    pub fn held(&self, facts: &Facts, before: Option<u64>) -> Result<()> {
        self.kept(facts, before, resident_bytes())
    }

    fn kept(&self, facts: &Facts, before: Option<u64>, now: Option<u64>) -> Result<()> {
        let Some(now) = now.filter(|now| *now > self.bytes) else {
            return Ok(());
        };
        let taken = now.saturating_sub(before.unwrap_or(now));
        let message = format!(
            "the model took {}, and the process has {} with it: more than {}",
            shown(taken),
            shown(now),
            self.said
        );
        Err(Error::model(facts.path.display().to_string(), message).hint(HINT))
    }
}

const HINT: &str =
    "serve fewer models or versions from one process, or give it more with --mem-limit";

/// What the model of `facts` takes at least once it is loaded.
fn least_bytes(facts: &Facts, trees: Choice) -> u64 {
    let node = match trees {
        Choice::Auto => OUR_NODE,
        Choice::Ort => THEIR_NODE,
    };
    let nodes = facts.trees.map_or(0, |trees| trees.nodes as u64);
    facts
        .weight_bytes
        .saturating_add(nodes.saturating_mul(node))
}

/// What the process has in memory now; none where the system does not tell.
pub fn resident_bytes() -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// The number of a line such as `VmRSS:     1234 kB`, in bytes.
fn kilobytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(1024)
}

/// Where cgroups are, by custom and by systemd.
const CGROUPS: &str = "/sys/fs/cgroup";

/// From this size on a limit is none: version 1 says so for "no limit".
const NO_LIMIT: u64 = 1 << 60;

/// The least that the cgroups which this process is in may have.
fn cgroup_bytes() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    limit_of(&groups, |path| fs::read_to_string(path).ok())
}

/// The least of the limits in the files of the cgroups in `groups` (`/proc/self/cgroup`) and of all
/// above them.
fn limit_of(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let files = groups.lines().flat_map(files);
    let limits = files.filter_map(|file| read(&file)?.trim().parse().ok());
    limits.filter(|limit| *limit < NO_LIMIT).min()
}

/// The files that may have a limit for one line of `/proc/self/cgroup`: `ID:CONTROLLERS:PATH`, where
/// version 2 has no controllers.
fn files(line: &str) -> Vec<PathBuf> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
        return Vec::new();
    };
    let (root, name) = match controllers {
        "" => (PathBuf::from(CGROUPS), "memory.max"),
        list if list.split(',').any(|name| name == "memory") => {
            (Path::new(CGROUPS).join("memory"), "memory.limit_in_bytes")
        }
        _ => return Vec::new(),
    };
    // In a container the path may be the host's, of which only the root is to be seen.
    let path = Path::new(path.trim_start_matches('/'));
    let above = path.ancestors();
    above.map(|path| root.join(path).join(name)).collect()
}

/// `1.5 GB`: in units of 1024, as the flag has them.
fn shown(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    match value < 10.0 && unit != "B" {
        true => format!("{value:.1} {unit}"),
        false => format!("{value:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::onnx;

    const MB: u64 = 1 << 20;

    #[test]
    fn a_cgroup_limits_by_itself_and_by_all_above_it() {
        let v1 = "5:cpu:/a\n4:memory,pids:/docker/x\n";
        let v2 = "0::/pods/x\n";
        for (groups, written, expected) in [
            (
                v2,
                &[("/sys/fs/cgroup/pods/x/memory.max", "1000\n")][..],
                Some(1000),
            ),
            (
                v2,
                &[
                    ("/sys/fs/cgroup/pods/x/memory.max", "max\n"),
                    ("/sys/fs/cgroup/pods/memory.max", "500\n"),
                ],
                Some(500),
            ),
            (v2, &[("/sys/fs/cgroup/memory.max", "max\n")], None),
            // Of a container, whose own cgroup is all that it sees.
            (
                "0::/\n",
                &[("/sys/fs/cgroup/memory.max", "700\n")],
                Some(700),
            ),
            (
                v1,
                &[("/sys/fs/cgroup/memory/memory.limit_in_bytes", "300\n")],
                Some(300),
            ),
            (
                v1,
                &[(
                    "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes",
                    "9223372036854771712\n",
                )],
                None,
            ),
            (
                v1,
                &[("/sys/fs/cgroup/cpu/a/memory.limit_in_bytes", "1\n")],
                None,
            ),
            ("", &[], None),
            ("nonsense\n\n", &[], None),
        ] {
            let read = |path: &Path| {
                let found = written.iter().find(|(name, _)| Path::new(name) == path);
                found.map(|(_, text)| (*text).to_owned())
            };
            assert_eq!(limit_of(groups, read), expected, "{groups:?} {written:?}");
        }
    }

    #[test]
    fn a_model_is_refused_with_figures() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/diabetes.onnx");
        let mut facts = onnx::read(&path).expect("a model");
        facts.weight_bytes = 100 * MB;
        facts.trees = None;
        let limit = Limit::within(150 * MB, None);
        assert!(limit.room(&facts, Choice::Auto, Some(40 * MB)).is_ok());
        assert!(limit.room(&facts, Choice::Auto, None).is_ok());
        let said = |result: Result<()>| {
            result
                .err()
                .map_or(String::new(), |error| error.to_string())
        };
        let refused = said(limit.room(&facts, Choice::Auto, Some(60 * MB)));
        let words = "the model takes 100 MB at least, and the process has 60 MB already: more than \
                     --mem-limit 150 MB\nhint: ";
        assert!(refused.contains(words), "{refused}");
        assert!(limit.kept(&facts, Some(40 * MB), Some(150 * MB)).is_ok());
        assert!(limit.kept(&facts, Some(40 * MB), None).is_ok());
        let refused = said(limit.kept(&facts, Some(40 * MB), Some(151 * MB)));
        let words = "the model took 111 MB, and the process has 151 MB with it: more than --mem-limit 150 MB";
        assert!(refused.contains(words), "{refused}");
    }

    #[test]
    fn trees_take_more_in_onnx_runtime() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/diabetes.onnx");
        let mut facts = onnx::read(&path).expect("a model");
        facts.weight_bytes = 0;
        if let Some(trees) = &mut facts.trees {
            trees.nodes = 1000;
        }
        assert_eq!(least_bytes(&facts, Choice::Auto), 50_000);
        assert_eq!(least_bytes(&facts, Choice::Ort), 400_000);
    }

    #[test]
    fn the_less_of_flag_and_cgroup_counts_and_both_are_said() {
        for (cgroup, bytes, said) in [
            (None, 200 * MB, "--mem-limit 200 MB"),
            (
                Some(1 << 30),
                200 * MB,
                "--mem-limit 200 MB (its cgroup may have 1.0 GB)",
            ),
            (
                Some(100 * MB),
                100 * MB,
                "100 MB that its cgroup (container) may have, less than --mem-limit 200 MB",
            ),
        ] {
            let limit = Limit::within(200 * MB, cgroup);
            assert_eq!((limit.bytes, limit.said.as_str()), (bytes, said));
        }
    }

    #[test]
    fn sizes_are_in_the_flags_units() {
        for (bytes, text) in [
            (512, "512 B"),
            (2048, "2.0 kB"),
            (64 * MB, "64 MB"),
            (3 << 29, "1.5 GB"),
        ] {
            assert_eq!(shown(bytes), text);
        }
        assert_eq!(
            kilobytes("VmHWM:\t 9 kB\nVmRSS:\t  12 kB\n", "VmRSS:"),
            Some(12_288)
        );
        assert_eq!(kilobytes("VmRSS: many\n", "VmRSS:"), None);
    }
}
