// Marks the page while the slider of the strip stands at another block than the answer is about; screen.css hides that.

const watches = new WeakMap();  // Streamlit calls anew for new data, and ends the last call alone
export default ({parentElement, data}) => {
  const mark = () => {
    const slider = document.querySelector(".st-key-block input");
    document.documentElement.toggleAttribute("data-moved", Boolean(slider) && Number(slider.value) !== data.position);
  };
  const watch = new MutationObserver(mark);
  watches.get(parentElement)?.disconnect();
  watches.set(parentElement, watch);
  watch.observe(document.body, {subtree: true, attributeFilter: ["aria-valuetext"]});
  mark();
  return () => {
    watch.disconnect();
    document.documentElement.removeAttribute("data-moved");
  };
};
