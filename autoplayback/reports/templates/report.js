"use strict";
// Everything shown comes from tapes and is untrusted: elements are made by `el`, text goes in as text, never as markup.

const $ = id => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const TAPE = 0, GROUP = 1, OPERATION = 2, VERDICT = 3, RECORDED = 4, REPLAYED = 5, META = 6, REASON = 7, BLOCK = 8, PLACE = 9, METRICS = 10, CPU = 11;
const ORDER = ["diverged", "failed", "different", "degraded", "error", "fixed", "improved", "equal"];
const PAGE = 50;
const blocks = new Map();
const view = { off: new Set(), text: "", tab: "results", tape: null, opened: new Map(), data: null };

// Characters that nobody sees, or that turn the direction of what follows: shown as what they are.
const visible = text => typeof text !== "string" ? text : text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, sign => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);

function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "onclick") node.addEventListener("click", value);
    else if (key === "vars") for (const [name, v] of Object.entries(value)) node.style.setProperty(name, v);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, visible(value));
  }
  node.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false && child !== "").map(visible));
  return node;
}

function svg(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

async function inflate(id) {
  const bytes = Uint8Array.from(atob($(id).textContent.trim()), sign => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

async function detailOf(row) {
  if (row[BLOCK] === null) return null;
  if (!blocks.has(row[BLOCK])) blocks.set(row[BLOCK], inflate("block-" + row[BLOCK]));
  return (await blocks.get(row[BLOCK]))[row[PLACE]];
}

const time = s => s === null || s === undefined ? "–" : s >= 60 ? `${Math.floor(s / 60)} m ${Math.round(s % 60)} s` : s >= 1 ? `${s.toPrecision(3)} s`
  : s >= 1e-3 ? `${+(s * 1e3).toPrecision(3)} ms` : `${+(s * 1e6).toPrecision(3)} µs`;
const plural = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
const written = value => typeof value === "string" ? value : JSON.stringify(value, null, typeof value === "object" && JSON.stringify(value).length > 60 ? 1 : 0);

// ---- header ----
function header() {
  for (const { name, count } of view.data.verdicts) {
    if (!count) continue;
    $("bar").append(el("span", { class: name, title: `${count} ${name}`, vars: { "--n": count } }));
    const chip = el("button", { type: "button", class: `chip ${name}`, "aria-pressed": "true", "data-verdict": name, onclick: event => toggle(name, event.altKey) },
      name, el("b", {}, count.toLocaleString("en")));
    $("chips").append(chip);
  }
  const tabs = [["results", "Results"]];
  if (view.data.rows.some(row => row[METRICS].length)) tabs.push(["metrics", "Metrics"]);
  if (view.data.rows.some(row => row[REPLAYED] !== null)) tabs.push(["durations", "Durations"]);
  for (const [name, label] of tabs)
    $("tabs").append(el("button", { type: "button", role: "tab", "data-tab": name, "aria-selected": String(name === "results"), onclick: () => tab(name) }, label));
}

function toggle(name, alone) {
  const names = view.data.verdicts.filter(v => v.count).map(v => v.name);
  if (alone) view.off = new Set(names.filter(other => other !== name));
  else if (view.off.has(name)) view.off.delete(name);
  else view.off.add(name);
  for (const chip of document.querySelectorAll(".chip")) chip.setAttribute("aria-pressed", String(!view.off.has(chip.dataset.verdict)));
  list();
}

function tab(name) {
  view.tab = name;
  for (const button of document.querySelectorAll("#tabs button")) button.setAttribute("aria-selected", String(button.dataset.tab === name));
  $("list").hidden = $("detail").hidden = name !== "results";
  $("metrics").hidden = name !== "metrics";
  $("durations").hidden = name !== "durations";
  if (name === "metrics" && !$("metrics").firstChild) metrics($("metrics"));
  if (name === "durations" && !$("durations").firstChild) durations($("durations"));
}

// ---- the list ----
function matches(row, words) {
  if (view.off.has(row[VERDICT])) return false;
  if (!words.length) return true;
  const group = row[GROUP] >= 0 ? view.data.groups[row[GROUP]].title : "";
  const hay = `${row[TAPE]} ${view.data.operations[row[OPERATION]]} ${row[VERDICT]} ${row[META]} ${row[REASON]} ${group}`.toLowerCase();
  return words.every(word => hay.includes(word));
}

function gathered() {
  const words = view.text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = new Map();
  view.data.rows.forEach((row, number) => {
    if (!matches(row, words)) return;
    const key = row[GROUP] >= 0 ? `g${row[GROUP]}` : `e${row[OPERATION]}`;
    if (!found.has(key)) found.set(key, { key, verdict: row[VERDICT], operation: row[OPERATION], title: row[GROUP] >= 0 ? view.data.groups[row[GROUP]].title : "", rows: [] });
    found.get(key).rows.push(number);
  });
  return [...found.values()].sort((a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict) || b.rows.length - a.rows.length);
}

function list() {
  const groups = gathered();
  const words = view.text.trim() !== "";
  $("list").replaceChildren(...groups.slice(0, 400).map(group => groupCard(group, words)));
  if (groups.length > 400) $("list").append(el("p", { class: "empty" }, `and ${groups.length - 400} more groups: search to narrow them`));
  if (!words) $("list").prepend(about());
  if (!groups.length) $("list").append(el("p", { class: "empty" }, view.data.rows.length ? "Nothing matches." : "No tape was replayed."));
}

// What is to be said of the run as a whole: why it failed beyond its tapes, what its rules did, what passes with a question mark.
function about() {
  const order = ["bad", "odd", "good", "calm"], said = [...view.data.remarks].sort((a, b) => a[3] - b[3] || order.indexOf(a[1]) - order.indexOf(b[1]));
  if (!said.length) return "";
  const line = ([label, kind, text]) => el("li", { class: `${kind} ${label}` }, el("b", {}, label), el("span", {}, text));
  const rest = said.slice(4);
  return el("ul", { class: "about" }, said.slice(0, 4).map(line), rest.length > 0 && el("li", {}, el("button", { type: "button", class: "more", onclick: event => event.target.closest("li").replaceWith(...rest.map(line)) }, `${plural(rest.length, "more remark")} on the run`)));
}

function groupCard(group, searching) {
  const card = el("article", { class: `group ${group.verdict}` });
  const open = view.opened.get(group.key) ?? (searching && group.rows.length <= 5);
  const button = el("button", { type: "button", class: "open", "aria-expanded": String(open), onclick: () => expand(card, group, button) },
    el("span", { class: "count" }, group.rows.length.toLocaleString("en")),
    el("span", { class: "verdict" }, group.verdict), "  ", el("span", {}, view.data.operations[group.operation]),
    group.title && el("span", { class: "what mono" }, group.title));
  card.append(button);
  if (open) rows(card, group, PAGE);
  return card;
}

function expand(card, group, button) {
  const open = button.getAttribute("aria-expanded") !== "true";
  view.opened.set(group.key, open);
  button.setAttribute("aria-expanded", String(open));
  card.querySelector(".tapes")?.remove();
  if (!open) return;
  rows(card, group, PAGE);
  if (group.verdict !== "equal") show(group.rows[0]);
}

function rows(card, group, most) {
  card.querySelector(".tapes")?.remove();
  const items = group.rows.slice(0, most).map(number => {
    const row = view.data.rows[number];
    return el("li", {}, el("button", { type: "button", class: "tape", "data-row": number, "aria-current": String(view.tape === number), onclick: () => show(number) },
      el("span", { class: "mono" }, row[TAPE]), el("span", { class: "meta" }, row[META]), el("span", { class: "dim" }, time(row[REPLAYED]))));
  });
  const rest = group.rows.length - most;
  if (rest > 0) items.push(el("li", {}, el("button", { type: "button", class: "more", onclick: () => rows(card, group, most * 4) }, `${rest.toLocaleString("en")} more`)));
  card.append(el("ul", { class: "tapes" }, items));
}

// ---- one tape ----
async function show(number) {
  const row = view.data.rows[number];
  view.tape = number;
  for (const button of document.querySelectorAll(".tapes .tape")) button.setAttribute("aria-current", String(Number(button.dataset.row) === number));
  try { history.replaceState(null, "", "#" + row[TAPE]); } catch { /* a sandboxed page has no history */ }
  let detail = null, problem = "";
  try { detail = await detailOf(row); } catch (error) { problem = String(error); }
  if (view.tape !== number) return;
  $("detail").replaceChildren(panel(row, detail, problem));
  $("detail").scrollTop = 0;
  if (matchMedia("(max-width: 900px)").matches) $("detail").scrollIntoView({ behavior: "smooth" });
}

function panel(row, detail, problem) {
  const result = detail || {};
  const calls = result.calls;
  const fact = (name, value) => value && el("li", {}, el("span", { class: "dim" }, name + " "), el("b", {}, value));
  const box = el("div", { class: `panel ${row[VERDICT]}` },
    el("h2", {}, el("span", { class: "badge" }, row[VERDICT]), view.data.operations[row[OPERATION]]),
    el("p", { class: "reason" }, result.reason || row[REASON] || "The outcome and everything it sent out are as recorded."),
    el("ul", { class: "facts" }, fact("tape", row[TAPE]), fact("recorded", result.started), fact("took", `${time(row[RECORDED])} → ${time(row[REPLAYED])}`),
      fact("metadata", row[META]), calls && fact("calls", `${calls.recorded} recorded, ${calls.answered} answered, ${calls.unused} unused, ${calls.unanswered} unanswered`),
      fact("closed off by", (result.boundary || []).join(", "))),
    command(`autoplayback replay ${row[TAPE]}${view.data.flags}`), row[VERDICT] !== "equal" && command(`autoplayback replay ${row[TAPE]}${view.data.flags} --debug`));
  for (const miss of (result.misses || []).slice(0, 5)) box.append(missBox(miss));
  for (const note of [...(result.notes || []), result.cut].filter(Boolean)) box.append(el("p", { class: "note" }, note));
  if (problem) box.append(el("p", { class: "warn" }, `The detail can't be read: ${problem}`));
  if (!detail && row[VERDICT] !== "equal" && !problem) box.append(el("p", { class: "note" }, "Its detail was left out to keep this file small; the JSON lines have it."));
  if (row[CPU] || result.base) box.append(...against(row, result.base));
  if ((result.metrics || []).length) box.append(el("h3", {}, "Metrics"), metricTable(result.metrics));
  const tree = result.detail?.tree;
  if (result.differences?.length) box.append(el("h3", {}, `${plural(result.differences.length, "difference")}${result.truncated ? " or more" : ""}`), tree?.length ? treeOf(tree) : flat(result.differences));
  const counts = Object.entries(result.counts || {});
  if (counts.length) box.append(el("h3", {}, "Calls that changed in number"), el("table", { class: "plain" }, el("tr", {}, el("th", {}, "target"), el("th", { class: "n" }, "recorded"), el("th", { class: "n" }, "replayed")),
    counts.map(([name, [a, b]]) => el("tr", {}, el("td", { class: "mono" }, name), el("td", { class: "n" }, a), el("td", { class: "n" }, b)))));
  if (result.detail?.timeline) timeline(box, result);
  if (result.detail?.arguments && Object.keys(result.detail.arguments).length) box.append(el("h3", {}, "Called with"), el("pre", { class: "mono" }, JSON.stringify(result.detail.arguments, null, 2)));
  return box;
}

function command(text) {
  const button = el("button", { type: "button", onclick: async () => {
    try { await navigator.clipboard.writeText(text); button.textContent = "copied"; } catch {
      const range = document.createRange(); range.selectNodeContents(code); getSelection().removeAllRanges(); getSelection().addRange(range); button.textContent = "selected";
    }
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  } }, "copy");
  const code = el("code", {}, text);
  return el("div", { class: "command" }, code, button);
}

function missBox(miss) {
  return el("div", { class: "miss" }, el("p", {}, el("b", {}, "First divergence: "), miss.reason), miss.site && el("p", { class: "mono dim" }, "asked at " + miss.site),
    miss.nearest && el("p", {}, el("span", { class: "dim" }, "nearest on the tape: "), miss.nearest),
    miss.advice && el("p", { class: "dim" }, "to allow it, in autoplayback.yaml:"), miss.advice && el("pre", {}, miss.advice));
}

// ---- trees side by side ----
function treeOf(nodes) {
  const tree = el("div", { class: "tree" }, el("div", { class: "line head" }, el("span", { class: "key", vars: { "--d": 0 } }, ""), el("span", {}, "recorded"), el("span", {}, "replayed")));
  nodes.forEach(node => branch(tree, node, 0));
  return tree;
}

// A label that opens and closes what is below it, by mouse and by keyboard; `act` says whether it is open then.
function opens(label, open, act) {
  const turn = () => label.setAttribute("aria-expanded", String(act()));
  for (const [name, value] of Object.entries({ role: "button", tabindex: "0", "aria-expanded": String(open) })) label.setAttribute(name, value);
  label.addEventListener("click", turn);
  label.addEventListener("keydown", event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); turn(); } });
}

