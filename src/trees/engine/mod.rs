//! Evaluates a compiled forest: codes, tops, leaves, for blocks of up to 256 records.
//!
//! ```text
//! rows -> columns (transposed) -> codes -> [ per group: runs -> slots; per tree: exits -> sums ] -> sums
//! ```
//!
//! One code for all instruction sets, over [`Instructions`]; which one runs is chosen once, at run time
//! ([`Processor`]). This folder is the only one of the kernel with `unsafe`: vector loads, and indices that
//! were checked when the forest was compiled (`compiled.rs`).

#![expect(
    unsafe_code,
    reason = "vector instructions, and indices that were checked when the forest was compiled"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod block;
mod compiled;
mod element;
mod gains;
mod instructions;
mod levels;
mod portable;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod sse;
mod sums;
#[cfg(test)]
mod tests;

pub(super) use compiled::Compiled;
pub(super) use element::Element;
pub(super) use sums::{Records, Scratch};

/// An instruction set that the engine has code for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What the compiler makes of plain loops for the target: SSE2 on x86-64, NEON on AArch64.
    Portable,
}

impl Processor {
    /// Every instruction set that this machine has, the fastest first.
    pub fn all() -> Vec<Processor> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let has_avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq");
            if has_avx512 {
                all.push(Processor::Avx512);
            }
            if is_x86_feature_detected!("avx2") {
                all.push(Processor::Avx2);
            }
        }
        all.push(Processor::Portable);
        all
    }

    /// Whether this machine has it.
    pub fn is_here(self) -> bool {
        Processor::all().contains(&self)
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Processor::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Processor::Avx2 => "AVX2",
            Processor::Portable if cfg!(target_arch = "x86_64") => "SSE2",
            Processor::Portable if cfg!(target_arch = "aarch64") => "NEON",
            Processor::Portable => "portable",
        }
    }
}
