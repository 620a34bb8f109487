//! Tables: a signature and a header in, the feeds or the error in words out.

use crate::batch::feed::How;
use crate::batch::plan::{Header, Keep, Plan, Rules};
use crate::model::dtype::Dtype;
use crate::model::signature::{Dim, Port, Signature, ValueType};

/// `x:float32[?,4] sr:int64[]`: inputs as the tables write them.
fn signature(inputs: &str) -> Signature {
    let port = |text: &str| {
        let (name, rest) = text.split_once(':').expect("name:dtype[shape]");
        let (dtype, shape) = rest.trim_end_matches(']').split_once('[').expect("a shape");
        let dtype = (0..32)
            .filter_map(Dtype::from_onnx)
            .find(|known| known.name() == dtype);
        let dim = |dim: &str| dim.parse().map_or(Dim::Free, Dim::Fixed);
        let shape = shape
            .split(',')
            .filter(|dim| !dim.is_empty())
            .map(dim)
            .collect();
        Port {
            name: name.to_owned(),
            kind: ValueType::Tensor {
                dtype: dtype.expect("a dtype"),
                shape: Some(shape),
            },
            classes: None,
        }
    };
    Signature {
        inputs: inputs.split(' ').map(port).collect(),
        ..Signature::default()
    }
}

/// `a,b,[c]`: a header; brackets stand for a column of JSON lists.
fn header(columns: &str) -> Header {
    let columns: Vec<&str> = columns.split(',').collect();
    Header {
        open: false,
        lists: columns.iter().map(|name| name.starts_with('[')).collect(),
        columns: columns
            .iter()
            .map(|name| name.trim_matches(['[', ']']).to_owned())
            .collect(),
    }
}

