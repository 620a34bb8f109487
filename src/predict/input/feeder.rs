//! Goes through the sources: opens one after the other and hands out their records.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Result;
use crate::model::Model;

use crate::predict::input::opened::{Opened, Piece};
use crate::predict::input::pipe::Stop;
use crate::predict::input::route::{Position, Route, Span};
use crate::predict::options::Options;
use crate::predict::output::outlet::Outlet;
use crate::predict::output::progress::Progress;
use crate::predict::score::look::Look;
use crate::predict::score::scorer::Scorer;

/// Goes through the sources and hands out records with the scorer of their source.
pub struct Feeder<'m> {
    model: &'m Model,
    options: &'m Options,
    paths: std::iter::Enumerate<std::vec::IntoIter<PathBuf>>,
    route: Route,
    stop: Stop,
    current: Option<Current<'m>>,
    /// The next records, where they were read ahead.
    ahead: Option<Piece>,
    /// Records that --limit still allows.
    left: Option<u64>,
    /// Decided by the first source.
    look: Option<Look>,
}

/// The source that is being read.
struct Current<'m> {
    index: usize,
    scorer: Arc<Scorer<'m>>,
    opened: Opened,
}

/// Records to be scored.
pub struct Task<'m> {
    pub scorer: Arc<Scorer<'m>>,
    pub piece: Piece,
    /// Where the input goes on after them.
    pub after: Position,
}

/// Where a run goes.
pub struct Journey {
    pub paths: Vec<PathBuf>,
    pub route: Route,
    /// Records that an earlier run has scored.
    pub done: u64,
    /// Set where the run ends before its input does.
    pub stop: Stop,
}

impl<'m> Feeder<'m> {
    /// Nothing is opened before [`Feeder::start`].
    pub fn new(model: &'m Model, options: &'m Options, journey: Journey) -> Self {
        let Journey {
            paths,
            route,
            done,
            stop,
        } = journey;
        Feeder {
            model,
            options,
            paths: paths.into_iter().enumerate(),
            route,
            stop,
            current: None,
            ahead: None,
            left: options.limit.map(|limit| limit.saturating_sub(done)),
            look: None,
        }
    }

    /// Opens the first source, decides what the output looks like and begins it.
    ///
    /// # Errors
    /// Whatever is wrong with the source, its columns or its first records.
    pub fn start(&mut self, outlet: &mut Outlet, progress: &Progress) -> Result<()> {
        self.open_next(Some(outlet))?;
        if let Some(look) = &self.look {
            look.tell(progress);
        }
        Ok(())
    }

    /// The plan of the first source, as `--explain` prints it.
    pub fn plan_text(&self) -> &str {
        self.look.as_ref().map_or("", |look| &look.plan_text)
    }

    /// The next records; `None` when all sources are at their end.
    ///
    /// # Errors
    /// As [`Opened::new`] and [`Opened::next`].
    pub fn next_task(&mut self) -> Result<Option<Task<'m>>> {
        loop {
            let Some(current) = self.current.as_mut().filter(|_| self.left != Some(0)) else {
                return Ok(None);
            };
            let piece = match self.ahead.take() {
                Some(piece) => Some(piece),
                None => current.opened.next(self.left)?,
            };
            match piece {
                Some(piece) => {
                    if let Some(left) = &mut self.left {
                        *left = left.saturating_sub(piece.records().unwrap_or(0));
                    }
                    let (offset, line) = current.opened.position();
                    return Ok(Some(Task {
                        scorer: Arc::clone(&current.scorer),
                        piece,
                        after: Position {
                            source: current.index,
                            offset,
                            line,
                        },
                    }));
                }
                None => self.open_next(None)?,
            }
        }
    }

    /// Makes the next source with records or a header the current one. The first source decides what
    /// the output looks like, also where its records are not on the route, and begins it.
    fn open_next(&mut self, mut outlet: Option<&mut Outlet>) -> Result<()> {
        self.current = None;
        let (model, options) = (self.model, self.options);
        for (index, path) in self.paths.by_ref() {
            let span = self.route.span(index);
            if span.is_none() && self.look.is_some() {
                continue;
            }
            let open = || Opened::new(&path, model.signature(), options, &self.stop);
            let Some(mut opened) = open()? else {
                continue;
            };
            let is_first = self.look.is_none();
            let look = match self.look.take() {
                Some(look) => look,
                None => {
                    self.ahead = opened.next(self.left)?;
                    Look::new(model, options, &opened, self.ahead.as_mut())?
                }
            };
            let look = self.look.insert(look);
            let scorer = Arc::new(look.scorer(model, options, &opened)?);
            if let Some(outlet) = outlet.take().filter(|_| is_first) {
                outlet.begin(look.beginning(&scorer, options, self.route.has_header)?)?;
            }
            if span != Some(Span::WHOLE) {
                self.ahead = None;
            }
            match span {
                None => continue,
                Some(Span::WHOLE) => {}
                Some(span) => {
                    // What was read ahead is read again, from where the span starts.
                    opened = match is_first {
                        true => open()?.unwrap_or(opened),
                        false => opened,
                    };
                    opened.enter(span, options)?;
                }
            }
            self.current = Some(Current {
                index,
                scorer,
                opened,
            });
            return Ok(());
        }
        Ok(())
    }
}
