//! The queue with a model that runs when the test says so; nothing here depends on who is faster.

mod asked;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use ndarray::{Array1, Array2, Axis, array};

use super::check::is_same;
use super::pool::Pool;
use super::queue::{Done, Joins, Limits, Queue, Work};
use crate::batch::encode::Group;
use crate::error::{Error, Result};
use crate::model::tensor::{Tensor, Value};
use crate::serve::problem::Problem;

const LIMITS: Limits = Limits {
    max_batch: 8,
    max_queue: 100,
    delay: Duration::ZERO,
};
/// A record that the model refuses, and one that makes it panic.
const REFUSED: f32 = -1.0;
const PANICS: f32 = -2.0;

/// A model that gives 10 times the first number of a record, begins a run whenever it is asked to,
/// and ends it when the test lets it.
struct Gated {
    queue: Queue,
    runs: Mutex<Runs>,
    changed: Condvar,
}

#[derive(Default)]
struct Runs {
    /// The answers of each run, sorted, in the order in which runs began.
    begun: Vec<Vec<f64>>,
    /// Runs that may end.
    free: usize,
}

type Answer = std::result::Result<Done, Problem>;
type Asked<'s> = ScopedJoinHandle<'s, Answer>;

impl Gated {
    fn new(pool: &Arc<Pool>, limits: Limits) -> Gated {
        Gated {
            queue: Queue::new(pool, limits, Ok(Joins::default())),
            runs: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn run(&self, inputs: &[Tensor], records: usize) -> Result<Vec<Value>> {
        let mut begun = answers(inputs);
        assert_eq!(begun.len(), records);
        begun.sort_by(f64::total_cmp);
        let mut runs = self.runs.lock().unwrap();
        runs.begun.push(begun);
        self.changed.notify_all();
        let mut runs = self
            .changed
            .wait_while(runs, |runs| runs.free == 0)
            .unwrap();
        runs.free -= 1;
        drop(runs);
        given(inputs)
    }

    /// What run `number` holds, once it has begun; it is still held up.
    fn begun(&self, number: usize) -> Vec<f64> {
        let runs = self.runs.lock().unwrap();
        let has_not = |runs: &mut Runs| runs.begun.len() < number;
        let runs = self.changed.wait_while(runs, has_not).unwrap();
        runs.begun[number - 1].clone()
    }

    /// Lets so many runs end.
    fn open(&self, runs: usize) {
        self.runs.lock().unwrap().free += runs;
        self.changed.notify_all();
    }

    fn ran(&self) -> usize {
        self.runs.lock().unwrap().begun.len()
    }

    fn ask<'s, 'e>(&'e self, scope: &'s Scope<'s, 'e>, inputs: Vec<Tensor>) -> Asked<'s> {
        self.ask_until(scope, inputs, None)
    }

    fn ask_until<'s, 'e>(
        &'e self,
        scope: &'s Scope<'s, 'e>,
        inputs: Vec<Tensor>,
        deadline: Option<Instant>,
    ) -> Asked<'s> {
        scope.spawn(move || {
            let work = Work {
                deadline,
                ..work(&inputs)
            };
            self.queue
                .run(&work, &|inputs, records| self.run(inputs, records))
        })
    }

    /// Asks, and waits until so many are in the line.
    fn ask_behind<'s, 'e>(
        &'e self,
        scope: &'s Scope<'s, 'e>,
        inputs: Vec<Tensor>,
        waiting: usize,
    ) -> Asked<'s> {
        let asked = self.ask(scope, inputs);
        self.until_waiting(waiting);
        asked
    }

    fn until_waiting(&self, count: usize) {
        while self.queue.waiting().load(Ordering::Relaxed) != count {
            thread::yield_now();
        }
    }
}

/// What the model makes of each record.
fn answers(inputs: &[Tensor]) -> Vec<f64> {
    let Some(Tensor::Float32(array)) = inputs.first() else {
        panic!("an input of floats");
    };
    let first = |row: ndarray::ArrayViewD<'_, f32>| 10.0 * f64::from(row[0]);
    array.axis_iter(Axis(0)).map(first).collect()
}

