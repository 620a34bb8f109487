//! How a run starts: from the beginning, from where an earlier one stopped, or not at all, because
//! its output is there already.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

use crate::predict::input::digest;
use crate::predict::input::route::Route;
use crate::predict::input::source;
use crate::predict::options::Options;
use crate::predict::output::journal::{Checkpoint, Identity, Journal, partial};
use crate::predict::output::outlet::Outlet;
use crate::predict::output::sink;

/// A run that is about to start.
pub struct Begin {
    pub route: Route,
    /// For a run that can be resumed: its journal, and what an earlier run has left.
    resumable: Option<(Journal, Option<Checkpoint>)>,
}

impl Begin {
    /// Finds out how the run starts; `None` where it is finished already.
    ///
    /// # Errors
    /// [`Error::Usage`] for an input that cannot be cut into shards or read twice, and where an
    /// earlier run was another one; [`Error::Io`].
    pub fn new(options: &Options, paths: &[PathBuf]) -> Result<Option<Begin>> {
        let mut route = match options.shard {
            None => Route::whole(paths.len()),
            Some(shard) => {
                let lengths = source::shard_lengths(paths, options)?;
                Route::of_shard(&lengths, shard, options.limits().stretch_bytes)
            }
        };
        let Some(output) = options
            .output
            .as_deref()
            .filter(|_| options.is_repeatable())
        else {
            return Ok(Some(Begin {
                route,
                resumable: None,
            }));
        };
        if !options.resume || options.is_table() {
            let is_finished = is_file(output) && !options.force;
            return Ok((!is_finished).then_some(Begin {
                route,
                resumable: None,
            }));
        }
        let output = &sink::final_path(output)?;
        let model = digest::of_file(&options.model)?;
        let identity = Identity::new(&model, &options.identity(), paths)?;
        let journal = Journal::new(output, identity);
        let earlier = match options.force {
            true => None,
            false => journal.read()?,
        };
        match &earlier {
            Some(Checkpoint { is_whole: true, .. }) => {
                give_names(options, output)?;
                journal.remove()?;
                return Ok(None);
            }
            Some(checkpoint) if *checkpoint != Checkpoint::nothing() => {
                route = route.from(checkpoint.position);
            }
            // An unfinished output is newer than a finished one.
            None if is_file(output) && !partial(output).exists() && !options.force => {
                return Ok(None);
            }
            Some(_) | None => {}
        }
        let earlier = earlier.filter(|earlier| *earlier != Checkpoint::nothing());
        Ok(Some(Begin {
            route,
            resumable: Some((journal, earlier)),
        }))
    }

    /// Records that an earlier run has scored.
    pub fn records(&self) -> u64 {
        match &self.resumable {
            Some((_, Some(earlier))) => earlier.account.records,
            _ => 0,
        }
    }

    /// Opens the outputs.
    ///
    /// # Errors
    /// As [`Outlet::open`].
    pub fn open(self, options: &Options) -> Result<Outlet> {
        match self.resumable {
            None => Outlet::open(options),
            Some((journal, earlier)) => Outlet::open_resumable(options, journal, earlier.as_ref()),
        }
    }
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file())
}

/// What an earlier run did not come to any more: gives whole outputs their names.
fn give_names(options: &Options, output: &Path) -> Result<()> {
    for path in options.rejects.as_deref().into_iter().chain([output]) {
        let path = sink::final_path(path)?;
        match fs::rename(partial(&path), &path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(path.display().to_string(), &error));
            }
            // It has its name already.
            _ => {}
        }
    }
    Ok(())
}
