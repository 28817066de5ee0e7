// One entry in the browser's history for each page. Streamlit makes one more on the way to another page, where it first says
// that the address has lost what was chosen on this one, and more while a page comes and says what it opens with: Back would
// come to those instead of to the page as it was left.
{
  const MOST = 10_000; // milliseconds until another page has come
  let left = -Infinity;
  let comes = true;
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => (comes = false), true);
  addEventListener(
    "click",
    (event) => {
      const link = event.target.closest?.("a[href]");
      const here = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
      if (link?.origin === location.origin && link.pathname !== location.pathname && here) left = performance.now();
    },
    true,
  );
  const push = history.pushState.bind(history);
  history.pushState = (state, title, address) => {
    const stays = new URL(address, location).pathname === location.pathname;
    if (stays && performance.now() - left < MOST) return;
    if (stays && comes) return history.replaceState(state, title, address);
    if (!stays) [left, comes] = [-Infinity, true];
    push(state, title, address);
  };
}
