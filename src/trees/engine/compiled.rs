//! A forest made ready: its program, what its leaves add, and its walk.
//!
//! Everything that `block.rs` later takes for granted is made or checked here, so that no index needs a
//! check there: columns and slots of operations, entries of cut trees, targets, tables and their padding.

use super::super::coding::{Coder, Coding};
use super::super::forest::{Forest, Node, Real, Tree};
use super::super::outcome::Aggregate;
use super::super::program::{Exits, Kind, Op, Program, Run};
use super::super::read::Refusal;
use super::super::top::{Top, must_cut};
use super::super::walk::{Walk, place};
use super::gains::{Fold, Gifts, Layout, TreeGain};
use super::levels::Levels;

/// What cannot be, and is checked all the same.
const UNSOUND: &str = "its program is not sound";

/// A forest that the engine can evaluate.
pub(in crate::trees) struct Compiled<T> {
    pub(super) coding: Coding<T>,
    pub(super) program: Program,
    /// The groups of four columns of the input that any code is made of, by their number.
    pub(super) quads: Vec<u32>,
    /// Which of `quads` has the columns of each of [`Coding::ranked`] and then [`Coding::categories`],
    /// times 4, and the column's place in it.
    pub(super) places: Vec<usize>,
    pub(super) layout: Layout,
    pub(super) trees: Vec<TreeGain>,
    /// The targets that [`TreeGain::targets`] names.
    pub(super) tree_targets: Vec<u32>,
    /// For each of them, whether no tree before gives to it.
    pub(super) firsts: Vec<bool>,
    /// What exits of whole trees add: target by target ([`Layout::Columns`]) or row by row.
    pub(super) tables: Vec<T>,
    /// The nodes where the exits of cut trees lead.
    pub(super) entries: Vec<u32>,
    /// What leaves add, by their number: [`Layout`]-wise dense.
    pub(super) values: Vec<T>,
    /// What each node of the walk adds, where every tree gives to one target.
    pub(super) node_values: Vec<T>,
    /// Not for every forest; a cut one has it.
    pub(super) walk: Option<Walk<T>>,
    /// The levels of its trees, where all are oblivious.
    pub(super) levels: Option<Levels<T>>,
    pub(super) fold: Fold,
    pub(super) is_cut: bool,
    pub(super) features: usize,
    pub(super) targets: usize,
    /// Which targets any tree gives to; it is then every record that is given to.
    pub(super) given: Vec<bool>,
}

impl<T: Real> Compiled<T> {
    /// Compiles `forest` for an aggregate.
    ///
    /// # Errors
    /// [`Refusal`] where the engine's numbers are too small for the forest, or where it depends on the
    /// record whether a target is given to at all.
    pub(in crate::trees) fn of(
        forest: &Forest<T>,
        aggregate: Aggregate,
    ) -> Result<Compiled<T>, Refusal> {
        let fold = Fold::of(aggregate);
        let gifts = Gifts::of(forest, fold)?;
        let is_cut = must_cut(forest);
        let walk = match Walk::of(forest) {
            Ok(walk) => Some(walk),
            Err(refusal) if is_cut => return Err(refusal),
            Err(_) => None,
        };
        let tops: Vec<Top> = forest.trees().iter().map(|t| Top::of(t, is_cut)).collect();
        let in_tops = forest.trees().iter().zip(&tops).flat_map(|(tree, top)| {
            let branches = top.branches(tree);
            branches.map(|(_, branch)| branch)
        });
        let coder = Coder::new(forest.sets(), in_tops)?;
        let mut program = Program::default();
        for (tree, top) in forest.trees().iter().zip(&tops) {
            let pushed = program.push(tree, top, &coder);
            pushed.ok_or(Refusal::new(UNSOUND))?;
        }
        program.finish();
        let levels = Levels::of(forest, &program);
        let (quads, places) = quads(&coder.coding);
        let mut compiled = Compiled {
            coding: coder.coding,
            program,
            quads,
            places,
            layout: gifts.layout,
            trees: Vec::new(),
            tree_targets: Vec::new(),
            firsts: gifts.firsts,
            tables: Vec::new(),
            entries: Vec::new(),
            values: Vec::new(),
            node_values: Vec::new(),
            walk,
            levels,
            fold,
            is_cut,
            features: forest.features(),
            targets: forest.targets(),
            given: gifts.given,
        };
        let mut first_leaf = 0;
        for ((tree, top), targets) in forest.trees().iter().zip(&tops).zip(gifts.of_trees) {
            compiled.push(forest, tree, top, targets, first_leaf);
            first_leaf += tree.nodes.len() / 2 + 1;
        }
        compiled.name_node_values();
        match compiled.is_sound() {
            true => Ok(compiled),
            false => Err(Refusal::new(UNSOUND)),
        }
    }

    /// Which targets are given to; it is the same for all records.
    pub(in crate::trees) fn given(&self) -> &[bool] {
        &self.given
    }

