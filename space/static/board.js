// The leaderboard's table: filter, sort, columns, compare and export in the browser, the view kept in the address. Text is only ever set as text.
const COLUMNS = [
  { id: "model", title: "Model", always: true },
  { id: "benchmark", title: "Benchmark", show: (row) => row.title },
  { id: "accuracy", title: "Accuracy (%)", number: true },
  { id: "tie", title: "Tie", help: "rows with the same letter cannot be told apart" },
  { id: "status", title: "Status" },
  { id: "source", title: "Source" },
  { id: "mean_class", title: "Mean class acc. (%)", number: true, help: "mean of the recalls: every expression counts the same" },
  { id: "f1", title: "Macro F1 (%)", number: true },
  { id: "calibration", title: "Calibration error (%)", number: true, help: "how far confidence and accuracy lie apart; less is better" },
  { id: "corrupted", title: "Under corruptions (%)", number: true, help: "mean accuracy under blur, noise, JPEG, occlusion ... at five severities" },
  { id: "deletion", title: "Heatmap deletion", number: true, show: (row) => `${row.deletion.toFixed(2)} (${row.deletion_low.toFixed(2)} to ${row.deletion_high.toFixed(2)})`, help: "area under the probability while the heatmap's places are blurred away, 95 % interval; less is better" },
  { id: "insertion", title: "Heatmap insertion", number: true, show: (row) => `${row.insertion.toFixed(2)} (${row.insertion_low.toFixed(2)} to ${row.insertion_high.toFixed(2)})`, help: "area under the probability while they come back, 95 % interval; more is better" },
  { id: "parameters", title: "Parameters (M)", number: true, show: (row) => (row.parameters / 1e6).toFixed(1), help: "of modules that are called" },
  { id: "flops", title: "GFLOPs", number: true, show: (row) => (row.flops / 1e9).toFixed(2), help: "one image; two operations a multiply-add, counted alike for all" },
  { id: "speed", title: "Speed (POSTER++ = 1)", number: true, show: (row) => row.speed.toFixed(2), help: "images a second, timed in turns on one machine" },
  { id: "architecture", title: "Architecture" },
  { id: "protocol", title: "Protocol" },
  { id: "images", title: "Test images", number: true },
  { id: "epoch", title: "Epoch chosen on" },
  { id: "training", title: "Training data" },
  { id: "submitted_by", title: "Submitted by" },
  { id: "finished", title: "Date" },
  { id: "weights", title: "Weights (sha256)", show: (row) => row.weights.slice(0, 12) },
];
// What can be drawn; those with "results" need results measured here: the ones ticked for comparison, else the best of the benchmark.
const PLOTS = [
  { id: "interval", title: "Accuracy" },
  { id: "parameters", title: "Parameters" },
  { id: "flops", title: "FLOPs" },
  { id: "speed", title: "Speed" },
  { id: "classes", title: "Per expression", results: true, note: "Rare expressions have wide intervals: a few pictures decide." },
  { id: "confusion", title: "Confusion", results: true },
  { id: "reliability", title: "Reliability", results: true, note: "Below the diagonal a model is surer than it is right." },
  { id: "robustness", title: "Robustness", results: true },
  { id: "resolution", title: "Resolution", results: true },
  { id: "quality", title: "Quality", results: true },
  { id: "problems", title: "Three problems", results: true, note: "Inter-class similarity, intra-class discrepancy and scale sensitivity, from the embeddings before the head." },
  { id: "centroids", title: "Class similarity", results: true },
];
// Columns that are shown with their interval, and what its ends are called.
const INTERVALS = { accuracy: ["low", "high"], deletion: ["deletion_low", "deletion_high"], insertion: ["insertion_low", "insertion_high"] };
const NARROW = window.matchMedia("(max-width: 640px)").matches;
const USUAL = NARROW ? ["model", "accuracy", "status"] : ["model", "accuracy", "tie", "status", "source", "epoch"];
const STATUSES = ["measured", "claimed", "disputed"];
const ROW = 44; // pixels, as in style.css
const WINDOW = 120; // rows; from here on only those in sight are in the page
const MOST_COMPARED = 4;

const $ = (selector) => element.querySelector(selector);
const make = (tag, text, attributes = {}) => {
  const node = document.createElement(tag);
  if (text !== undefined && text !== null) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};
const column = (id) => COLUMNS.find((one) => one.id === id);

let board = { benchmarks: [], rows: [], notes: {} };
let rows = []; // those shown, in order
let sorted = { by: null, rows: [] }; // all of them, kept while the order stays
let view = {};