/// The results of a run; an error or a panic where one of its records asks for it.
fn given(inputs: &[Tensor]) -> Result<Vec<Value>> {
    let answers = answers(inputs);
    let has = |record: f32| answers.contains(&(10.0 * f64::from(record)));
    assert!(!has(PANICS), "a record that makes it panic");
    if has(REFUSED) {
        return Err(Error::model("", "a record that is refused"));
    }
    let answers = Array1::from(answers).into_dyn();
    Ok(vec![Value::Tensor(Tensor::Float64(answers))])
}

/// Records of `width` numbers, the first of which are given.
fn wide(first: &[f32], width: usize) -> Vec<Tensor> {
    let value = |(row, column): (usize, usize)| if column == 0 { first[row] } else { 0.5 };
    let array = Array2::from_shape_fn((first.len(), width), value);
    vec![Tensor::Float32(array.into_dyn())]
}

fn of(first: &[f32]) -> Vec<Tensor> {
    wide(first, 2)
}

/// Records with an input that is the same for all.
fn with(first: &[f32], once: i64) -> Vec<Tensor> {
    let once = Tensor::Int64(array![once].into_dyn());
    of(first).into_iter().chain([once]).collect()
}

fn work(inputs: &[Tensor]) -> Work<'_> {
    Work {
        inputs,
        records: inputs[0].shape()[0],
        counts: &[true, false][..inputs.len()],
        is_free: true,
        deadline: None,
    }
}

/// The numbers of an answer.
#[track_caller]
fn numbers(answer: Answer) -> Vec<f64> {
    let values = answer.expect("a turn").values.expect("values");
    match values.as_slice() {
        [Value::Tensor(Tensor::Float64(array))] => array.iter().copied().collect(),
        _ => panic!("one tensor of floats"),
    }
}

/// The status and the time to wait of a refusal.
#[track_caller]
fn refusal(answer: Answer) -> (u16, &'static str, Option<u32>) {
    match answer.map(|_| ()) {
        Err(Problem::Refused(refusal)) => (refusal.status, refusal.reason, refusal.retry_after_s),
        other => panic!("a refusal, found {other:?}"),
    }
}

#[test]
fn while_a_permit_is_free_nobody_waits_and_nothing_is_joined() {
    let model = Gated::new(&Arc::new(Pool::new(2)), LIMITS);
    thread::scope(|scope| {
        let one = model.ask(scope, of(&[1.0]));
        assert_eq!(model.begun(1), [10.0]);
        let two = model.ask(scope, of(&[2.0]));
        assert_eq!(model.begun(2), [20.0]);
        model.open(2);
        for (asked, expected) in [(one, 10.0), (two, 20.0)] {
            let done = asked.join().unwrap().expect("a turn");
            assert_eq!((done.queued, done.is_own), (Duration::ZERO, true));
            assert_eq!(numbers(Ok(done)), [expected]);
        }
    });
}

#[test]
fn what_waits_goes_together_and_no_more_than_fits() {
    let model = Gated::new(&Arc::new(Pool::new(1)), LIMITS);
    thread::scope(|scope| {
        let first = model.ask(scope, of(&[1.0]));
        assert_eq!(model.begun(1), [10.0]);
        let two = model.ask_behind(scope, of(&[2.0, 3.0]), 1);
        let five = model.ask_behind(scope, of(&[4.0, 5.0, 6.0, 7.0, 8.0]), 2);
        // Nine would be too many; the next one still fits.
        let other = model.ask_behind(scope, of(&[9.0, 10.0]), 3);
        let last = model.ask_behind(scope, of(&[11.0]), 4);
        // As large as a batch may be: it is never joined.
        let whole = model.ask_behind(scope, of(&[12.0; 8]), 5);
        model.open(1);
        assert_eq!(
            model.begun(2),
            [20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 110.0]
        );
        model.open(1);
        assert_eq!(model.begun(3), [90.0, 100.0]);
        model.open(1);
        assert_eq!(model.begun(4), [120.0; 8]);
        model.open(1);
        assert_eq!(numbers(first.join().unwrap()), [10.0]);
        let done = five.join().unwrap().expect("a turn");
        assert!(!done.is_own && done.queued > Duration::ZERO);
        assert_eq!(numbers(Ok(done)), [40.0, 50.0, 60.0, 70.0, 80.0]);
        let done = two.join().unwrap().expect("a turn");
        assert!(done.is_own, "the oldest leads, and its run is counted once");
        assert_eq!(numbers(Ok(done)), [20.0, 30.0]);
        assert_eq!(numbers(last.join().unwrap()), [110.0]);
        assert_eq!(numbers(other.join().unwrap()), [90.0, 100.0]);
        assert_eq!(numbers(whole.join().unwrap()), [120.0; 8]);
    });
    assert_eq!(model.ran(), 4);
}

