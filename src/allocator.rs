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

/// Gives large pieces back to the system as soon as they are freed.
///
/// By default glibc learns from the first large piece that is freed to keep the next ones, up to 32 MB
/// each, at the end of the arena of the thread that had it: after 60 answers of 6 MB, 20 at once, 270 MB
/// stayed, and with this and [`return_freed_memory`] 11 MB. What small answers need is below the sizes
/// here and kept. Must be called before there are threads, as [`share_freed_memory`].
#[cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "mallopt is a function of the C library")
)]
pub fn return_large_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (option, value) in [
        (libc::M_MMAP_THRESHOLD, 1 << 20),
        (libc::M_TRIM_THRESHOLD, 2 << 20),
    ] {
        // SAFETY: as in `share_freed_memory`.
        unsafe { libc::mallopt(option, value) };
    }
}

/// Gives freed memory back to the system, from wherever it lies but the ends of arenas, which
/// [`return_large_memory`] keeps short. It takes some milliseconds, in which an arena at a time is
/// locked, so it is for after large answers only. Other C libraries are left as they are.
#[cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "malloc_trim is a function of the C library")
)]
pub fn return_freed_memory() {
    // SAFETY: malloc_trim takes a number, and may be called from any thread at any time
    // (malloc_trim(3): MT-Safe).
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn arenas() -> libc::c_int {
    let processors = std::thread::available_parallelism().map_or(1, |number| number.get());
    libc::c_int::try_from(processors.div_ceil(SHARERS)).unwrap_or(1)
}
