//! From a path to what it means: each dialect knows its own, here they are asked in turn.

use std::borrow::Cow;

use super::message::{Method, Reply};
use super::problem::Problem;
use super::{admin, cloud, drift, info, metrics, mlflow, native, oip, openapi, page, query, tfs};

/// What a path means to a dialect.
#[derive(Debug)]
pub struct Found<R> {
    pub route: R,
    /// The path with its variable parts named, for metrics and logs: their values are bounded.
    pub template: &'static str,
    pub methods: &'static [Method],
}

impl<R> Found<R> {
    /// A route for these methods.
    pub fn new(route: R, template: &'static str, methods: &'static [Method]) -> Found<R> {
        Found {
            route,
            template,
            methods,
        }
    }

    /// The same for a wider kind of route.
    pub(super) fn map<S>(self, wrap: impl FnOnce(R) -> S) -> Found<S> {
        Found::new(wrap(self.route), self.template, self.methods)
    }
}

/// A route of any dialect.
#[derive(Debug)]
pub enum Route<'p> {
    Native(native::Route<'p>),
    Oip(oip::Route<'p>),
    Tfs(tfs::Route<'p>),
    Mlflow(mlflow::Route<'p>),
    Cloud(cloud::Route),
    Info(info::Route<'p>),
    Drift(drift::Route<'p>),
    OpenApi(openapi::Route),
    Page(page::Route),
    Metrics(metrics::Route),
    Admin(admin::Route<'p>),
}

/// Segments of a path at most: no route has more.
const MOST_SEGMENTS: usize = 12;

/// The decoded segments of a path; none for the root. One slash at the end does not count. `None` for
/// a path that no route can have: an empty segment, `.` and `..`, escapes that are none.
pub fn segments(path: &str) -> Option<Vec<Cow<'_, str>>> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Some(Vec::new());
    }
    let mut segments = Vec::with_capacity(6);
    for segment in path.split('/') {
        let segment = query::decoded(segment)?;
        if matches!(segment.as_ref(), "" | "." | "..") || segments.len() == MOST_SEGMENTS {
            return None;
        }
        segments.push(segment);
    }
    Some(segments)
}

/// The route of a path.
pub fn find<'p>(segments: &[&'p str]) -> Option<Found<Route<'p>>> {
    None.or_else(|| native::find(segments).map(|found| found.map(Route::Native)))
        .or_else(|| oip::find(segments).map(|found| found.map(Route::Oip)))
        .or_else(|| tfs::find(segments).map(|found| found.map(Route::Tfs)))
        .or_else(|| mlflow::find(segments).map(|found| found.map(Route::Mlflow)))
        .or_else(|| info::find(segments).map(|found| found.map(Route::Info)))
        .or_else(|| drift::find(segments).map(|found| found.map(Route::Drift)))
        .or_else(|| openapi::find(segments).map(|found| found.map(Route::OpenApi)))
        .or_else(|| page::find(segments).map(|found| found.map(Route::Page)))
        .or_else(|| metrics::find(segments).map(|found| found.map(Route::Metrics)))
        .or_else(|| admin::find(segments).map(|found| found.map(Route::Admin)))
}

/// A problem in the shape of the dialect that `path` belongs to.
pub fn error(path: &str, problem: &Problem) -> Reply<'static> {
    match path {
        path if oip::is_ours(path) => oip::error(problem),
        path if tfs::is_ours(path) => tfs::error(problem),
        path if mlflow::is_ours(path) => mlflow::error(problem),
        _ => native::error(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_once_and_never_climb() {
        let decoded = |path| {
            segments(path).map(|segments| {
                let segments: Vec<String> = segments.into_iter().map(Cow::into_owned).collect();
                segments.join("|")
            })
        };
        for (path, found) in [
            ("/", Some("")),
            ("/predict", Some("predict")),
            ("/predict/", Some("predict")),
            ("/models/a%20b/predict", Some("models|a b|predict")),
            ("/models/%2e%2e/predict", None),
            ("/models/../predict", None),
            ("/models/%252e%252e/predict", Some("models|%2e%2e|predict")),
            ("//predict", None),
            ("/predict//", None),
            ("/a%00b", None),
            ("/..%2f..%2fetc", Some("../../etc")),
            ("/1/2/3/4/5/6/7/8/9/10/11/12/13", None),
            ("predict", None),
        ] {
            assert_eq!(decoded(path).as_deref(), found, "{path}");
        }
    }
}
