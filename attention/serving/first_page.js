// One entry in the browser's history for each page, as it was left, and for each step of a lesson. Streamlit makes one for
// much that changes on a page, and one on the way to another page, where it first says that the address has lost what was
// chosen on this one.
{
  let before = null; // this page's address and state, since when it was changed and nobody has done anything
  for (const kind of ["pointerdown", "keydown", "popstate"]) addEventListener(kind, () => { before = null; }, true);
  const push = history.pushState.bind(history);
  history.pushState = (state, title, address) => {
    const here = new URL(location), there = new URL(address ?? location, location);
    const step = there.searchParams.get("step"); // none where a lesson is left
    if (there.pathname === here.pathname && (!step || step === here.searchParams.get("step"))) {
      before ??= [history.state, title, location.href];
      history.replaceState(state, title, address);
    } else {
      if (before) history.replaceState(...before);
      before = null;
      push(state, title, address);
    }
  };
}
// A page is printed as it stands on the screen, as small as makes it fit: its figures keep the width that they have there.
addEventListener("beforeprint", () => {
  const page = document.querySelector('[data-testid="stMainBlockContainer"]');
  if (page) document.documentElement.style.setProperty("--screen", page.getBoundingClientRect().width);
});
