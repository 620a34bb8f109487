//! Random ensembles of every shape that the operators allow, from a seed, and rows that sit on their
//! thresholds and beside them.

use crate::trees::attributes::{
    Attributes, Family, Joint, Mode, Numbers, Output, Pair, PairNodes, PairWeights, Precision,
};

/// A small generator of numbers (SplitMix64): the same for a seed on every machine.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `most`.
    pub(super) fn below(&mut self, most: usize) -> usize {
        (self.bits() % most.max(1) as u64) as usize
    }

    /// True `percent` times of a hundred.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// A number between -1 and 1.
    fn unit(&mut self) -> f64 {
        self.bits() as i64 as f64 / i64::MAX as f64
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at + 1));
        }
    }
}

/// The values that thresholds and cells are taken from where they are to be awkward.
const AWKWARD: [f64; 16] = [
    0.0,
    -0.0,
    1.0,
    2.0,
    31.0,
    32.0,
    33.0,
    64.0,
    65.0,
    0.5,
    -1.0,
    1e-40,
    1.401_298_464_324_817e-45,
    f32::MAX as f64,
    f64::INFINITY,
    f64::NEG_INFINITY,
];

const BRANCHES: [Mode; 6] = [
    Mode::AtMost,
    Mode::Less,
    Mode::AtLeast,
    Mode::Greater,
    Mode::Equal,
    Mode::Unequal,
];

/// What all trees of one ensemble have in common.
struct Style {
    features: usize,
    targets: usize,
    modes: Vec<Mode>,
    /// Per cent of awkward thresholds.
    awkward: usize,
    /// Whether thresholds are the small numbers of categories.
    categories: bool,
    missing: Missing,
    all_positive: bool,
    /// Whether weights may be infinite or NaN.
    extreme: bool,
    /// Whether leaves have features and values of their own, and trees any numbers.
    untidy: bool,
    leaves: Leaves,
    depth: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Missing {
    Never,
    Always,
    Any,
}

/// Which targets a leaf gives to.
#[derive(Clone, Copy)]
enum Leaves {
    /// The same one everywhere.
    One(usize),
    /// One for each tree.
    OneATree,
    All,
    /// Any, in any order, and some of them twice.
    Some,
}

/// A tree before it is written down: children by place, leaves as lists of weights.
struct Sketch {
    nodes: Vec<Stroke>,
}

#[derive(Clone)]
struct Stroke {
    mode: Mode,
    feature: usize,
    value: f64,
    missing: bool,
    members: Vec<f64>,
    yes: usize,
    no: usize,
    weights: Vec<(usize, f64)>,
}

impl Style {
    fn any(random: &mut Random, targets: usize, joint: bool) -> Style {
        let mut modes = BRANCHES.to_vec();
        if joint {
            modes.push(Mode::Member);
        }
        let modes = match random.below(4) {
            0 => vec![Mode::AtMost],
            1 => vec![random.pick(&modes)],
            2 => vec![random.pick(&modes), random.pick(&modes)],
            _ => modes,
        };
        Style {
            features: 1 + random.below(4),
            targets,
            categories: modes.contains(&Mode::Equal) && random.chance(70),
            modes,
            awkward: random.pick(&[0, 10, 60]),
            missing: random.pick(&[Missing::Never, Missing::Always, Missing::Any]),
            all_positive: random.chance(30),
            extreme: random.chance(8),
            untidy: random.chance(15),
            leaves: match random.below(4) {
                0 => Leaves::One(random.below(targets)),
                1 => Leaves::OneATree,
                2 => Leaves::All,
                _ => Leaves::Some,
            },
            depth: 1 + random.below(5),
        }
    }

    fn weight(&self, random: &mut Random) -> f64 {
        let value = match random.below(12) {
            0 => random.below(5) as f64 - 2.0,
            1 => 0.0,
            2 => -0.0,
            3 => random.unit() * 1e-30,
            4 => random.unit() * 30.0,
            5 if self.extreme => random.pick(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 3e38]),
            _ => random.unit(),
        };
        let value = f64::from(value as f32);
        if self.all_positive {
            value.abs()
        } else {
            value
        }
    }

