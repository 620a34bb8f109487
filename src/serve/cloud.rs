//! What the containers of clouds are told by their environment: where Vertex AI asks for health and
//! predictions, and that a container is to be reached from outside.
//!
//! Vertex AI: `AIP_HEALTH_ROUTE` and `AIP_PREDICT_ROUTE` are two more paths, exactly as they are given,
//! before all others; `{"instances": [...], "parameters"?}` -> `{"predictions": [...]}`, as TensorFlow
//! Serving has it. SageMaker's paths are MLflow's (`mlflow`); where either listens: `options`.

use super::app::App;
use super::call::Call;
use super::message::{Body, Method, Reply};
use super::problem::Problem;
use super::routes::Found;
use super::tfs;

use crate::error::{Error, Result};

/// The paths that Vertex AI asks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paths {
    health: Option<String>,
    predict: Option<String>,
}

/// What such a path means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Health,
    Predict,
}

const HEALTH: &str = "AIP_HEALTH_ROUTE";
const PREDICT: &str = "AIP_PREDICT_ROUTE";
/// Variables that only containers of clouds have.
const CONTAINER: [&str; 3] = ["AIP_MODE", "AIP_HTTP_PORT", "SAGEMAKER_BIND_TO_PORT"];

impl Paths {
    /// Reads the environment.
    ///
    /// # Errors
    /// [`Error::Usage`] for a route that is no path.
    pub fn new(environment: impl Fn(&str) -> Option<String>) -> Result<Paths> {
        let path = |name: &str| match environment(name) {
            Some(path) if path.is_empty() => Ok(None),
            Some(path) if path.starts_with('/') => Ok(Some(path)),
            Some(text) => Err(Error::usage(format!(
                "{name} is \"{text}\", which is no path"
            ))),
            None => Ok(None),
        };
        Ok(Paths {
            health: path(HEALTH)?,
            predict: path(PREDICT)?,
        })
    }

    /// The route of a path as it was sent.
    pub fn find(&self, path: &str) -> Option<Found<Route>> {
        let is = |ours: &Option<String>| ours.as_deref() == Some(path);
        if is(&self.predict) {
            return Some(Found::new(Route::Predict, PREDICT, &[Method::Post]));
        }
        let read = &[Method::Get, Method::Head];
        is(&self.health).then(|| Found::new(Route::Health, HEALTH, read))
    }
}

/// Whether this is a container of a cloud, which is asked from outside of it.
pub fn is_container(environment: impl Fn(&str) -> Option<String>) -> bool {
    CONTAINER.iter().any(|name| environment(name).is_some())
}

/// Answers Vertex AI.
///
/// # Errors
/// Whatever keeps it from an answer.
pub fn answer<'s>(
    app: &'s App,
    call: &mut Call,
    route: Route,
    body: &mut dyn Body,
) -> std::result::Result<Reply<'s>, Problem> {
    match route {
        Route::Health if app.is_ready() => Ok(Reply::json(200, &b"{\"status\":\"ok\"}"[..])),
        Route::Health => Err(app.not_ready()),
        Route::Predict => {
            let hosted = app.registry.only(call.key)?;
            call.of(&hosted);
            tfs::predict(&hosted, call, body.whole()?, app.nan)
        }
    }
}

/// What went wrong, as Vertex AI passes it on.
pub fn error(problem: &Problem) -> Reply<'static> {
    tfs::error(problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::tests::{app, ask, hosting};

    const ENDPOINT: &str = "/v1/endpoints/123/deployedModels/456";

    fn vertex(name: &str) -> Option<String> {
        match name {
            HEALTH => Some(ENDPOINT.to_owned()),
            PREDICT => Some(format!("{ENDPOINT}:predict")),
            "AIP_MODE" => Some("PREDICTION".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn the_routes_of_vertex_are_answered_as_they_are_given() {
        let mut app = app("features_json.onnx", &hosting());
        let predict = format!("{ENDPOINT}:predict");
        let body = r#"{"instances":[[1,2,3],[4,5,6]],"parameters":{"confidence":0.5}}"#;
        let unknown = (404, r#"{"error":"Not Found"}"#.to_owned());
        let post =
            |app: &App, path: &str, body: &str| ask(app, Method::Post, path, &[], body.as_bytes());
        assert_eq!(post(&app, &predict, body), unknown);
        app.cloud = Paths::new(vertex).expect("paths");
        let answer = r#"{"predictions":[[14.0],[32.0]]}"#;
        assert_eq!(post(&app, &predict, body), (200, answer.to_owned()));
        let named = r#"{"instances":[{"height, m":1,"weight":2,"a\"b":3}]}"#;
        let answer = r#"{"predictions":[[14.0]]}"#;
        assert_eq!(post(&app, &predict, named), (200, answer.to_owned()));
        let wrong = r#"{"error":"the body has neither \"instances\" nor \"inputs\""}"#;
        assert_eq!(post(&app, &predict, "{}"), (400, wrong.to_owned()));
        let healthy = (200, r#"{"status":"ok"}"#.to_owned());
        assert_eq!(ask(&app, Method::Get, ENDPOINT, &[], b""), healthy);
        assert_eq!(post(&app, ENDPOINT, "").0, 405);
        assert_eq!(post(&app, "/v1/models/features_json:predict", body).0, 200);
    }

    #[test]
    fn what_is_no_path_is_told_at_the_start() {
        let wrong = |name: &str| (name == HEALTH).then(|| "health".to_owned());
        assert!(Paths::new(wrong).is_err());
        assert_eq!(Paths::new(|_| None).ok(), Some(Paths::default()));
        let empty = Paths::new(|_| Some(String::new()));
        assert_eq!(empty.ok(), Some(Paths::default()));
    }

    #[test]
    fn containers_of_clouds_are_known_by_their_variables() {
        assert!(is_container(vertex));
        assert!(is_container(
            |name| (name == "SAGEMAKER_BIND_TO_PORT").then(|| "8080".to_owned())
        ));
        assert!(!is_container(
            |name| (name == "PORT").then(|| "8080".to_owned())
        ));
    }
}