function usualView() {
  return { q: "", benchmark: board.benchmarks[0]?.name ?? "", status: [...STATUSES], sort: "-accuracy", columns: [...USUAL], pin: ["model"], compare: [], plot: "interval" };
}

function readAddress() {
  const given = new URLSearchParams(location.search);
  const known = { columns: COLUMNS.map((one) => one.id), status: STATUSES, pin: COLUMNS.map((one) => one.id), compare: board.rows.map((row) => row.key) };
  view = usualView();
  if (given.has("q")) view.q = given.get("q").slice(0, 100);
  if (board.benchmarks.some((one) => one.name === given.get("benchmark")) || given.get("benchmark") === "all") view.benchmark = given.get("benchmark");
  if (PLOTS.some((one) => one.id === given.get("plot"))) view.plot = given.get("plot");
  if (column((given.get("sort") ?? "").replace(/^-/, ""))) view.sort = given.get("sort");
  for (const name of Object.keys(known)) {
    if (given.has(name)) view[name] = [...new Set(given.get(name).split(","))].filter((one) => known[name].includes(one));
  }
  if (!view.columns.includes("model")) view.columns.unshift("model");
  view.compare = view.compare.slice(0, MOST_COMPARED);
}

function writeAddress() {
  const usual = usualView();
  const kept = new URLSearchParams(location.search);
  for (const name of Object.keys(usual)) {
    const value = String(view[name]);
    if (value === String(usual[name])) kept.delete(name);
    else kept.set(name, value);
  }
  const query = kept.toString().replaceAll("%2C", ",");
  history.replaceState(history.state, "", location.pathname + (query ? `?${query}` : "") + location.hash);
}

function load() {
  if (!props.value) return;
  const first = !board.rows.length;
  board = JSON.parse(props.value);
  const titles = Object.fromEntries(board.benchmarks.map((one) => [one.name, one.title]));
  for (const row of board.rows) {
    row.title = titles[row.benchmark];
    for (const name of ["tie", "link", "training", "submitted_by", "weights"]) row[name] ??= ""; // what is empty does not travel
    for (const name of ["low", "high"]) row[name] ??= null;
    row.text = [row.model, row.title, row.status, row.source, row.training, row.protocol, row.submitted_by].join(" ").toLowerCase();
  }
  sorted.by = null;
  readAddress();
  if (first) controls();
  fill();
  if (drawn() !== drawn(usualView())) follow();
}

// What the figure depends on, as the server is asked for it.
function drawn(of = view) {
  const plot = PLOTS.find((one) => one.id === of.plot);
  return JSON.stringify({ name: of.benchmark === "all" ? usualView().benchmark : of.benchmark, plot: plot.id, compare: plot.results ? of.compare : [] });
}

let followed = "";
function follow() {
  if (drawn() === followed) return;
  followed = drawn();
  $(".board").dataset.drawn = followed; // what the server is asked for, see board_page.py
  trigger("chosen");
}

