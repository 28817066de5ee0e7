// Tells the server, once, that somebody has scrolled near.

export default ({parentElement, setTriggerValue}) => {
  const come = entries => {
    if (!entries.some(entry => entry.isIntersecting)) return;
    watch.disconnect();
    setTriggerValue("near", true);
  };
  const watch = new IntersectionObserver(come, {rootMargin: "200px"});
  watch.observe(parentElement.querySelector("p"));
  return () => watch.disconnect();
};
