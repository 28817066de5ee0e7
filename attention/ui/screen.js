// Says how large the screen is, and goes on and back by the keys that clickers send: a lesson's steps, then views.

const ON = ["Next_step", "Next_view"], BACK = ["Previous_step", "Previous_view"];
const WAYS = {PageDown: ON, " ": ON, PageUp: BACK};
const calls = new WeakMap();  // Streamlit calls anew for new data, and ends the last call alone
export default ({parentElement, setStateValue, data}) => {
  calls.get(parentElement)?.abort();
  const call = new AbortController();
  calls.set(parentElement, call);
  const say = () => {
    if (innerWidth !== data.width || innerHeight !== data.height)
      setStateValue("size", {width: innerWidth, height: innerHeight});
  };
  const go = event => {
    const own = event.target.closest("input, textarea, [role=application]" + (event.key === " " ? ", button" : ""));
    const buttons = (own ? [] : WAYS[event.key] ?? []).map(key => document.querySelector(`.st-key-${key} button`));
    const way = buttons.find(button => button && !button.disabled);
    if (!way) return;
    event.preventDefault();
    way.click();
  };
  document.documentElement.dataset.screen = `${data.width}x${data.height}`;  // what the figures are drawn for
  say();
  addEventListener("resize", say, call);
  addEventListener("keydown", go, call);
  return () => call.abort();
};
