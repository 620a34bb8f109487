//! From what the trees gave to scores and labels: base values, transforms, winners, exactly as ONNX
//! Runtime 1.32 does it, surprises included.
//!
//! Knows nothing of trees. The numbers of a transform are `outcome/transform.rs`.

mod transform;

use super::forest::Real;

pub use transform::Transform;

/// How the leaves that a row reaches become one number a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

/// The labels of a classifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labels {
    /// A regressor has none.
    None,
    Ints(Vec<i64>),
    Texts(Vec<String>),
}

/// What is done with the sums of an ensemble.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<T> {
    pub(super) aggregate: Aggregate,
    pub(super) transform: Transform,
    pub(super) base: Vec<T>,
    pub(super) trees: usize,
    pub(super) targets: usize,
    pub(super) labels: Labels,
    /// Whether a classifier of two classes has weights for one of them only.
    pub(super) one_score: bool,
    /// Whether no weight is negative.
    pub(super) all_positive: bool,
}

/// Which targets the trees gave to.
#[derive(Debug, Clone, Copy)]
pub enum Given<'a> {
    /// The same for every row: one flag a target.
    Always(&'a [bool]),
    /// Row-major, one flag a target.
    Rows(&'a [bool]),
}

/// Row-major scores of the element type that the operator gives.
#[derive(Debug)]
pub enum Scores<'a> {
    Single(&'a mut [f32]),
    Double(&'a mut [f64]),
}

impl<'a> Scores<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Scores::Single(scores) => scores.len(),
            Scores::Double(scores) => scores.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first `at` scores, at most all, and the rest.
    pub fn split_at(self, at: usize) -> (Scores<'a>, Scores<'a>) {
        match self {
            Scores::Single(scores) => {
                let (first, rest) = scores.split_at_mut(at.min(scores.len()));
                (Scores::Single(first), Scores::Single(rest))
            }
            Scores::Double(scores) => {
                let (first, rest) = scores.split_at_mut(at.min(scores.len()));
                (Scores::Double(first), Scores::Double(rest))
            }
        }
    }
}

/// What a score may be written as.
trait Score: Copy {
    fn of<T: Real>(value: T) -> Self;
}

impl Score for f32 {
    #[inline]
    fn of<T: Real>(value: T) -> Self {
        value.single()
    }
}

impl Score for f64 {
    #[inline]
    fn of<T: Real>(value: T) -> Self {
        value.double()
    }
}

/// How two classes' scores are made of a single one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Second {
    /// Its complement.
    Complement,
    /// Its opposite.
    Opposite,
}

impl<T: Real> Outcome<T> {
    /// How leaves are aggregated.
    pub fn aggregate(&self) -> Aggregate {
        self.aggregate
    }

    /// The labels of a classifier.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Turns the aggregates of some rows into their scores and, for a classifier, labels.
    ///
    /// `sums` and `scores` are row-major with one column a target; `sums` is used up. A label is
    /// written as it is where labels are integers, as its index where they are texts. Rows beyond the
    /// shortest of the lists are left alone.
    pub fn finish(
        &self,
        sums: &mut [T],
        given: Given<'_>,
        scores: Scores<'_>,
        labels: Option<&mut [i64]>,
    ) {
        match scores {
            Scores::Single(scores) => self.finish_as(sums, given, scores, labels),
            Scores::Double(scores) => self.finish_as(sums, given, scores, labels),
        }
    }

    fn finish_as<S: Score>(
        &self,
        sums: &mut [T],
        given: Given<'_>,
        scores: &mut [S],
        labels: Option<&mut [i64]>,
    ) {
        let targets = self.targets.max(1);
        let rows = sums
            .chunks_exact_mut(targets)
            .zip(scores.chunks_exact_mut(targets));
        let mut labels = labels.unwrap_or_default().iter_mut();
        for (number, (sums, scores)) in rows.enumerate() {
            let given = match given {
                Given::Always(flags) => flags,
                Given::Rows(flags) => flags.get(number * targets..).unwrap_or_default(),
            };
            let label = match (&self.labels, sums, scores) {
                (Labels::None, [sum], [score]) => {
                    *score = S::of(self.single_target(*sum));
                    continue;
                }
                (Labels::None, sums, scores) => {
                    self.many_targets(sums, given);
                    write(sums, scores);
                    continue;
                }
                (_, [sum], [score]) => self.single_class(*sum, score),
                (_, [first, second], [low, high]) => {
                    self.two_classes([*first, *second], given, [low, high])
                }
                (_, sums, scores) => {
                    let label = self.many_classes(sums, given);
                    write(sums, scores);
                    label
                }
            };
            if let Some(place) = labels.next() {
                *place = label;
            }
        }
    }

