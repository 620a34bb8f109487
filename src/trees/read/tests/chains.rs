//! Chains of equality questions: what becomes one question, and what hostile ones cost.

use super::*;

/// A question of a chain: mode, feature, value, whether NaN is yes; what its leaf gives.
type Link = (Mode, i32, f32, bool, f32);

/// A chain of questions, each with a leaf of its own for yes (for no, where it asks for unequal), and a
/// leaf of weight 9 at its end.
fn chain(pair: &mut Pair, links: &[Link]) {
    let count = links.len() as i32;
    let leaf = |link: i32| count + link;
    let nodes = (0..2 * count + 1).collect::<Vec<_>>();
    let mut lists = PairNodes {
        trees: vec![0; nodes.len()],
        features: vec![0; nodes.len()],
        modes: vec![Mode::Leaf; nodes.len()],
        yes: vec![0; nodes.len()],
        no: vec![0; nodes.len()],
        missing: vec![false; nodes.len()],
        ids: nodes,
        ..PairNodes::default()
    };
    let mut values = vec![0.0; lists.ids.len()];
    for (at, link) in links.iter().enumerate() {
        let here = at as i32;
        let next = if here + 1 < count {
            here + 1
        } else {
            2 * count
        };
        (lists.modes[at], lists.features[at], values[at]) = (link.0, link.1, link.2);
        lists.missing[at] = link.3;
        (lists.yes[at], lists.no[at]) = match link.0 {
            Mode::Unequal => (next, leaf(here)),
            _ => (leaf(here), next),
        };
    }
    lists.values = Numbers::Singles(values);
    pair.nodes = lists;
    let given = links.iter().map(|link| link.4).chain([9.0]);
    pair.weights = PairWeights {
        trees: vec![0; links.len() + 1],
        nodes: (count..2 * count + 1).collect(),
        targets: vec![0; links.len() + 1],
        values: Numbers::Singles(given.collect()),
    };
}

#[test]
fn a_chain_of_equality_questions_is_one_question_where_its_yes_is_one() {
    use Mode::{AtMost, Equal, Unequal};
    // The links; then the sets of the questions that are left, and whether NaN is yes.
    type Case<'c> = (&'c [Link], &'c [(&'c [f32], bool)]);
    let cases: [Case<'_>; 9] = [
        (
            &[
                (Equal, 0, 40.0, false, 1.0),
                (Equal, 0, 33.0, false, 1.0),
                (Equal, 0, 0.5, false, 1.0),
            ],
            &[(&[0.5, 33.0, 40.0], false)],
        ),
        // NaN is unequal to 40, and yes to 33.
        (
            &[(Equal, 0, 40.0, false, 1.0), (Equal, 0, 33.0, true, 1.0)],
            &[(&[33.0, 40.0], true)],
        ),
        // ONNX Runtime folds these two, and the second's way for NaN is lost there.
        (
            &[(Equal, 0, 4.0, false, 1.0), (Equal, 0, 3.0, true, 1.0)],
            &[(&[3.0, 4.0], false)],
        ),
        // It folds the first two of these.
        (
            &[
                (Equal, 0, 4.0, false, 1.0),
                (Equal, 0, 3.0, true, 1.0),
                (Equal, 0, 0.0, true, 1.0),
            ],
            &[(&[0.0, 3.0, 4.0], true)],
        ),
        // -0.0 equals 0.0, and is asked for twice.
        (
            &[
                (Equal, 0, -0.0, false, 1.0),
                (Unequal, 0, -7.0, true, 1.0),
                (Equal, 0, 0.0, false, 1.0),
            ],
            &[(&[-7.0, 0.0], false)],
        ),
        (
            &[
                (Equal, 0, 40.0, false, 1.0),
                (Equal, 0, 50.0, false, -1.0),
                (Equal, 0, 60.0, false, -1.0),
            ],
            &[(&[40.0], false), (&[50.0, 60.0], false)],
        ),
        (
            &[(Equal, 0, 40.0, false, 1.0), (Equal, 1, 50.0, false, 1.0)],
            &[(&[40.0], false), (&[50.0], false)],
        ),
        // Weights of another bit.
        (
            &[(Equal, 0, 40.0, false, 0.0), (Equal, 0, 50.0, false, -0.0)],
            &[(&[40.0], false), (&[50.0], false)],
        ),
        (
            &[
                (Equal, 0, 40.0, false, 1.0),
                (AtMost, 0, 50.0, false, 1.0),
                (Equal, 0, 60.0, false, 1.0),
            ],
            &[(&[40.0], false), (&[60.0], false)],
        ),
    ];
    for (number, (links, wanted)) in cases.into_iter().enumerate() {
        let Ok(Ensemble::Single(parts)) = read_pair(|pair| chain(pair, links)) else {
            panic!("case {number}");
        };
        let sets = parts
            .forest
            .branches()
            .filter_map(|branch| match branch.test {
                Test::In(set) => {
                    Some((parts.forest.sets()[set as usize].as_slice(), branch.missing))
                }
                Test::AtMost(_) => None,
            });
        assert_eq!(sets.collect::<Vec<_>>(), wanted, "case {number}");
    }
}

