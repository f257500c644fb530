
// ---- the timeline of calls: recorded above replayed, the first divergence marked ----
function columns(result) {
  const { recorded, replayed, matched = [] } = result.detail.timeline;
  const toOld = new Map(matched), bySeq = new Map(recorded.map(call => [call[0], call])), taken = new Set(matched.map(([, old]) => old));
  const found = [];
  let next = 0;
  for (const call of replayed) {
    const old = toOld.get(call[0]);
    if (old === undefined) { found.push([null, call]); continue; }
    while (next < recorded.length && recorded[next][0] < old) { if (!taken.has(recorded[next][0])) found.push([recorded[next], null]); next++; }
    if (next < recorded.length && recorded[next][0] === old) next++;
    found.push([bySeq.get(old) || null, call]);
  }
  for (; next < recorded.length; next++) if (!taken.has(recorded[next][0])) found.push([recorded[next], null]);
  return found;
}

function firstOdd(result, found) {
  const miss = (result.misses || [])[0];
  if (miss) {
    let answered = 0;
    for (let i = 0; i < found.length; i++) { if (answered >= miss.at && (!found[i][0] || !found[i][1])) return i; if (found[i][0] && found[i][1]) answered++; }
    return found.length;
  }
  // What the rules forgive in a tape that merely got dearer, or passes, is no divergence of it.
  return ["different", "failed", "diverged"].includes(result.verdict) ? found.findIndex(pair => pair.odd) : -1;
}

function mark(result, found) {
  const places = (result.differences || []).map(d => d.at), met = [{}, {}];
  for (const pair of found) {
    const calls = pair.map((call, lane) => call?.[1] === "output" && `outputs.${call[2]}[${met[lane][call[2]] = (met[lane][call[2]] ?? -1) + 1}]`);
    pair.odd = !pair[0] || !pair[1] || calls.some(call => call && places.some(place => place.startsWith(call)));
  }
}

function timeline(box, result) {
  const found = columns(result);
  if (!found.length && !(result.misses || []).length) return;
  mark(result, found);
  const odd = firstOdd(result, found), what = (result.misses || []).length ? "first divergence" : "first difference";
  box.append(el("h3", {}, "Calls"));
  box.append(el("div", { class: "strip" }, strip(found, odd, what)));
  const cell = call => call ? [el("span", { class: "name" }, call[2]), `(${call[6]})`, el("span", { class: "dim" }, ` → ${call[5] === "returned" ? "" : call[5] + " "}${call[7]}`)] : el("span", { class: "dim" }, "—");
  const rows = found.slice(0, 120).map((pair, i) => el("tr", { class: i === odd ? "first" : pair.odd ? "odd" : null }, el("td", {}, String(i)), el("td", {}, cell(pair[0])), el("td", {}, cell(pair[1]))));
  if (found.length) box.append(el("table", { class: "calls" }, el("tr", { class: "dim" }, el("td", {}, ""), el("td", {}, "recorded"), el("td", {}, "replayed")), rows));
  if (found.length > 120) box.append(el("p", { class: "note" }, `and ${found.length - 120} more`));
}

function strip(found, odd, what) {
  const wide = Math.max(7, Math.min(30, 760 / Math.max(found.length, 1))), left = 64, width = Math.max(480, left + wide * (found.length + 1) + 96);
  const picture = svg("svg", { width, height: 84, role: "img", "aria-label": "Calls, recorded above replayed" });
  ["recorded", "replayed"].forEach((name, lane) => {
    const text = svg("text", { x: 0, y: 34 + lane * 26 }); text.textContent = name; picture.append(text);
    picture.append(svg("line", { class: "axis", x1: left, x2: width - 8, y1: 30 + lane * 26, y2: 30 + lane * 26 }));
    found.forEach((pair, i) => {
      const call = pair[lane];
      if (!call) return;
      const alone = !pair[1 - lane];
      const rect = svg("rect", { x: left + i * wide + 1, y: 21 + lane * 26, width: wide - 2, height: 18, rx: 3,
        class: alone ? (lane ? "call-bad" : "call-lost") : call[1] === "output" ? "call-output" : "call-input" });
      const title = svg("title", {}); title.textContent = visible(`${call[2]}(${call[6]}) → ${call[7]}  ·  at ${call[3]} ms, took ${call[4]} ms`);
      rect.append(title);
      picture.append(rect);
    });
  });
  if (odd >= 0) {
    const x = left + odd * wide;
    picture.append(svg("line", { class: "mark-line", x1: x, x2: x, y1: 12, y2: 72 }));
    const text = svg("text", { class: "mark-text", x: x + 4, y: 10 }); text.textContent = what; picture.append(text);
  }
  const legend = svg("text", { x: left, y: 82 }); legend.textContent = "blue: input, teal: output, dashed: not asked for, red: not on the tape"; picture.append(legend);
  return picture;
}

