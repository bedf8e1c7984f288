// What the reader chooses, and what follows from it. All text comes ready from Python; here it only finds its place.
const one = (selector, within = document) => within.querySelector(selector)
const all = (selector, within = document) => [...within.querySelectorAll(selector)]

const data = await unpacked(one('#data').textContent)
const controls = one('#controls')
const chosen = controls.elements
let isolated = ''
const drawn = new Map()  // figure → its Vega view
const shown = new Map()  // figure → the view of the run that it shows

document.documentElement.classList.add('js')
offer(chosen.engine, names('engine'))
offer(chosen.scenario, names('scenario'))
offer(chosen.link, names('link'))
for (const key of ['engine', 'scenario', 'link']) one(`#for-${key}`).hidden = chosen[key].length < 2
controls.hidden = false
controls.addEventListener('change', event => event.target.name in { engine: 1, scenario: 1, link: 1 } ? show(nearest(event.target)) : judge())
controls.addEventListener('submit', event => event.preventDefault())
for (const table of all('.matrix')) one('thead', table).addEventListener('click', event => sort(table, event.target.closest('th')))
for (const button of all('[data-csv]')) {
  button.disabled = false
  button.addEventListener('click', () => button.dataset.csv === 'events' ? save('events.csv', eventLines()) : save('cells.csv', [data.csv]))
}
for (const legend of all('.legend')) legend.addEventListener('click', event => isolate(event.target.closest('li')))
one('[name=round]').addEventListener('change', event => drawTimeline(current(), event.target.value))
addEventListener('beforeprint', () => all('.other, .flags, .doubts details').forEach(unfold))
addEventListener('afterprint', () => all('details[data-folded]').forEach(fold))
await show(data.views[0])

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0))
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).json()
}

// --- which view ---

function names(key) {
  return [...new Set(data.views.map(view => view[key]))]
}

function offer(select, values, value = values[0]) {
  select.replaceChildren(...values.map(each => new Option(each, each, false, each === value)))
}

function current() {
  return data.views.find(view => ['engine', 'scenario', 'link'].every(key => view[key] === chosen[key].value))
}

/** The view of what was chosen; where there is none, of those that have what was chosen last the most alike. */
function nearest(changed) {
  const alike = view => ['engine', 'scenario', 'link'].filter(key => view[key] === chosen[key].value).length
  return data.views.filter(view => view[changed.name] === changed.value).sort((a, b) => alike(b) - alike(a))[0]
}

async function show(view) {
  for (const key of ['engine', 'scenario', 'link']) chosen[key].value = view[key]
  for (const each of all('.view')) each.classList.toggle('shown', data.views[each.dataset.view] === view)
  offer(chosen.baseline, view.subjects, view.baseline)
  judge()
  await draw(view)
}

// --- the matrix ---

/** Every row against the baseline, at the chosen percentile. */
function judge() {
  const [view, latency] = [current(), chosen.latency.value]
  const table = one('.shown .matrix')
  if (!view || !table) return
  document.body.dataset.latency = latency
  const verdicts = view.verdicts[latency][chosen.baseline.value] ?? {}
  for (const row of all('tbody tr', table)) {
    const [word, text, ratio] = verdicts[row.dataset.subject] ?? []
    if (!word || !one('td.verdict', row)) continue
    row.dataset.verdict = word
    one('td.verdict b', row).textContent = text
    one('td.verdict small', row).textContent = ratio
  }
  for (const name of all('.baseline', table)) name.textContent = chosen.baseline.value
  const by = one('th[aria-sort$=ending].latency', table)
  if (by && !by.classList.contains(latency)) sort(table, one(`th.${latency}`, table))
  tell(`${view.title}, ${latency}, against ${chosen.baseline.value || 'nothing'}`)
}

function sort(table, head) {
  if (!head?.hasAttribute('aria-sort')) return
  const down = head.ariaSort === 'ascending' ? -1 : 1
  for (const each of all('th[aria-sort]', table)) each.ariaSort = each !== head ? 'none' : down > 0 ? 'ascending' : 'descending'
  const body = one('tbody', table)
  const key = row => row.children[head.cellIndex]
  body.append(...all('tr', body).sort((a, b) => compared(key(a), key(b), down)))
  tell(`sorted by ${head.innerText.replace(/[↕↑↓]/u, '').trim()}, ${head.ariaSort}`)
}

/** Numbers by value, names by letters; what has no number comes last, either way. */
function compared(a, b, down) {
  if (a.tagName === 'TH') return down * a.innerText.localeCompare(b.innerText)
  const [x, y] = [a, b].map(cell => cell.dataset.rank === undefined ? NaN : Number(cell.dataset.rank))
  return Number.isNaN(x) - Number.isNaN(y) || (Number.isNaN(x) ? 0 : down * (x - y))
}

function tell(text) {
  one('.live').textContent = text
}

// --- the charts ---

