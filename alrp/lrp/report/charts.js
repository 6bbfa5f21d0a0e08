'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const narrow = () => window.innerWidth < 600;
const two = data.sets.length === 2;

// Okabe and Ito's colours, which are distinct for all kinds of colour vision.
const INK = '#1b2430', SOFT = '#5b6673', GRID = '#e8ebee';
const SETS = ['#2f5d8a', '#c96a12'];
const PARTS = [ // of oLRP
  { key: 'loc', name: 'localisation', colour: '#0072b2' },
  { key: 'fp', name: 'false positives', colour: '#e69f00' },
  { key: 'fn', name: 'missed objects', colour: '#009e73' },
];

const COMPONENTS = { loc: `1 − ${data.measure}`, fp: '1 − precision', fn: '1 − recall' }; // not parts: they do not add up

// Plotly renders some tags in text as markup, and a class name may contain any text.
const plain = text => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
const short = (text, length = 24) => plain(text.length > length ? text.slice(0, length - 1) + '…' : text);
const number = (x, digits = 3) => x === null ? '–' : x.toFixed(digits);

function draw(id, traces, layout) {
  const axis = { gridcolor: GRID, zeroline: false, linecolor: '#c8ced5', tickcolor: '#c8ced5', automargin: true };
  const { xaxis, yaxis, margin, ...rest } = layout;
  Plotly.react(id, traces, {
    font: { family: getComputedStyle(document.body).fontFamily, size: narrow() ? 11 : 12.5, color: SOFT },
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)',
    hoverlabel: { bgcolor: '#fff', bordercolor: '#c8ced5', font: { color: INK } },
    legend: { orientation: 'h', y: 1.02, yanchor: 'bottom', x: 0, traceorder: 'normal' },
    margin: { l: 48, r: 8, t: 34, b: 44, ...margin },
    xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis }, ...rest,
  }, { responsive: true, displayModeBar: false });
}

function drawCurves(index) {
  const chosen = data.classes[index];
  const traces = [];
  chosen.of_sets.forEach(({ curve, optimum }, s) => {
    const dash = s ? 'dot' : 'solid';
    const of = two ? ` ${short(data.sets[s])}` : '';
    const lines = [{ key: 'error', name: 'LRP error', colour: INK }, ...PARTS.map(p => ({ ...p, name: COMPONENTS[p.key] }))];
    for (const { key, name, colour } of lines) {
      traces.push({
        x: curve.score, y: curve[key], name, legendgroup: key, showlegend: s === 0,
        mode: curve.score.length > 1 ? 'lines' : 'markers',
        line: { color: colour, width: key === 'error' ? 3 : 1.75, dash }, marker: { color: colour },
        hovertemplate: `%{y:.3f}${of}`,
      });
    }
    if (optimum.threshold !== null) {
      traces.push({
        x: [optimum.threshold], y: [optimum.oLRP], name: 'optimum', legendgroup: 'optimum', mode: 'markers', hoverinfo: 'skip',
        showlegend: s === 0,
        marker: { size: 12, color: '#fff', line: { color: INK, width: 2.5 }, symbol: s ? 'diamond' : 'circle' },
      });
    }
  });
  const empty = !traces.some(t => t.x.length);
  const thresholds = chosen.of_sets.map(({ optimum }) => optimum.threshold).filter(x => x !== null);
  draw('curve-chart', traces, {
    hovermode: 'x unified',
    xaxis: { visible: !empty, title: { text: 'score threshold' }, hoverformat: '.3g' },
    yaxis: { visible: !empty, range: [0, 1.03], title: { text: 'error' } },
    shapes: thresholds.map((x, s) => (
      { type: 'line', x0: x, x1: x, yref: 'paper', y0: 0, y1: 1, line: { color: INK, width: 1, dash: s ? 'dot' : 'dash' } })),
    annotations: chosen.objects && !empty ? [] : [{
      text: chosen.objects ? 'No detections of this class' : 'No objects of this class: LRP is undefined',
      showarrow: false, xref: 'paper', yref: 'paper', x: .5, y: .5, font: { size: 15 },
    }],
  });
  describe(chosen);
}

