//! Which parts of which sources a run goes through: all of them, a shard's, or what an interrupted
//! run has left.
//!
//! Shards are cut where blocks are (`cut`): every run of the same input has the same blocks, whoever
//! scores them, and the shards' outputs one after the other are the output of the whole.

use crate::cli::Shard;
use crate::error::{Error, Result};

/// Where the next block of a run starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Index of the source.
    pub source: usize,
    /// Byte and line of it, as it is after decompression and decoding.
    pub offset: u64,
    pub line: u64,
}

/// Where a source is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    Beginning,
    /// At the first record that starts at this byte or behind it.
    Stretch(u64),
    /// At a record that is known to start there.
    Record {
        offset: u64,
        line: u64,
    },
}

/// The part of a source to go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start: Start,
    /// Records that start at this byte or behind it are somebody else's.
    pub until: Option<u64>,
}

impl Span {
    /// All of a source.
    pub const WHOLE: Span = Span {
        start: Start::Beginning,
        until: None,
    };
}

/// The way of a run through its sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// One for each source; `None` for those that are not entered.
    spans: Vec<Option<Span>>,
    /// Whether the output starts with a header, where its format has one.
    pub has_header: bool,
}

impl Route {
    /// Through all of `sources` sources.
    pub fn whole(sources: usize) -> Route {
        Route {
            spans: vec![Some(Span::WHOLE); sources],
            has_header: true,
        }
    }

    /// Through the blocks of one shard, of sources of these sizes in bytes.
    pub fn of_shard(sizes: &[u64], shard: Shard, stretch_bytes: u64) -> Route {
        let stretch = stretch_bytes.max(1);
        let total: u64 = sizes.iter().map(|size| size.div_ceil(stretch)).sum();
        let bound = |index: u32| {
            let share = u128::from(total) * u128::from(index) / u128::from(shard.count.max(1));
            u64::try_from(share).unwrap_or(total)
        };
        let (first, end) = (bound(shard.index.saturating_sub(1)), bound(shard.index));
        let mut before = 0;
        let span = |size: &u64| {
            let blocks = size.div_ceil(stretch);
            let (from, to) = (first.max(before), end.min(before + blocks));
            let span = (from < to).then(|| Span {
                start: match from - before {
                    0 => Start::Beginning,
                    block => Start::Stretch(block * stretch),
                },
                until: (to < before + blocks).then(|| (to - before) * stretch),
            });
            before += blocks;
            span
        };
        Route {
            spans: sizes.iter().map(span).collect(),
            has_header: shard.index == 1,
        }
    }

    /// What of the route is left at `position`.
    #[must_use]
    pub fn from(mut self, position: Position) -> Route {
        self.has_header = false;
        for (index, span) in self.spans.iter_mut().enumerate() {
            if index < position.source {
                *span = None;
            } else if let Some(span) = span.as_mut().filter(|_| index == position.source) {
                span.start = Start::Record {
                    offset: position.offset,
                    line: position.line,
                };
            }
        }
        self
    }

    /// The part of source `index` to go through.
    pub fn span(&self, index: usize) -> Option<Span> {
        self.spans.get(index).copied().flatten()
    }
}