    fn weights(&self, random: &mut Random, tree: usize) -> Vec<(usize, f64)> {
        let targets: Vec<usize> = match self.leaves {
            Leaves::One(target) => vec![target],
            Leaves::OneATree => vec![tree % self.targets],
            Leaves::All => (0..self.targets).collect(),
            Leaves::Some => {
                let count = 1 + random.below(self.targets + 1);
                (0..count).map(|_| random.below(self.targets)).collect()
            }
        };
        targets
            .into_iter()
            .map(|target| (target, self.weight(random)))
            .collect()
    }

    fn threshold(&self, random: &mut Random) -> f64 {
        if random.chance(self.awkward) {
            return random.pick(&AWKWARD);
        }
        if self.categories {
            let more = random.chance(5);
            let code = random.pick(&[0, 1, 2, 3, 4, 5, 31, 32, 33, 40, 41, 65, 500, 90_000]);
            return f64::from(code)
                + if more {
                    random.pick(&[0.5, -500.0])
                } else {
                    0.0
                };
        }
        // Few enough for thresholds to meet.
        f64::from((random.below(40) as f32 - 20.0) * 0.37)
    }

    fn missing(&self, random: &mut Random) -> bool {
        match self.missing {
            Missing::Never => false,
            Missing::Always => true,
            Missing::Any => random.chance(50),
        }
    }

    fn branch(&self, random: &mut Random) -> Stroke {
        let mode = random.pick(&self.modes);
        let members = match mode {
            Mode::Member => {
                let count = 1 + random.pick(&[0, 1, 3, 8, 35]);
                (0..count).map(|_| self.member(random)).collect()
            }
            _ => Vec::new(),
        };
        Stroke {
            mode,
            feature: random.below(self.features),
            value: self.threshold(random),
            missing: self.missing(random),
            members,
            yes: 0,
            no: 0,
            weights: Vec::new(),
        }
    }

    fn member(&self, random: &mut Random) -> f64 {
        match random.below(20) {
            0 if random.chance(self.awkward) => random.pick(&AWKWARD),
            1 => random.below(33) as f64 - 8.0,
            2 => (random.below(1 << 26) as f64 - f64::from(1 << 25)) * 64.0,
            _ => random.below(31) as f64,
        }
    }

    fn leaf(&self, random: &mut Random, tree: usize) -> Stroke {
        Stroke {
            mode: Mode::Leaf,
            feature: if self.untidy {
                random.below(self.features)
            } else {
                0
            },
            value: if self.untidy {
                random.below(2) as f64
            } else {
                0.0
            },
            missing: self.untidy && random.chance(50),
            members: Vec::new(),
            yes: 0,
            no: 0,
            weights: self.weights(random, tree),
        }
    }

    /// A tree whose nodes stand in the order in which they were thought of, root first.
    fn tree(&self, random: &mut Random, tree: usize) -> Sketch {
        let mut sketch = Sketch { nodes: Vec::new() };
        let mut ahead = vec![(None, 0)];
        while let Some((parent, depth)) = ahead.pop() {
            let place = sketch.nodes.len();
            if let Some((parent, is_yes)) = parent {
                let parent: &mut Stroke = &mut sketch.nodes[parent];
                *if is_yes {
                    &mut parent.yes
                } else {
                    &mut parent.no
                } = place;
            }
            let ends = depth >= self.depth || random.chance(if depth == 0 { 5 } else { 25 });
            if ends {
                let leaf = self.leaf(random, tree);
                sketch.nodes.push(leaf);
                continue;
            }
            sketch.nodes.push(self.branch(random));
            ahead.push((Some((place, true)), depth + 1));
            ahead.push((Some((place, false)), depth + 1));
        }
        if self.categories {
            self.chain(random, &mut sketch);
        }
        if random.chance(15) {
            share(random, &mut sketch);
        }
        sketch
    }

