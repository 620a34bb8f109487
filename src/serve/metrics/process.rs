//! What the process itself costs: memory, processor time, descriptors, threads.
//!
//! Read from `/proc`; where there is none, as on macOS, nothing is told but the start.

use std::fs;

use prometheus::{Counter, Gauge, IntGauge};

use super::series::Families;

/// Ticks in a second of `/proc/PID/stat`: what the kernel shows is in units of 1/100 s whatever its own
/// clock does (`USER_HZ`), on every architecture that ONNX Runtime runs on.
const TICKS_PER_S: f64 = 100.0;

/// The metrics of the process, by the names that all Prometheus clients give them.
pub(super) struct Process {
    cpu: Counter,
    resident: IntGauge,
    virtual_memory: IntGauge,
    open_fds: IntGauge,
    max_fds: IntGauge,
    threads: IntGauge,
    /// Kept for its registration: it never changes.
    _started: Gauge,
}

impl Process {
    /// A process that started at `started_s`, in seconds since 1970.
    pub(super) fn new(families: &Families, started_s: f64) -> Process {
        let started = families.float_gauge(
            "process_start_time_seconds",
            "Start time since the epoch in seconds",
        );
        started.set(started_s);
        Process {
            cpu: families.float_counter(
                "process_cpu_seconds_total",
                "User and system time in seconds",
            ),
            resident: families.gauge("process_resident_memory_bytes", "Resident memory in bytes"),
            virtual_memory: families
                .gauge("process_virtual_memory_bytes", "Virtual memory in bytes"),
            open_fds: families.gauge("process_open_fds", "Open file descriptors"),
            max_fds: families.gauge("process_max_fds", "Most open file descriptors"),
            threads: families.gauge("process_threads", "Threads of the process"),
            _started: started,
        }
    }

    /// Brings all of them up to date; by one thread at a time.
    pub(super) fn measure(&self) {
        let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).ok();
        let set = |gauge: &IntGauge, value: Option<i64>| gauge.set(value.unwrap_or_default());
        let status = read("status").unwrap_or_default();
        set(
            &self.resident,
            status_number(&status, "VmRSS").map(from_kib),
        );
        set(
            &self.virtual_memory,
            status_number(&status, "VmSize").map(from_kib),
        );
        set(&self.threads, status_number(&status, "Threads"));
        set(&self.open_fds, open_fds());
        set(&self.max_fds, read("limits").as_deref().and_then(most_fds));
        if let Some(seconds) = read("stat").as_deref().and_then(cpu_s) {
            self.cpu.inc_by((seconds - self.cpu.get()).max(0.0));
        }
    }
}

fn from_kib(number: i64) -> i64 {
    number.saturating_mul(1024)
}

/// The number of a line such as `VmRSS:     1234 kB`.
fn status_number(status: &str, name: &str) -> Option<i64> {
    let value = |line: &str| {
        line.strip_prefix(name)?
            .strip_prefix(':')
            .map(str::to_owned)
    };
    let value = status.lines().find_map(value)?;
    value.split_whitespace().next()?.parse().ok()
}

/// User and system time; the name in brackets before them may hold anything.
fn cpu_s(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let mut next = || times.next()?.parse::<f64>().ok();
    Some((next()? + next()?) / TICKS_PER_S)
}

/// The soft limit of open files.
fn most_fds(limits: &str) -> Option<i64> {
    let value = |line: &str| line.strip_prefix("Max open files").map(str::to_owned);
    let value = limits.lines().find_map(value)?;
    value.split_whitespace().next()?.parse().ok()
}

/// Without the one that reading the folder takes.
fn open_fds() -> Option<i64> {
    let entries = fs::read_dir("/proc/self/fd").ok()?;
    i64::try_from(entries.count()).ok().map(|count| count - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_read_as_the_kernel_writes_it() {
        let status = "Name:\ta) b\nVmSize:\t  227428 kB\nVmRSS:\t    9216 kB\nThreads:\t3\n";
        for (name, number) in [
            ("VmRSS", Some(9216)),
            ("VmSize", Some(227_428)),
            ("Threads", Some(3)),
            ("Vm", None),
        ] {
            assert_eq!(status_number(status, name), number, "{name}");
        }
        let stat = "71 (a) b (c)) S 1 71 71 0 -1 4194560 2519 0 0 0 150 25 0 0 20 0 3 0 10 23 23";
        assert_eq!(cpu_s(stat), Some(1.75));
        assert_eq!(cpu_s("71 (x) S 1"), None);
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files  1024  524288  files\n";
        assert_eq!(most_fds(limits), Some(1024));
        assert_eq!(
            most_fds("Max open files  unlimited  unlimited  files"),
            None
        );
    }
}