#[test]
fn a_circle_of_equality_questions_is_refused() {
    // 0 -> 1 -> 0, by way of yes.
    let refusal = read_pair(|pair| {
        chain(
            pair,
            &[
                (Mode::Equal, 0, 40.0, false, 1.0),
                (Mode::Equal, 0, 50.0, false, 1.0),
            ],
        );
        pair.nodes.yes[1] = 0;
    });
    let words = "its trees share too many nodes, or go round in circles";
    assert_eq!(refusal.unwrap_err().to_string(), words);
}

#[test]
fn long_chains_over_and_in_each_other_are_read_in_linear_time() {
    // Each of 300 chains of 200 questions, with a chain for its yes, which they share.
    let (chains, length) = (300_i32, 200_i32);
    let leaf = chains * length;
    let mut pair = stump();
    let count = leaf as usize + 1;
    let at = |chain: i32, link: i32| chain * length + link;
    let places = (0..chains).flat_map(|chain| (0..length).map(move |link| (chain, link)));
    let last = |next: bool, place: i32| if next { place } else { leaf };
    pair.nodes = PairNodes {
        trees: vec![0; count],
        ids: (0..count as i32).collect(),
        features: vec![0; count],
        modes: (0..count)
            .map(|at| {
                if at < leaf as usize {
                    Mode::Equal
                } else {
                    Mode::Leaf
                }
            })
            .collect(),
        values: Numbers::Singles((0..count).map(|at| at as f32).collect()),
        yes: places
            .clone()
            .map(|(c, _)| last(c + 1 < chains, at(c + 1, 0)))
            .chain([0])
            .collect(),
        // A leaf of its own for each chain, or no would lead to what has been seen.
        no: places
            .map(|(c, l)| {
                if l + 1 < length {
                    at(c, l + 1)
                } else {
                    leaf + 1 + c
                }
            })
            .chain([0])
            .collect(),
        missing: Vec::new(),
    };
    let lists = &mut pair.nodes;
    lists.ids.extend(leaf + 1..leaf + 1 + chains);
    lists.modes.extend((0..chains).map(|_| Mode::Leaf));
    for list in [
        &mut lists.trees,
        &mut lists.features,
        &mut lists.yes,
        &mut lists.no,
    ] {
        list.extend((0..chains).map(|_| 0));
    }
    if let Numbers::Singles(values) = &mut lists.values {
        values.extend((0..chains).map(|_| 0.0));
    }
    let leaves = chains as usize + 1;
    pair.weights = PairWeights {
        trees: vec![0; leaves],
        nodes: (leaf..leaf + leaves as i32).collect(),
        targets: vec![0; leaves],
        values: Numbers::Singles((0..leaves).map(|leaf| leaf as f32).collect()),
    };
    let (family, precision) = (Family::Pair(pair), Precision::Single);
    let nodes = nodes(read(&Attributes { precision, family }));
    assert_eq!(nodes.len(), 2 * chains as usize + 1);
}

#[test]
fn chains_that_ask_for_the_square_of_their_length_are_given_up() {
    // Each link's yes is a comb of its own; all combs are alike, and there are as many as links.
    let mut pair = stump();
    let (links, comb) = (2_000_i32, 2_000_i32);
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
    let mut push = |mode: Mode, yes: i32, no: i32| {
        nodes.trees.push(0);
        nodes.ids.push(nodes.ids.len() as i32);
        nodes.features.push(0);
        nodes.modes.push(mode);
        nodes.yes.push(yes);
        nodes.no.push(no);
    };
    let (first, second) = (links, links + comb);
    let leaf = second + comb;
    // The first link's yes is one comb, all others' is the other: every comparison is a whole one.
    for link in 0..links {
        let no = if link + 1 < links { link + 1 } else { leaf };
        push(Mode::Equal, if link == 0 { first } else { second }, no);
    }
    for start in [first, second] {
        for tooth in start..start + comb {
            let is_last = tooth + 1 == start + comb;
            push(Mode::Less, if is_last { leaf } else { tooth + 1 }, leaf);
        }
    }
    push(Mode::Leaf, 0, 0);
    nodes.values = Numbers::Singles(vec![1.0; nodes.ids.len()]);
    pair.nodes = nodes;
    pair.weights = PairWeights {
        trees: vec![0],
        nodes: vec![leaf],
        targets: vec![0],
        values: Numbers::Singles(vec![1.0]),
    };
    let family = Family::Pair(pair);
    let precision = Precision::Single;
    let refusal = read(&Attributes { precision, family }).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "its chains of equality questions take too long to compare"
    );
}