#[test]
fn what_differs_in_shape_or_in_what_is_given_once_never_mixes() {
    let model = Gated::new(&Arc::new(Pool::new(1)), LIMITS);
    thread::scope(|scope| {
        let mut asked = vec![model.ask(scope, of(&[1.0]))];
        model.begun(1);
        let groups = [
            of(&[2.0]),
            wide(&[3.0], 3),
            with(&[4.0], 7),
            with(&[5.0], 8),
            with(&[6.0], 7),
            wide(&[7.0], 3),
        ];
        for (waiting, inputs) in (1..).zip(groups) {
            asked.push(model.ask_behind(scope, inputs, waiting));
        }
        model.open(5);
        let runs: Vec<Vec<f64>> = (2..=5).map(|run| model.begun(run)).collect();
        assert_eq!(
            runs,
            [vec![20.0], vec![30.0, 70.0], vec![40.0, 60.0], vec![50.0]]
        );
        for (number, asked) in (1..).zip(asked) {
            assert_eq!(numbers(asked.join().unwrap()), [f64::from(number) * 10.0]);
        }
    });
}

#[test]
fn nothing_is_joined_where_that_is_off() {
    let pool = Arc::new(Pool::new(1));
    let one = Limits {
        max_batch: 1,
        ..LIMITS
    };
    let off = Queue::new(&pool, LIMITS, Err("it differs".to_owned()));
    assert_eq!(off.joins(), Err("it differs"));
    let refused = Gated {
        queue: off,
        ..Gated::new(&pool, LIMITS)
    };
    for model in [refused, Gated::new(&pool, one)] {
        thread::scope(|scope| {
            let mut asked = vec![model.ask(scope, of(&[1.0]))];
            model.begun(1);
            asked.push(model.ask_behind(scope, of(&[2.0]), 1));
            asked.push(model.ask_behind(scope, of(&[3.0]), 2));
            model.open(3);
            for (number, asked) in (1..).zip(asked) {
                assert_eq!(model.begun(number), [number as f64 * 10.0]);
                assert_eq!(numbers(asked.join().unwrap()), [number as f64 * 10.0]);
            }
        });
    }
}

#[test]
fn the_oldest_goes_first_whatever_its_model() {
    let pool = Arc::new(Pool::new(1));
    let (a, b) = (Gated::new(&pool, LIMITS), Gated::new(&pool, LIMITS));
    thread::scope(|scope| {
        a.ask(scope, of(&[1.0]));
        a.begun(1);
        b.ask_behind(scope, of(&[2.0]), 1);
        a.ask_behind(scope, of(&[3.0]), 1);
        b.ask_behind(scope, of(&[4.0]), 2);
        a.open(1);
        assert_eq!(b.begun(1), [20.0, 40.0]);
        assert_eq!(a.ran(), 1, "it is not its turn");
        b.open(1);
        assert_eq!(a.begun(2), [30.0]);
        a.open(1);
    });
}

#[test]
fn a_full_queue_refuses_and_leaves_other_models_alone() {
    let pool = Arc::new(Pool::new(1));
    let short = Limits {
        max_queue: 2,
        ..LIMITS
    };
    let (model, other) = (Gated::new(&pool, short), Gated::new(&pool, short));
    thread::scope(|scope| {
        model.ask(scope, of(&[1.0]));
        model.begun(1);
        model.ask_behind(scope, of(&[2.0]), 1);
        model.ask_behind(scope, of(&[3.0]), 2);
        let refused = model.ask(scope, of(&[4.0])).join().unwrap();
        assert_eq!(refusal(refused), (503, "queue_full", Some(1)));
        other.ask_behind(scope, of(&[5.0]), 1);
        model.open(2);
        other.open(1);
    });
    assert_eq!((model.ran(), other.ran()), (2, 1));
    assert_eq!(model.queue.waiting().load(Ordering::Relaxed), 0);
}

