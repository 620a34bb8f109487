//! What a person sees while a run goes on, on standard error: a bar, notes, and one closing line.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::batch::encode::Missing;
use crate::error::escape_controls;

/// The bar and the counts of a run.
pub struct Progress {
    bar: ProgressBar,
    quiet: bool,
    start: Instant,
    pub records: u64,
    pub missing: Missing,
}

impl Progress {
    /// A run over `total_bytes`, where that is known. There is a bar only on a terminal.
    pub fn new(total_bytes: Option<u64>, quiet: bool) -> Progress {
        let shown = !quiet && io::stderr().is_terminal();
        let bar = match (shown, total_bytes) {
            (false, _) => ProgressBar::hidden(),
            (true, Some(total)) => bar(
                ProgressBar::new(total),
                "{bar:30} {percent:>3}%  {msg}, {decimal_bytes}, {eta} left",
            ),
            (true, None) => bar(ProgressBar::no_length(), "{spinner} {msg}, {decimal_bytes}"),
        };
        Progress {
            bar,
            quiet,
            start: Instant::now(),
            records: 0,
            missing: Missing::default(),
        }
    }

    /// Counts a scored block.
    pub fn advance(&mut self, records: u64, missing: Missing, bytes: u64) {
        self.records += records;
        self.missing.cells += missing.cells;
        self.missing.nan += missing.nan;
        if !self.bar.is_hidden() {
            self.bar.set_message(format!(
                "{} rows, {} rows/s",
                HumanCount(self.records),
                HumanCount(self.rate())
            ));
            self.bar.inc(bytes);
        }
    }

    /// Says something about the run that is neither a result nor an error.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            // A note that nobody can read is no reason to fail.
            let write = || writeln!(io::stderr(), "{}", escape_controls(text));
            let _ = self.bar.suspend(write);
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// The closing line: rows, seconds, rows/s, missing values, output path.
    pub fn close(&self, output: Option<&Path>) {
        self.clear();
        let rows = if self.records == 1 { "row" } else { "rows" };
        let mut line = format!(
            "{} {rows} in {} ({} rows/s)",
            HumanCount(self.records),
            seconds(self.start.elapsed()),
            HumanCount(self.rate())
        );
        if self.missing.cells > 0 {
            let values = if self.missing.cells == 1 {
                "value"
            } else {
                "values"
            };
            line.push_str(&format!(
                ", {} missing {values}",
                HumanCount(self.missing.cells)
            ));
        }
        if let Some(path) = output {
            line.push_str(&format!(", written to {}", path.display()));
        }
        self.note(&line);
    }

    /// Rows per second so far.
    fn rate(&self) -> u64 {
        let seconds = self.start.elapsed().as_secs_f64().max(1e-3);
        (self.records as f64 / seconds) as u64
    }
}

fn bar(bar: ProgressBar, template: &str) -> ProgressBar {
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("━╸ ")),
        Err(_) => bar,
    }
}

fn seconds(elapsed: Duration) -> String {
    match elapsed.as_secs_f64() {
        instant if instant < 0.1 => format!("{:.0} ms", instant * 1000.0),
        short if short < 10.0 => format!("{short:.2} s"),
        long if long < 600.0 => format!("{long:.1} s"),
        long => format!("{:.0} min", long / 60.0),
    }
}
