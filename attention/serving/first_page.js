// One entry in the browser's history for each page. Streamlit makes one more on the way to another page, where it first says
// that the address has lost what was chosen on this one, and more while a page comes and says what it opens with: Back would
// come to those instead of to the page as it was left.
{
  let comes = true; // nobody has done anything on this page yet
  let between = false; // the newest entry is of this page, and nobody has done anything since it was made
  const act = () => ([comes, between] = [false, false]);
  for (const kind of ["pointerdown", "keydown", "popstate"]) addEventListener(kind, act, true);
  const push = history.pushState.bind(history);
  history.pushState = (state, title, address) => {
    const stays = new URL(address ?? location, location).pathname === location.pathname;
    if (between || (stays && comes)) history.replaceState(state, title, address);
    else push(state, title, address);
    [comes, between] = [!stays || comes, stays && !comes];
  };
}