    /// Puts a chain of equality questions before the root, its yes all the same or nearly so; some links
    /// ask the other way round.
    fn chain(&self, random: &mut Random, sketch: &mut Sketch) {
        let length = 1 + random.pick(&[0, 1, 2, 3, 4, 5, 5, 40]);
        let feature = random.below(self.features);
        let shared = random.chance(50);
        let missing = self.missing(random);
        let mixed = random.chance(20);
        // A new root, since the first must stay the first.
        let mut no = sketch.nodes.len();
        let root = sketch.nodes[0].clone();
        sketch.nodes.push(root);
        let yes = self.yes(random, sketch);
        for link in (0..length).rev() {
            let mut question = self.branch(random);
            question.mode = Mode::Equal;
            question.feature = feature;
            question.missing = if mixed { self.missing(random) } else { missing };
            question.no = no;
            question.yes = if shared { yes } else { copy(sketch, yes) };
            if !shared && random.chance(10) {
                let changed = question.yes;
                sketch.nodes[changed].weights = self.weights(random, 0);
            }
            if !shared && random.chance(8) {
                question.mode = Mode::Unequal;
                std::mem::swap(&mut question.yes, &mut question.no);
            }
            if link == 0 {
                sketch.nodes[0] = question;
            } else {
                no = sketch.nodes.len();
                sketch.nodes.push(question);
            }
        }
    }

    /// A leaf or a small tree for the yes of a chain.
    fn yes(&self, random: &mut Random, sketch: &mut Sketch) -> usize {
        let place = sketch.nodes.len();
        if random.chance(60) {
            let leaf = self.leaf(random, 0);
            sketch.nodes.push(leaf);
            return place;
        }
        let mut branch = self.branch(random);
        (branch.yes, branch.no) = (place + 1, place + 2);
        sketch.nodes.push(branch);
        for _ in 0..2 {
            let leaf = self.leaf(random, 0);
            sketch.nodes.push(leaf);
        }
        place
    }
}

/// Copies a subtree to the end.
fn copy(sketch: &mut Sketch, place: usize) -> usize {
    let start = sketch.nodes.len();
    let mut ahead = vec![place];
    let mut taken = 0;
    while taken < ahead.len() {
        let mut node = sketch.nodes[ahead[taken]].clone();
        if node.mode != Mode::Leaf {
            let next = start + ahead.len();
            ahead.extend([node.yes, node.no]);
            (node.yes, node.no) = (next, next + 1);
        }
        sketch.nodes.push(node);
        taken += 1;
    }
    start
}

/// Lets a child be that of another node, too; nodes that this leaves alone stay in the lists.
fn share(random: &mut Random, sketch: &mut Sketch) {
    let below = |sketch: &Sketch, place: usize| {
        let mut ahead = vec![place];
        let mut all = Vec::new();
        while let Some(place) = ahead.pop() {
            if all.contains(&place) {
                continue;
            }
            all.push(place);
            let node = &sketch.nodes[place];
            if node.mode != Mode::Leaf {
                ahead.extend([node.yes, node.no]);
            }
        }
        all
    };
    for _ in 0..1 + random.below(2) {
        let (from, to) = (
            random.below(sketch.nodes.len()),
            random.below(sketch.nodes.len()),
        );
        let is_circle = below(sketch, to).contains(&from);
        if sketch.nodes[from].mode == Mode::Leaf || is_circle {
            continue;
        }
        if random.chance(70) {
            sketch.nodes[from].yes = to;
        } else {
            sketch.nodes[from].no = to;
        }
    }
}

/// An ensemble of any kind.
pub(super) fn attributes(random: &mut Random) -> Attributes {
    let precision = random.pick(&[Precision::Single, Precision::Single, Precision::Double]);
    let targets = random.pick(&[1, 1, 2, 2, 2, 2, 3, 5, 11]);
    let is_joint = random.chance(35);
    let style = Style::any(random, targets, is_joint);
    let count = 1 + random.pick(&[0, 0, 1, 2, 5, 12, 12, 40]);
    let sketches: Vec<Sketch> = (0..count).map(|tree| style.tree(random, tree)).collect();
    let family = if is_joint {
        Family::Joint(joint(random, &style, &sketches, precision))
    } else {
        Family::Pair(pair(random, &style, &sketches, precision))
    };
    Attributes { precision, family }
}

