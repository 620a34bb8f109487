//! Who may ask: whoever has one of the tokens, where there are any; for which models, and how often.
//!
//! Tokens come from a file or the environment and never from the command line, which every process of
//! the machine can read. Paths that tell a load balancer or an orchestrator whether the server is well
//! stay open: their probes have no token, and they tell nothing else.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use subtle::ConstantTimeEq;

use crate::error::{Error, Result};
use crate::inspect::example::shell_quoted;

use super::message::{Head, Refusal};
use super::problem::Problem;
use super::registry::is_name;

/// The variable that holds tokens where no file is named.
pub const VARIABLE: &str = "MLSERVE_TOKEN";
/// The same for those who may change models.
pub const ADMIN_VARIABLE: &str = "MLSERVE_ADMIN_TOKEN";
/// Nobody has as many tokens as fill this.
const MOST_BYTES: u64 = 1 << 20;

/// The tokens that are asked for; none, where everybody may ask.
#[derive(Default)]
pub struct Auth {
    tokens: Vec<Arc<Token>>,
    /// Where they are from; the environment's [`VARIABLE`], where they are from no file.
    file: Option<PathBuf>,
}

/// One token, and what may be done with it.
#[derive(Debug)]
pub struct Token {
    text: String,
    /// The only models that it is for.
    models: Option<Vec<String>>,
    rate: Option<Rate>,
}

/// So many requests a second: a bucket that fills at that rate and holds what comes in one second.
#[derive(Debug)]
struct Rate {
    per_s: f64,
    /// What is in it, and when that was so.
    left: Mutex<(f64, Instant)>,
}

impl Rate {
    fn new(per_s: f64) -> Rate {
        Rate {
            per_s,
            left: Mutex::new((per_s.max(1.0), Instant::now())),
        }
    }

    /// Takes one request out.
    ///
    /// # Errors
    /// 429 with the seconds after which there is one again.
    fn take(&self, now: Instant) -> std::result::Result<(), Problem> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let (had, since) = *left;
        let come = now.saturating_duration_since(since).as_secs_f64() * self.per_s;
        let has = (had + come).min(self.per_s.max(1.0));
        if has < 1.0 {
            *left = (has, now);
            let wait_s = ((1.0 - has) / self.per_s).ceil().clamp(1.0, 86_400.0);
            return Err(Problem::Refused(Refusal {
                retry_after_s: Some(wait_s as u32),
                ..Refusal::new(429, "rate", "the token asks more often than it may")
            }));
        }
        *left = (has - 1.0, now);
        Ok(())
    }
}

impl Token {
    /// Reads `TOKEN [models=a,b] [rate=N]`.
    ///
    /// # Errors
    /// What was expected; never any of the token.
    fn read(line: &str) -> std::result::Result<Token, String> {
        let mut words = line.split_whitespace();
        let text = words.next().unwrap_or_default();
        // The token itself is no text for a terminal or a log.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("is no token: expected visible ASCII without blanks".to_owned());
        }
        let mut token = Token {
            text: text.to_owned(),
            models: None,
            rate: None,
        };
        for word in words {
            match word.split_once('=') {
                Some(("models", models)) if models.split(',').all(is_name) => {
                    token.models = Some(models.split(',').map(str::to_owned).collect());
                }
                Some(("rate", rate)) => {
                    let per_s = rate.trim_end_matches("/s").parse::<f64>().ok();
                    let per_s = per_s.filter(|rate| *rate > 0.0 && rate.is_finite());
                    let per_s = per_s.ok_or("has a rate that is no number of requests a second")?;
                    token.rate = Some(Rate::new(per_s));
                }
                _ => {
                    return Err(
                        "has more than a token: only models=NAME,... and rate=N may follow it"
                            .to_owned(),
                    );
                }
            }
        }
        Ok(token)
    }

    /// Whether it is for a model.
    ///
    /// # Errors
    /// 403 where it is not.
    pub fn check(&self, model: &str) -> std::result::Result<(), Problem> {
        match &self.models {
            Some(models) if !models.iter().any(|allowed| allowed == model) => Err(
                Problem::refused(403, "forbidden_model", "the token is not for this model"),
            ),
            _ => Ok(()),
        }
    }
}

/// Whether `path` tells whether the server is well; only as it is written here, so that no other
/// spelling opens anything.
pub fn is_health(path: &str) -> bool {
    matches!(
        path,
        "/livez"
            | "/healthz"
            | "/readyz"
            | "/ping"
            | "/health"
            | "/v2/health/live"
            | "/v2/health/ready"
    )
}

impl Auth {
    /// The tokens of `file`, else those of the environment's [`VARIABLE`].
    ///
    /// # Errors
    /// [`Error::Usage`] for a file that cannot be read, for none in it, and for one with characters
    /// that no header field can hold.
    pub fn new(file: Option<&Path>) -> Result<Auth> {
        Auth::from("--token-file", file, VARIABLE)
    }

    /// The tokens of those who may change models: of `file`, else of [`ADMIN_VARIABLE`].
    ///
    /// # Errors
    /// As [`Auth::new`].
    pub fn of_admins(file: Option<&Path>) -> Result<Auth> {
        Auth::from("--admin-token-file", file, ADMIN_VARIABLE)
    }