function describe(chosen) {
  const note = document.getElementById('curve-note');
  note.replaceChildren(...chosen.of_sets.map(({ optimum: o }, s) => {
    const line = document.createElement('div');
    line.className = two ? `stroke ${s ? 'dotted' : 'solid'}` : '';
    const strong = document.createElement('b');
    const advice = o.threshold === null
      ? `No threshold for ${chosen.name}`
      : `Best score threshold for ${chosen.name}: ${Number(o.threshold.toPrecision(3))}`;
    strong.textContent = two ? `${data.sets[s]}. ${advice}` : advice;
    const objects = `${chosen.objects.toLocaleString('en')} object${chosen.objects === 1 ? '' : 's'}`;
    line.append(strong, o.threshold === null ? ` (${objects})` :
      `, with oLRP ${number(o.oLRP)}, mean 1 − ${data.measure} ${number(o.oLRP_loc)}, ` +
      `${number(100 * o.oLRP_fp, 1)} % of detections false, ${number(100 * o.oLRP_fn, 1)} % of ${objects} missed`);
    return line;
  }));
}

function drawWorst() {
  const worst = data.classes.filter(c => c.of_sets[0].optimum.oLRP !== null).slice(0, 12).reverse();
  const y = worst.map((_, i) => i);
  draw('worst-chart', PARTS.map(({ name, colour }, p) => ({
    type: 'bar', orientation: 'h', name, y, x: worst.map(c => c.of_sets[0].parts[p]), width: Math.min(.68, worst.length / 9),
    marker: { color: colour }, customdata: worst.map(c => [plain(c.name), c.objects, number(c.of_sets[0].optimum.oLRP)]),
    hovertemplate: `%{customdata[0]}: %{x:.3f} by ${name}<br>oLRP %{customdata[2]}, %{customdata[1]:,} objects<extra></extra>`,
  })), {
    barmode: 'stack', xaxis: { range: [0, 1.02], title: { text: 'oLRP' } },
    yaxis: {
      tickvals: y, ticktext: worst.map(c => short(c.name, 18) + '  '), showgrid: false, ticks: '',
      range: [-.6, y.length - .4],
    },
  });
}

function drawSizes() {
  const { names: x, objects, oLRP } = data.sizes;
  const common = { type: 'bar', x, textposition: 'outside', textangle: 0, hoverinfo: 'skip', cliponaxis: false };
  draw('size-objects-chart', [{
    ...common, y: objects, text: objects.map(n => n.toLocaleString('en')), marker: { color: '#8a94a0' }, width: .5,
  }], { xaxis: { showgrid: false }, yaxis: { title: { text: 'objects' }, nticks: 4, rangemode: 'tozero' }, margin: { t: 22, b: 28 } });
  draw('size-olrp-chart', oLRP.map((values, s) => ({
    ...common, y: values.map(v => v < 0 ? null : v), text: values.map(v => v < 0 ? '' : number(v)), marker: { color: SETS[s] },
    name: data.sets[s], width: two ? .34 : .5,
  })), {
    xaxis: { showgrid: false }, yaxis: { title: { text: 'oLRP' }, range: [0, 1.02], nticks: 4 }, showlegend: false, bargap: .3,
    margin: { t: 22, b: 28 },
  });
}

function drawThresholds() {
  const defined = data.classes.filter(c => c.of_sets.some(s => s.optimum.threshold !== null));
  const first = c => c.of_sets[0].optimum.threshold ?? -1;
  defined.sort((a, b) => first(b) - first(a));
  const x = defined.map((_, i) => i), labelled = defined.length <= (narrow() ? 12 : 40);
  draw('threshold-chart', data.sets.map((set, s) => ({
    x, y: defined.map(c => c.of_sets[s].optimum.threshold), name: short(set), mode: 'markers',
    marker: { size: Math.max(4, Math.min(9, 500 / defined.length)), color: SETS[s], symbol: s ? 'diamond' : 'circle' },
    customdata: defined.map(c => plain(c.name)), hovertemplate: '%{customdata}: %{y:.3g}<extra></extra>',
  })), {
    showlegend: two, hovermode: 'closest', yaxis: { title: { text: 'score' }, rangemode: 'tozero' },
    xaxis: {
      range: [-.7, defined.length - .3], showgrid: labelled, ticks: '',
      ...(labelled ? { tickvals: x, ticktext: defined.map(c => short(c.name, 16)) }
        : { showticklabels: false, title: { text: `${defined.length} classes by threshold` } }),
    },
    margin: { t: two ? 34 : 12 },
  });
}