fn numbers(list: Vec<f64>, as_double: bool) -> Numbers {
    if as_double {
        Numbers::Doubles(list)
    } else {
        Numbers::Singles(list.into_iter().map(|value| value as f32).collect())
    }
}

fn pair(random: &mut Random, style: &Style, sketches: &[Sketch], precision: Precision) -> Pair {
    let output = match random.below(3) {
        0 => Output::Targets(style.targets as i64),
        1 => Output::Ints(
            (0..style.targets as i64)
                .map(|label| label * 7 - 3)
                .collect(),
        ),
        _ => Output::Texts(
            (0..style.targets)
                .map(|label| format!("class {label}"))
                .collect(),
        ),
    };
    let is_classifier = !matches!(output, Output::Targets(_));
    let base_length = match (is_classifier, style.targets) {
        (true, 1 | 2) => random.below(3),
        (_, targets) => random.pick(&[0, targets]),
    };
    let in_doubles = precision == Precision::Double && random.chance(60);
    let (nodes, weights) = lists(random, style, sketches, in_doubles);
    Pair {
        output,
        aggregate: if is_classifier {
            "SUM"
        } else {
            random.pick(&["SUM", "SUM", "AVERAGE", "MIN", "MAX"])
        }
        .to_owned(),
        transform: random
            .pick(&[
                "NONE",
                "NONE",
                "LOGISTIC",
                "SOFTMAX",
                "SOFTMAX_ZERO",
                "PROBIT",
            ])
            .to_owned(),
        base: numbers(
            (0..base_length).map(|_| style.weight(random)).collect(),
            in_doubles && base_length > 0,
        ),
        nodes,
        weights,
    }
}

fn lists(
    random: &mut Random,
    style: &Style,
    sketches: &[Sketch],
    in_doubles: bool,
) -> (PairNodes, PairWeights) {
    let mut values = Vec::new();
    let mut given: Vec<(i32, i32, i32, f64)> = Vec::new();
    let mut nodes = PairNodes {
        trees: Vec::new(),
        ids: Vec::new(),
        features: Vec::new(),
        modes: Vec::new(),
        values: Numbers::default(),
        yes: Vec::new(),
        no: Vec::new(),
        missing: Vec::new(),
    };
    let ids_by_place = random.chance(50);
    let mut numbers_of_trees: Vec<usize> = (0..sketches.len()).collect();
    if style.untidy {
        random.shuffle(&mut numbers_of_trees);
    }
    for (tree, sketch) in numbers_of_trees.into_iter().zip(sketches) {
        // The root stands first; all others anywhere, by ids in any order.
        let mut order: Vec<usize> = (1..sketch.nodes.len()).collect();
        let mut ids: Vec<usize> = (0..sketch.nodes.len()).collect();
        if !ids_by_place {
            random.shuffle(&mut order);
            random.shuffle(&mut ids);
        }
        for place in std::iter::once(0).chain(order) {
            let node = &sketch.nodes[place];
            nodes.trees.push(tree as i32);
            nodes.ids.push(ids[place] as i32);
            nodes.features.push(node.feature as i32);
            nodes.modes.push(node.mode);
            values.push(node.value);
            nodes.yes.push(ids[node.yes] as i32);
            nodes.no.push(ids[node.no] as i32);
            nodes.missing.push(node.missing);
            for (target, weight) in &node.weights {
                given.push((tree as i32, ids[place] as i32, *target as i32, *weight));
            }
            // As old converters do.
            if node.mode != Mode::Leaf && random.chance(2) {
                given.push((tree as i32, ids[place] as i32, 0, 1.0));
            }
        }
    }
    nodes.values = numbers(values, in_doubles);
    if nodes.missing.iter().all(|missing| !missing) && random.chance(50) {
        nodes.missing.clear();
    } else if random.chance(10) {
        nodes.missing.truncate(random.below(nodes.missing.len()));
    }
    if random.chance(50) {
        random.shuffle(&mut given);
    }
    let weights = PairWeights {
        trees: given.iter().map(|weight| weight.0).collect(),
        nodes: given.iter().map(|weight| weight.1).collect(),
        targets: given.iter().map(|weight| weight.2).collect(),
        values: numbers(given.iter().map(|weight| weight.3).collect(), in_doubles),
    };
    (nodes, weights)
}