    fn from(flag: &str, file: Option<&Path>, variable: &str) -> Result<Auth> {
        match (file, std::env::var_os(variable)) {
            (Some(file), _) => {
                let name = format!("{flag} {}", file.display());
                let text = read(file).map_err(|source| {
                    let error = Error::io("", &source);
                    Error::usage(format!("{name}: {error}"))
                })?;
                Ok(Auth {
                    file: Some(file.to_owned()),
                    ..Auth::of(&name, &text)?
                })
            }
            (None, Some(text)) => Auth::of(variable, text.to_str().unwrap_or("\0")),
            (None, None) => Ok(Auth::default()),
        }
    }

    /// One token a line; `name` is where they are from.
    fn of(name: &str, text: &str) -> Result<Auth> {
        let text = text.trim_start_matches('\u{feff}');
        let lines = text.lines().map(str::trim).enumerate();
        let mut tokens = Vec::new();
        for (index, line) in lines.filter(|(_, line)| !line.is_empty()) {
            let wrong = |why| Error::usage(format!("{name}: line {} {why}", index + 1));
            tokens.push(Arc::new(Token::read(line).map_err(wrong)?));
        }
        match tokens.is_empty() {
            false => Ok(Auth { tokens, file: None }),
            true => Err(Error::usage(format!("{name}: there is no token in it"))
                .hint("openssl rand -hex 32 makes one; without tokens everybody may ask")),
        }
    }

