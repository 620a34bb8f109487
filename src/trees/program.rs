//! The program that evaluates the tops of trees for many records at once.
//!
//! A branch's result is, for each record, the number of the exit below it where the record leaves. With
//! `left` exits on its yes side it is `code > than ? result(no) + left : result(yes)`: one comparison and
//! one masked addition for all records, no jump, no lookup. A result lives in a slot until its parent has
//! used it. Operations of one kind stand together in runs, across the trees of a group, so that the
//! processor sees the same few instructions again and again; branches whose children are exits are
//! computed with their parents.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use super::coding::{Code, Coder};
use super::forest::{Real, Tree};
use super::top::Top;

/// Operations of the trees that are evaluated together; one tree may have more.
const GROUP: usize = 256;

/// One operation: a branch, or a branch with one or two children whose own children are exits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Op {
    /// The column of the branch's codes; higher codes than `than` answer no.
    pub(super) column: u16,
    pub(super) than: i8,
    /// Exits on the yes side.
    pub(super) left: u8,
    /// The slot of the result.
    pub(super) out: u16,
    /// The yes side's slot, or the column of its branch in the kinds that have that branch in them.
    pub(super) yes: u16,
    pub(super) no: u16,
    pub(super) yes_than: i8,
    pub(super) no_than: i8,
}

/// What the two sides of a branch are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Exits.
    Exits,
    /// An exit and a slot.
    ExitSlot,
    SlotExit,
    /// Slots.
    Slots,
    /// Two branches with exits, computed here.
    Pairs,
    /// An exit and such a branch.
    ExitPair,
    PairExit,
}

const KINDS: [Kind; 7] = [
    Kind::Exits,
    Kind::ExitSlot,
    Kind::SlotExit,
    Kind::Slots,
    Kind::Pairs,
    Kind::ExitPair,
    Kind::PairExit,
];

/// Operations of one kind.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) kind: Kind,
    pub(super) ops: Range<usize>,
}

/// Where the exits' numbers of one tree come from.
#[derive(Debug, Clone)]
pub(super) enum Exits {
    /// There is one exit.
    Only,
    /// A slot of the tree's group.
    Slot(u16),
    /// Every level of the tree asks one question: the answers are the bits of the number, first level
    /// first.
    Levels(Range<usize>),
}

/// Trees that are evaluated together.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) runs: Range<usize>,
    pub(super) trees: Range<usize>,
}

/// The operations of a whole forest.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) ops: Vec<Op>,
    pub(super) runs: Vec<Run>,
    pub(super) levels: Vec<Code>,
    pub(super) groups: Vec<Group>,
    /// For each tree in turn.
    pub(super) exits: Vec<Exits>,
    /// How many slots there are.
    pub(super) slots: usize,
    waiting: Waiting,
}

/// What is not yet put into operations.
#[derive(Debug, Default)]
struct Waiting {
    branches: Vec<Waited>,
    /// The trees of the group, and their roots among `branches`.
    trees: Vec<(usize, usize)>,
    first_tree: usize,
}

/// A branch of a top.
#[derive(Debug, Clone, Copy)]
struct Waited {
    code: Code,
    left: u8,
    /// The branches on both sides, by their place in [`Waiting::branches`]; else exits.
    yes: Option<usize>,
    no: Option<usize>,
    parent: Option<usize>,
}

impl Waited {
    fn has_exits_only(&self) -> bool {
        self.yes.is_none() && self.no.is_none()
    }
}

impl Program {
    /// Appends the next tree's top. `None` if the coder does not know a branch of it.
    pub(super) fn push<T: Real>(
        &mut self,
        tree: &Tree<T>,
        top: &Top,
        coder: &Coder<T>,
    ) -> Option<()> {
        if top.exits.len() == 1 {
            self.exits.push(Exits::Only);
        } else if let Some(levels) = levels(tree, top, coder) {
            let start = self.levels.len();
            self.levels.extend(levels);
            self.exits.push(Exits::Levels(start..self.levels.len()));
        } else {
            self.wait(tree, top, coder)?;
        }
        Some(())
    }

    fn wait<T: Real>(&mut self, tree: &Tree<T>, top: &Top, coder: &Coder<T>) -> Option<()> {
        let count = top.exits.len() - 1;
        if !self.waiting.trees.is_empty() && self.waiting.branches.len() + count > GROUP {
            self.end_group();
        }
        let branches = &mut self.waiting.branches;
        // Children first, so that both are there when their parent comes.
        let mut places = HashMap::with_capacity(count);
        for (node, branch) in top.branches(tree).rev() {
            let (yes, no) = (places.get(&branch.yes), places.get(&branch.no));
            let (yes, no) = (yes.copied(), no.copied());
            let here = branches.len();
            for child in [yes, no].into_iter().flatten() {
                let child: &mut Waited = branches.get_mut(child)?;
                child.parent = Some(here);
            }
            branches.push(Waited {
                code: coder.code(branch)?,
                left: u8::try_from(top.exits_below(branch.yes)).ok()?,
                yes,
                no,
                parent: None,
            });
            places.insert(node, here);
        }
        let root = *places.get(&0)?;
        self.waiting.trees.push((self.exits.len(), root));
        self.exits.push(Exits::Only);
        Some(())
    }

    /// Puts the last group into operations; to be called after the last tree.
    pub(super) fn finish(&mut self) {
        self.end_group();
    }

    fn end_group(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        let first_run = self.runs.len();
        let slots = Schedule::of(&waiting.branches).emit(self);
        for (tree, root) in waiting.trees {
            if let (Some(exits), Some(slot)) = (self.exits.get_mut(tree), slots.get(root)) {
                *exits = Exits::Slot(*slot);
            }
        }
        let trees = waiting.first_tree..self.exits.len();
        self.waiting.first_tree = trees.end;
        if !trees.is_empty() {
            self.groups.push(Group {
                runs: first_run..self.runs.len(),
                trees,
            });
        }
    }
}

