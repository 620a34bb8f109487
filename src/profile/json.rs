//! A profile as JSON, which is a file of the user's: its keys stay as they are, and reading checks them.

use serde_json::{Map, Value, json};

use super::summary::{Bins, Numbers, Profile, Summary, Texts, What};

/// The version of the format; a later one is refused.
const VERSION: u64 = 1;

/// The profile as JSON.
pub fn write(profile: &Profile) -> Value {
    let all = |summaries: &[Summary]| summaries.iter().map(column).collect::<Vec<_>>();
    json!({
        "mlserve_profile": VERSION,
        "model": profile.model,
        "records": profile.records,
        "sampled": profile.sampled,
        "features": all(&profile.features),
        "features_left_out": profile.features_left_out,
        "predictions": all(&profile.predictions),
        "predictions_left_out": profile.predictions_left_out,
    })
}

fn column(summary: &Summary) -> Value {
    let mut column = Map::new();
    let mut put = |key: &str, value: Value| {
        column.insert(key.to_owned(), value);
    };
    put("name", summary.name.clone().into());
    if let Some(input) = &summary.input {
        put("input", input.clone().into());
    }
    put("element", summary.element.into());
    match &summary.what {
        What::Numbers(numbers) => {
            put("kind", "number".into());
            put("count", numbers.count.into());
            put("missing", summary.missing.into());
            put("infinite", numbers.infinite.into());
            put("mean", numbers.mean.into());
            put("sd", numbers.sd.into());
            put("min", numbers.min.into());
            put("max", numbers.max.into());
            let quantiles = numbers.quantiles.iter();
            let quantiles: Map<String, Value> = quantiles
                .map(|(at, value)| (at.to_string(), (*value).into()))
                .collect();
            put("quantiles", quantiles.into());
            put(
                "bins",
                match &numbers.bins {
                    Bins::Edges { edges, counts } => json!({"edges": edges, "counts": counts}),
                    Bins::Values { values, counts } => json!({"values": values, "counts": counts}),
                },
            );
        }
        What::Texts(texts) => {
            put("kind", "text".into());
            put("count", texts.count.into());
            put("missing", summary.missing.into());
            let values = texts.values.iter();
            let values: Vec<Value> = values
                .map(|(value, count)| json!({"value": value, "count": count}))
                .collect();
            put("values", values.into());
            put("other", texts.other.into());
        }
    }
    column.into()
}

/// Reads a profile.
///
/// # Errors
/// What is wrong with it and where, for people.
pub fn read(text: &str) -> Result<Profile, String> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    let at = At {
        value: &value,
        place: String::new(),
    };
    match at
        .get("mlserve_profile")
        .ok()
        .and_then(|at| at.value.as_u64())
    {
        Some(VERSION) => {}
        Some(other) => {
            return Err(format!(
                "it is a profile of version {other}, and this program reads version {VERSION}"
            ));
        }
        None => return Err("it is no profile: \"mlserve_profile\" is absent".to_owned()),
    }
    Ok(Profile {
        model: at.get("model")?.text()?,
        records: at.get("records")?.count()?,
        sampled: at.get("sampled")?.count()?,
        features: at.get("features")?.list(|at| summary(at, true))?,
        features_left_out: at.get("features_left_out")?.count()?,
        predictions: at.get("predictions")?.list(|at| summary(at, false))?,
        predictions_left_out: at.get("predictions_left_out")?.count()?,
    })
}

fn summary(at: &At<'_>, has_input: bool) -> Result<Summary, String> {
    let what = match at.get("kind")?.text()?.as_str() {
        "number" => What::Numbers(numbers(at)?),
        "text" => What::Texts(Texts {
            count: at.get("count")?.count()?,
            values: at
                .get("values")?
                .list(|at| Ok((at.get("value")?.text()?, at.get("count")?.count()?)))?,
            other: at.get("other")?.count()?,
        }),
        _ => return Err(at.get("kind")?.wrong("\"number\" or \"text\"")),
    };
    let element = at.get("element")?;
    Ok(Summary {
        name: at.get("name")?.text()?,
        input: has_input.then(|| at.get("input")?.text()).transpose()?,
        element: match element.value {
            Value::Null => None,
            _ => Some(element.count()? as usize),
        },
        missing: at.get("missing")?.count()?,
        what,
    })
}