function branch(parent, [key, state, old, fresh, below], depth) {
  const name = typeof key === "number" ? `[${key}]` : key;
  const label = () => el("span", { class: "key", vars: { "--d": depth } }, name);
  if (state === "…") { parent.append(el("div", { class: "line fold" }, el("span", { class: "key", vars: { "--d": depth } }, `⋯ ${old}`))); return; }
  if (state === "/") {
    const line = el("div", { class: "line branch" }, label(), el("span"), el("span"));
    const inner = el("div", {});
    opens(line.firstChild, true, () => { inner.hidden = line.classList.toggle("closed"); return !inner.hidden; });
    below.forEach(node => branch(inner, node, depth + 1));
    parent.append(line, inner);
  } else if (state === "≈") parent.append(el("div", { class: "line same" }, label(), el("span", {}, written(old)), el("span", { class: "rule" }, fresh)));
  else if (state === "≐") parent.append(el("div", { class: "line same" }, label(), el("span", {}, written(old)), el("span", {}, written(fresh), el("span", { class: "rule" }, "  equal here"))));
  else if (state === "=") parent.append(same(label(), old, fresh));
  else {
    const [left, right] = state === "~" ? changed(written(old), written(fresh)) : [[written(old)], [written(fresh)]];
    parent.append(el("div", { class: "line" }, label(), state === "+" ? el("span", { class: "none" }) : el("span", { class: "old" }, left), state === "-" ? el("span", { class: "none" }) : el("span", { class: "new" }, right)));
  }
}

