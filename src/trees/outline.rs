//! The trees of an operator as its lists draw them: which question leads where, and what leaves give.
//!
//! For people who want to see them, and for comparing them. Nothing is refused that can be drawn: what
//! the kernel would make of it is [`read`](super::read)'s. Nothing recurses, and places that no node has
//! lead nowhere.

use std::collections::HashMap;

use super::attributes::{Attributes, Family, Joint, Mode, Numbers, Output, Pair};

/// The trees of one operator.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outline {
    /// Where each tree begins.
    pub roots: Vec<Child>,
    pub questions: Vec<Question>,
    pub leaves: Vec<Leaf>,
    pub base: Vec<f64>,
    /// `SUM`, `AVERAGE`, `MIN`, `MAX`, or what else the file says.
    pub aggregate: String,
    /// `NONE`, `LOGISTIC`, `SOFTMAX`...
    pub transform: String,
    /// Targets of a regressor, classes of a classifier.
    pub targets: usize,
}

/// What a node asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub feature: i32,
    pub mode: Mode,
    pub value: f64,
    /// What [`Mode::Member`] looks for, in place of `value`.
    pub members: Vec<f64>,
    /// Whether a missing value goes to `yes`.
    pub missing: bool,
    pub yes: Child,
    pub no: Child,
}

/// What a leaf gives: targets with weights.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Leaf {
    pub weights: Vec<(i32, f64)>,
}

/// What an answer leads to, by its place in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Child {
    Question(usize),
    Leaf(usize),
    Nowhere,
}

/// Members of one set, and of all sets: a file may repeat a long set.
const MOST_MEMBERS: usize = 1 << 20;

impl Outline {
    /// The trees that these attributes draw.
    pub fn of(attributes: &Attributes) -> Outline {
        match &attributes.family {
            Family::Pair(pair) => of_pair(pair),
            Family::Joint(joint) => of_joint(joint),
        }
    }

    /// The questions on the longest way down of each tree; none where trees go round in circles.
    pub fn depths(&self) -> Option<Vec<usize>> {
        let mut known: Vec<Option<usize>> = vec![None; self.questions.len()];
        let mut is_open = vec![false; self.questions.len()];
        let depth = |known: &[Option<usize>], child: Child| match child {
            Child::Question(at) => known.get(at).copied().flatten().unwrap_or(0),
            Child::Leaf(_) | Child::Nowhere => 0,
        };
        for root in &self.roots {
            let mut ahead = vec![*root];
            while let Some(Child::Question(at)) = ahead.last().copied() {
                let (Some(question), Some(open)) = (self.questions.get(at), is_open.get_mut(at))
                else {
                    ahead.pop();
                    continue;
                };
                let below = [question.yes, question.no];
                if known.get(at).copied().flatten().is_some() {
                    ahead.pop();
                } else if *open {
                    let deepest = below.map(|child| depth(&known, child)).into_iter().max();
                    if let Some(known) = known.get_mut(at) {
                        *known = deepest.map(|deepest| deepest + 1);
                    }
                    ahead.pop();
                } else {
                    *open = true;
                    for child in below {
                        if let Child::Question(place) = child
                            && known.get(place).is_some_and(Option::is_none)
                        {
                            // Open and not known yet: it is above itself.
                            if is_open.get(place) == Some(&true) {
                                return None;
                            }
                            ahead.push(child);
                        }
                    }
                }
            }
        }
        Some(self.roots.iter().map(|root| depth(&known, *root)).collect())
    }
}

