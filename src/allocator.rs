//! How the C library keeps the memory that was freed; knows nothing of who asks for it.

/// Processors that share an arena.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const SHARERS: usize = 8;

/// Keeps what threads free within reach of each other, and of the next to ask for it.
///
/// glibc gives each thread an arena of its own, and memory freed in one serves no other: with two
/// workers, 500,000 records of Parquet peak at 83 MB, and at 68 MB where they share one. By default
/// it also returns a page of a column (1 MB) to the system as soon as it is free, to fault it in
/// again for the next: that costs a third of the run's processor time. Records are not allocated
/// one by one (500,000 of CSV make 30,000 calls), so a few workers do not queue for one arena; there
/// is one for each [`SHARERS`] processors.
///
/// Other C libraries are left as they are. Must be called before there are threads.
#[cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "mallopt is a function of the C library")
)]
pub fn share_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (option, value) in [
        (libc::M_ARENA_MAX, arenas()),
        // Freed memory below the first goes back to the arena, and from there to the system once
        // the second lies at its end.
        (libc::M_MMAP_THRESHOLD, 4 << 20),
        (libc::M_TRIM_THRESHOLD, 8 << 20),
    ] {
        // SAFETY: mallopt takes two numbers and keeps no pointers. mallopt(3) calls it unsafe among
        // threads ("MT-Unsafe init"); the caller has none yet. An option that it refuses stays as
        // it was, which costs memory alone.
        unsafe { libc::mallopt(option, value) };
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn arenas() -> libc::c_int {
    let processors = std::thread::available_parallelism().map_or(1, |number| number.get());
    libc::c_int::try_from(processors.div_ceil(SHARERS)).unwrap_or(1)
}