fn joint(random: &mut Random, style: &Style, sketches: &[Sketch], precision: Precision) -> Joint {
    let mut joint = Joint {
        targets: style.targets as i64,
        aggregate: random.pick(&[1, 1, 0, 2, 3]),
        transform: random.below(5) as i64,
        roots: Vec::new(),
        features: Vec::new(),
        modes: Vec::new(),
        values: Numbers::default(),
        yes: Vec::new(),
        yes_is_leaf: Vec::new(),
        no: Vec::new(),
        no_is_leaf: Vec::new(),
        missing: Vec::new(),
        members: Numbers::default(),
        leaf_targets: Vec::new(),
        leaf_weights: Numbers::default(),
    };
    let (mut values, mut members, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for sketch in sketches {
        let start = joint.features.len();
        let mut places = Vec::new();
        let mut branches = start;
        for node in &sketch.nodes {
            if node.mode == Mode::Leaf {
                places.push(joint.leaf_targets.len());
                let (target, weight) = node.weights[0];
                joint.leaf_targets.push(target as i32);
                weights.push(weight);
            } else {
                places.push(branches);
                branches += 1;
            }
        }
        joint.roots.push(start as i32);
        if sketch.nodes[0].mode == Mode::Leaf {
            // A stub: both children are the leaf.
            push_branch(
                &mut joint,
                &style.leaf(random, 0),
                (places[0], true),
                (places[0], true),
            );
            values.push(0.0);
        }
        for node in sketch.nodes.iter().filter(|node| node.mode != Mode::Leaf) {
            let child = |place: usize| (places[place], sketch.nodes[place].mode == Mode::Leaf);
            push_branch(&mut joint, node, child(node.yes), child(node.no));
            values.push(node.value);
            if node.mode == Mode::Member {
                members.extend(&node.members);
                members.push(f64::NAN);
            }
        }
    }
    let as_double = precision == Precision::Double;
    joint.values = numbers(values, as_double);
    joint.leaf_weights = numbers(weights, as_double);
    if !members.is_empty() {
        joint.members = numbers(members, as_double);
    }
    if joint.missing.iter().all(|missing| !missing) && random.chance(50) {
        joint.missing.clear();
    }
    joint
}

fn push_branch(joint: &mut Joint, node: &Stroke, yes: (usize, bool), no: (usize, bool)) {
    joint.features.push(node.feature as i32);
    joint.modes.push(match node.mode {
        Mode::Leaf => Mode::AtMost,
        mode => mode,
    });
    joint.yes.push(yes.0 as i32);
    joint.yes_is_leaf.push(yes.1);
    joint.no.push(no.0 as i32);
    joint.no_is_leaf.push(no.1);
    joint.missing.push(node.missing);
}

/// Rows of `columns` cells: random, on thresholds, beside them, and what is no number.
pub(super) fn cells(random: &mut Random, attributes: &Attributes, count: usize) -> Vec<f64> {
    let (values, members) = match &attributes.family {
        Family::Pair(pair) => (&pair.nodes.values, None),
        Family::Joint(joint) => (&joint.values, Some(&joint.members)),
    };
    let mut pool = Vec::new();
    for numbers in std::iter::once(values).chain(members) {
        match numbers {
            Numbers::Singles(list) => {
                for value in list {
                    pool.extend([*value, value.next_up(), value.next_down()].map(f64::from));
                }
            }
            Numbers::Doubles(list) => {
                for value in list {
                    pool.extend([*value, value.next_up(), value.next_down()]);
                }
            }
        }
    }
    let cell = |random: &mut Random| match random.below(10) {
        0 => random.pick(&AWKWARD),
        1 => f64::NAN.copysign(random.unit()),
        2 | 3 => random.unit() * 8.0,
        4 => random.below(66) as f64,
        _ => random.pick(&pool),
    };
    (0..count).map(|_| cell(random)).collect()
}
