//! Of pages.
