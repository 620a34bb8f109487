// The forms of the page: what stands in the text goes to the model, its answer below it.
"use strict";

const quoted = (text) => "'" + text.replaceAll("'", "'\\''") + "'";

for (const form of document.querySelectorAll("form[data-path]")) {
  const url = new URL(form.dataset.path, document.baseURI);
  const [text, button, status] = ["textarea", "button", "output"].map((one) => form.querySelector(one));
  const answer = form.querySelector("pre.answer");
  const curl = form.querySelector("pre.curl");

  const tellCurl = () => {
    curl.textContent = `curl -s ${quoted(url.href)} -H 'content-type: application/json' -d ${quoted(text.value)}`;
  };
  text.addEventListener("input", tellCurl);
  tellCurl();

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    const started = performance.now();
    try {
      const reply = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: text.value,
      });
      const told = await reply.text();
      const took = (performance.now() - started).toFixed(1);
      status.textContent = `${reply.status} in ${took} ms`;
      status.className = reply.ok ? "good" : "bad";
      answer.textContent = pretty(told);
    } catch (error) {
      status.textContent = "no answer";
      status.className = "bad";
      answer.textContent = String(error);
    }
    answer.hidden = false;
    button.disabled = false;
  });
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