    /// A regressor's only target: ONNX Runtime knows no other transform there than PROBIT.
    #[inline]
    fn single_target(&self, sum: T) -> T {
        let sum = match self.aggregate {
            Aggregate::Average => sum / T::of_double(self.trees as f64),
            Aggregate::Sum | Aggregate::Min | Aggregate::Max => sum,
        };
        let base = match self.base.as_slice() {
            [base] => *base,
            _ => T::default(),
        };
        match self.transform {
            Transform::Probit => T::of_single(transform::probit((sum + base).single())),
            _ => sum + base,
        }
    }

    /// A regressor's targets. One that the row's leaves do not give to stays zero, base value or not.
    fn many_targets(&self, sums: &mut [T], given: &[bool]) {
        let base = (self.base.len() == sums.len()).then_some(self.base.as_slice());
        let trees = T::of_double(self.trees as f64);
        for (target, (sum, given)) in sums.iter_mut().zip(given).enumerate() {
            let base = base.and_then(|base| base.get(target));
            *sum = match (self.aggregate, base) {
                _ if !*given => T::default(),
                (Aggregate::Average, Some(base)) => *sum / trees + *base,
                (Aggregate::Average, None) => *sum / trees,
                (Aggregate::Sum, None) => *sum,
                (_, Some(base)) => *sum + *base,
                // Adding nothing would leave -0.0 as it is.
                (_, None) => *sum + T::default(),
            };
        }
        self.transform.apply(sums);
    }

    /// A classifier with one class, which is a curiosity: its labels are 1 and 0 whatever it says.
    fn single_class<S: Score>(&self, sum: T, score: &mut S) -> i64 {
        let sum = match self.base.as_slice() {
            [base] => sum + *base,
            _ => sum,
        };
        *score = match self.transform {
            Transform::Probit => S::of(T::of_single(transform::probit(sum.single()))),
            _ => S::of(sum),
        };
        (sum > T::default()).into()
    }

    /// Two classes; where a row got no weight of the second, its score is made of the first's.
    #[inline]
    fn two_classes<S: Score>(&self, sums: [T; 2], given: &[bool], scores: [&mut S; 2]) -> i64 {
        let [mut first, mut second] = sums;
        let (has_first, has_second) = match given {
            [first, second, ..] => (*first, *second),
            _ => (false, false),
        };
        let mut alone = !has_second;
        match self.base.as_slice() {
            // The first sum is taken for the second's, too, and the base of the first for naught.
            [_, base] if has_second => {
                second = *base + first;
                first = -second;
            }
            [base, other] => {
                first = first + *base;
                second = second + *other;
                alone = false;
            }
            [base] => first = first + *base,
            _ => {}
        }
        let decisive = if has_second {
            second
        } else if has_first {
            first
        } else {
            T::default()
        };
        let (label, way) = self.decide(decisive);
        let [low, high] = scores;
        if !alone {
            // Here, too, what is not given counts as zero, base value or not.
            let kept = |score, given| if given { score } else { T::default() };
            let mut pair = [kept(first, has_first), kept(second, has_second)];
            self.transform.apply(&mut pair);
            (*low, *high) = (S::of(pair[0]), S::of(pair[1]));
            return label;
        }
        (*low, *high) = match way {
            _ if self.transform == Transform::Logistic => {
                let (low, high) = transform::logistic_both(first.single());
                (S::of(T::of_single(low)), S::of(T::of_single(high)))
            }
            Second::Complement => (S::of(T::of_single(1.0) + -first), S::of(first)),
            Second::Opposite => (S::of(-first), S::of(first)),
        };
        label
    }

    /// The winner of two classes, and how the second score is made if there is one score only.
    #[inline]
    fn decide(&self, decisive: T) -> (i64, Second) {
        if !self.one_score {
            return ((decisive > T::default()).into(), Second::Opposite);
        }
        if self.all_positive {
            let wins = decisive > T::of_double(0.5);
            (self.code(wins.into()), Second::Complement)
        } else {
            let wins = decisive > T::default();
            (self.code(wins.into()), Second::Opposite)
        }
    }

    fn many_classes(&self, sums: &mut [T], given: &[bool]) -> i64 {
        if let [_, ..] = self.base.as_slice() {
            for ((sum, base), given) in sums.iter_mut().zip(&self.base).zip(given) {
                *sum = if *given { *sum + *base } else { *base };
            }
        }
        let mut winner = None;
        for (class, (sum, given)) in sums.iter().zip(given).enumerate() {
            let takes_part = *given || !self.base.is_empty();
            if takes_part && winner.is_none_or(|(_, most)| *sum > most) {
                winner = Some((class, *sum));
            }
        }
        self.transform.apply(sums);
        self.code(winner.map_or(0, |(class, _)| class))
    }

    /// What is written for a class.
    fn code(&self, class: usize) -> i64 {
        match &self.labels {
            Labels::Ints(labels) => labels.get(class).copied().unwrap_or_default(),
            Labels::Texts(_) | Labels::None => class as i64,
        }
    }
}

fn write<T: Real, S: Score>(sums: &[T], scores: &mut [S]) {
    for (score, sum) in scores.iter_mut().zip(sums) {
        *score = S::of(*sum);
    }
}
