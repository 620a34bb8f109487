//! Pages for people: what is served and a form to try it (`home`), Swagger UI, Redoc.
//!
//! Everything that they load comes from here (`assets`): they work without any network, and their
//! content security policy holds them to it. Of other hosts not even a picture is asked.

mod assets;
mod home;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

pub(super) use home::text;

use super::app::App;
use super::fixed::{ASK_AGAIN, Fixed, Renewed};
use super::message::{Head, Method, Reply};
use super::problem::Problem;
use super::routes::Found;

/// What a path here means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Home,
    Docs,
    Redoc,
    /// A file that the pages load, by its place among all.
    Asset(usize),
}

const READ: &[Method] = &[Method::Get, Method::Head];
const HTML: &str = "text/html; charset=utf-8";

/// What every page may do: nothing but what its own additions say.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'self'";
/// Swagger UI and Redoc make their styles as they run; Redoc's search and its pages load no more.
const STYLED: &str = " 'unsafe-inline'; font-src data:; worker-src blob:";

/// The pages, each made when it is first asked for.
#[derive(Debug, Default)]
pub struct Pages {
    home: Renewed,
    docs: OnceLock<Fixed>,
    redoc: OnceLock<Fixed>,
    assets: OnceLock<Vec<Fixed>>,
}

/// The route of a path in segments.
pub fn find(segments: &[&str]) -> Option<Found<Route>> {
    let (route, template) = match *segments {
        [] => (Route::Home, "/"),
        ["docs"] => (Route::Docs, "/docs"),
        ["redoc"] => (Route::Redoc, "/redoc"),
        ["assets", name] => (Route::Asset(assets::find(name)?), "/assets/{name}"),
        _ => return None,
    };
    Some(Found::new(route, template, READ))
}

/// Answers a request for a page.
///
/// # Errors
/// As [`Fixed::reply`].
pub fn answer<'s>(app: &'s App, route: Route, head: &Head<'_>) -> Result<Reply<'s>, Problem> {
    let pages = &app.pages;
    let home;
    let (page, policy) = match route {
        // Their links are relative, so that they work behind a proxy that adds to the path.
        Route::Docs | Route::Redoc if head.path.ends_with('/') => {
            let to = match route {
                Route::Docs => "../docs",
                _ => "../redoc",
            };
            return Ok(Reply::empty(308).with("Location", to));
        }
        Route::Home => {
            let make = || Fixed::plain(HTML, ASK_AGAIN, home::html(app).into_bytes());
            home = pages.home.of(app.registry.generation(), make);
            (&*home, POLICY.to_owned())
        }
        Route::Docs => {
            let make = || Fixed::plain(HTML, ASK_AGAIN, &include_bytes!("assets/docs.html")[..]);
            (pages.docs.get_or_init(make), format!("{POLICY}{STYLED}"))
        }
        Route::Redoc => {
            let make = || Fixed::plain(HTML, ASK_AGAIN, &include_bytes!("assets/redoc.html")[..]);
            (pages.redoc.get_or_init(make), format!("{POLICY}{STYLED}"))
        }
        Route::Asset(index) => {
            let assets = pages.assets.get_or_init(assets::all);
            let not_found = || Problem::refused(404, "not_found", "Not Found");
            return assets.get(index).ok_or_else(not_found)?.reply(head);
        }
    };
    let reply = page.reply(head)?;
    Ok(reply
        .with("Content-Security-Policy", policy)
        .with("Referrer-Policy", "no-referrer"))
}