fn numbers(at: &At<'_>) -> Result<Numbers, String> {
    let bins = at.get("bins")?;
    let counts = bins.get("counts")?;
    let counted = counts.list(At::count)?;
    let (key, more) = match bins.value.get("values") {
        Some(_) => ("values", 0),
        None => ("edges", 1),
    };
    let between = bins.get(key)?;
    let numbers = between.list(At::number)?;
    if counted.len() != numbers.len() + more {
        return Err(counts.wrong(&format!("{} counts", numbers.len() + more)));
    }
    if !numbers.is_sorted_by(|a, b| a < b) {
        return Err(between.wrong("numbers that grow"));
    }
    let quantiles = at.get("quantiles")?;
    let keys = quantiles.value.as_object();
    let keys = keys.ok_or_else(|| quantiles.wrong("an object"))?.keys();
    let quantile = |key: &String| {
        let at: f64 = key
            .parse()
            .map_err(|_| quantiles.wrong("numbers as keys"))?;
        Ok((at, quantiles.get(key)?.number()?))
    };
    Ok(Numbers {
        count: at.get("count")?.count()?,
        infinite: at.get("infinite")?.count()?,
        mean: at.get("mean")?.number_or_null()?,
        sd: at.get("sd")?.number_or_null()?,
        min: at.get("min")?.number_or_null()?,
        max: at.get("max")?.number_or_null()?,
        quantiles: keys.map(quantile).collect::<Result<_, String>>()?,
        bins: match key {
            "values" => Bins::Values {
                values: numbers,
                counts: counted,
            },
            _ => Bins::Edges {
                edges: numbers,
                counts: counted,
            },
        },
    })
}

/// A value and where it stands.
struct At<'v> {
    value: &'v Value,
    place: String,
}

impl<'v> At<'v> {
    fn get(&self, key: &str) -> Result<At<'v>, String> {
        let place = match self.place.as_str() {
            "" => key.to_owned(),
            place => format!("{place}.{key}"),
        };
        match self.value.get(key) {
            Some(value) => Ok(At { value, place }),
            None => Err(format!("{place} is absent")),
        }
    }

    fn wrong(&self, expected: &str) -> String {
        let found: String = self.value.to_string().chars().take(60).collect();
        format!("{}: expected {expected}, found {found}", self.place)
    }

    fn text(&self) -> Result<String, String> {
        let text = self.value.as_str().map(str::to_owned);
        text.ok_or_else(|| self.wrong("text"))
    }

    fn count(&self) -> Result<u64, String> {
        self.value.as_u64().ok_or_else(|| self.wrong("a count"))
    }

    fn number(&self) -> Result<f64, String> {
        self.value.as_f64().ok_or_else(|| self.wrong("a number"))
    }

    fn number_or_null(&self) -> Result<Option<f64>, String> {
        match self.value {
            Value::Null => Ok(None),
            _ => self.number().map(Some),
        }
    }

    fn list<T>(&self, item: impl Fn(&At<'v>) -> Result<T, String>) -> Result<Vec<T>, String> {
        let items = self.value.as_array().ok_or_else(|| self.wrong("a list"))?;
        let numbered = items.iter().enumerate();
        numbered
            .map(|(index, value)| {
                item(&At {
                    value,
                    place: format!("{}[{index}]", self.place),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        Profile {
            model: "m.onnx".to_owned(),
            records: 40,
            sampled: 40,
            features: vec![Summary {
                name: "age".to_owned(),
                input: Some("X".to_owned()),
                element: Some(0),
                missing: 1,
                what: What::Numbers(Numbers {
                    count: 39,
                    infinite: 0,
                    mean: Some(0.1),
                    sd: None,
                    min: Some(-1e300),
                    max: Some(2.5),
                    quantiles: vec![(0.01, 0.5), (0.5, 1.0)],
                    bins: Bins::Edges {
                        edges: vec![0.25, 1.0],
                        counts: vec![10, 20, 9],
                    },
                }),
            }],
            features_left_out: 2,
            predictions: vec![Summary {
                name: "label".to_owned(),
                input: None,
                element: None,
                missing: 0,
                what: What::Texts(Texts {
                    count: 40,
                    values: vec![("yes".to_owned(), 30), ("\"no\"\n".to_owned(), 8)],
                    other: 2,
                }),
            }],
            predictions_left_out: 0,
        }
    }

    #[test]
    fn a_profile_is_read_as_it_was_written() {
        let text = format!("{:#}", write(&profile()));
        assert_eq!(read(&text), Ok(profile()));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let whole = write(&profile());
        let broken = |pointer: &str, value: Value| {
            let mut whole = whole.clone();
            *whole.pointer_mut(pointer).expect("there is one") = value;
            read(&whole.to_string()).expect_err("it is wrong")
        };
        for (pointer, value, error) in [
            (
                "/mlserve_profile",
                json!(2),
                "it is a profile of version 2, and this program reads version 1",
            ),
            (
                "/features/0/bins/counts",
                json!([1]),
                "features[0].bins.counts: expected 3 counts, found [1]",
            ),
            (
                "/features/0/bins/edges",
                json!([2, 1]),
                "features[0].bins.edges: expected numbers that grow, found [2,1]",
            ),
            (
                "/features/0/mean",
                json!("x"),
                "features[0].mean: expected a number, found \"x\"",
            ),
            (
                "/predictions/0/kind",
                json!("image"),
                "predictions[0].kind: expected \"number\" or \"text\", found \"image\"",
            ),
            (
                "/predictions/0",
                json!({"kind": "text"}),
                "predictions[0].count is absent",
            ),
        ] {
            assert_eq!(broken(pointer, value), error);
        }
        assert!(read("{").is_err_and(|error| error.starts_with("it is not JSON")));
        let other = "it is no profile: \"mlserve_profile\" is absent";
        assert_eq!(read("{}"), Err(other.to_owned()));
    }
}