    /// Appends what one tree adds.
    fn push(
        &mut self,
        forest: &Forest<T>,
        tree: &Tree<T>,
        top: &Top,
        targets: Vec<u32>,
        first_leaf: usize,
    ) {
        let exits = top.exits.len();
        let is_whole = exits == tree.nodes.len() / 2 + 1;
        let start = self.tree_targets.len();
        let (table, first_value) = (self.tables.len(), self.values.len());
        let width = match self.layout {
            Layout::Columns => targets.len(),
            Layout::Rows(pitch) => pitch,
        };
        let mut rows = Vec::new();
        for node in &tree.nodes {
            if let Node::Leaf(leaf) = node {
                rows.clear();
                rows.resize(width, T::default());
                for weight in forest.given(leaf) {
                    let place = match self.layout {
                        Layout::Columns => targets.binary_search(&weight.target).ok(),
                        Layout::Rows(_) => Some(weight.target as usize),
                    };
                    if let Some(value) = place.and_then(|place| rows.get_mut(place)) {
                        *value = weight.value;
                    }
                }
                self.values.extend_from_slice(&rows);
            }
        }
        let pitch = match self.layout {
            // Whole registers: 16, 32, 64, 128 or 256 entries.
            Layout::Columns => exits.next_power_of_two().max(16),
            Layout::Rows(pitch) => pitch,
        };
        let entries = self.entries.len();
        if is_whole {
            self.push_tables(tree, top, first_value, width, pitch);
        } else {
            let nodes = top.exits.iter().map(|exit| place(*exit as usize) as u32);
            self.entries.extend(nodes);
        }
        let first_target = targets.first().copied().unwrap_or_default();
        self.tree_targets.extend(targets);
        self.trees.push(TreeGain {
            targets: start..self.tree_targets.len(),
            first_target,
            table,
            pitch,
            entries: (!is_whole).then_some(entries..self.entries.len()),
            first_leaf,
            first_value,
        });
    }

    /// The tables of a whole tree: the leaves' values, which stand by leaf, by exit.
    fn push_tables(
        &mut self,
        tree: &Tree<T>,
        top: &Top,
        first_value: usize,
        width: usize,
        pitch: usize,
    ) {
        let table = self.tables.len();
        let leaves = numbers_of_leaves(tree);
        let (rows, step_exit, step_target) = match self.layout {
            Layout::Columns => (width, 1, pitch),
            Layout::Rows(_) => (top.exits.len(), pitch, 1),
        };
        self.tables.resize(table + rows * pitch, T::default());
        for (exit, node) in top.exits.iter().enumerate() {
            let leaf = leaves.get(*node as usize).copied().unwrap_or_default();
            for target in 0..width {
                let to = table + exit * step_exit + target * step_target;
                let value = self.values.get(first_value + leaf * width + target);
                if let (Some(to), Some(value)) = (self.tables.get_mut(to), value) {
                    *to = *value;
                }
            }
        }
    }

    fn name_node_values(&mut self) {
        let is_single = |tree: &TreeGain| tree.targets.len() == 1;
        if self.layout != Layout::Columns || !self.trees.iter().all(is_single) {
            return;
        }
        // Every leaf then has one value, at its own number; that of a branch is never asked for.
        let value = |leaf: &u32| self.values.get(*leaf as usize).copied();
        let leaves = self.walk.iter().flat_map(|walk| &walk.leaves);
        let values = leaves.map(|leaf| value(leaf).unwrap_or_default());
        self.node_values = values.collect();
    }

    /// Whether every number points into its list: what `block.rs` relies on.
    fn is_sound(&self) -> bool {
        let Program {
            ops,
            runs,
            levels,
            exits,
            slots,
            ..
        } = &self.program;
        let columns = self.coding.columns;
        let (has_column, has_slot) = (
            |column: u16| usize::from(column) < columns,
            |slot: u16| usize::from(slot) < (*slots).max(1),
        );
        let has_sides = |kind: Kind, op: &Op| match kind {
            Kind::Exits => true,
            Kind::ExitSlot => has_slot(op.no),
            Kind::SlotExit => has_slot(op.yes),
            Kind::Slots => has_slot(op.yes) && has_slot(op.no),
            Kind::Pairs => has_column(op.yes) && has_column(op.no),
            Kind::ExitPair => has_column(op.no),
            Kind::PairExit => has_column(op.yes),
        };
        let is_run = |run: &Run| {
            let ops = ops.get(run.ops.clone());
            ops.is_some_and(|ops| {
                let mut ops = ops.iter();
                ops.all(|op| has_column(op.column) && has_slot(op.out) && has_sides(run.kind, op))
            })
        };
        runs.iter().all(is_run)
            && levels.iter().all(|(column, _)| has_column(*column))
            && exits.iter().all(|exits| match exits {
                Exits::Slot(slot) => has_slot(*slot),
                Exits::Only | Exits::Levels(_) => true,
            })
            && exits.len() == self.trees.len()
            && self
                .walk
                .as_ref()
                .is_none_or(|walk| walk.trees.len() == self.trees.len())
            && self.firsts.len() == self.tree_targets.len()
            && self
                .tree_targets
                .iter()
                .all(|t| (*t as usize) < self.targets)
            && self.coding.columns <= usize::from(u16::MAX)
    }
}

/// For each node that is a leaf, its number among the tree's leaves.
fn numbers_of_leaves<T>(tree: &Tree<T>) -> Vec<usize> {
    let mut next = 0;
    let mut number = |node: &Node<T>| {
        let here = next;
        next += usize::from(matches!(node, Node::Leaf(_)));
        here
    };
    tree.nodes.iter().map(&mut number).collect()
}

/// The groups of four columns that any code is made of, and where in them each code's column is.
fn quads<T>(coding: &Coding<T>) -> (Vec<u32>, Vec<usize>) {
    let ranked = coding.ranked.iter().map(|ranked| ranked.feature);
    let categories = coding.categories.iter().map(|category| category.feature);
    let features: Vec<u32> = ranked.chain(categories).collect();
    let mut quads: Vec<u32> = features.iter().map(|feature| feature / 4).collect();
    quads.sort_unstable();
    quads.dedup();
    let place = |feature: &u32| {
        let quad = quads.partition_point(|quad| *quad < feature / 4);
        4 * quad + (feature % 4) as usize
    };
    let places = features.iter().map(place).collect();
    (quads, places)
}
