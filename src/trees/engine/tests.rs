//! Every instruction set against the plain evaluator, on forests that no converter would make.
//!
//! Miri runs this on a crate that has nothing but a copy of `src/trees` as its module `trees` (ONNX
//! Runtime is beyond it), on smaller forests and fewer records:
//!
//! ```text
//! cargo +nightly miri test engine                                          # portable
//! RUSTFLAGS="-C target-feature=+avx2" cargo +nightly miri test engine      # and AVX2
//! ```

use super::super::forest::{Branch, Forest, Node, Real, Test, Tree, Weight};
use super::super::outcome::Aggregate;
use super::super::plain;
use super::{Compiled, Element, Processor, Records, Scratch};

/// Pseudo-random numbers: xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 11) as usize % end
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// What forests are made.
#[derive(Clone, Copy)]
struct Shape {
    trees: usize,
    leaves: usize,
    features: usize,
    targets: usize,
    /// Whether a tree gives to one target, or to all.
    is_single: bool,
    has_sets: bool,
    missing: bool,
    is_oblivious: bool,
}

const SMALL: Shape = Shape {
    trees: 12,
    leaves: 31,
    features: 9,
    targets: 1,
    is_single: true,
    has_sets: false,
    missing: true,
    is_oblivious: false,
};

const SHAPES: [(&str, Shape); 23] = [
    ("small", SMALL),
    (
        "stumps",
        Shape {
            leaves: 2,
            trees: 300,
            ..SMALL
        },
    ),
    ("lone leaves", Shape { leaves: 1, ..SMALL }),
    (
        "no NaN to yes",
        Shape {
            missing: false,
            ..SMALL
        },
    ),
    (
        "one feature, many thresholds",
        Shape {
            features: 1,
            trees: 60,
            ..SMALL
        },
    ),
    (
        "sets",
        Shape {
            has_sets: true,
            ..SMALL
        },
    ),
    (
        "sets, cut",
        Shape {
            leaves: 300,
            trees: 5,
            has_sets: true,
            ..SMALL
        },
    ),
    (
        "sets, cut, several targets",
        Shape {
            leaves: 300,
            trees: 5,
            targets: 3,
            is_single: false,
            has_sets: true,
            missing: false,
            ..SMALL
        },
    ),
    (
        "64 leaves",
        Shape {
            leaves: 64,
            ..SMALL
        },
    ),
    (
        "255 leaves",
        Shape {
            leaves: 255,
            trees: 4,
            ..SMALL
        },
    ),
    (
        "256 leaves",
        Shape {
            leaves: 256,
            trees: 4,
            ..SMALL
        },
    ),
    (
        "cut",
        Shape {
            leaves: 257,
            trees: 5,
            ..SMALL
        },
    ),
    (
        "cut, several targets",
        Shape {
            leaves: 300,
            targets: 3,
            is_single: false,
            ..SMALL
        },
    ),
    (
        "cut, many targets",
        Shape {
            leaves: 300,
            targets: 11,
            is_single: false,
            ..SMALL
        },
    ),
    (
        "cut, a target a tree",
        Shape {
            leaves: 300,
            targets: 3,
            ..SMALL
        },
    ),
    (
        "a target a tree",
        Shape {
            targets: 5,
            ..SMALL
        },
    ),
    (
        "several targets",
        Shape {
            targets: 3,
            is_single: false,
            ..SMALL
        },
    ),
    (
        "many targets",
        Shape {
            targets: 13,
            is_single: false,
            ..SMALL
        },
    ),
    (
        "oblivious",
        Shape {
            leaves: 64,
            is_oblivious: true,
            ..SMALL
        },
    ),
    (
        "oblivious, several targets",
        Shape {
            leaves: 64,
            targets: 3,
            is_single: false,
            is_oblivious: true,
            ..SMALL
        },
    ),
    (
        "oblivious, many targets",
        Shape {
            leaves: 16,
            targets: 13,
            is_single: false,
            is_oblivious: true,
            ..SMALL
        },
    ),
    (
        "oblivious, sets",
        Shape {
            leaves: 32,
            has_sets: true,
            is_oblivious: true,
            ..SMALL
        },
    ),
    (
        "oblivious, 8 levels",
        Shape {
            leaves: 256,
            is_oblivious: true,
            ..SMALL
        },
    ),
];

/// The shapes that take ways of their own.
const FOR_MIRI: [&str; 7] = [
    "small",
    "sets",
    "sets, cut",
    "cut",
    "cut, several targets",
    "several targets",
    "oblivious",
];

impl Shape {
    /// The same with fewer trees.
    fn of_trees(self, trees: usize) -> Shape {
        Shape { trees, ..self }
    }
}

fn forest<T: Real>(shape: Shape, thresholds: &[T], random: &mut Random) -> Forest<T> {
    let mut weights = Vec::new();
    let sets: Vec<Vec<T>> = (0..if shape.has_sets { 3 } else { 0 })
        .map(|from| thresholds.iter().copied().skip(from).step_by(3).collect())
        .collect();
    let trees = (0..shape.trees).map(|number| {
        let mut nodes: Vec<Node<T>> = Vec::new();
        let (mut open, mut leaves) = (1, 1);
        let mut level = (0, None);
        while nodes.len() < open {
            let depth = (nodes.len() + 1).ilog2();
            if level.0 != depth || level.1.is_none() || !shape.is_oblivious {
                let test = match shape.has_sets && random.one_in(3) {
                    true => Test::In(random.below(sets.len()) as u32),
                    false => Test::AtMost(random.pick(thresholds)),
                };
                let feature = random.below(shape.features) as u32;
                level = (
                    depth,
                    Some((feature, test, shape.missing && random.one_in(2))),
                );
            }
            let waiting = open - nodes.len();
            let grows =
                leaves < shape.leaves && (waiting == 1 || shape.is_oblivious || !random.one_in(4));
            if let (true, (_, Some((feature, test, missing)))) = (grows, level) {
                nodes.push(Node::Branch(Branch {
                    feature,
                    test,
                    missing,
                    yes: open as u32,
                    no: open as u32 + 1,
                }));
                open += 2;
                leaves += 1;
            } else {
                let start = weights.len() as u32;
                let targets = match shape.is_single {
                    true => number % shape.targets..number % shape.targets + 1,
                    false => 0..shape.targets,
                };
                weights.extend(targets.map(|target| Weight {
                    target: target as u32,
                    value: T::of_double((random.next() >> 40) as f64 / 4e6 - 2.0),
                }));
                nodes.push(Node::Leaf(start..weights.len() as u32));
            }
        }
        Tree { nodes }
    });
    let trees = trees.collect();
    Forest::new(trees, weights, sets, shape.targets).unwrap()
}