/// The shard that the environment of a job gives, of `count` (`--shards`).
///
/// # Errors
/// [`Error::Usage`] where it gives none, or one that is not among `count`.
pub fn shard_of_environment(
    count: u32,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Shard> {
    // Slurm's arrays start where the user says; the others at 0.
    const INDICES: [(&str, Option<&str>); 3] = [
        ("JOB_COMPLETION_INDEX", None),
        ("AWS_BATCH_JOB_ARRAY_INDEX", None),
        ("SLURM_ARRAY_TASK_ID", Some("SLURM_ARRAY_TASK_MIN")),
    ];
    let number = |name: &str| -> Result<Option<u32>> {
        let Some(text) = variable(name) else {
            return Ok(None);
        };
        let number = text.trim().parse().map(Some);
        number.map_err(|_| {
            Error::usage(format!(
                "--shards {count}: {name} is \"{text}\", not a number"
            ))
        })
    };
    for (name, first) in INDICES {
        let Some(index) = number(name)? else {
            continue;
        };
        let first = first.map_or(Ok(None), number)?.unwrap_or(0);
        if let Some(tasks) = number("SLURM_ARRAY_TASK_COUNT")?.filter(|_| name.starts_with("SLURM"))
            && tasks != count
        {
            return Err(Error::usage(format!(
                "--shards {count}: the array has {tasks} tasks (SLURM_ARRAY_TASK_COUNT), so {name} does not tell the shard"
            ))
            .hint("--shard I/N names the shard of a task that is run again"));
        }
        return match index.checked_sub(first) {
            Some(index) if index < count => Ok(Shard {
                index: index + 1,
                count,
            }),
            _ => Err(Error::usage(format!(
                "--shards {count}: {name} is {index}, but the last of {count} is {}",
                first.saturating_add(count - 1)
            ))
            .hint("--shards must be the number of tasks of the job")),
        };
    }
    Err(Error::usage(format!(
        "--shards {count}: the environment has none of JOB_COMPLETION_INDEX, \
         AWS_BATCH_JOB_ARRAY_INDEX and SLURM_ARRAY_TASK_ID"
    ))
    .hint("--shard I/N names the shard itself"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(route: &Route) -> Vec<Option<(u64, Option<u64>)>> {
        let start = |span: &Option<Span>| {
            span.map(|span| match span.start {
                Start::Beginning => (0, span.until),
                Start::Stretch(at) | Start::Record { offset: at, .. } => (at, span.until),
            })
        };
        route.spans.iter().map(start).collect()
    }

    #[test]
    fn shards_together_go_through_every_block_once() {
        for sizes in [
            vec![0],
            vec![1],
            vec![1000],
            vec![95, 0, 7, 230],
            vec![10, 10, 10],
        ] {
            let blocks: Vec<u64> = sizes.iter().map(|size: &u64| size.div_ceil(10)).collect();
            for count in [1, 2, 3, 7, 50] {
                let mut seen = Vec::new();
                for index in 1..=count {
                    let route = Route::of_shard(&sizes, Shard { index, count }, 10);
                    assert_eq!(route.has_header, index == 1);
                    for (source, span) in starts(&route).into_iter().enumerate() {
                        if let Some((from, until)) = span {
                            let end = until.unwrap_or(blocks[source] * 10);
                            seen.extend((from / 10..end / 10).map(|block| (source, block)));
                        }
                    }
                }
                let all: Vec<_> = blocks
                    .iter()
                    .enumerate()
                    .flat_map(|(source, blocks)| (0..*blocks).map(move |block| (source, block)))
                    .collect();
                assert_eq!(seen, all, "{sizes:?} in {count}");
            }
        }
    }

    #[test]
    fn what_is_left_starts_at_the_position_and_has_no_header() {
        let position = Position {
            source: 1,
            offset: 44,
            line: 5,
        };
        let route = Route::whole(3).from(position);
        assert_eq!(starts(&route), [None, Some((44, None)), Some((0, None))]);
        assert!(!route.has_header);
    }

    #[test]
    fn the_environment_of_a_job_names_its_shard() {
        for (variables, shard) in [
            (&[("JOB_COMPLETION_INDEX", "0")][..], Ok(1)),
            (&[("JOB_COMPLETION_INDEX", "3")], Ok(4)),
            (
                &[("JOB_COMPLETION_INDEX", "4")],
                Err("is 4, but the last of 4 is 3"),
            ),
            (&[("AWS_BATCH_JOB_ARRAY_INDEX", "2")], Ok(3)),
            (
                &[("SLURM_ARRAY_TASK_ID", "1"), ("SLURM_ARRAY_TASK_MIN", "1")],
                Ok(1),
            ),
            (
                &[("SLURM_ARRAY_TASK_ID", "0"), ("SLURM_ARRAY_TASK_MIN", "1")],
                Err("is 0"),
            ),
            (&[("SLURM_ARRAY_TASK_ID", "3")], Ok(4)),
            (
                &[
                    ("SLURM_ARRAY_TASK_ID", "3"),
                    ("SLURM_ARRAY_TASK_COUNT", "4"),
                ],
                Ok(4),
            ),
            (
                &[
                    ("SLURM_ARRAY_TASK_ID", "3"),
                    ("SLURM_ARRAY_TASK_COUNT", "2"),
                ],
                Err("the array has 2 tasks"),
            ),
            (
                &[("JOB_COMPLETION_INDEX", "x")],
                Err("is \"x\", not a number"),
            ),
            (&[], Err("has none of")),
        ] {
            let variable = |name: &str| {
                let found = variables.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            match (shard_of_environment(4, variable), shard) {
                (Ok(found), Ok(index)) => assert_eq!(found, Shard { index, count: 4 }),
                (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error}"),
                (found, _) => panic!("{variables:?}: {found:?}"),
            }
        }
    }
}