// ---- metrics over the run ----
function metricTable(metrics) {
  return el("table", { class: "plain" }, el("tr", {}, ["metric", "recorded", "replayed", "change"].map((name, i) => el("th", { class: i ? "n" : null }, name))),
    metrics.map(m => el("tr", {}, el("td", { class: "mono" }, m.path), el("td", { class: "n" }, number(m.recorded)), el("td", { class: "n" }, number(m.replayed)),
      el("td", { class: "n" }, m.recorded ? percent((m.replayed - m.recorded) / Math.abs(m.recorded)) : number(m.replayed - m.recorded)))));
}

const number = value => Number(value).toLocaleString("en", { maximumSignificantDigits: 6 });
const percent = value => !value ? "0%" : `${value >= 0 ? "+" : "−"}${Math.abs(value * 100).toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 0.01 ? 3 : 1 })}%`;

function metrics(section) {
  const { rows, paths, operations, summary } = view.data;
  const series = new Map();
  rows.forEach((row, at) => row[METRICS].forEach(([path, old, fresh, way]) => {
    const name = `${row[OPERATION]} ${path}`;
    if (!series.has(name)) series.set(name, { operation: operations[row[OPERATION]], path: paths[path], points: [] });
    series.get(name).points.push({ change: old ? (fresh - old) / Math.abs(old) : fresh - old, tape: row[TAPE], number: at, way });
  }));
  for (const one of series.values()) {
    one.drifts = (summary.drifts || []).filter(d => d.operation === one.operation && d.path === one.path);
    one.whole = one.drifts.find(d => !d.group);
  }
  const rank = one => ({ degraded: 0, improved: 1 }[one.whole?.verdict] ?? (one.points.some(point => point.change) ? 2 : 3));
  const plots = [...series.values()].sort((a, b) => rank(a) - rank(b)).slice(0, 24).map(one => {
    const { drifts, whole } = one;
    const show = value => whole && !whole.relative ? number(value) : percent(value);
    return el("div", { class: `panel ${whole ? whole.verdict : "equal"}` }, el("h2", {}, whole && el("span", { class: "badge" }, whole.judged === false ? "too few tapes" : whole.verdict), one.path), el("p", { class: "dim" }, one.operation),
      whole && el("p", {}, el("b", {}, show(whole.change)), ` on average over ${plural(whole.tapes, "tape")}, 95% interval ${show(whole.low)} to ${show(whole.high)}; ${whole.better} is better; `,
        el("span", { class: "dim" }, `${show(whole.allowed)} allowed`)),
      scatter(one.points, whole), drifts.length > 1 && groupTable(drifts.filter(d => d.group), show));
  });
  section.append(el("div", { class: "plots" }, plots));
  if (series.size > 24) section.append(el("p", { class: "empty" }, `and ${plural(series.size - 24, "metric")} more, which moved less`));
}

function groupTable(drifts, show) {
  return el("table", { class: "plain" }, el("tr", {}, ["group", "tapes", "mean change", "95% interval", ""].map((name, i) => el("th", { class: i && i < 4 ? "n" : null }, name))),
    drifts.slice(0, 40).map(d => el("tr", { class: d.verdict }, el("td", {}, d.group), el("td", { class: "n" }, d.tapes), el("td", { class: "n" }, show(d.change)),
      el("td", { class: "n" }, `${show(d.low)} … ${show(d.high)}`), el("td", {}, d.verdict === "equal" ? "" : el("span", { class: "verdict" }, d.verdict)))));
}

