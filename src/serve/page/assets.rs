//! The files that the pages load, as they are stored; their licences are in `assets/LICENSES.txt`.

use crate::serve::fixed::{ASK_AGAIN, Fixed, KEEP};

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// A file: its name, its content type, its bytes, and whether they are in gzip.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    is_packed: bool,
}

const fn ours(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Asset {
    Asset {
        name,
        content_type,
        bytes,
        is_packed: false,
    }
}

/// A file of others, which is asked for by its version.
const fn packed(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Asset {
    Asset {
        name,
        content_type,
        bytes,
        is_packed: true,
    }
}

const ASSETS: [Asset; 9] = [
    packed(
        "swagger-ui-bundle.js",
        SCRIPT,
        include_bytes!("assets/swagger-ui-bundle.js.gz"),
    ),
    packed(
        "swagger-ui.css",
        STYLE,
        include_bytes!("assets/swagger-ui.css.gz"),
    ),
    packed(
        "redoc.standalone.js",
        SCRIPT,
        include_bytes!("assets/redoc.standalone.js.gz"),
    ),
    ours("docs.js", SCRIPT, include_bytes!("assets/docs.js")),
    ours("redoc.js", SCRIPT, include_bytes!("assets/redoc.js")),
    ours("redoc.css", STYLE, include_bytes!("assets/redoc.css")),
    ours("home.js", SCRIPT, include_bytes!("assets/home.js")),
    ours("home.css", STYLE, include_bytes!("assets/home.css")),
    ours("LICENSES.txt", TEXT, include_bytes!("assets/LICENSES.txt")),
];

/// The place of the file `name`.
pub(super) fn find(name: &str) -> Option<usize> {
    ASSETS.iter().position(|asset| asset.name == name)
}

/// All files, in their order.
pub(super) fn all() -> Vec<Fixed> {
    let fixed = |asset: &Asset| match asset.is_packed {
        true => Fixed::packed(asset.content_type, KEEP, asset.bytes),
        false => Fixed::plain(asset.content_type, ASK_AGAIN, asset.bytes),
    };
    ASSETS.iter().map(fixed).collect()
}
