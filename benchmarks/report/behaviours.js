// A cell of the matrix opens its evidence in front of the page. Without this script it leads to where that stands.
const dialog = document.querySelector('#shown')
const body = dialog.querySelector('.body')
let back = null  // puts the evidence where it came from

addEventListener('click', event => {
  const cell = event.target.closest?.('a.cell')
  if (cell && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault()
    show(cell.dataset.evidence)
  }
})
dialog.addEventListener('click', event => event.target === dialog && dialog.close())  // beside it
dialog.addEventListener('close', hide)
addEventListener('hashchange', open)
addEventListener('beforeprint', () => dialog.open && dialog.close())
const unfold = document.querySelector('#unfold')
unfold.hidden = false
unfold.addEventListener('click', () => {
  const all = [...document.querySelectorAll('details.evidence')]
  const closed = all.some(one => !one.open)
  for (const one of all) one.open = closed
  unfold.textContent = closed ? 'Close all the evidence' : 'Open all the evidence'
})
open()

function open() {
  const name = decodeURIComponent(location.hash.slice(1))
  if (document.getElementById(name)?.classList.contains('sights')) show(name)
}

function show(name) {
  if (dialog.open) dialog.close()
  putBack()  // now: that it was closed is told later, when the next may already be shown
  const evidence = document.getElementById(name)
  const { title, of, experiment } = evidence.dataset
  const home = evidence.parentElement
  back = () => home.append(evidence)
  dialog.querySelector('#shown-title').textContent = title
  dialog.querySelector('.of').textContent = of
  const [about, help] = document.getElementById(experiment).querySelectorAll('.facts')
  body.replaceChildren(about.cloneNode(true), evidence, help.cloneNode(true))
  dialog.showModal()
  body.scrollTop = 0
  history.replaceState(null, '', `#${name}`)
}

function putBack() {
  back?.()
  back = null
  body.replaceChildren()
}

function hide() {
  if (dialog.open) return  // another has been opened meanwhile
  putBack()
  history.replaceState(null, '', location.pathname + location.search)
}
