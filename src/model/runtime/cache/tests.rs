//! The cache against everything that can be wrong with it, on a small content instead of 35 MB.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::{Duration, SystemTime};

use super::*;

const UNPACKED: &[u8] = b"what would be a library";

struct Sample {
    packed: Vec<u8>,
    sha256: String,
    folder: tempfile::TempDir,
}

impl Sample {
    fn new() -> Sample {
        Sample {
            packed: zstd::encode_all(UNPACKED, 1).unwrap(),
            sha256: pour(UNPACKED, &mut io::sink()).unwrap().1,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn content(&self) -> Content<'_> {
        Content {
            packed: &self.packed,
            version: "1.2.3",
            sha256: &self.sha256,
            length_bytes: UNPACKED.len() as u64,
        }
    }

    /// A cache folder that does not exist yet.
    fn cache(&self) -> PathBuf {
        self.folder.path().join("deep/mlserve")
    }

    fn cached_file(&self) -> PathBuf {
        cached_file(&self.cache(), &self.content()).unwrap()
    }

    /// Overwrites the cached file in place and dates it in the past. The date is what makes the
    /// test certain: a write in the same tick of the clock as the unpacking keeps the ctime.
    fn overwrite(&self, bytes: &[u8]) {
        let file = fs::OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(self.cached_file())
            .unwrap();
        (&file).write_all(bytes).unwrap();
        let hour = Duration::from_secs(3600);
        file.set_modified(SystemTime::now() - hour).unwrap();
    }
}

// Only on Unix is "/c" an absolute path.
#[cfg(unix)]
#[test]
fn each_system_has_its_own_cache_folder() {
    let (cache, xdg, home) = ("MLSERVE_CACHE_DIR", "XDG_CACHE_HOME", "HOME");
    for (os, variables, expected) in [
        (
            "linux",
            &[(cache, "/c"), (xdg, "/x"), (home, "/h")][..],
            Some("/c"),
        ),
        ("linux", &[(xdg, "/x"), (home, "/h")], Some("/x/mlserve")),
        (
            "linux",
            &[(xdg, "relative"), (home, "/h")],
            Some("/h/.cache/mlserve"),
        ),
        (
            "linux",
            &[(xdg, ""), (home, "/h")],
            Some("/h/.cache/mlserve"),
        ),
        ("linux", &[(home, "")], None),
        ("linux", &[], None),
        (
            "macos",
            &[(xdg, "/x"), (home, "/h")],
            Some("/h/Library/Caches/mlserve"),
        ),
        (
            "windows",
            &[("LOCALAPPDATA", "/l"), (home, "/h")],
            Some("/l/mlserve"),
        ),
        ("windows", &[(home, "/h")], None),
    ] {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        assert_eq!(
            cache_folder(os, variable),
            expected.map(PathBuf::from),
            "{os} {variables:?}"
        );
    }
}

#[test]
fn the_first_start_unpacks_and_the_next_finds_the_file_as_it_is() {
    let sample = Sample::new();
    let path = sample.cached_file();
    assert_eq!(fs::read(&path).unwrap(), UNPACKED);
    let made = fs::metadata(&path).unwrap().modified().unwrap();
    assert_eq!(sample.cached_file(), path);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), made);
}

#[test]
fn damage_of_any_kind_is_found_and_mended() {
    let same_length = vec![b'x'; UNPACKED.len()];
    for bytes in [
        b"".as_slice(),
        &UNPACKED[1..],
        b"something longer than the library",
        &same_length,
    ] {
        let sample = Sample::new();
        sample.overwrite(bytes);
        assert_eq!(
            fs::read(sample.cached_file()).unwrap(),
            UNPACKED,
            "after {bytes:?}"
        );
    }
}

#[test]
fn a_file_whose_dates_moved_but_not_its_content_is_kept_and_stamped_again() {
    let sample = Sample::new();
    sample.overwrite(UNPACKED);
    let path = sample.cached_file();
    let facts = fs::metadata(&path).unwrap();
    assert_eq!(
        fs::read_to_string(stamp_path(&path)).unwrap(),
        stamp(&facts, &sample.content())
    );
}

#[test]
fn a_missing_or_foreign_stamp_costs_a_hash_and_nothing_else() {
    let sample = Sample::new();
    let path = sample.cached_file();
    for stamp in [None, Some("nonsense")] {
        match stamp {
            None => fs::remove_file(stamp_path(&path)).unwrap(),
            Some(text) => fs::write(stamp_path(&path), text).unwrap(),
        }
        assert!(check(&path, &sample.content()));
    }
}

#[test]
fn a_damaged_embedding_is_never_put_into_place() {
    let sample = Sample::new();
    let content = Content {
        sha256: "00000000000000000000000000000000ffffffffffffffffffffffffffffffff",
        ..sample.content()
    };
    let error = cached_file(&sample.cache(), &content).unwrap_err();
    assert!(error.contains("damaged"), "{error}");
    assert_eq!(fs::read_dir(sample.cache()).unwrap().count(), 0);
}

#[test]
fn eight_first_starts_at_once_leave_one_whole_file_and_no_scraps() {
    let sample = Sample::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(fs::read(sample.cached_file()).unwrap(), UNPACKED));
        }
    });
    let left = fs::read_dir(sample.cache()).unwrap().count();
    assert_eq!(left, 2, "the library and its stamp");
}