    /// Whether everybody may ask.
    pub fn is_open(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Lets a request through: `Authorization: Bearer TOKEN` or `X-API-Key: TOKEN`.
    ///
    /// The token with which it was let through; none where none is asked for.
    ///
    /// # Errors
    /// 401, which says whether there was no token or a wrong one; 429 beyond the token's rate.
    pub fn check(&self, head: &Head<'_>) -> std::result::Result<Option<Arc<Token>>, Problem> {
        if self.is_open() || is_health(head.path) {
            return Ok(None);
        }
        let bearer = head.header("authorization").and_then(bearer);
        let key = head.header("x-api-key");
        let mut given = bearer.into_iter().chain(key).peekable();
        let refused = |reason, message| Err(Problem::refused(401, reason, message));
        if given.peek().is_none() {
            return refused("no_token", "a token is required");
        }
        let Some(token) = given.find_map(|given| self.find(given)) else {
            return refused("wrong_token", "the token is not valid");
        };
        if let Some(rate) = &token.rate {
            rate.take(Instant::now())?;
        }
        Ok(Some(Arc::clone(token)))
    }

    /// The token that is `given`. All are compared, each in a time that depends on its length alone.
    fn find(&self, given: &str) -> Option<&Arc<Token>> {
        self.tokens.iter().fold(None, |found, token| {
            let is_it: bool = token.text.as_bytes().ct_eq(given.as_bytes()).into();
            if is_it { Some(token) } else { found }
        })
    }

    /// What a shell on this machine puts for a token, without showing it.
    pub fn in_shell(&self) -> Option<String> {
        match &self.file {
            _ if self.is_open() => None,
            None => Some(format!("${VARIABLE}")),
            Some(file) => {
                let file = shell_quoted(&file.display().to_string());
                Some(format!("$(grep -m 1 . {file})"))
            }
        }
    }

    /// What to say at the start where other machines can ask without a token.
    pub fn warning(&self, listen: &[String]) -> Option<String> {
        let public = listen.iter().filter(|address| is_public(address));
        let public: Vec<&str> = public.map(String::as_str).collect();
        (self.is_open() && !public.is_empty()).then(|| {
            format!(
                "whoever can reach {} may ask: no token is required (--token-file FILE or {VARIABLE} \
                 sets one)",
                public.join(", ")
            )
        })
    }
}

/// What `WWW-Authenticate` says to a request that was not let through.
pub fn challenge(problem: &Problem) -> &'static str {
    match problem.reason() {
        "wrong_token" => "Bearer realm=\"mlserve\", error=\"invalid_token\"",
        _ => "Bearer realm=\"mlserve\"",
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(MOST_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// The token after `Bearer`, in any case.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| token.trim_matches(' '))
}

/// Whether other machines may reach an address such as `HOST:PORT`.
fn is_public(address: &str) -> bool {
    if address.starts_with("unix:") {
        return false;
    }
    let address = address.trim_start_matches("https://");
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(ip) => !ip.to_canonical().is_loopback(),
        Err(_) => !host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::message::{Header, Method};

    fn asked(auth: &Auth, path: &str, headers: &[(&str, &str)]) -> Option<&'static str> {
        let headers: Vec<Header<'_>> = headers
            .iter()
            .map(|(name, value)| Header {
                name,
                value: value.as_bytes(),
            })
            .collect();
        let head = Head {
            method: Method::Get,
            path,
            query: "",
            headers: &headers,
        };
        auth.check(&head).err().map(|problem| problem.reason())
    }

    #[test]
    fn whoever_has_a_token_may_ask() {
        let auth = Auth::of("a file", "alpha\n\n  beta  \r\n").expect("tokens");
        let (none, wrong) = (Some("no_token"), Some("wrong_token"));
        for (name, value, refused) in [
            ("Authorization", "Bearer alpha", None),
            ("authorization", "bearer  beta", None),
            ("X-API-Key", "beta", None),
            ("x-api-key", "alph", wrong),
            ("x-api-key", "alphaa", wrong),
            ("x-api-key", "", wrong),
            ("Authorization", "Bearer ", wrong),
            ("Authorization", "Bearer gamma", wrong),
            ("Authorization", "Basic alpha", none),
            ("Authorization", "alpha", none),
            ("Accept", "alpha", none),
        ] {
            let found = asked(&auth, "/predict", &[(name, value)]);
            assert_eq!(found, refused, "{name}: {value}");
        }
        let both = [("Authorization", "Bearer gamma"), ("X-API-Key", "alpha")];
        assert_eq!(asked(&auth, "/predict", &both), None);
        assert_eq!(asked(&Auth::default(), "/predict", &[]), None);
    }

    #[test]
    fn health_is_open_in_one_spelling_only() {
        let auth = Auth::of("a file", "alpha").expect("a token");
        for (path, is_open) in [
            ("/livez", true),
            ("/healthz", true),
            ("/readyz", true),
            ("/ping", true),
            ("/health", true),
            ("/v2/health/live", true),
            ("/v2/health/ready", true),
            ("/healthz/", false),
            ("/health%7a", false),
            ("/v2/health/../models", false),
            ("/metrics", false),
            ("/docs", false),
            ("/nothing", false),
            ("/", false),
        ] {
            assert_eq!(asked(&auth, path, &[]).is_none(), is_open, "{path}");
        }
    }

    #[test]
    fn tokens_are_lines_of_visible_ascii() {
        for (text, tokens) in [
            ("a\n", Some(vec!["a"])),
            ("\u{feff}a\r\nb", Some(vec!["a", "b"])),
            ("", None),
            (" \n\t\n", None),
            ("a b", None),
            ("a models=", None),
            ("a models=x,y/z", None),
            ("a rate=0", None),
            ("a rate=fast", None),
            ("a models=x,y rate=1.5/s", Some(vec!["a"])),
            ("schlüssel", None),
            ("\0", None),
        ] {
            let texts = |auth: Auth| -> Vec<String> {
                auth.tokens.iter().map(|token| token.text.clone()).collect()
            };
            let found = Auth::of("a file", text).map(texts).ok();
            let tokens = tokens.map(|tokens| tokens.into_iter().map(str::to_owned).collect());
            assert_eq!(found, tokens, "{text:?}");
        }
        let told = Auth::of("a file", "a\nse cret")
            .map(|_| ())
            .expect_err("no token");
        assert!(!told.to_string().contains("cret"), "{told}");
    }

    #[test]
    fn a_token_may_be_for_some_models_only() {
        let token = Token::read("alpha models=iris,churn").expect("a token");
        for (model, refused) in [("iris", None), ("churn", None), ("iri", Some(403))] {
            let status = token.check(model).err().map(|problem| problem.status());
            assert_eq!(status, refused, "{model}");
        }
        let token = Token::read("alpha").expect("a token");
        assert!(token.check("anything").is_ok());
    }

    #[test]
    fn a_rate_lets_a_second_come_at_once_and_then_what_has_filled() {
        let start = Instant::now();
        let rate = Rate::new(2.0);
        *rate.left.lock().expect("a bucket") = (2.0, start);
        let at = |ms| start + std::time::Duration::from_millis(ms);
        let taken: Vec<bool> = [0, 0, 0, 400, 500, 600, 1100, 10_000, 10_000, 10_000]
            .into_iter()
            .map(|ms| rate.take(at(ms)).is_ok())
            .collect();
        let expected = [
            true, true, false, false, true, false, true, true, true, false,
        ];
        assert_eq!(taken, expected);
        let refused = rate.take(at(10_000)).expect_err("too often");
        let Problem::Refused(refusal) = refused else {
            panic!("no refusal");
        };
        assert_eq!((refusal.status, refusal.retry_after_s), (429, Some(1)));
    }

    #[test]
    fn an_open_door_is_warned_of() {
        for (address, is_warned) in [
            ("127.0.0.1:8080", false),
            ("127.9.9.9:8080", false),
            ("localhost:8080", false),
            ("[::1]:8080", false),
            ("[::ffff:127.0.0.1]:8080", false),
            ("unix:/run/mlserve.sock", false),
            ("0.0.0.0:8080", true),
            ("[::]:8080", true),
            ("10.0.0.7:80", true),
            ("example.org:80", true),
            ("https://127.0.0.1:8443", false),
            ("https://0.0.0.0:8443", true),
        ] {
            let listen = [address.to_owned()];
            let open = Auth::default().warning(&listen);
            assert_eq!(open.is_some(), is_warned, "{address}");
            let closed = Auth::of("a file", "alpha").expect("a token");
            assert_eq!(closed.warning(&listen), None);
        }
    }
}