async function draw(view) {
  offer(one('[name=round]'), ['all', ...view.rounds.map(String)], String(view.round))
  for (const figure of all('figure[data-kind]')) {
    const kind = figure.dataset.kind
    const of = figure.dataset.cost ? costsBeside(view, kind) : view
    const chart = of?.charts[kind]
    figure.hidden = !chart
    if (!chart || (figure.dataset.cost && shown.get(figure) === of)) continue
    shown.set(figure, of)
    one('.of', figure).textContent = of.title + (kind === 'age' ? `, round ${of.round}` : '')
    one('.left-out', figure).textContent = chart.note
    tabulate(figure, chart)
    label(figure, of)
    await paint(figure, of, chart.rows)
    await new Promise(requestAnimationFrame)  // the page stays responsive
  }
  one('#costs').hidden = all('figure[data-cost=yes]').every(figure => figure.hidden)
}

/** Costs are measured in scenarios of their own: those on the same link, if there are any. */
function costsBeside(view, kind) {
  const found = data.views.filter(each => kind in each.charts)
  return found.find(each => each.link === view.link) ?? found[0]
}

async function drawTimeline(view, round) {
  const [figure, usual] = [one('figure[data-kind=timeline]'), round === String(view.round)]
  one('.left-out', figure).textContent = usual ? view.charts.timeline.note : ''
  await paint(figure, view, usual ? view.charts.timeline.rows : eventRows(view, round))
}

async function paint(figure, view, rows) {
  const kind = figure.dataset.kind
  drawn.get(figure)?.finalize()
  const spec = { ...data.specs[view.positive][kind], height: view.charts[kind].height, data: { values: rows } }
  const options = { renderer: 'svg', actions: { export: true, source: false, compiled: false, editor: false }, downloadFileName: kind }
  const made = await vegaEmbed(one('.chart', figure), spec, options)
  drawn.set(figure, made)
  const picture = one('.chart svg.marks', figure)
  picture.removeAttribute('aria-hidden')
  picture.role = 'img'
  picture.ariaLabel = `${one('h3', figure).textContent}. The table that follows holds the same.`
  if (isolated) await made.view.signal('isolated', isolated).runAsync()
}

function label(figure, view) {
  const legend = one('.legend', figure)
  const items = view.subjects.map(subject => one(`[data-subject="${CSS.escape(subject)}"]`, one('#legend').content))
  legend?.replaceChildren(...items.map(item => document.importNode(item, true)))
  mark()
}

function isolate(item) {
  if (!item) return
  isolated = isolated === item.dataset.subject ? '' : item.dataset.subject
  mark()
  for (const { view } of drawn.values()) view.signal('isolated', isolated).runAsync()
  tell(isolated ? `${isolated} alone` : 'all transports')
}

function mark() {
  document.body.classList.toggle('isolating', isolated !== '')
  for (const item of all('.legend li')) one('button', item).ariaPressed = String(item.dataset.subject === isolated)
}

function tabulate(figure, { head, body }) {
  const row = (texts, first, rest, scope) => {
    const made = document.createElement('tr')
    made.append(...texts.map((text, nth) => {
      const cell = document.createElement(nth ? rest : first)
      cell.textContent = text
      if (cell.tagName === 'TH') cell.scope = scope
      return cell
    }))
    return made
  }
  one('thead', figure).replaceChildren(row(head, 'th', 'th', 'col'))
  one('tbody', figure).replaceChildren(...body.map(texts => row(texts, 'th', 'td', 'row')))
}

// --- print: what says something is unfolded ---

function unfold(details) {
  if (!details.open) details.dataset.folded = ''
  details.open = true
}

function fold(details) {
  delete details.dataset.folded
  details.open = false
}

// --- raw data ---

/** Every event of a packed trial; times in µs. */
function* unpack(trial) {
  let [id, due] = [0, 0]
  for (const [nth, delay] of trial.delay.entries()) {
    id += trial.id[nth]
    due += trial.due[nth]
    yield { id, due, delay, late: trial.late[nth], arrivals: trial.copies[nth] ?? (delay === null ? 0 : 1) }
  }
}

function eventRows(view, round) {
  const rows = []
  for (const trial of data.trials) {
    const [transport, variant, engine, scenario, link] = data.cells[trial.cell]
    if (engine !== view.engine || scenario !== view.scenario || link !== view.link) continue
    if (round !== 'all' && trial.round !== Number(round)) continue
    const name = variant ? `${transport}:${variant}` : transport
    for (const { id, due, delay, late } of unpack(trial)) {
      rows.push({ transport: name, round: trial.round, event: id, due: due / 1e6, late: late / 1e3, delay: delay === null ? null : delay / 1e3 })
    }
  }
  return rows
}

function* eventLines() {
  yield 'transport,variant,engine,scenario,link,round,epoch,id,due_ms,late_ms,delay_ms,arrivals\n'
  for (const trial of data.trials) {
    const cell = data.cells[trial.cell].map(quoted).join(',')
    for (const { id, due, delay, late, arrivals } of unpack(trial)) {
      const times = [due, late, delay].map(us => us === null ? '' : us / 1e3)
      yield [cell, trial.round, trial.epoch, id, ...times, arrivals].join(',') + '\n'
    }
  }
}

function quoted(text) {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function save(name, lines) {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([...lines], { type: 'text/csv' }))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}