function drawComparison() {
  const ends = narrow() ? 10 : 15;
  let rows = data.classes.map(c => ({ name: c.name, objects: c.objects, values: c.of_sets.map(s => s.optimum.oLRP) }))
    .filter(r => r.values.every(v => v !== null)).map(r => ({ ...r, difference: r.values[1] - r.values[0] }))
    .sort((a, b) => b.difference - a.difference);
  if (rows.length > 2 * ends) {
    document.getElementById('comparison-extent').textContent = `The ${ends} best and ${ends} worst of ${rows.length} classes.`;
    rows = [...rows.slice(0, ends), ...rows.slice(-ends)];
  }
  const y = rows.map((_, i) => i), extent = 1.1 * Math.max(.02, ...rows.map(r => Math.abs(r.difference)));
  document.getElementById('comparison-chart').style.height = `${Math.max(160, 80 + 21 * rows.length)}px`;
  draw('comparison-chart', [{
    type: 'bar', orientation: 'h', y, x: rows.map(r => r.difference), width: .66,
    marker: { color: rows.map(r => r.difference < 0 ? '#0072b2' : '#d55e00') },
    customdata: rows.map(r => [plain(r.name), number(r.values[0]), number(r.values[1]), r.objects]),
    hovertemplate: '%{customdata[0]}: %{x:+.3f}<br>oLRP %{customdata[1]} and %{customdata[2]}, %{customdata[3]:,} objects<extra></extra>',
  }], {
    showlegend: false, margin: { t: 8 },
    xaxis: { range: [-extent, extent], title: { text: 'better  ←  difference of oLRP  →  worse' }, tickformat: '.2~f', zeroline: true, zerolinecolor: INK },
    yaxis: { tickvals: y, ticktext: rows.map(r => short(r.name, narrow() ? 14 : 24) + '  '), ticks: '', showgrid: false, range: [-.7, rows.length - .3] },
  });
}

function drawReliability() {
  const traces = [{ x: [0, 1], y: [0, 1], mode: 'lines', name: 'score = IoU', line: { color: '#8a94a0', dash: 'dash', width: 1.5 }, hoverinfo: 'skip' }];
  data.reliability.forEach(({ count, score, iou }, s) => {
    const bins = count.map((n, i) => i).filter(i => count[i]), most = Math.max(1, ...count);
    traces.push({
      x: bins.map(i => score[i]), y: bins.map(i => iou[i]), customdata: bins.map(i => count[i]), name: two ? short(data.sets[s]) : 'detections',
      mode: 'lines+markers', line: { color: SETS[s], width: 2 },
      marker: { color: SETS[s], symbol: s ? 'diamond' : 'circle', size: bins.map(i => 6 + 14 * Math.sqrt(count[i] / most)) },
      hovertemplate: 'score %{x:.3f}, IoU %{y:.3f}<br>%{customdata:,} detections<extra></extra>',
    });
  });
  draw('reliability-chart', traces, {
    hovermode: 'closest', xaxis: { range: [-.02, 1.02], title: { text: 'mean score' } }, yaxis: { range: [-.02, 1.02], title: { text: 'mean IoU' } },
  });
}

const choice = document.getElementById('class-choice');
function choose(index) {
  choice.value = index;
  drawCurves(index);
}
const turn = by => choose((Number(choice.value) + by + data.classes.length) % data.classes.length);
choice.addEventListener('change', () => drawCurves(Number(choice.value)));
document.getElementById('previous').addEventListener('click', () => turn(-1));
document.getElementById('next').addEventListener('click', () => turn(1));

const counts = data.classes.map(c => c.objects);
if (counts.length) choose(counts.indexOf(counts.reduce((a, b) => Math.max(a, b))));
drawWorst();
drawSizes();
if (data.classes.length > 1) drawThresholds();
if (two) drawComparison();
if (document.getElementById('reliability-chart')) drawReliability();
