//! `mlserve inspect`

use crate::cli::InspectArgs;
use crate::error::Result;

/// Runs it.
pub fn run(_args: &InspectArgs) -> Result<()> {
    Ok(())
}
