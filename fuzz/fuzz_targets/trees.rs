//! Hostile lists of trees: whatever they are, a refusal or an ensemble, and what reads is scored alike by
//! the plain evaluator and by every instruction set of this machine.
#![no_main]

use libfuzzer_sys::fuzz_target;

use mlserve::trees::attributes::{
    Attributes, Family, Joint, Mode, Numbers, Output, Pair, PairNodes, PairWeights, Precision,
};
use mlserve::trees::engine::Processor;
use mlserve::trees::kernel::{Kernel, Rows};
use mlserve::trees::outcome::Scores;
use mlserve::trees::read;

const COLUMNS: usize = 6;
const MODES: [Mode; 8] = [
    Mode::Leaf,
    Mode::AtMost,
    Mode::Less,
    Mode::AtLeast,
    Mode::Greater,
    Mode::Equal,
    Mode::Unequal,
    Mode::Member,
];
const VALUES: [f32; 16] = [
    0.0,
    -0.0,
    1.0,
    2.0,
    3.0,
    -1.0,
    0.5,
    1e-45,
    f32::MAX,
    f32::MIN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    7.0,
    1.0000001,
    0.99999994,
];

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.iter().copied();
    let kind = bytes.next().unwrap_or_default();
    let attributes = attributes(kind, &mut bytes);
    let Ok(ensemble) = read::read(&attributes) else {
        return;
    };
    let rows: Vec<f32> = (0..70 * COLUMNS)
        .map(|at| VALUES[(at * 7 + at / 5 + usize::from(kind)) % VALUES.len()])
        .collect();
    let Ok(plain) = Kernel::compile_for(ensemble.clone(), None) else {
        return;
    };
    let wanted = [1, 9, 70].map(|count| scores(&plain, &attributes, &rows, count));
    for processor in Processor::all() {
        if let Ok(kernel) = Kernel::compile_for(ensemble.clone(), Some(processor)) {
            let found = [1, 9, 70].map(|count| scores(&kernel, &attributes, &rows, count));
            assert_eq!(found, wanted, "{processor:?} {attributes:?}");
        }
    }
});

/// The bits of scores and the labels of the first `count` rows; nothing where there are too few columns.
fn scores(kernel: &Kernel, attributes: &Attributes, rows: &[f32], count: usize) -> Vec<i64> {
    let rows = &rows[..count * COLUMNS];
    let doubles: Vec<f64> = rows.iter().copied().map(f64::from).collect();
    let input = match attributes.precision {
        Precision::Single => Rows::Single(rows),
        Precision::Double => Rows::Double(&doubles),
    };
    let mut labels = vec![0; count];
    let mut found = vec![0.0_f32; count * kernel.targets()];
    let ran = kernel.run(
        input,
        COLUMNS,
        Scores::Single(&mut found),
        Some(&mut labels),
    );
    let bits = |score: &f32| {
        if score.is_nan() {
            -1
        } else {
            i64::from(score.to_bits())
        }
    };
    match ran {
        Ok(()) => labels.into_iter().chain(found.iter().map(bits)).collect(),
        Err(_) => Vec::new(),
    }
}

fn attributes(kind: u8, bytes: &mut impl Iterator<Item = u8>) -> Attributes {
    let precision = match kind & 1 {
        0 => Precision::Single,
        _ => Precision::Double,
    };
    let count = usize::from(bytes.next().unwrap_or_default() % 64);
    let mut numbers = |limit: u8| -> Vec<i32> {
        let small = |byte: u8| i32::from(byte % limit) - i32::from(byte == 255);
        (0..count)
            .map(|_| small(bytes.next().unwrap_or_default()))
            .collect()
    };
    let (trees, ids, features) = (numbers(4), numbers(32), numbers(8));
    let (modes, values, yes, no) = (numbers(8), numbers(16), numbers(32), numbers(32));
    let (missing, leaf, more) = (numbers(2), numbers(2), numbers(2));
    let (targets, weights) = (numbers(3), numbers(16));
    let modes = modes
        .iter()
        .map(|mode| MODES[(*mode).max(0) as usize])
        .collect();
    let floats = |list: &[i32]| {
        let singles = list
            .iter()
            .map(|at| VALUES[(*at).max(0) as usize % VALUES.len()]);
        Numbers::Singles(singles.collect())
    };
    let flags = |list: &[i32]| list.iter().map(|flag| *flag == 1).collect();
    let family = match kind & 2 {
        0 => Family::Pair(Pair {
            output: match kind >> 2 & 3 {
                0 => Output::Targets(i64::from(kind >> 4 & 3)),
                1 => Output::Ints((0..i64::from(kind >> 4 & 3)).collect()),
                _ => Output::Texts((0..kind >> 4 & 3).map(|label| label.to_string()).collect()),
            },
            aggregate: ["SUM", "AVERAGE", "MIN", "MAX"][usize::from(kind >> 6)].to_owned(),
            transform: ["NONE", "LOGISTIC", "SOFTMAX", "PROBIT"][usize::from(kind >> 3 & 3)]
                .to_owned(),
            base: Numbers::default(),
            weights: PairWeights {
                trees: trees.clone(),
                nodes: ids.clone(),
                targets,
                values: floats(&weights),
            },
            nodes: PairNodes {
                trees,
                ids,
                features,
                modes,
                values: floats(&values),
                yes,
                no,
                missing: flags(&missing),
            },
        }),
        _ => Family::Joint(Joint {
            targets: i64::from(kind >> 2 & 3),
            aggregate: i64::from(kind >> 4 & 3),
            transform: i64::from(kind >> 6),
            roots: trees,
            features,
            modes,
            values: floats(&values),
            yes,
            yes_is_leaf: flags(&leaf),
            no,
            no_is_leaf: flags(&more),
            missing: flags(&missing),
            members: floats(&ids),
            leaf_targets: targets,
            leaf_weights: floats(&weights),
        }),
    };
    Attributes { precision, family }
}