#[test]
fn a_whole_cached_file_is_kept_when_it_cannot_be_loaded_and_a_damaged_one_is_not() {
    for (bytes, kept) in [
        (UNPACKED, true),
        (b"what would be a damage!".as_slice(), false),
    ] {
        let sample = Sample::new();
        let path = sample.cached_file();
        fs::write(&path, bytes).unwrap();
        let held = Held {
            path: path.clone(),
            source: Source::Cached(path.clone()),
            _keep: None,
        };
        held.discard_if_damaged(&sample.content());
        assert_eq!(path.exists(), kept);
    }
}

#[test]
fn a_temporary_folder_lives_as_long_as_its_holder() {
    let sample = Sample::new();
    let held = hold_in_temporary(&sample.content()).unwrap();
    let path = held.path().to_owned();
    assert_eq!(fs::read(&path).unwrap(), UNPACKED);
    drop(held);
    assert!(!path.exists());
}

#[cfg(target_os = "linux")]
#[test]
fn memory_holds_the_whole_library() {
    let sample = Sample::new();
    let held = memory::hold(&sample.content()).unwrap();
    assert_eq!(fs::read(held.path()).unwrap(), UNPACKED);
}

#[cfg(unix)]
mod on_unix {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    /// Another user's number; only root can give files to them.
    const SOMEONE_ELSE: u32 = 12_345;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    /// Gives `path` to another user; false when this process may not, and the test has to pass.
    #[expect(clippy::print_stderr, reason = "a skipped test says why")]
    fn give_away(path: &Path) -> bool {
        let given = chown(path, Some(SOMEONE_ELSE), None);
        if given.is_err() {
            eprintln!("skipped: only root can give a file to another user");
        }
        given.is_ok()
    }

    #[test]
    fn what_we_make_is_for_nobody_else() {
        let sample = Sample::new();
        let path = sample.cached_file();
        for (path, expected) in [
            (sample.cache(), 0o700),
            (sample.folder.path().join("deep"), 0o700),
            (path.clone(), 0o600),
            (stamp_path(&path), 0o600),
        ] {
            assert_eq!(mode(&path), expected, "{}", path.display());
        }
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        for open_mode in [0o770, 0o707, 0o777, 0o1777] {
            let sample = Sample::new();
            sample.cached_file();
            set_mode(&sample.cache(), open_mode);
            let found = cached_file(&sample.cache(), &sample.content());
            assert!(found.is_err(), "{open_mode:o}");
        }
    }

    #[test]
    fn a_folder_above_that_others_can_rename_in_is_refused_unless_it_is_sticky() {
        for (open_mode, accepted) in [
            (0o777, false),
            (0o770, false),
            (0o1777, true),
            (0o755, true),
        ] {
            let sample = Sample::new();
            set_mode(sample.folder.path(), open_mode);
            let found = cached_file(&sample.cache(), &sample.content());
            assert_eq!(found.is_ok(), accepted, "{open_mode:o}: {found:?}");
            assert_eq!(
                sample.cache().exists(),
                accepted,
                "nothing is made in a folder not trusted"
            );
        }
    }

    #[test]
    fn a_file_that_others_can_write_is_made_anew() {
        let sample = Sample::new();
        set_mode(&sample.cached_file(), 0o666);
        assert_eq!(mode(&sample.cached_file()), 0o600);
    }

    #[test]
    fn a_link_in_place_of_the_file_is_replaced_and_its_target_left_alone() {
        let sample = Sample::new();
        let path = sample.cached_file();
        let target = sample.folder.path().join("target");
        fs::rename(&path, &target).unwrap();
        symlink(&target, &path).unwrap();
        sample.cached_file();
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        assert!(target.exists());
    }

    #[test]
    fn a_link_to_a_folder_of_ours_is_followed_and_one_to_an_open_folder_refused() {
        for (target_mode, accepted) in [(0o700, true), (0o777, false)] {
            let sample = Sample::new();
            let target = sample.folder.path().join("target");
            fs::create_dir(&target).unwrap();
            set_mode(&target, target_mode);
            let link = sample.folder.path().join("link");
            symlink(&target, &link).unwrap();
            assert_eq!(cached_file(&link, &sample.content()).is_ok(), accepted);
        }
    }

    #[test]
    fn someone_elses_folder_is_refused_even_with_the_right_content() {
        let sample = Sample::new();
        sample.cached_file();
        if give_away(&sample.cache()) {
            let error = cached_file(&sample.cache(), &sample.content()).unwrap_err();
            assert!(error.contains("another user"), "{error}");
        }
    }

    #[test]
    fn someone_elses_file_is_made_anew() {
        use std::os::unix::fs::MetadataExt;

        let sample = Sample::new();
        let path = sample.cached_file();
        if give_away(&path) {
            assert_ne!(
                fs::metadata(sample.cached_file()).unwrap().uid(),
                SOMEONE_ELSE
            );
        }
    }

    #[test]
    fn someone_elses_home_is_left_untouched() {
        let sample = Sample::new();
        if give_away(sample.folder.path()) {
            assert!(cached_file(&sample.cache(), &sample.content()).is_err());
            assert_eq!(fs::read_dir(sample.folder.path()).unwrap().count(), 0);
        }
    }
}
