// Says whether a page is live, marks rows that just came, and goes to the login when the session has ended.
(function () {
  "use strict";

  const SILENCE_MS = 40000; // the cloud says something every 15 seconds
  const sources = new Set();

  // a connection that died without a word never fails by itself: when nothing was heard for long, it is failed here
  htmx.createEventSource = function (url) {
    const source = new EventSource(url);
    let heard = Date.now();
    const note = function () { heard = Date.now(); };
    ["open", "beat", "fragment"].forEach(function (name) { source.addEventListener(name, note); });
    const watch = window.setInterval(function () {
      if (source.readyState === EventSource.CLOSED) { window.clearInterval(watch); return; }
      if (Date.now() - heard > SILENCE_MS) {
        window.clearInterval(watch);
        source.close();
        source.dispatchEvent(new Event("error"));
      }
    }, 5000);
    sources.add(source);
    return source;
  };

  function say(state) {
    document.querySelectorAll("[data-live-state]").forEach(function (element) {
      element.hidden = element.dataset.liveState !== state;
    });
  }

  function rowsOf(element) {
    return new Set(Array.from(element.querySelectorAll("[data-row]"), function (row) { return row.dataset.row; }));
  }

  say("connecting");

  let before = new Set();
  document.addEventListener("htmx:sseBeforeMessage", function (event) { before = rowsOf(event.target); });
  document.addEventListener("htmx:sseMessage", function (event) {
    say("live");
    event.target.querySelectorAll("[data-row]").forEach(function (row) {
      if (!before.has(row.dataset.row)) { row.classList.add("fresh"); }
    });
  });
  document.addEventListener("htmx:sseOpen", function () { say("live"); });
  document.addEventListener("htmx:sseError", function (event) {
    say("lost");
    // refused, not merely gone: perhaps the session ended while the cloud was away, then this page leads to the login
    if (event.detail.source.readyState === EventSource.CLOSED) {
      fetch(window.location.href, { redirect: "manual", cache: "no-store" }).then(
        function (answer) { if (answer.type === "opaqueredirect") { window.location.reload(); } },
        function () { /* the cloud is away; the stream is tried again */ }
      );
    }
  });
  document.addEventListener("htmx:sseClose", function (event) {
    if (event.detail.type === "message") { window.location.reload(); }
  });

  // a page that is left must not be told that its connection was lost
  window.addEventListener("pagehide", function () { sources.forEach(function (source) { source.close(); }); });
  window.addEventListener("pageshow", function (event) { if (event.persisted) { window.location.reload(); } });
})();