function controls() {
  const choose = $("select.benchmark");
  for (const one of board.benchmarks) choose.append(make("option", one.title, { value: one.name }));
  choose.append(make("option", "All benchmarks", { value: "all" }));
  choose.value = view.benchmark;
  choose.addEventListener("change", () => ((view.benchmark = choose.value), changed()));
  $("input.query").value = view.q;
  $("input.query").addEventListener("input", (event) => ((view.q = event.target.value), changed()));
  $("form.bar").addEventListener("submit", (event) => event.preventDefault());
  for (const status of STATUSES) {
    const label = make("label", "", { class: "tick" });
    const box = make("input", "", { type: "checkbox", value: status });
    box.checked = view.status.includes(status);
    box.addEventListener("change", () => {
      view.status = STATUSES.filter((one) => element.querySelector(`.statuses input[value=${one}]`).checked);
      changed();
    });
    label.append(box, make("i", "", { class: `mark ${status}` }), status);
    $(".statuses").append(label);
  }
  for (const one of COLUMNS) {
    const line = make("div", "", { class: "line" });
    for (const [list, word] of [["columns", one.title], ["pin", "pin"]]) {
      const label = make("label", "", { class: "tick" });
      const box = make("input", "", { type: "checkbox", "data-list": list, value: one.id, "aria-label": list === "pin" ? `Pin ${one.title}` : `Show ${one.title}` });
      box.checked = view[list].includes(one.id);
      box.disabled = list === "columns" && Boolean(one.always);
      box.addEventListener("change", () => {
        const ticked = [...element.querySelectorAll(`.columns input[data-list=${list}]`)].filter((other) => other.checked);
        view[list] = ticked.map((other) => other.value);
        changed();
      });
      label.append(box, word);
      line.append(label);
    }
    $(".columns").append(line);
  }
  for (const one of PLOTS) {
    const button = make("button", one.title, { type: "button", "data-plot": one.id });
    button.addEventListener("click", () => ((view.plot = one.id), changed()));
    $(".plots").append(button);
  }
  followed = drawn(usualView());
  for (const button of element.querySelectorAll("[data-export]")) button.addEventListener("click", () => exported(button));
  $(".reset").addEventListener("click", () => {
    view = { ...view, q: "", status: [...STATUSES] };
    $("input.query").value = "";
    for (const box of element.querySelectorAll(".statuses input")) box.checked = true;
    changed();
  });
  document.addEventListener("click", (event) => {
    for (const menu of element.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  $(".scroll").addEventListener("scroll", () => requestAnimationFrame(body));
}

function changed() {
  writeAddress();
  fill();
  follow();
}

function fill() {
  const words = view.q.toLowerCase().split(/\s+/).filter(Boolean);
  if (sorted.by !== view.sort) sorted = { by: view.sort, rows: inOrder(board.rows, view.sort) };
  rows = sorted.rows.filter(
    (row) =>
      (view.benchmark === "all" || row.benchmark === view.benchmark) &&
      view.status.includes(row.status) &&
      words.every((word) => row.text.includes(word)),
  );
  const of = board.rows.filter((row) => view.benchmark === "all" || row.benchmark === view.benchmark).length;
  const note = board.benchmarks.find((one) => one.name === view.benchmark)?.note;
  $(".count").textContent = `${rows.length} of ${of} rows` + (note ? `. Note: ${note}.` : "");
  $(".empty").hidden = rows.length > 0;
  $(".scroll").hidden = rows.length === 0;
  $(".scroll").classList.toggle("windowed", rows.length > WINDOW);
  verdict();
  head();
  body();
  comparison();
  plots();
}

// The answer to "which model is best, and how sure is that": of the whole benchmark, whatever is filtered.
function verdict() {
  const all = board.rows.filter((row) => row.benchmark === view.benchmark);
  const box = $(".verdict");
  box.hidden = all.length === 0;
  if (box.hidden) return;
  const best = (some) => some.reduce((a, b) => (b.accuracy > a.accuracy ? b : a), some[0]);
  const tied = all.filter((row) => row.tie === "a");
  const claimed = best(all.filter((row) => row.status === "claimed"));
  const measured = best(all.filter((row) => row.status === "measured"));
  const disputed = all.filter((row) => row.status === "disputed");
  const lines = [];
  const figure = (row) => [make("b", `${accuracyWords(row)} %`), row.low === null ? "" : ` (${intervalWords(row)})`];
  if (claimed) {
    const others = tied.length - 1;
    const words = claimed.tie !== "a" ? "." : others ? `; ${others} ${others === 1 ? "row" : "rows"} of tie group a cannot be told apart from it.` : "; no other row ties with it.";
    lines.push(["claimed", "Best claim: ", modelLink(claimed), " ", ...figure(claimed), words]);
  }
  if (measured) lines.push(["measured", "Best measured here: ", modelLink(measured), " ", ...figure(measured), "."]);
  else lines.push(["measured", "Measured here: nothing yet. ", make("a", "Submit a model", { href: "./submit" }), "."]);
  if (disputed.length) lines.push(["disputed", `${disputed.length} ${disputed.length === 1 ? "claim is" : "claims are"} disputed: others could not repeat ${disputed.length === 1 ? "it" : "them"}.`]);
  box.replaceChildren(...lines.map(([status, ...parts]) => {
    const line = make("span");
    line.append(make("i", "", { class: `mark ${status}` }), ...parts);
    return line;
  }));
}

const modelLink = (row) => make("a", row.model, { href: `./model?name=${encodeURIComponent(row.model)}`, class: "to-model" });

function plots() {
  const plot = PLOTS.find((one) => one.id === view.plot);
  for (const button of element.querySelectorAll(".plots button")) button.setAttribute("aria-pressed", button.dataset.plot === view.plot);
  const chosen = view.compare.map((key) => board.rows.find((row) => row.key === key)).filter((row) => row?.status === "measured");
  const which = !plot.results ? "" : chosen.length ? "Of the results ticked for comparison. " : "Of the best result measured here; tick up to four in the table to compare. ";
  $(".plot-note").textContent = which + (plot.note ?? board.notes[plot.id] ?? "");
}

function inOrder(all, sort) {
  const id = sort.replace(/^-/, "");
  const sign = sort.startsWith("-") ? -1 : 1;
  return [...all].sort((a, b) => {
    const [x, y] = [a[id], b[id]];
    if (x === y) return 0;
    if (x == null || x === "") return 1; // unknown goes last either way
    if (y == null || y === "") return -1;
    if (id === "tie" && x.length !== y.length) return sign * (x.length - y.length); // after z comes aa
    return sign * (typeof x === "number" ? x - y : String(x).localeCompare(String(y)));
  });
}

const shownColumns = () => COLUMNS.filter((one) => view.columns.includes(one.id)).sort((a, b) => view.pin.includes(b.id) - view.pin.includes(a.id));

function head() {
  const line = $("thead tr");
  line.replaceChildren(make("th", "", { class: "pick" }));
  line.firstChild.append(make("span", "Compare", { class: "unseen" }));
  for (const one of shownColumns()) {
    const cell = make("th", "", { scope: "col", class: one.number ? "number" : "", "data-column": one.id });
    const sorted = view.sort.replace(/^-/, "") === one.id;
    if (sorted) cell.setAttribute("aria-sort", view.sort.startsWith("-") ? "descending" : "ascending");
    const button = make("button", one.title, { type: "button", ...(one.help ? { title: one.help } : {}) });
    button.addEventListener("click", () => {
      view.sort = sorted ? (view.sort.startsWith("-") ? one.id : `-${one.id}`) : one.number ? `-${one.id}` : one.id;
      changed();
      $(`th[data-column=${one.id}] button`).focus();
    });
    cell.append(button);
    line.append(cell);
  }
}

function body() {
  const box = $(".scroll");
  const windowed = rows.length > WINDOW;
  const first = windowed ? Math.max(0, Math.floor(box.scrollTop / ROW) - 20) : 0;
  const last = windowed ? Math.min(rows.length, first + Math.ceil(box.clientHeight / ROW) + 40) : rows.length;
  const known = rows.filter((row) => row.accuracy !== null);
  const range = [Math.min(...known.map((row) => row.low ?? row.accuracy)), Math.max(...known.map((row) => row.high ?? row.accuracy))];
  const columns = shownColumns();
  const lines = rows.slice(first, last).map((row, index) => line(row, first + index, columns, range));
  const spacer = (count) => (count ? [make("tr", "", { class: "spacer", "aria-hidden": "true", style: `height:${count * ROW}px` })] : []);
  $("tbody").replaceChildren(...spacer(first), ...lines, ...spacer(rows.length - last));
  $("table").setAttribute("aria-rowcount", rows.length + 1);
  pinned();
}

function line(row, index, columns, range) {
  const node = make("tr", "", { class: row.status, "aria-rowindex": index + 2, "data-key": row.key });
  const pick = make("td", "", { class: "pick" });
  const box = make("input", "", { type: "checkbox", "aria-label": `Compare ${row.model} on ${row.title}` });
  box.checked = view.compare.includes(row.key);
  box.disabled = !box.checked && view.compare.length >= MOST_COMPARED;
  box.addEventListener("change", () => {
    view.compare = box.checked ? [...view.compare, row.key] : view.compare.filter((key) => key !== row.key);
    changed();
    $(`tr[data-key="${row.key}"] input`)?.focus();
  });
  pick.append(box);
  node.append(pick);
  for (const one of columns) node.append(cell(row, one, range));
  return node;
}

function cell(row, one, range) {
  const node = make(one.id === "model" ? "th" : "td", "", { class: one.number ? "number" : one.id, "data-column": one.id });
  if (one.id === "model") node.setAttribute("scope", "row");
  if (one.id === "accuracy") return accuracy(node, row, range);
  if (one.id === "status") node.append(make("i", "", { class: `mark ${row.status}` }));
  if (one.id === "source" && row.link.startsWith("https://")) {
    node.append(make("a", row.source, { href: row.link, target: "_blank", rel: "noopener noreferrer", title: row.source }));
    return node;
  }
  const text = words(row, one);
  if (one.id === "model" && row.status === "measured") return node.append(modelLink(row), make("small", row.protocol)), node;
  node.append(one.id === "model" ? modelLink(row) : one.id === "tie" && row.tie ? make("i", row.tie, { class: "tie" }) : text);
  if (one.id === "source" || one.id === "training" || one.id === "model") node.title = text;
  return node;
}

function words(row, one) {
  const value = row[one.id];
  if (value === null || value === undefined || value === "") return "–";
  if (one.show) return one.show(row);
  return typeof value === "number" ? value.toLocaleString("en", { maximumFractionDigits: 2 }) : value;
}

const accuracyWords = (row) => row.accuracy.toFixed(row.status === "measured" ? 1 : 2);
const intervalWords = (row) => (row.low === null ? "no interval" : `${row.low.toFixed(1)} to ${row.high.toFixed(1)}`);

function accuracy(node, row, [low, high]) {
  const place = (value) => (high > low ? (100 * (value - low)) / (high - low) : 50);
  node.classList.add("accuracy");
  node.append(make("b", accuracyWords(row)), make("small", intervalWords(row)));
  const range = make("span", "", { class: "range", "aria-hidden": "true" });
  if (row.low !== null) range.append(make("i", "", { class: "bar", style: `left:${place(row.low)}%;width:${place(row.high) - place(row.low)}%` }));
  range.append(make("i", "", { class: "dot", style: `left:${place(row.accuracy)}%` }));
  node.append(range);
  return node;
}

function pinned() {
  let left = 0;
  const heads = [...element.querySelectorAll("thead th")];
  const ids = [null, ...shownColumns().map((one) => one.id)];
  const places = ids.map((id, index) => {
    if (id !== null && !view.pin.includes(id)) return null;
    const place = left;
    left += heads[index].offsetWidth;
    return place;
  });
  for (const row of element.querySelectorAll("thead tr, tbody tr:not(.spacer)")) {
    [...row.children].forEach((node, index) => {
      node.classList.toggle("pinned", places[index] !== null);
      node.style.left = places[index] === null ? "" : `${places[index]}px`;
    });
  }
}

function comparison() {
  const panel = $(".compare");
  const chosen = view.compare.map((key) => board.rows.find((row) => row.key === key)).filter(Boolean);
  panel.hidden = chosen.length === 0;
  if (panel.hidden) return panel.replaceChildren();
  const table = make("table");
  const top = make("tr");
  top.append(make("th", ""));
  for (const row of chosen) {
    const cell = make("th", "", { scope: "col" });
    cell.append(modelLink(row));
    const away = make("button", "Remove", { type: "button", "aria-label": `Remove ${row.model}` });
    away.addEventListener("click", () => ((view.compare = view.compare.filter((key) => key !== row.key)), changed()));
    cell.append(away);
    top.append(cell);
  }
  table.append(top);
  for (const one of COLUMNS.filter((other) => other.id !== "model")) {
    if (chosen.every((row) => row[one.id] == null || row[one.id] === "")) continue;
    const line = make("tr");
    line.append(make("th", one.title, { scope: "row" }));
    for (const row of chosen) line.append(make("td", one.id === "accuracy" ? `${accuracyWords(row)} (${intervalWords(row)})` : words(row, one)));
    table.append(line);
  }
  panel.replaceChildren(make("h2", `Compare ${chosen.length} of at most ${MOST_COMPARED}`), table);
}

// A spreadsheet must not take a name for a formula, nor for one behind spaces.
const inert = (value) => (/^\s*[=+\-@]/.test(value) ? `'${value}` : value);
const quoted = (value) => {
  const text = typeof value === "number" ? String(value) : inert(String(value ?? ""));
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

function exported(button) {
  if (button.dataset.export === "link") {
    const copied = navigator.clipboard?.writeText(location.href) ?? Promise.reject(); // browsers offer it to https and one's own machine only
    copied.then(() => (button.textContent = "Copied"), () => (button.textContent = "Copy it from the address bar"));
    return;
  }
  const names = [...shownColumns().flatMap((one) => [one.id, ...(INTERVALS[one.id] ?? [])]), "link"];
  const data = rows.map((row) => Object.fromEntries(names.map((name) => [name, row[name] ?? null])));
  const csv = () => [names, ...data.map((row) => names.map((name) => row[name]))].map((one) => one.map(quoted).join(",") + "\r\n").join("");
  const text = button.dataset.export === "csv" ? csv() : JSON.stringify(data, null, 2);
  const link = make("a", "", { download: `leaderboard.${button.dataset.export}` });
  link.href = URL.createObjectURL(new Blob([text], { type: button.dataset.export === "csv" ? "text/csv" : "application/json" }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

watch("value", load);
load();
