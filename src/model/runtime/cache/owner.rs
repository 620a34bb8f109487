//! Whose a folder or a file is, and who could write it: what must hold before code is loaded from
//! there.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

#[cfg(unix)]
pub(super) use unix::{change_times, is_ours_alone, private_folder};

#[cfg(unix)]
mod unix {
    #![expect(
        unsafe_code,
        reason = "geteuid and statvfs have no safe form in the standard library"
    )]

    use std::os::unix::fs::{DirBuilderExt, MetadataExt};

    use super::{Metadata, Path, PathBuf, fs};

    const WRITABLE_BY_OTHERS: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    const ROOT: u32 = 0;

    fn us() -> u32 {
        // SAFETY: geteuid takes nothing and always succeeds.
        unsafe { libc::geteuid() }
    }

    /// Whether it belongs to us, and nobody else may write it.
    pub(crate) fn is_ours_alone(facts: &Metadata) -> bool {
        facts.uid() == us() && facts.mode() & WRITABLE_BY_OTHERS == 0
    }

    /// The folder's real path, made with mode 0700 if it is missing; or why it must not be used.
    ///
    /// Links are resolved first and then every folder on the real way is checked, so that nobody
    /// can put another folder in this one's place between the check and the loading. The folders
    /// above are checked before anything is made: under sudo with the user's HOME, root must
    /// neither trust the user's folder nor leave a folder of its own in it.
    pub(crate) fn private_folder(folder: &Path) -> Result<PathBuf, String> {
        let existing = folder
            .ancestors()
            .find(|path| path.exists())
            .ok_or_else(|| format!("{}: no such folder", folder.display()))?;
        check_way(&real_path(existing)?)?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
        let folder = real_path(folder)?;
        if !is_ours_alone(&facts(&folder)?) {
            return Err(format!("{} is not ours alone to write", folder.display()));
        }
        if is_noexec(&folder) {
            return Err(format!(
                "{} is on a file system mounted noexec",
                folder.display()
            ));
        }
        Ok(folder)
    }

    /// Refuses a way on which someone else could rename a folder: each must belong to us or root,
    /// and must not be writable by others unless it is sticky, as /tmp is.
    fn check_way(real: &Path) -> Result<(), String> {
        for folder in real.ancestors() {
            let facts = facts(folder)?;
            let trusted_owner = facts.uid() == us() || facts.uid() == ROOT;
            let others_may_rename =
                facts.mode() & WRITABLE_BY_OTHERS != 0 && facts.mode() & STICKY == 0;
            if !trusted_owner || others_may_rename {
                return Err(format!(
                    "{} could be changed by another user",
                    folder.display()
                ));
            }
        }
        Ok(())
    }

    fn real_path(path: &Path) -> Result<PathBuf, String> {
        fs::canonicalize(path).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn facts(path: &Path) -> Result<Metadata, String> {
        fs::symlink_metadata(path).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Modification and status change, to the nanosecond.
    pub(crate) fn change_times(facts: &Metadata) -> String {
        let (modified, changed) = (facts.mtime(), facts.ctime());
        format!(
            "{modified}.{:09} {changed}.{:09}",
            facts.mtime_nsec(),
            facts.ctime_nsec()
        )
    }

    /// Whether programs cannot be loaded from there; asked beforehand, so that no 35 MB are left
    /// where they are of no use.
    #[cfg(target_os = "linux")]
    fn is_noexec(folder: &Path) -> bool {
        use std::os::unix::ffi::OsStrExt;

        let Ok(path) = std::ffi::CString::new(folder.as_os_str().as_bytes()) else {
            return true;
        };
        let mut facts = std::mem::MaybeUninit::<libc::statvfs>::uninit();
        // SAFETY: the path is null-terminated, and statvfs fills the struct it is given.
        let answer = unsafe { libc::statvfs(path.as_ptr(), facts.as_mut_ptr()) };
        // SAFETY: it is filled when the call returns 0; else it is not looked at.
        answer == 0 && unsafe { facts.assume_init() }.f_flag & libc::ST_NOEXEC != 0
    }

    /// Elsewhere loading fails instead, and the next place is tried.
    #[cfg(not(target_os = "linux"))]
    fn is_noexec(_folder: &Path) -> bool {
        false
    }
}

/// On Windows the access list of %LOCALAPPDATA% keeps other users out of everything below it.
#[cfg(not(unix))]
pub(super) fn is_ours_alone(_facts: &Metadata) -> bool {
    true
}

/// The folder's absolute path, made if it is missing.
#[cfg(not(unix))]
pub(super) fn private_folder(folder: &Path) -> Result<PathBuf, String> {
    fs::create_dir_all(folder)
        .map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
    std::path::absolute(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

/// Creation and modification; either may be missing.
#[cfg(not(unix))]
pub(super) fn change_times(facts: &Metadata) -> String {
    format!("{:?} {:?}", facts.created().ok(), facts.modified().ok())
}