function frame(width, height, pad) {
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width: "100%", role: "img" });
  picture.append(svg("line", { class: "axis", x1: pad, x2: width - 6, y1: height - 22, y2: height - 22 }), svg("line", { class: "axis", x1: pad, x2: pad, y1: 6, y2: height - 22 }));
  return picture;
}

function label(picture, x, y, words, anchor) {
  const text = svg("text", { x, y, "text-anchor": anchor || "start" });
  text.textContent = words;
  picture.append(text);
}

function scatter(points, whole) {
  const width = 560, height = 220, pad = 58;
  const picture = frame(width, height, pad);
  const values = points.map(p => p.change).concat(whole ? [whole.low, whole.high, 0] : [0]);
  let low = Math.min(...values), high = Math.max(...values);
  const margin = (high - low || Math.abs(high) || 1e-6) * 0.12; low -= margin; high += margin;
  const y = value => height - 26 - (value - low) / (high - low) * (height - 40), x = i => pad + 8 + i / Math.max(points.length - 1, 1) * (width - pad - 24);
  if (whole) picture.append(svg("rect", { class: "band", x: pad, width: width - pad - 6, y: y(whole.high), height: Math.max(1, y(whole.low) - y(whole.high)) }), svg("line", { class: "mean", x1: pad, x2: width - 6, y1: y(whole.change), y2: y(whole.change) }));
  picture.append(svg("line", { class: "limit", x1: pad, x2: width - 6, y1: y(0), y2: y(0) }));
  const limit = whole && (whole.better === "lower" ? whole.allowed : -whole.allowed);
  if (limit && limit > low && limit < high) { picture.append(svg("line", { class: "allowed", x1: pad, x2: width - 6, y1: y(limit), y2: y(limit) })); label(picture, width - 8, y(limit) - 4, "mean allowed", "end"); }
  const step = Math.max(1, Math.ceil(points.length / 1500));
  points.forEach((point, i) => {
    if (i % step) return;
    const look = { "-1": "bad", 1: "good" }[point.way] || "";
    const dot = svg("circle", { class: `dot ${look}`, cx: x(i), cy: y(point.change), r: points.length > 300 ? 2.4 : 3.4 });
    const title = svg("title", {}); title.textContent = `${point.tape}: ${percent(point.change)}`; dot.append(title);
    dot.addEventListener("click", () => { tab("results"); show(point.number); });
    picture.append(dot);
  });
  const text = value => whole && !whole.relative ? number(value) : percent(value);
  label(picture, pad - 5, y(0) + 4, "0", "end");
  for (const end of [high - margin, low + margin]) if (Math.abs(y(end) - y(0)) >= 14) label(picture, pad - 5, y(end) + 4, text(end), "end");
  label(picture, width - 8, height - 6, `${plural(points.length, "tape")} in order`, "end");
  return picture;
}

// ---- CPU time, this code against the base: a dot with its whisker for each operation, every tape a faint dot behind it ----
const SPEEDS = { slower: "slower", faster: "faster", alike: "within tolerance", unsure: "can't be told" };
const RATIOS = [0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.98, 1, 1.02, 1.05, 1.1, 1.25, 1.5, 2, 3, 5, 10, 30, 100];
const ratio = r => r >= 1.995 ? `×${+r.toPrecision(3)}` : r === 1 ? "equal" : percent(r - 1);

