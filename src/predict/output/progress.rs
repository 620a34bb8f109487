//! What a person sees while a run goes on, on standard error: a bar, notes, and one closing line.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::escape_controls;

use crate::predict::account::Account;
use crate::predict::options::Options;
use crate::predict::score::reject::OnError;

/// The bar and the counts of a run.
pub struct Progress {
    bar: ProgressBar,
    quiet: bool,
    start: Instant,
    /// Records that an earlier run has scored.
    before: u64,
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
            before: 0,
        }
    }

    /// A run that goes on after `records` that an earlier one has scored.
    #[must_use]
    pub fn after(mut self, records: u64) -> Progress {
        self.before = records;
        self
    }

    /// Shows what `account` has come to with a further block of `bytes`.
    pub fn advance(&self, account: &Account, bytes: u64) {
        if !self.bar.is_hidden() {
            self.bar.set_message(format!(
                "{} rows, {} rows/s",
                HumanCount(account.records),
                HumanCount(self.rate(account.records))
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

    /// Says several lines whose control characters are escaped already.
    pub fn say(&self, lines: &str) {
        if !self.quiet {
            let write = || write!(io::stderr(), "{lines}");
            let _ = self.bar.suspend(write);
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// The closing line: rows, seconds, rows/s, missing values, rejects by reason, output path.
    pub fn close(&self, account: &Account, options: &Options) {
        self.clear();
        let mut line = format!(
            "{} in {} ({} rows/s)",
            count(account.records, "row"),
            seconds(self.start.elapsed()),
            HumanCount(self.rate(account.records))
        );
        if account.missing.cells > 0 {
            line.push_str(&format!(
                ", {}",
                count(account.missing.cells, "missing value")
            ));
        }
        if let Some(path) = &options.output {
            line.push_str(&format!(", written to {}", path.display()));
        }
        self.note(&line);
        self.note_rejects(account, options);
    }

    /// How many records were not scored, and why.
    fn note_rejects(&self, account: &Account, options: &Options) {
        let total = account.rejects.total();
        if total == 0 {
            return;
        }
        let by_reason = account.rejects.by_code();
        let by_reason: Vec<String> = by_reason
            .map(|(code, rejects)| format!("{} {code}", HumanCount(rejects)))
            .collect();
        let told = match &options.rejects {
            Some(path) if path.as_os_str() == "-" => "; stdout tells which".to_owned(),
            Some(path) => format!("; {} tells which", path.display()),
            None => "; --rejects FILE tells which".to_owned(),
        };
        let what = if options.on_error == OnError::Null {
            "left empty"
        } else {
            "left out"
        };
        let records = count(total, "record");
        self.note(&format!("{records} {what}: {}{told}", by_reason.join(", ")));
    }

    /// Since when the run goes on.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// Rows per second so far.
    fn rate(&self, records: u64) -> u64 {
        let seconds = self.start.elapsed().as_secs_f64().max(1e-3);
        (records.saturating_sub(self.before) as f64 / seconds) as u64
    }
}

/// `1 row`, `2,000 rows`.
fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", HumanCount(number))
}

/// Says what loading the model gave reason to.
pub fn warn(warnings: &[String], options: &Options) {
    for warning in warnings.iter().filter(|_| !options.quiet) {
        let _ = writeln!(io::stderr(), "warning: {}", escape_controls(warning));
    }
}

/// Says that there was nothing to do.
pub fn note_finished(options: &Options) {
    if let Some(path) = options.output.as_deref().filter(|_| !options.quiet) {
        let path = path.display().to_string();
        let path = escape_controls(&path);
        let _ = writeln!(
            io::stderr(),
            "{path} is there already, and left alone (--force scores it again)"
        );
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