function same(label, value, size) {
  if (!size || JSON.stringify(value).length < 60) return el("div", { class: "line same" }, label, el("span", {}, written(value)), el("span", {}, written(value)));
  const left = el("span", {}, size), right = el("span", {}, size);
  opens(label, false, () => {
    const closed = line.classList.toggle("closed");
    left.textContent = right.textContent = closed ? size : visible(written(value));
    return !closed;
  });
  const line = el("div", { class: "line same branch closed" }, label, left, right);
  return line;
}

// What differs within two texts: word by word where they are short enough for a table, else all between the first and the last.
function changed(a, b) {
  let start = 0, end = 0;
  const most = Math.min(a.length, b.length);
  while (start < most && a[start] === b[start]) start++;
  while (end < most - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  if (start + end < 3) return [[a], [b]];
  const words = text => text.match(/\w+|\s+|[^\w\s]/gu) || [];
  while (start > 0 && /\w/.test(a[start - 1])) start--;
  while (end > 0 && /\w/.test(a[a.length - end])) end--;
  const one = words(a.slice(start, a.length - end)), other = words(b.slice(start, b.length - end));
  const [left, right] = one.length * other.length > 60000 ? [[[true, one.join("")]], [[true, other.join("")]]] : aligned(one, other);
  const side = (text, runs) => [text.slice(0, start), runs.map(([odd, words]) => odd ? el("mark", {}, words) : words), text.slice(text.length - end)].flat();
  return [side(a, left), side(b, right)];
}

function aligned(one, other) {
  const rows = one.length, columns = other.length, table = Array.from({ length: rows + 1 }, () => new Uint16Array(columns + 1));
  for (let i = rows - 1; i >= 0; i--) for (let j = columns - 1; j >= 0; j--) table[i][j] = one[i] === other[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
  const left = [], right = [];
  const put = (side, odd, word) => { if (side.length && side[side.length - 1][0] === odd) side[side.length - 1][1] += word; else side.push([odd, word]); };
  let i = 0, j = 0;
  while (i < rows || j < columns) {
    if (i < rows && j < columns && one[i] === other[j]) { put(left, false, one[i++]); put(right, false, other[j++]); }
    else if (j >= columns || (i < rows && table[i + 1][j] >= table[i][j + 1])) put(left, true, one[i++]);
    else put(right, true, other[j++]);
  }
  return [left, right];
}

function flat(differences) {
  return treeOf(differences.map(d => [d.at, { missing: "-", extra: "+" }[d.kind] || "~", d.recorded, d.replayed, []]));
}

// ---- start, keys ----
function step(by) {
  const buttons = [...document.querySelectorAll("#list .open, #list .tape")].filter(button => button.offsetParent !== null);
  const at = buttons.indexOf(document.activeElement);
  const next = buttons[Math.max(0, Math.min(buttons.length - 1, at < 0 ? 0 : at + by))];
  if (!next) return;
  next.focus();
  next.scrollIntoView({ block: "nearest" });
  if (next.classList.contains("tape")) show(Number(next.dataset.row));
}

const KEYS = [["j / k", "next, previous"], ["Enter", "open or close a group, show a tape"], ["/", "search"], ["1 … 8", "show or hide a verdict"], ["r  m  d", "results, metrics, durations"],
  ["t", "light or dark"], ["Esc", "leave the search, close this"]];

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.activeElement === $("search")) {
    if (event.key === "Escape") { $("search").value = ""; view.text = ""; list(); $("search").blur(); }
    if (event.key === "Enter" || event.key === "ArrowDown") { event.preventDefault(); $("search").blur(); step(1); }
    return;
  }
  const chips = document.querySelectorAll(".chip");
  const act = { j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1), "/": () => $("search").focus(), t: theme, "?": keys, r: () => tab("results"),
    m: () => document.querySelector("[data-tab=metrics]")?.click(), d: () => document.querySelector("[data-tab=durations]")?.click() }[event.key]
    || (/^[1-8]$/.test(event.key) && chips[event.key - 1] && (() => chips[event.key - 1].click()));
  if (act) { event.preventDefault(); act(); }
}

