/** The look of the console: one column on a phone, a menu beside the page where there is room. */
export const consoleStyle = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; --accent: light-dark(#14539a, #8fc0f5); --line: light-dark(#c3c9d1, #4a525c); --soft: light-dark(#f2f5f9, #1d2229); --bad: light-dark(#a4141d, #ff9a9f); --good: light-dark(#11652f, #7fd79d); --warn: light-dark(#7a4a00, #f3c06b); }
* { box-sizing: border-box; }
body { margin: 0; background: Canvas; color: CanvasText; }
a { color: var(--accent); }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: .5rem; top: .5rem; padding: .5rem; background: Canvas; z-index: 1; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; align-items: center; padding: .6rem 1rem; border-bottom: 1px solid var(--line); background: var(--soft); }
header p { margin: 0; overflow-wrap: anywhere; min-width: 0; }
header .product { font-weight: 700; margin-right: auto; }
header form { margin: 0; }
nav { padding: .25rem 1rem; border-bottom: 1px solid var(--line); overflow-x: auto; }
nav ul { display: flex; gap: .25rem; list-style: none; margin: 0; padding: 0; }
nav a { display: block; padding: .55rem .7rem; border-radius: .4rem; white-space: nowrap; text-decoration: none; color: CanvasText; }
nav a:hover { background: var(--soft); }
nav a[aria-current] { background: var(--accent); color: light-dark(#fff, #10151b); font-weight: 600; }
main { padding: 1rem; max-width: 72rem; min-width: 0; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .25rem 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
p, dl, ul { overflow-wrap: anywhere; }
section { margin: 0 0 1.25rem; padding: 1rem; border: 1px solid var(--line); border-radius: .5rem; min-width: 0; }
section > :last-child { margin-bottom: 0; }
.hint { margin: .15rem 0 .35rem; font-size: .9rem; opacity: .85; }
.notice { padding: .7rem 1rem; border: 1px solid var(--line); border-left: .35rem solid var(--accent); border-radius: .4rem; background: var(--soft); }
.notice.bad { border-left-color: var(--bad); }
.notice.good { border-left-color: var(--good); }
dl { display: grid; grid-template-columns: minmax(7rem, 14rem) minmax(0, 1fr); gap: .4rem 1rem; margin: 0 0 1rem; }
dt { opacity: .85; }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
dd ul { margin: 0; padding: 0; list-style: none; }
code, pre { font: .9rem/1.5 ui-monospace, monospace; }
code { overflow-wrap: anywhere; }
[data-copy] { user-select: all; padding: .1rem .35rem; border-radius: .3rem; background: var(--soft); }
pre { margin: 0; padding: .7rem; overflow: auto; max-height: 24rem; border-radius: .4rem; background: var(--soft); white-space: pre-wrap; overflow-wrap: anywhere; }
.badge { display: inline-block; padding: .1rem .55rem; border: 1px solid currentColor; border-radius: 1rem; font-size: .85rem; font-weight: 600; }
.badge.good { color: var(--good); } .badge.bad { color: var(--bad); } .badge.warn { color: var(--warn); }
.actions { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; margin: 0 0 1rem; }
.actions form { margin: 0; }
button, .button { display: inline-block; font: inherit; font-weight: 600; min-height: 2.75rem; padding: .5rem 1.1rem; border: 1px solid #14539a; border-radius: .4rem; background: #14539a; color: #fff; cursor: pointer; text-decoration: none; }
button:hover, .button:hover { background: #0d3f78; }
button.plain, .button.plain { background: transparent; border-color: GrayText; color: CanvasText; }
button.plain:hover, .button.plain:hover { border-color: CanvasText; }
button.danger, .button.danger { background: #a4141d; border-color: #a4141d; color: #fff; }
button.copy { min-height: 2rem; padding: .15rem .6rem; margin-left: .5rem; font-size: .85rem; background: transparent; border-color: GrayText; color: CanvasText; }
button[disabled] { opacity: .6; cursor: progress; }
:focus-visible { outline: 3px solid #7db2ee; outline-offset: 2px; }
.field { margin: 0 0 1.1rem; }
.field > label, legend { font-weight: 600; }
.field input:not([type=checkbox]), .field select, .field textarea { display: block; width: 100%; max-width: 46rem; font: inherit; padding: .55rem .6rem; min-height: 2.75rem; border: 1px solid light-dark(#767d86, #8b939d); border-radius: .4rem; background: Canvas; color: CanvasText; }
.field textarea { font: .9rem/1.5 ui-monospace, monospace; min-height: 6rem; resize: vertical; }
.field [aria-invalid=true] { border-color: var(--bad); border-width: 2px; }
.field .wrong { color: var(--bad); font-weight: 600; margin: .25rem 0; }
.check { display: flex; gap: .6rem; align-items: start; }
.check input { flex: none; width: 1.25rem; height: 1.25rem; margin: .15rem 0 0; accent-color: #14539a; }
fieldset { min-width: 0; margin: 0 0 1.1rem; padding: .8rem 1rem 0; border: 1px solid var(--line); border-radius: .4rem; }
.filters { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: start; margin: 0 0 1rem; }
.filters .field { margin: 0; flex: 1 1 11rem; max-width: 20rem; }
.filters button { margin-top: 1.5rem; }
table { width: 100%; border-collapse: collapse; margin: 0 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .5rem .6rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { font-size: .9rem; overflow-wrap: normal; }
td .hint { margin: 0; }
summary { cursor: pointer; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(16rem, 100%), 1fr)); gap: 1rem; list-style: none; margin: 0 0 1.25rem; padding: 0; }
.cards li { padding: 1rem; border: 1px solid var(--line); border-radius: .5rem; }
progress { width: 100%; max-width: 20rem; accent-color: #14539a; }
[hidden] { display: none; }
@media (max-width: 45rem) {
  table, tbody, tr, td { display: block; }
  thead { position: absolute; left: -100rem; }
  tr { padding: .5rem 0; border-bottom: 1px solid var(--line); }
  td { display: grid; grid-template-columns: 7rem minmax(0, 1fr); gap: .5rem; padding: .2rem 0; border: 0; }
  td::before { content: attr(data-label); opacity: .85; font-size: .9rem; }
  td > .badge { justify-self: start; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dd { margin: 0 0 .6rem; }
}
@media (min-width: 64rem) {
  td time, td .badge { white-space: nowrap; }
  td:first-child { min-width: 8rem; }
  .frame { display: grid; grid-template-columns: 14rem minmax(0, 1fr); }
  nav { border: 0; border-right: 1px solid var(--line); min-height: calc(100vh - 3.6rem); padding: 1rem .75rem; }
  nav ul { flex-direction: column; }
  main { padding: 1.25rem 2rem; }
}
`
