// A plotly figure as a file that stands by itself: a title, its font in it, on light or dark ground.
const figureFile = (() => {
const GROUNDS = {
  light: {paper: "#ffffff", ink: "#0b131b", soft: "#46525f", line: "#d5dce4"},
  dark: {paper: "#10151b", ink: "#e6ebf1", soft: "#a9b5c2", line: "#33404e"},
};
const FAMILY = "Gatescope Sans", FONTS = `'${FAMILY}', 'DejaVu Sans', Verdana, sans-serif`;
const PER_LETTER = 0.55, LINE = 1.3, SIZE = 16;
const BORDER = 12;  // pixels at the sides and below, where plotly lets texts and axes reach the edge
const WIDER = 1.2, LEAST = 480;  // the letters here are wider than those of a page, and need as much more room

// The layout on this ground; what a figure coloured itself to say something stays as it is.
function dressed(layout, look, family) {
  const copy = structuredClone(layout), old = layout.font?.color;
  const repaint = part => { if (part?.font && (!part.font.color || part.font.color === old)) part.font.color = look.ink; };
  copy.paper_bgcolor = copy.plot_bgcolor = look.paper;
  copy.font = {size: 14, ...copy.font, family, color: look.ink};
  copy.modebar = {color: look.soft, activecolor: look.ink, bgcolor: "rgba(0,0,0,0)"};
  for (const axis of new Set(["xaxis", "yaxis", ...Object.keys(copy).filter(key => /^[xy]axis\d*$/.test(key))])) {
    copy[axis] = {automargin: true, zeroline: false, ...copy[axis], gridcolor: look.line, linecolor: look.line, zerolinecolor: look.line};
    if (copy[axis].title && axis[0] === "x") copy[axis].title = {standoff: 8, ...copy[axis].title};
    if (copy[axis].title?.text && axis === "yaxis") copy.margin = {...copy.margin, l: Math.max(copy.margin?.l ?? 80, 64)};
    if (copy[axis].tickfont) copy[axis].tickfont.color = look.ink;
    repaint(copy[axis].title);
  }
  for (const part of [copy.legend, ...copy.annotations ?? []]) repaint(part);
  return copy;
}

const plain = text => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function lines(text, most) {
  const found = [""];
  for (const word of text.split(/\s+/)) {
    if (found.at(-1) && found.at(-1).length + word.length >= most) found.push("");
    found.push(`${found.pop()} ${word}`.trim());
  }
  return found;
}

// Above the figure, in room of its own: what it is of, and what it says.
function titled(layout, title, finding, size) {
  const most = (size.width - 24) / PER_LETTER;
  const said = [...lines(title, most / SIZE).map(line => `<b>${plain(line)}</b>`),
    ...lines(finding, most / 13).map(line => `<span style="font-size:13px">${plain(line)}</span>`)];
  const room = Math.ceil(said.length * SIZE * LINE) + 24;
  layout.title = {text: said.join("<br>"), x: 0, xref: "container", xanchor: "left", y: 1, yref: "container", yanchor: "top",
    pad: {l: 12, t: 20}, font: {size: SIZE, color: layout.font.color}, automargin: false};
  layout.margin = {b: 80, ...layout.margin, l: Math.max(layout.margin?.l ?? 80, 16), r: Math.max(layout.margin?.r ?? 80, 16), t: (layout.margin?.t ?? 100) + room};
  return {width: size.width, height: size.height + room};
}

async function withFont(address) {
  const face = new FontFace(FAMILY, `url(${address})`);
  document.fonts.add(await face.load());
  return face;
}

const inSvg = (svg, address, {width, height}, paper) => svg
  .replace(/ width="[^"]*"/, ` width="${width}"`)
  .replace(/ height="[^"]*"/, ` height="${height}"`)
  .replace(/ viewBox="[^"]*"/, ` viewBox="${-BORDER} 0 ${width} ${height}"`)
  .replace(/>/, `><defs><style>@font-face{font-family:'${FAMILY}';src:url(${address}) format('woff')}</style></defs>
    <rect x="${-BORDER}" width="${width}" height="${height}" fill="${paper}"/>`);

// asked: {title, finding, ground, format, name, font}; screen: the size there, in pixels.
async function save(Plotly, figure, screen, asked) {
  const size = {width: Math.max(LEAST, Math.round(WIDER * screen.width)), height: Math.round(WIDER * screen.height)};
  const face = await withFont(asked.font);
  const layout = dressed(figure.layout, GROUNDS[asked.ground], FONTS);
  const whole = titled(layout, asked.title, asked.finding, size);
  delete layout.template;
  layout.autosize = false;
  const address = await Plotly.toImage({data: figure.data, layout: {...layout, ...whole}, config: {staticPlot: true}}, {format: "svg", ...whole});
  document.fonts.delete(face);
  const bordered = {width: whole.width + 2 * BORDER, height: whole.height + BORDER};
  const drawn = decodeURIComponent(address.slice(address.indexOf(",") + 1));
  const svg = inSvg(drawn, asked.font, bordered, layout.paper_bgcolor);
  const blob = asked.format === "svg" ? new Blob([svg], {type: "image/svg+xml"}) : await pixels(svg, bordered);
  const link = Object.assign(document.createElement("a"), {href: URL.createObjectURL(blob), download: `${asked.name}.${asked.format}`});
  link.click();
  URL.revokeObjectURL(link.href);
}

// Three times as fine as the screen.
async function pixels(svg, {width, height}) {
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), {width: 3 * width, height: 3 * height});
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise(resolve => canvas.toBlob(resolve, "image/png"));
}

return {save, dressed, GROUNDS};
})();