fn of_pair(pair: &Pair) -> Outline {
    let lists = &pair.nodes;
    let mut outline = Outline {
        base: doubles(&pair.base),
        aggregate: pair.aggregate.clone(),
        transform: pair.transform.clone(),
        targets: match &pair.output {
            Output::Targets(count) => usize::try_from(*count).unwrap_or(0),
            Output::Ints(labels) => labels.len(),
            Output::Texts(labels) => labels.len(),
        },
        ..Outline::default()
    };
    // Where each node is, by the numbers of its tree and itself.
    let mut places: HashMap<(i32, i32), Child> = HashMap::new();
    let nodes = || lists.trees.iter().zip(&lists.ids).zip(&lists.modes);
    let (mut questions, mut leaves) = (0, 0);
    let mut last = None;
    for ((tree, id), mode) in nodes() {
        let child = match mode {
            Mode::Leaf => Child::Leaf(leaves),
            _ => Child::Question(questions),
        };
        leaves += usize::from(*mode == Mode::Leaf);
        questions += usize::from(*mode != Mode::Leaf);
        places.entry((*tree, *id)).or_insert(child);
        // A tree starts wherever the list goes over to another tree's number.
        if last.replace(*tree) != Some(*tree) {
            outline.roots.push(child);
        }
    }
    let place = |tree: i32, id: Option<&i32>| {
        id.and_then(|id| places.get(&(tree, *id)).copied())
            .unwrap_or(Child::Nowhere)
    };
    let values = doubles(&lists.values);
    for (at, ((tree, _), mode)) in nodes().enumerate() {
        if *mode == Mode::Leaf {
            continue;
        }
        outline.questions.push(Question {
            feature: lists.features.get(at).copied().unwrap_or(-1),
            mode: *mode,
            value: values.get(at).copied().unwrap_or(f64::NAN),
            members: Vec::new(),
            missing: lists.missing.get(at).copied().unwrap_or(false),
            yes: place(*tree, lists.yes.get(at)),
            no: place(*tree, lists.no.get(at)),
        });
    }
    outline.leaves = vec![Leaf::default(); leaves];
    let weights = &pair.weights;
    let of = weights
        .trees
        .iter()
        .zip(&weights.nodes)
        .zip(&weights.targets);
    for (((tree, node), target), value) in of.zip(doubles(&weights.values)) {
        if let Child::Leaf(at) = place(*tree, Some(node))
            && let Some(leaf) = outline.leaves.get_mut(at)
        {
            leaf.weights.push((*target, value));
        }
    }
    outline
}

fn of_joint(joint: &Joint) -> Outline {
    let named = |names: &[&str], number: i64| {
        let name = usize::try_from(number).ok().and_then(|at| names.get(at));
        name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
    };
    let child = |number: Option<&i32>, is_leaf: Option<&bool>| {
        let place = number.and_then(|number| usize::try_from(*number).ok());
        match (place, is_leaf) {
            (Some(place), Some(true)) => Child::Leaf(place),
            (Some(place), _) => Child::Question(place),
            (None, _) => Child::Nowhere,
        }
    };
    let values = doubles(&joint.values);
    let all_members = doubles(&joint.members);
    let mut sets = all_members.split(|value| value.is_nan());
    let mut left = MOST_MEMBERS;
    let question = |(at, mode): (usize, &Mode)| {
        let members = match mode {
            Mode::Member => sets.next().unwrap_or_default(),
            _ => &[],
        };
        let members = members.get(..members.len().min(left)).unwrap_or_default();
        left -= members.len();
        Question {
            feature: joint.features.get(at).copied().unwrap_or(-1),
            mode: *mode,
            value: values.get(at).copied().unwrap_or(f64::NAN),
            members: members.to_vec(),
            missing: joint.missing.get(at).copied().unwrap_or(false),
            yes: child(joint.yes.get(at), joint.yes_is_leaf.get(at)),
            no: child(joint.no.get(at), joint.no_is_leaf.get(at)),
        }
    };
    let leaves = joint.leaf_targets.iter().zip(doubles(&joint.leaf_weights));
    Outline {
        roots: joint
            .roots
            .iter()
            .map(|root| child(Some(root), None))
            .collect(),
        questions: joint.modes.iter().enumerate().map(question).collect(),
        leaves: leaves
            .map(|(target, value)| Leaf {
                weights: vec![(*target, value)],
            })
            .collect(),
        base: Vec::new(),
        aggregate: named(&["AVERAGE", "SUM", "MIN", "MAX"], joint.aggregate),
        transform: named(
            &["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"],
            joint.transform,
        ),
        targets: usize::try_from(joint.targets).unwrap_or(0),
    }
}