function keys() {
  $("keys").replaceChildren(el("h3", {}, "Keys"), el("table", { class: "plain" }, KEYS.map(([keyName, what]) => el("tr", {}, el("td", {}, el("kbd", {}, keyName)), el("td", {}, what)))));
  $("keys").showModal();
}

function theme() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  try { localStorage.setItem("autoplayback-theme", root.dataset.theme); } catch { /* private windows */ }
}

async function start() {
  let saved = null;
  try { saved = localStorage.getItem("autoplayback-theme"); } catch { /* private windows */ }
  document.documentElement.dataset.theme = saved || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  view.data = await inflate("index");
  header();
  list();
  $("search").addEventListener("input", () => { clearTimeout(view.timer); view.timer = setTimeout(() => { view.text = $("search").value; list(); }, 120); });
  $("theme").addEventListener("click", theme);
  $("help").addEventListener("click", keys);
  $("keys").addEventListener("click", () => $("keys").close());
  document.addEventListener("keydown", key);
  const linked = location.hash.slice(1);
  const wanted = view.data.rows.findIndex(row => row[TAPE] === linked);
  const first = wanted >= 0 ? wanted : (gathered()[0]?.rows[0] ?? -1);
  if (first >= 0) {
    const opened = view.data.rows[first];
    if (opened[GROUP] >= 0) { view.opened.set(`g${opened[GROUP]}`, true); list(); }
    if (wanted >= 0 || !matchMedia("(max-width: 900px)").matches) await show(first);
  }
  document.body.dataset.ready = "yes";
}
document.addEventListener("DOMContentLoaded", start);
