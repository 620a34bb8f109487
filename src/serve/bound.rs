//! How large an answer in memory may become while it is made: first its tensors, then its text.
//!
//! A request of some bytes may ask for a hundred times as many (a model with a thousand outputs), and
//! its limit is another: what comes out, not what comes in.

use crate::batch::run::Part;
use crate::model::tensor::{Tensor, Value};

use super::hosted::Hosted;
use super::problem::Problem;

/// What the model has said so far to one request.
pub struct Bound {
    most: usize,
    held: usize,
}

impl Bound {
    /// Nothing yet, of what an answer by `hosted` may hold.
    pub fn new(hosted: &Hosted) -> Bound {
        Bound {
            most: hosted.hosting.reply_bytes,
            held: 0,
        }
    }

    /// Adds the parts of one more run.
    ///
    /// # Errors
    /// 413 where that is more than an answer may hold.
    pub fn add_parts(&mut self, parts: &[Part]) -> Result<(), Problem> {
        let tensors = parts.iter().flat_map(|part| match part {
            Part::Scored { outputs, .. } => outputs.as_slice(),
            Part::Refused(_) => &[],
        });
        self.add(tensors)
    }

    /// Adds the outputs of one more run.
    ///
    /// # Errors
    /// As [`Bound::add_parts`].
    pub fn add_values(&mut self, values: &[Value]) -> Result<(), Problem> {
        self.add(values.iter().flat_map(|value| match value {
            Value::Tensor(tensor) | Value::Maps { values: tensor, .. } => {
                std::slice::from_ref(tensor)
            }
            Value::Sequence(items) => items.as_slice(),
        }))
    }

    fn add<'t>(&mut self, tensors: impl Iterator<Item = &'t Tensor>) -> Result<(), Problem> {
        let more: usize = tensors.map(Tensor::bytes).sum();
        self.held = self.held.saturating_add(more);
        check(self.held, self.most)
    }
}

/// # Errors
/// 413 for an answer of more than `most` bytes.
pub fn check(bytes: usize, most: usize) -> Result<(), Problem> {
    match bytes <= most {
        true => Ok(()),
        false => Err(Problem::refused(
            413,
            "reply_too_large",
            format!(
                "the answer would be larger than {most} bytes: ask for fewer records at once, for fewer \
                 outputs, or by NDJSON, which is answered line by line"
            ),
        )),
    }
}

/// The text of an answer. Whoever writes one stops soon after `most` bytes, and it is refused here.
///
/// # Errors
/// As [`check`].
pub fn within(out: Vec<u8>, most: usize) -> Result<Vec<u8>, Problem> {
    check(out.len(), most)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use crate::serve::hosted::Hosting;
    use crate::serve::message::Method;
    use crate::serve::tests::{app, ask, hosting};

    #[test]
    fn an_answer_that_grows_too_large_is_refused_in_every_form() {
        let most = 4096;
        let app = app(
            "iris.onnx",
            &Hosting {
                reply_bytes: most,
                batch_size: 16,
                ..hosting()
            },
        );
        let rows = |count: usize| vec!["[5.1,3.5,1.4,0.2]"; count].join(",");
        let csv = |count: usize| {
            let header = "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n";
            format!("{header}{}", "5.1,3.5,1.4,0.2\n".repeat(count))
        };
        let oip = |count: usize| {
            format!(
                r#"{{"inputs":[{{"name":"X","datatype":"FP32","shape":[{count},4],"data":[{}]}}]}}"#,
                rows(count)
            )
        };
        type Body<'b> = &'b dyn Fn(usize) -> String;
        let list: Body<'_> = &|count| format!("[{}]", rows(count));
        let instances: Body<'_> = &|count| format!("{{\"instances\":[{}]}}", rows(count));
        let columns: Body<'_> = &|count| format!("{{\"inputs\":{{\"X\":[{}]}}}}", rows(count));
        let inputs: Body<'_> = &|count| format!("{{\"inputs\":[{}]}}", rows(count));
        let json = "application/json";
        for (path, sent, accepted, body) in [
            ("/predict", json, json, list),
            ("/predict", json, "text/csv", list),
            ("/predict", json, "application/x-ndjson", list),
            ("/predict", json, "application/x-npy", list),
            ("/predict", "text/csv", json, &csv),
            ("/v2/models/iris/infer", json, json, &oip),
            ("/v1/models/iris:predict", json, json, instances),
            ("/v1/models/iris:predict", json, json, columns),
            ("/invocations", json, json, inputs),
        ] {
            let headers = [("Content-Type", sent), ("Accept", accepted)];
            let asked = |count| ask(&app, Method::Post, path, &headers, body(count).as_bytes());
            let (status, text) = asked(2);
            assert_eq!(status, 200, "{path} {sent} {accepted}: {text}");
            // In tensors alone 24 KB and more.
            let (status, text) = asked(1000);
            let shown = format!("{path} {sent} {accepted}: {text:.200}");
            assert_eq!(status, 413, "{shown}");
            assert!(text.contains("larger than 4096 bytes"), "{shown}");
            // In tensors less than the limit, in text more; arrays have no more text.
            if accepted == json {
                let (status, text) = asked(120);
                assert_eq!(status, 413, "{path} {sent} {accepted}: {}", text.len());
            }
        }
        // Line by line there is no end to it.
        let lines = "[5.1,3.5,1.4,0.2]\n".repeat(1000);
        let headers = [("Content-Type", "application/x-ndjson")];
        let (status, text) = ask(&app, Method::Post, "/predict", &headers, lines.as_bytes());
        assert_eq!((status, text.lines().count()), (200, 1000));
        assert!(!text.contains("error"));
    }
}