fn doubles(numbers: &Numbers) -> Vec<f64> {
    match numbers {
        Numbers::Singles(list) => list.iter().map(|value| f64::from(*value)).collect(),
        Numbers::Doubles(list) => list.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trees::attributes::{PairNodes, PairWeights};

    /// Two trees: a question over a leaf and a question, and a lone leaf.
    fn pair() -> Pair {
        let (leaf, ask) = (Mode::Leaf, Mode::AtMost);
        Pair {
            output: Output::Texts(vec!["a".to_owned(), "b".to_owned()]),
            aggregate: "SUM".to_owned(),
            transform: "LOGISTIC".to_owned(),
            base: Numbers::Singles(vec![0.5]),
            nodes: PairNodes {
                trees: vec![0, 0, 0, 0, 0, 7],
                ids: vec![0, 1, 2, 3, 4, 0],
                features: vec![3, 0, 1, 0, 0, 0],
                modes: vec![ask, leaf, ask, leaf, leaf, leaf],
                values: Numbers::Singles(vec![1.5, 0.0, -2.0, 0.0, 0.0, 0.0]),
                yes: vec![1, 0, 3, 0, 0, 0],
                no: vec![2, 0, 4, 0, 0, 0],
                missing: vec![true],
            },
            weights: PairWeights {
                trees: vec![0, 0, 0, 7],
                nodes: vec![1, 3, 3, 0],
                targets: vec![0, 0, 1, 0],
                values: Numbers::Singles(vec![0.25, 1.0, 2.0, 4.0]),
            },
        }
    }

    #[test]
    fn nodes_with_ids_become_questions_and_leaves() {
        let outline = of_pair(&pair());
        assert_eq!(outline.roots, [Child::Question(0), Child::Leaf(3)]);
        assert_eq!(outline.depths(), Some(vec![2, 0]));
        assert_eq!((outline.targets, outline.leaves.len()), (2, 4));
        let first = &outline.questions[0];
        assert_eq!((first.feature, first.value, first.missing), (3, 1.5, true));
        assert_eq!([first.yes, first.no], [Child::Leaf(0), Child::Question(1)]);
        let weights: Vec<_> = outline.leaves.iter().map(|leaf| &*leaf.weights).collect();
        let expected: [&[(i32, f64)]; 4] = [&[(0, 0.25)], &[(0, 1.0), (1, 2.0)], &[], &[(0, 4.0)]];
        assert_eq!(weights, expected);
    }

    #[test]
    fn circles_and_places_that_no_node_has_do_no_harm() {
        let mut circle = pair();
        circle.nodes.yes[2] = 0;
        circle.nodes.no[2] = 99;
        let outline = of_pair(&circle);
        assert_eq!(outline.depths(), None);
        assert_eq!(outline.questions[1].no, Child::Nowhere);
        circle.nodes.ids.truncate(1);
        assert_eq!(of_pair(&circle).depths(), Some(vec![1]));
    }

    #[test]
    fn trees_that_go_by_places_keep_their_sets() {
        let outline = of_joint(&Joint {
            targets: 1,
            aggregate: 1,
            transform: 2,
            roots: vec![0],
            features: vec![0, 1],
            modes: vec![Mode::Member, Mode::AtMost],
            values: Numbers::Doubles(vec![0.0, 2.5]),
            yes: vec![1, 0],
            yes_is_leaf: vec![false, true],
            no: vec![1, 2],
            no_is_leaf: vec![true, true],
            members: Numbers::Doubles(vec![1.0, 4.0, f64::NAN]),
            leaf_targets: vec![0, 0, 0],
            leaf_weights: Numbers::Doubles(vec![1.0, 2.0, 3.0]),
            ..Joint::default()
        });
        assert_eq!(outline.questions[0].members, [1.0, 4.0]);
        assert_eq!(outline.depths(), Some(vec![2]));
        assert_eq!(outline.questions[1].yes, Child::Leaf(0));
        let names = (&*outline.aggregate, &*outline.transform);
        assert_eq!(names, ("SUM", "LOGISTIC"));
        assert_eq!(outline.leaves[2].weights, [(0, 3.0)]);
    }
}
