import { createHash } from 'node:crypto'

/** What the pages get better by, where scripts run: copy buttons, what is new in the log, and a sync that is watched. Every page works without it. */
export const consoleScript = `'use strict';
(() => {
  const texts = document.documentElement.dataset

  function select (element) {
    const range = document.createRange()
    range.selectNodeContents(element)
    getSelection().removeAllRanges()
    getSelection().addRange(range)
  }

  async function copy (element, button) {
    try {
      await navigator.clipboard.writeText(element.textContent)
    } catch { // no permission, or no secure context: it is selected, to be copied by hand
      select(element)
      return
    }
    button.textContent = texts.labelCopied
    setTimeout(() => { button.textContent = texts.labelCopy }, 2000)
  }

  function addCopyButtons (root) {
    for (const element of root.querySelectorAll('[data-copy]')) {
      if (element.nextElementSibling?.matches('button.copy')) continue
      const button = document.createElement('button')
      button.type = 'button'
      button.className = 'copy'
      button.textContent = texts.labelCopy
      button.setAttribute('aria-label', element.dataset.copy)
      button.addEventListener('click', () => { copy(element, button) })
      element.after(button)
    }
  }

  /** Rows that are new come first, the others stay as they are; any other part is replaced. */
  function renew (part, fresh) {
    if ('rows' in part.dataset) {
      for (const row of [...fresh.children].reverse()) if (!document.getElementById(row.id)) part.prepend(row)
    } else if (part.innerHTML !== fresh.innerHTML) {
      part.replaceChildren(...fresh.childNodes)
    }
    addCopyButtons(part)
  }

  async function read (answer) {
    return new DOMParser().parseFromString(await answer.text(), 'text/html')
  }

  const sources = []
  function stopWatching () {
    for (const source of sources.splice(0)) source.close()
    showLive(false)
  }

  function showLive (is) {
    for (const note of document.querySelectorAll('[data-live-note]')) note.hidden = !is
  }

  /** Whose session has ended is told so above what they still see. */
  function tellSignedOut (page) {
    const notice = page.querySelector('[role="alert"]')
    const title = document.createElement('strong')
    title.textContent = page.querySelector('h1').textContent
    notice.prepend(title)
    notice.append(...page.querySelectorAll('main .button'))
    document.querySelector('main').prepend(notice)
    document.querySelector('header').replaceWith(page.querySelector('header'))
  }

  async function refresh () {
    const answer = await fetch(location.href)
    const page = await read(answer)
    if (answer.status === 401 && sources.length > 0) {
      stopWatching()
      tellSignedOut(page)
    }
    if (!answer.ok) return
    for (const part of document.querySelectorAll('[data-part]')) {
      const fresh = page.querySelector('[data-part="' + part.dataset.part + '"]')
      if (fresh) renew(part, fresh)
    }
  }

  let waiting = null
  function refreshSoon () {
    waiting ??= setTimeout(() => {
      waiting = null
      refresh().catch(() => {})
    }, 300)
  }

  function watch (element) {
    const source = new EventSource(element.dataset.live)
    sources.push(source)
    source.addEventListener('open', () => { showLive(true) })
    source.addEventListener('message', refreshSoon)
    source.addEventListener('error', () => {
      showLive(false)
      if (source.readyState === EventSource.CLOSED) refreshSoon() // it was refused, and does not come back: the page says why
    })
    addEventListener('pagehide', () => { source.close() })
  }

  /** Sends a form that takes its time, shows that it does, and then what came of it. */
  async function sendAside (form) {
    const progress = form.querySelector('progress')
    const button = form.querySelector('button')
    progress.hidden = false
    button.disabled = true
    const answer = await fetch(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)) })
    const page = await read(answer)
    const main = page.querySelector('main')
    document.querySelector('main').replaceWith(main)
    document.title = page.title
    if (answer.ok) history.replaceState(null, '', answer.url)
    start(main)
    main.focus()
  }

  function start (root) {
    addCopyButtons(root)
    for (const form of root.querySelectorAll('form[data-aside]')) {
      form.addEventListener('submit', (event) => {
        event.preventDefault()
        sendAside(form).catch(() => { location.reload() })
      })
    }
  }

  start(document)
  for (const element of document.querySelectorAll('[data-live]')) watch(element)
})()
`

/** Below the console's prefix; another text has another address. */
export const scriptPath = `/console-${createHash('sha256').update(consoleScript).digest('hex').slice(0, 16)}.js`
