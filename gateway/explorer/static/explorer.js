// Reading works without this file. It replaces what has changed, as events arrive.
"use strict";
(() => {
  const status = document.querySelector("[data-live-status]");
  const parts = () => [...document.querySelectorAll("[data-live]")];
  if (!status || !window.EventSource || parts().length === 0) return;

  const say = (text) => { status.textContent = text; };
  let isBusy = false;
  let isStale = false;

  // The page itself is asked again, so there is one way to draw it.
  const refresh = async () => {
    if (isBusy) { isStale = true; return; }
    isBusy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok) return;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of parts()) {
        const fresh = next.getElementById(old.id);
        const holdsFocus = old.contains(document.activeElement);
        if (!fresh || fresh.innerHTML === old.innerHTML || holdsFocus) continue;
        old.replaceChildren(...fresh.childNodes);
        old.classList.remove("fresh");
        requestAnimationFrame(() => old.classList.add("fresh"));
      }
    } catch {
      // The next event tries again.
    } finally {
      isBusy = false;
      if (isStale) { isStale = false; refresh(); }
    }
  };

  const source = new EventSource(status.dataset.liveStatus);
  source.addEventListener("block", (event) => {
    say(`live, block ${event.data}`);
    refresh();
  });
  source.addEventListener("open", () => say("live"));
  source.addEventListener("error", () => say("reconnecting…"));
})();