#[test]
fn whose_deadline_passes_is_never_run() {
    let model = Gated::new(&Arc::new(Pool::new(1)), LIMITS);
    thread::scope(|scope| {
        let first = model.ask(scope, of(&[1.0]));
        model.begun(1);
        let soon = Some(Instant::now() + Duration::from_millis(1));
        // It leaves while nothing else happens: the run is held up until it has.
        let late = model.ask_until(scope, of(&[2.0]), soon).join().unwrap();
        assert_eq!(refusal(late), (504, "timeout", None));
        let late = model.ask_until(scope, of(&[3.0; 8]), soon).join().unwrap();
        assert_eq!(refusal(late).0, 504);
        let in_time = model.ask_behind(scope, of(&[4.0]), 1);
        model.open(2);
        assert_eq!(model.begun(2), [40.0]);
        assert_eq!(numbers(first.join().unwrap()), [10.0]);
        assert_eq!(numbers(in_time.join().unwrap()), [40.0]);
    });
    assert_eq!(model.ran(), 2);
}

#[test]
fn only_the_record_at_fault_fails() {
    let model = Gated::new(&Arc::new(Pool::new(1)), LIMITS);
    thread::scope(|scope| {
        let first = model.ask(scope, of(&[1.0]));
        model.begun(1);
        let two = model.ask_behind(scope, of(&[2.0]), 1);
        let bad = model.ask_behind(scope, of(&[3.0, REFUSED]), 2);
        let three = model.ask_behind(scope, of(&[3.0]), 3);
        model.open(5);
        assert_eq!(model.begun(2), [-10.0, 20.0, 30.0, 30.0]);
        assert_eq!(numbers(first.join().unwrap()), [10.0]);
        assert_eq!(numbers(two.join().unwrap()), [20.0]);
        assert_eq!(numbers(three.join().unwrap()), [30.0]);
        let failed = bad.join().unwrap().expect("a turn");
        assert!(failed.values.is_err());
    });
    assert_eq!(model.ran(), 5);
}

#[test]
fn a_panic_is_the_fault_of_one_and_nobody_waits_for_ever() {
    let model = Gated::new(&Arc::new(Pool::new(1)), LIMITS);
    thread::scope(|scope| {
        let first = model.ask(scope, of(&[PANICS]));
        model.begun(1);
        let leads = model.ask_behind(scope, of(&[2.0]), 1);
        let bad = model.ask_behind(scope, of(&[PANICS]), 2);
        let goes_along = model.ask_behind(scope, of(&[3.0]), 3);
        model.open(5);
        assert!(first.join().is_err(), "its thread has panicked");
        assert_eq!(model.begun(2), [-20.0, 20.0, 30.0]);
        assert_eq!(numbers(leads.join().unwrap()), [20.0]);
        assert_eq!(numbers(goes_along.join().unwrap()), [30.0]);
        assert!(bad.join().is_err(), "its thread has panicked");
        // The permit has come back each time.
        model.open(1);
        let next = model.ask(scope, of(&[4.0])).join().unwrap();
        assert_eq!(numbers(next), [40.0]);
    });
}

#[test]
fn results_that_do_not_divide_are_given_to_nobody_and_joining_ends() {
    let pool = Arc::new(Pool::new(1));
    let queue = Queue::new(&pool, LIMITS, Ok(Joins::default()));
    let sizes = Mutex::new(Vec::new());
    let run = |inputs: &[Tensor], records: usize| {
        sizes.lock().unwrap().push(records);
        let sum: f64 = answers(inputs).iter().sum();
        Ok(vec![Value::Tensor(Tensor::Float64(array![sum].into_dyn()))])
    };
    thread::scope(|scope| {
        let permit = queue.permit(None).expect("a permit");
        let asked = [1.0, 2.0].map(|record| {
            let (queue, run) = (&queue, &run);
            scope.spawn(move || numbers(queue.run(&work(&of(&[record])), run)))
        });
        while queue.waiting().load(Ordering::Relaxed) != 2 {
            thread::yield_now();
        }
        drop(permit);
        let told = asked.map(|asked| asked.join().unwrap());
        assert_eq!(told, [[10.0], [20.0]]);
    });
    assert_eq!(sizes.into_inner().unwrap(), [2, 1, 1]);
    assert!(queue.joins().is_err());
}

