//! Who may ask: whoever has one of the tokens, where there are any.
//!
//! Tokens come from a file or the environment and never from the command line, which every process of
//! the machine can read. Paths that tell a load balancer or an orchestrator whether the server is well
//! stay open: their probes have no token, and they tell nothing else.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use subtle::{Choice, ConstantTimeEq};

use crate::error::{Error, Result};
use crate::inspect::example::shell_quoted;

use super::message::Head;
use super::problem::Problem;

/// The variable that holds tokens where no file is named.
pub const VARIABLE: &str = "MLSERVE_TOKEN";
/// Nobody has as many tokens as fill this.
const MOST_BYTES: u64 = 1 << 20;

/// The tokens that are asked for; none, where everybody may ask.
#[derive(Default)]
pub struct Auth {
    tokens: Vec<String>,
    /// Where they are from; the environment's [`VARIABLE`], where they are from no file.
    file: Option<PathBuf>,
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
        match (file, std::env::var_os(VARIABLE)) {
            (Some(file), _) => {
                let name = format!("--token-file {}", file.display());
                let text = read(file).map_err(|source| {
                    let error = Error::io("", &source);
                    Error::usage(format!("{name}: {error}"))
                })?;
                Ok(Auth {
                    file: Some(file.to_owned()),
                    ..Auth::of(&name, &text)?
                })
            }
            (None, Some(text)) => Auth::of(VARIABLE, text.to_str().unwrap_or("\0")),
            (None, None) => Ok(Auth::default()),
        }
    }

    /// One token a line; `name` is where they are from.
    fn of(name: &str, text: &str) -> Result<Auth> {
        let text = text.trim_start_matches('\u{feff}');
        let lines = text.lines().map(str::trim).enumerate();
        let mut tokens = Vec::new();
        for (index, token) in lines.filter(|(_, token)| !token.is_empty()) {
            // The token itself is no text for a terminal or a log.
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                let line = index + 1;
                return Err(Error::usage(format!(
                    "{name}: line {line} is no token: expected visible ASCII without blanks"
                )));
            }
            tokens.push(token.to_owned());
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
    /// # Errors
    /// 401, which says whether there was no token or a wrong one.
    pub fn check(&self, head: &Head<'_>) -> std::result::Result<(), Problem> {
        if self.is_open() || is_health(head.path) {
            return Ok(());
        }
        let bearer = head.header("authorization").and_then(bearer);
        let key = head.header("x-api-key");
        let mut given = bearer.into_iter().chain(key).peekable();
        let refused = |reason, message| Err(Problem::refused(401, reason, message));
        if given.peek().is_none() {
            return refused("no_token", "a token is required");
        }
        match given.any(|token| self.has(token)) {
            true => Ok(()),
            false => refused("wrong_token", "the token is not valid"),
        }
    }

    /// Whether `given` is one of the tokens. All are compared, each in a time that depends on its
    /// length alone.
    fn has(&self, given: &str) -> bool {
        let compared = self.tokens.iter().fold(Choice::from(0), |found, token| {
            found | token.as_bytes().ct_eq(given.as_bytes())
        });
        compared.into()
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
            ("schlüssel", None),
            ("\0", None),
        ] {
            let found = Auth::of("a file", text).map(|auth| auth.tokens).ok();
            let tokens = tokens.map(|tokens| tokens.into_iter().map(str::to_owned).collect());
            assert_eq!(found, tokens, "{text:?}");
        }
        let told = Auth::of("a file", "a\nse cret")
            .map(|_| ())
            .expect_err("no token");
        assert!(!told.to_string().contains("cret"), "{told}");
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