/// The one question of each level, if the whole tree is made so.
fn levels<T: Real>(tree: &Tree<T>, top: &Top, coder: &Coder<T>) -> Option<Vec<Code>> {
    let depth = top.exits.len().trailing_zeros();
    let is_full = top.exits.len() == 1 << depth && tree.nodes.len() == (2 << depth) - 1;
    if !is_full {
        return None;
    }
    let mut levels = Vec::new();
    let mut nodes = 0_u32;
    for level in 0..depth {
        let mut codes = (nodes..nodes + (1 << level)).map(|node| {
            let branch = top.branch(tree, node)?;
            coder.code(branch)
        });
        let first = codes.next()??;
        if !codes.all(|code| code == Some(first)) {
            return None;
        }
        levels.push(first);
        nodes += 1 << level;
    }
    Some(levels)
}

/// The order of a group's operations, and the slots of their results.
struct Schedule<'a> {
    branches: &'a [Waited],
    kinds: Vec<Option<Kind>>,
    /// Results that each branch still waits for.
    missing: Vec<u8>,
    ready: [VecDeque<usize>; KINDS.len()],
    slots: Vec<u16>,
    free: Vec<u16>,
    /// The lowest slot that was never given out; 0 is for trees that are not in operations.
    next: u16,
}

impl<'a> Schedule<'a> {
    fn of(branches: &'a [Waited]) -> Schedule<'a> {
        let is_pair = |child: Option<usize>| {
            let child = child.and_then(|child| branches.get(child));
            child.is_some_and(Waited::has_exits_only)
        };
        let mut schedule = Schedule {
            branches,
            kinds: vec![None; branches.len()],
            missing: vec![0; branches.len()],
            ready: Default::default(),
            slots: vec![0; branches.len()],
            free: Vec::new(),
            next: 1,
        };
        let mut within = vec![false; branches.len()];
        for (at, branch) in branches.iter().enumerate() {
            let kind = match (branch.yes, branch.no) {
                (None, None) => Kind::Exits,
                (Some(_), Some(_)) if is_pair(branch.yes) && is_pair(branch.no) => Kind::Pairs,
                (None, Some(_)) if is_pair(branch.no) => Kind::ExitPair,
                (Some(_), None) if is_pair(branch.yes) => Kind::PairExit,
                (None, Some(_)) => Kind::ExitSlot,
                (Some(_), None) => Kind::SlotExit,
                (Some(_), Some(_)) => Kind::Slots,
            };
            schedule.kinds[at] = Some(kind);
            let sides = [branch.yes, branch.no].into_iter().flatten();
            match kind {
                Kind::Pairs | Kind::ExitPair | Kind::PairExit => {
                    sides.for_each(|child| within[child] = true);
                }
                _ => schedule.missing[at] = sides.count() as u8,
            }
        }
        for (at, within) in within.into_iter().enumerate() {
            if within {
                schedule.kinds[at] = None;
            } else if schedule.missing[at] == 0 {
                schedule.becomes_ready(at);
            }
        }
        schedule
    }

    fn becomes_ready(&mut self, at: usize) {
        if let Some(kind) = self.kinds[at] {
            self.ready[kind as usize].push_back(at);
        }
    }

    /// Appends the operations to `program`; the slot of each branch's result.
    fn emit(mut self, program: &mut Program) -> Vec<u16> {
        while let Some(kind) = self.next_kind() {
            let start = program.ops.len();
            while let Some(at) = self.ready[kind as usize].pop_front() {
                let op = self.op(at, kind, &mut program.slots);
                program.ops.push(op);
                let Some(parent) = self.branches[at].parent else {
                    continue;
                };
                self.missing[parent] -= 1;
                if self.missing[parent] == 0 {
                    self.becomes_ready(parent);
                }
            }
            program.runs.push(Run {
                kind,
                ops: start..program.ops.len(),
            });
        }
        self.slots
    }

    /// The kind of the next run: what needs no result first, and the most of it.
    fn next_kind(&self) -> Option<Kind> {
        let waiting = |kind: &Kind| self.ready[*kind as usize].len();
        let kinds = KINDS.into_iter().filter(|kind| waiting(kind) > 0);
        kinds.max_by_key(|kind| {
            let needs_slots = matches!(kind, Kind::ExitSlot | Kind::SlotExit | Kind::Slots);
            (!needs_slots, waiting(kind))
        })
    }

    fn op(&mut self, at: usize, kind: Kind, slots: &mut usize) -> Op {
        let branch = self.branches[at];
        let side = |child: Option<usize>| match (kind, child) {
            (_, None) => (0, 0),
            (Kind::Pairs | Kind::ExitPair | Kind::PairExit, Some(child)) => {
                self.branches[child].code
            }
            (_, Some(child)) => (self.slots[child], 0),
        };
        let ((yes, yes_than), (no, no_than)) = (side(branch.yes), side(branch.no));
        if matches!(kind, Kind::ExitSlot | Kind::SlotExit | Kind::Slots) {
            // Read before the result is written, so it may take a place of theirs.
            let used = [branch.yes, branch.no].into_iter().flatten();
            self.free.extend(used.map(|child| self.slots[child]));
        }
        let out = self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            *slots = (*slots).max(usize::from(self.next));
            self.next - 1
        });
        self.slots[at] = out;
        let (column, than) = branch.code;
        Op {
            column,
            than,
            left: branch.left,
            out,
            yes,
            no,
            yes_than,
            no_than,
        }
    }
}
