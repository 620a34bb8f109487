//! What the process itself costs: memory, processor time, descriptors, threads.
//!
//! Read from `/proc`; where there is none, as on macOS, nothing is told but the start.

use std::fs;

use super::page::Page;

/// Ticks in a second of `/proc/PID/stat`: what the kernel shows is in units of 1/100 s whatever its own
/// clock does (`USER_HZ`), on every architecture that ONNX Runtime runs on.
const TICKS_PER_S: f64 = 100.0;

/// Appends the metrics of the process, by the names that all Prometheus clients give them; it started
/// at `started_s`, in seconds since 1970.
pub(super) fn append(page: &mut Page, started_s: f64) {
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    let status = read("status");
    let number = |name| status_number(&status, name);
    let resident = number("VmRSS").map(from_kib);
    let reserved = number("VmSize").map(from_kib);
    for (name, help, value) in [
        (
            "resident_memory_bytes",
            "Resident memory in bytes",
            resident,
        ),
        ("virtual_memory_bytes", "Virtual memory in bytes", reserved),
        ("threads", "Threads of the process", number("Threads")),
        ("open_fds", "Open file descriptors", open_fds()),
        (
            "max_fds",
            "Most open file descriptors",
            most_fds(&read("limits")),
        ),
    ] {
        if let Some(value) = value {
            page.gauge(&format!("process_{name}"), help, &[], value as f64);
        }
    }
    if let Some(seconds) = cpu_s(&read("stat")) {
        let help = "User and system time in seconds";
        page.counter("process_cpu_seconds_total", help, &[], seconds);
    }
    let help = "Start time since the epoch in seconds";
    page.gauge("process_start_time_seconds", help, &[], started_s);
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