fn compare<T: Element>(name: &str, shape: Shape, values: &[T], random: &mut Random) {
    let mut thresholds: Vec<T> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    thresholds.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let forest = forest(shape, &thresholds, random);
    for aggregate in [Aggregate::Sum, Aggregate::Min, Aggregate::Max] {
        let compiled = match Compiled::of(&forest, aggregate) {
            Ok(compiled) => compiled,
            // Of a single tree that gives to one target of several, the others are never given to.
            Err(refusal) => panic!("{name}: {refusal}"),
        };
        // A column more than the forest asks for.
        let columns = forest.features().max(1) + 1;
        // Beyond 2,048 a cut forest begins a new part.
        let most = match shape.leaves {
            _ if cfg!(miri) => 9,
            257 => 2100,
            _ => 300,
        };
        let rows: Vec<T> = (0..most * columns).map(|_| random.pick(values)).collect();
        let counts: &[usize] = match cfg!(miri) {
            // A few walk; more are a block.
            true => &[7, 9],
            false => &[1, 7, 8, 63, 64, 65, 257, 300, 2100],
        };
        for count in counts.iter().copied() {
            let Some(rows) = rows.get(..count * columns) else {
                continue;
            };
            let mut wanted = vec![T::default(); count * shape.targets];
            let mut given = vec![false; wanted.len()];
            let plain_rows = plain::Rows {
                values: rows,
                columns,
            };
            plain::sums(&forest, aggregate, plain_rows, &mut wanted, &mut given);
            for processor in Processor::all() {
                let mut found = Vec::new();
                let mut scratch = Scratch::new();
                let records = Records { rows, columns };
                compiled.sums(records, processor, &mut scratch, |sums| {
                    found.extend_from_slice(sums);
                });
                let bits = |sums: &[T]| sums.iter().map(|sum| sum.bits()).collect::<Vec<_>>();
                let place = format!("{name}, {aggregate:?}, {processor:?}, {count} records");
                assert_eq!(bits(&found), bits(&wanted), "{place}");
            }
        }
    }
}

#[test]
fn every_processor_adds_what_the_plain_evaluator_adds() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for (name, shape) in SHAPES {
        // Miri takes minutes for what takes seconds.
        let (shape, distinct) = match cfg!(miri) {
            true if !FOR_MIRI.contains(&name) => continue,
            true => (shape.of_trees(2), 20),
            false => (shape, 90),
        };
        let mut values: Vec<f32> = (0..distinct)
            .map(|_| random.below(4000) as f32 / 7.0 - 200.0)
            .collect();
        values.extend(
            values
                .clone()
                .iter()
                .flat_map(|v| [v.next_up(), v.next_down()]),
        );
        values.extend([
            f32::INFINITY,
            f32::NEG_INFINITY,
            0.0,
            -0.0,
            1e-45,
            -1e-45,
            f32::MAX,
        ]);
        values.extend([f32::NAN, -f32::NAN]);
        compare(name, shape, &values, &mut random);
        let doubles: Vec<f64> = values
            .iter()
            .flat_map(|v| [f64::from(*v), f64::from(*v).next_up()])
            .collect();
        compare(name, shape, &doubles, &mut random);
    }
}

#[test]
fn what_the_engine_has_no_room_for_is_refused_in_words() {
    let leaf = |start: u32, end: u32| Node::<f32>::Leaf(start..end);
    let weight = |target: u32| Weight { target, value: 1.0 };
    let branch = |feature: u32| {
        Node::Branch(Branch {
            feature,
            test: Test::AtMost(0.5_f32),
            missing: false,
            yes: 1,
            no: 2,
        })
    };
    let refusal = |nodes: Vec<Node<f32>>, weights: Vec<Weight<f32>>, targets: usize| {
        let forest = Forest::new(vec![Tree { nodes }], weights, Vec::new(), targets).unwrap();
        let compiled = Compiled::of(&forest, Aggregate::Sum);
        compiled.err().map(|refusal| refusal.to_string())
    };
    let twice = refusal(
        vec![branch(0), leaf(0, 2), leaf(2, 3)],
        vec![weight(0), weight(0), weight(0)],
        2,
    );
    assert_eq!(twice.as_deref(), Some("a leaf gives to a target twice"));
    let sparse = refusal(
        vec![branch(0), leaf(0, 1), leaf(1, 2)],
        vec![weight(0), weight(1)],
        2,
    );
    let words = "it depends on the record whether a target is given to";
    assert_eq!(sparse.as_deref(), Some(words));
    // Small trees ask for any feature.
    let far = refusal(
        vec![branch(70_000), leaf(0, 1), leaf(1, 2)],
        vec![weight(0), weight(0)],
        1,
    );
    assert_eq!(far, None);
}