function race(section) {
  const { rows, operations, summary } = view.data;
  const rank = { slower: 0, unsure: 1, alike: 2, faster: 3 };
  const told = [...(summary.cpu || [])].sort((a, b) => rank[a.verdict] - rank[b.verdict] || b.change - a.change);
  if (!told.length) return;
  const sure = told.filter(one => one.interval[1] !== null);
  const bounds = (sure.length ? sure : told).flatMap(one => [one.change, ...one.interval.filter(bound => bound !== null), one.tolerance * 1.7, -one.tolerance * 1.7]).map(change => Math.log(Math.max(1 + change, 0.02)));
  let low = Math.min(...bounds), high = Math.max(...bounds);
  const margin = (high - low) * 0.12; low -= margin; high += margin;
  const x = r => `${(Math.max(0, Math.min(1, (Math.log(Math.max(r, 0.001)) - low) / (high - low))) * 100).toFixed(2)}%`;
  const table = el("div", { class: "race" }, ["operation", "base", "this code", "", "change"].map(head => el("div", { class: "head" }, head)));
  for (const one of told.slice(0, 60)) {
    const number = operations.indexOf(one.operation), tapes = rows.filter(row => row[OPERATION] === number && row[CPU]);
    const interval = one.interval[1] === null ? "no interval of so few tapes" : `${percent(one.interval[0])} to ${percent(one.interval[1])}`;
    table.append(el("div", { class: "name" }, one.operation, el("span", { class: "dim" }, plural(one.tapes, "tape"))),
      el("div", { class: "n" }, time(one.base)), el("div", { class: "n" }, time(one.head)), el("div", { class: `lane ${one.verdict}` }, whisker(one, tapes, x)),
      el("div", { class: `said ${one.verdict}` }, el("b", {}, ratio(1 + one.change)), el("span", { class: "dim" }, interval), el("span", { class: "speed" }, SPEEDS[one.verdict])));
  }
  const axis = svg("svg", { width: "100%", height: 20, "aria-hidden": "true" });
  let last = -Infinity;
  for (const r of [1, ...RATIOS.filter(r => r !== 1)].sort((a, b) => a - b)) {
    const at = parseFloat(x(r));
    if (Math.log(r) < low || Math.log(r) > high || (r !== 1 && (at - last < 11 || Math.abs(at - parseFloat(x(1))) < 11))) continue;
    last = at;
    label(axis, `${at}%`, 14, ratio(r), at < 4 ? "start" : at > 96 ? "end" : "middle");
  }
  table.append(el("div", { class: "axis-row" }, axis));
  section.append(el("div", { class: "panel" }, el("h2", {}, "CPU time, this code against the base"),
    el("p", { class: "dim" }, "Mean ratio over an operation's tapes, each the least of its repeats, with the interval it lies in with 95% confidence. Shaded: what is tolerated. Faint: single tapes."), table));
}

function whisker(one, tapes, x) {
  const picture = svg("svg", { width: "100%", height: 34, role: "img", "aria-label": `${one.operation}: ${ratio(1 + one.change)}, ${SPEEDS[one.verdict]}` });
  const from = x(1 / (1 + one.tolerance)), to = x(1 + one.tolerance);
  picture.append(svg("rect", { class: "tolerated", x: from, y: 0, width: `${(parseFloat(to) - parseFloat(from)).toFixed(2)}%`, height: 34 }), svg("line", { class: "even", x1: x(1), x2: x(1), y1: 0, y2: 34 }));
  const step = Math.max(1, Math.ceil(tapes.length / 200));
  tapes.forEach((row, i) => {
    const at = x(row[CPU][1] / row[CPU][0]);
    if (i % step || !row[CPU][0] || at === "0.00%" || at === "100.00%") return;
    const dot = svg("circle", { class: "tape-dot", cx: at, cy: 8 + (i * 7919 % 19), r: 2 });
    const title = svg("title", {}); title.textContent = `${row[TAPE]}: ${time(row[CPU][0])} → ${time(row[CPU][1])}`; dot.append(title);
    picture.append(dot);
  });
  const [low, high] = one.interval[1] === null ? [0.001, 1000] : one.interval.map(bound => 1 + bound);
  picture.append(svg("line", { class: one.interval[1] === null ? "whisker open" : "whisker", x1: x(low), x2: x(high), y1: 17, y2: 17 }));
  if (one.interval[1] !== null) for (const end of [low, high]) picture.append(svg("line", { class: "whisker", x1: x(end), x2: x(end), y1: 12, y2: 22 }));
  picture.append(svg("circle", { class: "mid", cx: x(1 + one.change), cy: 17, r: 5.5 }));
  return picture;
}

