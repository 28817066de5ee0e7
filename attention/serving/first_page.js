// One entry in the browser's history for each page, as it was left. Streamlit makes one for much that changes on a page, and
// one on the way to another page, where it first says that the address has lost what was chosen on this one.
{
  let before = null; // this page's address and state, since when it was changed and nobody has done anything
  for (const kind of ["pointerdown", "keydown", "popstate"]) addEventListener(kind, () => { before = null; }, true);
  const push = history.pushState.bind(history);
  history.pushState = (state, title, address) => {
    const stays = new URL(address ?? location, location).pathname === location.pathname;
    if (stays) {
      before ??= [history.state, title, location.href];
      history.replaceState(state, title, address);
    } else {
      if (before) history.replaceState(...before);
      before = null;
      push(state, title, address);
    }
  };
}