#[test]
fn with_a_delay_a_run_waits_for_others_until_the_batch_is_full_or_it_has_waited_enough() {
    let delay = |max_batch, delay| Limits {
        max_batch,
        delay,
        ..LIMITS
    };
    let pool = Arc::new(Pool::new(2));
    // As long as a test may never take: only the full batch can have begun the run.
    let full = Gated::new(&pool, delay(3, Duration::from_secs(600)));
    thread::scope(|scope| {
        full.ask_behind(scope, of(&[1.0]), 1);
        full.ask(scope, of(&[2.0, 3.0]));
        assert_eq!(full.begun(1), [10.0, 20.0, 30.0]);
        full.open(1);
    });
    let alone = Gated::new(&pool, delay(3, Duration::from_millis(1)));
    alone.open(1);
    thread::scope(|scope| {
        let done = alone
            .ask(scope, of(&[1.0]))
            .join()
            .unwrap()
            .expect("a turn");
        assert!(done.queued >= Duration::from_millis(1));
        assert_eq!(numbers(Ok(done)), [10.0]);
    });
}

/// Whether what is asked by many threads at once, of several models and in several shapes, is answered
/// as if it were asked alone, and no more runs are under way than may be.
#[test]
fn every_answer_under_load_is_that_of_its_own_question() {
    const RUNS: usize = 2;
    let pool = Arc::new(Pool::new(RUNS));
    // The last lets others forward before it runs.
    let queues = [0, 0, 1].map(|saves| {
        let saves = Duration::from_secs(saves);
        Queue::new(&pool, LIMITS, Ok(Joins { saves }))
    });
    let (running, runs, joined) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let run = |inputs: &[Tensor], _: usize| {
        assert!(running.fetch_add(1, Ordering::SeqCst) < RUNS);
        runs.fetch_add(1, Ordering::Relaxed);
        // Others get the core, and wait.
        thread::yield_now();
        let given = given(inputs);
        running.fetch_sub(1, Ordering::SeqCst);
        given
    };
    thread::scope(|scope| {
        for number in 0..24_usize {
            let (queue, run, joined) = (&queues[number % 3], &run, &joined);
            scope.spawn(move || {
                for round in 0..200_usize {
                    let count = 1 + (number + round) % 4;
                    let first: Vec<f32> = (0..count)
                        .map(|at| (number * 1000 + round + at) as f32)
                        .collect();
                    let inputs = wide(&first, 1 + number % 2);
                    let done = queue.run(&work(&inputs), run).expect("a turn");
                    joined.fetch_add(usize::from(!done.is_own), Ordering::Relaxed);
                    assert_eq!(numbers(Ok(done)), answers(&inputs));
                }
            });
        }
    });
    let (runs, joined) = (runs.into_inner(), joined.into_inner());
    assert_eq!(runs + joined, 24 * 200, "each ran once, or was taken along");
    for queue in &queues {
        assert_eq!(queue.waiting().load(Ordering::Relaxed), 0);
    }
}

#[test]
fn what_a_batch_shares_is_found_before_it_changes_predictions() {
    type Model = fn(&Array2<f32>) -> Array2<f32>;
    let softmax_over_records: Model = |x| {
        let e = x.mapv(f32::exp);
        &e / &e.sum_axis(Axis(0))
    };
    let scale_of_all: Model = |x| {
        let scale = 127.0 / x.fold(0.0, |most: f32, x| most.max(x.abs()));
        x.mapv(|x| (x * scale).round() / scale)
    };
    let one_row: Model = |x| x.sum_axis(Axis(0)).insert_axis(Axis(0));
    let rounded: Model = |x| x.mapv(|x| x * if x.is_nan() { 1.0 } else { 1.000_000_5 });
    let group = Group {
        records: 3,
        inputs: vec![Tensor::Float32(
            array![[1.0, -2.0], [0.25, 0.5], [3.0, f32::NAN]].into_dyn(),
        )],
    };
    for (name, model, is_fine) in [
        ("each alone", (|x| x * 2.0) as Model, true),
        ("softmax", softmax_over_records, false),
        ("quantization", scale_of_all, false),
        ("a sum", one_row, false),
        ("last bits", rounded, true),
    ] {
        let run = |inputs: &[Tensor]| {
            let Some(Tensor::Float32(array)) = inputs.first() else {
                panic!("floats");
            };
            let array = array.clone().into_dimensionality().expect("a matrix");
            Ok(vec![Value::Tensor(Tensor::Float32(
                model(&array).into_dyn(),
            ))])
        };
        let whole = run(&group.inputs).expect("values");
        let same = is_same(&group, &[true], &whole, &run);
        assert_eq!(same.is_ok(), is_fine, "{name}: {same:?}");
    }
}
