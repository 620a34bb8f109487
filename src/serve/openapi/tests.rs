//! Of the document.
