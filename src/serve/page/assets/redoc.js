// Redoc for the document beside this page; nothing is asked of other hosts.
"use strict";

Redoc.init(
  new URL("openapi.json", document.baseURI).href,
  {
    hideDownloadButton: false,
    nativeScrollbars: true,
    requiredPropsFirst: true,
    theme: { typography: { fontFamily: "system-ui, sans-serif", headings: { fontFamily: "system-ui, sans-serif" } } },
  },
  document.getElementById("redoc"),
);