function against(row, base) {
  const made = [el("h3", {}, "Against the base")], cpu = row[CPU];
  if (base && base.cause !== "none") made.push(el("p", { class: "cause" }, el("span", { class: "dim" }, "changed by "), el("b", {}, view.data.causes[base.cause] || base.cause)));
  if (cpu && cpu[0]) {
    const r = cpu[1] / cpu[0], longest = Math.max(...cpu);
    made.push(el("div", { class: "bars" }, [["base", cpu[0]], ["this code", cpu[1]]].flatMap(([name, seconds]) => [el("span", { class: "dim" }, name),
      el("span", { class: "bar" }, el("i", { vars: { "--w": `${(seconds / longest * 100).toFixed(1)}%` } })), el("span", { class: "n" }, time(seconds))]),
      el("span", { class: "dim wide" }, `CPU time ${ratio(r)}; one tape alone proves nothing, see Durations`)));
  }
  return made.length > 1 ? made : [];
}

// ---- durations, recorded against replayed ----
function durations(section) {
  const { rows, operations } = view.data;
  race(section);
  const timed = operations.map(() => []);
  rows.forEach((row, at) => { if (row[RECORDED] > 0 && row[REPLAYED] > 0) timed[row[OPERATION]].push({ row, at }); });
  const most = operations.map((name, number) => ({ name, found: timed[number] })).filter(one => one.found.length).sort((a, b) => b.found.length - a.found.length);
  const plots = most.slice(0, 24).map(({ name, found }) => {
    const sorted = key => found.map(({ row }) => row[key]).sort((a, b) => a - b), at = (list, q) => list[Math.min(list.length - 1, Math.floor(q * list.length))];
    const old = sorted(RECORDED), fresh = sorted(REPLAYED);
    return el("div", { class: "panel" }, el("h2", {}, name), el("p", { class: "dim" }, "A replay waits for nothing outside: being faster says little, being slower is worth a look."),
      loglog(found), el("table", { class: "plain" }, el("tr", {}, ["", "median", "95%", "longest"].map((head, i) => el("th", { class: i ? "n" : null }, head))),
        [["recorded", old], ["replayed", fresh]].map(([side, list]) => el("tr", {}, el("td", {}, side), [0.5, 0.95, 1].map(q => el("td", { class: "n" }, time(at(list, q))))))));
  });
  section.append(el("div", { class: "plots" }, plots));
  if (most.length > 24) section.append(el("p", { class: "empty" }, `and ${plural(most.length - 24, "operation")} with fewer tapes`));
}

function loglog(found) {
  const width = 560, height = 300, pad = 58, log = Math.log10;
  const picture = frame(width, height, pad);
  const all = found.flatMap(({ row }) => [row[RECORDED], row[REPLAYED]]);
  const low = Math.floor(log(Math.min(...all))), high = Math.max(low + 1, Math.ceil(log(Math.max(...all))));
  const x = s => pad + (log(s) - low) / (high - low) * (width - pad - 14), y = s => height - 22 - (log(s) - low) / (high - low) * (height - 34);
  picture.append(svg("line", { class: "limit", x1: x(10 ** low), y1: y(10 ** low), x2: x(10 ** high), y2: y(10 ** high) }));
  for (let power = low; power <= high; power++) { label(picture, x(10 ** power), height - 7, time(10 ** power), power === high ? "end" : "middle"); label(picture, pad - 5, y(10 ** power) + 4, time(10 ** power), "end"); }
  const step = Math.max(1, Math.ceil(found.length / 1500));
  found.forEach(({ row, at }, i) => {
    if (i % step) return;
    const dot = svg("circle", { class: `dot ${row[REPLAYED] > 2 * row[RECORDED] ? "bad" : ""}`, cx: x(row[RECORDED]), cy: y(row[REPLAYED]), r: found.length > 300 ? 2 : 3.4 });
    const title = svg("title", {}); title.textContent = `${row[TAPE]}: ${time(row[RECORDED])} → ${time(row[REPLAYED])}`; dot.append(title);
    dot.addEventListener("click", () => { tab("results"); show(at); });
    picture.append(dot);
  });
  label(picture, width - 14, height - 28, "recorded →", "end"); label(picture, pad + 6, 14, "↑ replayed");
  return picture;
}