/// The feeds in words, or the first line of the error.
fn plan(signature: &Signature, columns: &str, rules: &Rules) -> String {
    match Plan::new(signature, header(columns), rules, "t.csv") {
        Ok(plan) => plan
            .feeds
            .iter()
            .map(|feed| format!("{}<-{}", feed.input, origin(&feed.how)))
            .collect::<Vec<_>>()
            .join(" "),
        Err(error) => error
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

fn origin(how: &How) -> String {
    match how {
        How::Cells { sources, .. } => {
            let name = |source: &crate::batch::feed::Source| {
                source
                    .column
                    .map_or("missing".to_owned(), |_| source.name.clone())
            };
            sources.iter().map(name).collect::<Vec<_>>().join(",")
        }
        How::List { source, .. } => format!("[{}]", source.name),
        How::Once(tensor) => format!("once{:?}", tensor.shape()),
    }
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn columns_find_inputs() {
    for (inputs, columns, feeds) in [
        // By name, in any order, unused columns ignored.
        ("a:float32[?,1] b:string[?]", "id,b,a", "a<-a b<-b"),
        (
            "sepal_length__cm_:float32[?,1]",
            "sepal length (cm),id",
            "sepal_length__cm_<-sepal length (cm)",
        ),
        (
            "a_b:float32[?,1] a_b1:float32[?,1]",
            "a b,a-b",
            "a_b<-a b a_b1<-a-b",
        ),
        ("a:float32[?,1]", "A, a", "a<- a"),
        // A matrix by position, only with exactly as many columns.
        ("X:float32[?,2]", "p,q", "X<-p,q"),
        ("X:float32[?,2]", "x,y", "X<-x,y"),
        ("X:float32[?,2]", "X,Y", "X<-X,Y"),
        (
            "X:float32[?,2]",
            "p,q,r",
            "t.csv: input \"X\" takes 2 columns and the model does not name them, found 3: \"p\", \"q\", \"r\"",
        ),
        (
            "X:float32[?,2]",
            "p",
            "t.csv: input \"X\" takes 2 columns and the model does not name them, found 1: \"p\"",
        ),
        // One column may feed the only input of one element.
        ("text:string[?,1]", "message", "text<-message"),
        (
            "text:string[?,1]",
            "message,id",
            "t.csv: no column \"text\"",
        ),
        // Lists, and a tensor from single columns.
        ("image:float32[?,2,2]", "id,[image]", "image<-[image]"),
        ("image:float32[?,2,2]", "a,b,c,d", "image<-a,b,c,d"),
        ("X:float32[?,2]", "X_1,id,X_0", "X<-X_0,X_1"),
        ("T:float32[?,?]", "[T],id", "T<-[T]"),
        (
            "T:float32[?,?]",
            "a,b",
            "t.csv: input \"T\" has shape [?, ?]: how many columns it takes is not in the model",
        ),
        // Two inputs, one of them a matrix.
        ("a:string[?,1] X:float32[?,2]", "p,a,q", "a<-a X<-p,q"),
        (
            "X:float32[?,2] Z:float32[?,2]",
            "a,b,c,d",
            "t.csv: no column for the inputs \"X\", \"Z\"",
        ),
        // No batch axis.
        (
            "X:float32[?,2] h:float32[1,4]",
            "p,q",
            "X<-p,q h<-once[1, 4]",
        ),
        (
            "X:float32[?,2] sr:int64[]",
            "p,q",
            "input \"sr\" is a single int64 for all records and must be given",
        ),
        ("X:float32[3,2]", "p,q", "X<-p,q"),
        // Absent and ambiguous columns.
        (
            "a:float32[?,1] b:float32[?,1] c:float32[?,1]",
            "b",
            "t.csv: no columns \"a\", \"c\"",
        ),
        (
            "a_b:float32[?,1] c:float32[?,1]",
            "a b,a-b,c",
            "t.csv: columns \"a b\" and \"a-b\" could both be \"a_b\"",
        ),
        (
            "a:float32[?,1]",
            "a,b,a",
            "t.csv: the header has column \"a\" twice",
        ),
    ] {
        assert_eq!(
            plan(&signature(inputs), columns, &Rules::default()),
            feeds,
            "{inputs} from {columns}"
        );
    }
}

#[test]
fn flags_set_columns_aside_and_name_features() {
    let matrix = signature("X:float32[?,2]");
    let rules = |rules: Rules| plan(&matrix, "id,p,q,y", &rules);
    let base = Rules {
        id: names(&["id"]),
        label: names(&["y"]),
        ..Rules::default()
    };
    assert_eq!(rules(base.clone()), "X<-p,q");
    assert_eq!(
        rules(Rules {
            exclude: names(&["ID", "y"]),
            ..Rules::default()
        }),
        "X<-p,q"
    );
    assert_eq!(
        rules(Rules {
            features: Some(names(&["q", "p"])),
            ..Rules::default()
        }),
        "X<-q,p"
    );
    assert_eq!(
        rules(Rules {
            features: Some(names(&["q"])),
            ..Rules::default()
        }),
        "--features: input \"X\" has shape [?, 2], which 1 features do not fill"
    );
    assert_eq!(
        rules(Rules {
            features: Some(names(&["q", "z"])),
            ..Rules::default()
        }),
        "--features: t.csv has no column \"z\""
    );
    assert_eq!(
        rules(Rules {
            id: names(&["nope"]),
            ..Rules::default()
        }),
        "--id nope: t.csv has no such column"
    );
    assert_eq!(
        rules(Rules {
            keep: Keep::List(names(&["nope"])),
            ..base.clone()
        }),
        "--keep nope: t.csv has no such column"
    );
    assert_eq!(
        rules(Rules {
            fill: vec![("nope".to_owned(), "1".to_owned())],
            ..base.clone()
        }),
        "--fill nope: t.csv has no such column"
    );
    assert_eq!(
        rules(Rules {
            fill: vec![("p".to_owned(), "x".to_owned())],
            ..base.clone()
        }),
        "--fill p=x: expected a number (float32), found \"x\""
    );
    assert_eq!(
        rules(Rules {
            set: vec![("h".to_owned(), "1".to_owned())],
            ..base
        }),
        "--set h: the model has no such input"
    );
}

#[test]
fn features_named_by_the_model_are_found_wherever_they_stand() {
    let mut matrix = signature("X:float32[?,2]");
    matrix.features = Some(names(&["b", "a"]));
    assert_eq!(plan(&matrix, "x,a,b", &Rules::default()), "X<-b,a");
    assert_eq!(
        plan(&matrix, "a,c", &Rules::default()),
        "t.csv: no column \"b\" of input \"X\""
    );
    let allowed = Rules {
        allow_missing_columns: true,
        ..Rules::default()
    };
    assert_eq!(plan(&matrix, "a,c", &allowed), "X<-missing,a");
}

#[test]
fn a_key_that_only_later_objects_have_is_waited_for() {
    let model = signature("a:float32[?,1] b:float32[?,1]");
    let allowed = Rules {
        allow_missing_columns: true,
        ..Rules::default()
    };
    let open = Header {
        open: true,
        ..header("id,a")
    };
    let plan = Plan::new(&model, open, &allowed, "t.jsonl").expect("a plan");
    assert_eq!(plan.columns, ["id", "a", "b"]);
    assert_eq!(plan.kept_names(), ["id"]);
    let origins: Vec<String> = plan.feeds.iter().map(|feed| origin(&feed.how)).collect();
    assert_eq!(origins, ["a", "b"]);
}

#[test]
fn inputs_without_a_batch_axis_are_given_as_json() {
    let model = signature("X:float32[?,1] sr:int64[] h:float32[1,2]");
    let set = |sr: &str, h: &str| Rules {
        set: vec![
            ("sr".to_owned(), sr.to_owned()),
            ("h".to_owned(), h.to_owned()),
        ],
        ..Rules::default()
    };
    assert_eq!(
        plan(&model, "X", &set("16000", "[[1, 2]]")),
        "X<-X sr<-once[] h<-once[1, 2]"
    );
    assert_eq!(
        plan(&model, "X", &set("1.5", "[[1, 2]]")),
        "--set sr=1.5: expected an integer (int64), but it is not an integer"
    );
    assert_eq!(
        plan(&model, "X", &set("1", "[[1]]")),
        "--set h=[[1]]: expected JSON lists of shape [1, 2] (float32), but it is of shape [1, 1]"
    );
}

#[test]
fn what_is_kept_is_what_nobody_reads_unless_the_user_says_otherwise() {
    let matrix = signature("X:float32[?,2]");
    for (keep, kept) in [
        (Keep::Unused, vec!["id", "y"]),
        (Keep::All, vec!["id", "p", "q", "y"]),
        (Keep::None, vec![]),
        (Keep::List(names(&["y", "p"])), vec!["p", "y"]),
    ] {
        let rules = Rules {
            exclude: names(&["id", "y"]),
            keep,
            ..Rules::default()
        };
        let plan = Plan::new(&matrix, header("id,p,q,y"), &rules, "t.csv").expect("a plan");
        assert_eq!(plan.kept_names(), kept);
    }
}

#[test]
fn thousands_of_columns_are_planned_in_no_time() {
    let inputs: Vec<String> = (0..5_000)
        .map(|index| format!("c{index}:float32[?,1]"))
        .collect();
    let columns: Vec<String> = (0..5_000).rev().map(|index| format!("c{index}")).collect();
    let plan = Plan::new(
        &signature(&inputs.join(" ")),
        Header::from(columns),
        &Rules::default(),
        "t.csv",
    );
    assert_eq!(plan.expect("a plan").feeds.len(), 5_000);
}
