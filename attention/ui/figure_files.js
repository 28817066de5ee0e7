// The script of this name, below wherever Streamlit's own scripts are.
const place = name => new URL(`../../figure_files/${name}`, document.querySelector("script[src*='static/js']").src);
const loading = {};
const load = name => (loading[name] ??= new Promise((resolve, reject) => {
  const failed = error => { delete loading[name]; reject(error); };  // it is asked for again at the next click
  const script = Object.assign(document.createElement("script"), {src: place(name), onload: resolve, onerror: failed});
  document.head.append(script);
}));

async function asUri(name) {
  const answer = await fetch(place(name));
  if (!answer.ok) throw new Error(answer.status);
  const reader = new FileReader();
  reader.readAsDataURL(await answer.blob());
  await new Promise(resolve => { reader.onload = resolve; });
  return reader.result;
}

async function save(plot) {
  const [font] = await Promise.all([asUri("font.woff"), load("plotly.js"), load("figure_file.js")]);
  const {width, height} = plot.getBoundingClientRect(), {format, filename: name} = plot._context.toImageButtonOptions;
  const title = document.querySelector("[data-testid=stMain] h1").textContent;
  const finding = plot.closest("[aria-label]")?.getAttribute("aria-label") ?? "";
  await figureFile.save(Plotly, {data: plot.data, layout: plot.layout}, {width, height}, {title, finding, ground, font, name, format});
}

let ground = "light", own = false;

function click(event) {
  const button = event.target.closest(".modebar-btn[data-title^='Download plot']"), plot = button?.closest(".js-plotly-plot");
  if (own || !plot) return;
  event.stopImmediatePropagation();
  save(plot).catch(error => {  // a server without these files: plotly makes one without title and font
    console.info("The figure is saved as plotly has it:", error);
    own = true;
    button.dispatchEvent(new MouseEvent("click"));
    own = false;
  });
}

export default ({data}) => {  // is called anew with new data
  ({ground} = data);
  document.addEventListener("click", click, true);
  return () => document.removeEventListener("click", click, true);
};
