"""The card's style sheet: system fonts, one accent, light and dark."""

CSS = """
:root {
  color-scheme: light dark;
  --page: #fbfbfa; --panel: #ffffff; --ink: #1f2328; --quiet: #616a75; --line: #e3e5e8; --ground: #eceef1;
  --kept: #4a7193; --lost: #b4654a; --plain: #8b95a1; --mark: #1f2328; --warn: #8a5a00; --warn-ground: #fdf5e3;
  --warn-line: #ead9ae; --gone: #f6dcd3; --new: #d6e8dc; --code: #f2f3f5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171a; --panel: #1b1f23; --ink: #e4e7ea; --quiet: #98a2ad; --line: #2e343a; --ground: #2a3037;
    --kept: #7ba6c9; --lost: #d58b70; --plain: #76818d; --mark: #e4e7ea; --warn: #e6c27a; --warn-ground: #2a2415;
    --warn-line: #4d4223; --gone: #5c3427; --new: #234434; --code: #23282d;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 60rem; margin: 0 auto; padding: 3rem 1.25rem 5rem; }
h1 { font-size: 2rem; line-height: 1.2; letter-spacing: -0.015em; margin: 0 0 .35rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 3.25rem 0 1rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.75rem 0 .4rem; }
h2 + h3 { margin-top: 0; }
p { margin: 0 0 .75rem; max-width: 44rem; }
a { color: var(--kept); }
a:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 2px solid var(--kept); outline-offset: 2px; }
.subtitle, .quiet { color: var(--quiet); font-size: .9rem; overflow-wrap: anywhere; }
nav { margin: 1.1rem 0 0; font-size: .88rem; display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
code, pre, .place { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
code { font-size: .85em; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 0 0 1.25rem; padding: 0; }
.tiles div { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: .8rem .9rem .75rem; }
.tiles dt { color: var(--quiet); font-size: .82rem; }
.tiles dd { margin: 0; }
.tiles .value { font-size: 1.6rem; line-height: 1.25; font-weight: 620; letter-spacing: -0.01em; font-variant-numeric: tabular-nums; }
.tiles .note { color: var(--quiet); font-size: .8rem; line-height: 1.4; overflow-wrap: anywhere; }
.alerts { background: var(--warn-ground); border: 1px solid var(--warn-line); border-radius: 8px; padding: .75rem 1rem; margin: 0 0 1.5rem; }
.alerts strong { color: var(--warn); font-size: .9rem; }
.alerts ul { margin: .25rem 0 0; padding-left: 1.1rem; }
.alerts li { margin: .2rem 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: 0 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
th, td { max-width: 26rem; }
td code, th code { overflow-wrap: break-word; }
table.narrow { width: auto; min-width: min(24rem, 100%); }
th, td { text-align: left; padding: .4rem .9rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; font-weight: 400; overflow-wrap: break-word; }
thead th { color: var(--quiet); font-size: .8rem; white-space: nowrap; vertical-align: bottom; }
tbody tr:last-child > * { border-bottom: 0; }
th.n, td.n { text-align: right; white-space: nowrap; }
td:last-child, th:last-child { padding-right: 0; }
td.s { width: 38%; min-width: 7.5rem; }
td.s > span { display: flex; align-items: center; gap: .6rem; min-height: 1.55em; }
td.s, th.s { padding-left: .6rem; }
td.s b { font-weight: 400; min-width: 3.4rem; text-align: right; }
.bar { flex: 1 1 0; width: 0; min-width: 2.5rem; height: .7rem; border-radius: 2px; display: block; }
rect.ground { fill: var(--ground); } rect.kept { fill: var(--kept); } rect.lost { fill: var(--lost); } rect.plain { fill: var(--plain); }
.plot { margin: .5rem 0 .75rem; }
.histogram { display: block; width: 100%; height: 150px; border-bottom: 1px solid var(--quiet); }
.mark { stroke: var(--mark); stroke-width: 1; stroke-dasharray: 3 3; vector-effect: non-scaling-stroke; opacity: .55; }
.marks, .axis { position: relative; height: 1.3rem; font-size: .78rem; color: var(--quiet); font-variant-numeric: tabular-nums; margin: 0 1.1rem; }
.histogram { margin: 0 1.1rem; width: calc(100% - 2.2rem); }
.marks span, .axis span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.axis { margin-top: .2rem; }
details { margin: .5rem 0 1rem; }
summary { cursor: pointer; color: var(--kept); font-size: .9rem; padding: .15rem 0; }
details[open] > summary { margin-bottom: .6rem; }
.excerpt { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: .65rem .85rem .75rem; margin: 0 0 .75rem; }
.head { color: var(--quiet); font-size: .82rem; margin: 0 0 .4rem; display: flex; flex-wrap: wrap; gap: .1rem .9rem; max-width: none; }
.head strong { color: var(--ink); font-weight: 600; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .9rem; line-height: 1.5; margin: 0; max-width: none; }
.sides { display: grid; grid-template-columns: 1fr 1fr; gap: 1.1rem; }
.sides h4 { margin: 0 0 .15rem; font-size: .78rem; font-weight: 400; color: var(--quiet); }
mark { color: inherit; border-radius: 2px; padding: 0 .08em; }
mark.gone { background: var(--gone); } mark.new { background: var(--new); }
pre { background: var(--code); border-radius: 8px; padding: .8rem 1rem; overflow-x: auto; font-size: .82rem; line-height: 1.7; margin: 0 0 1rem; }
footer { margin-top: 4rem; color: var(--quiet); font-size: .82rem; }
@media (max-width: 40rem) {
  main { padding: 1.75rem 1rem 3rem; }
  h1 { font-size: 1.6rem; }
  .tiles { grid-template-columns: 1fr 1fr; gap: .5rem; }
  .tiles .value { font-size: 1.3rem; }
  .sides { grid-template-columns: 1fr; gap: .7rem; }
  .histogram { height: 120px; }
  th, td { padding-right: .7rem; }
  thead th { white-space: normal; }
  td.s { width: 26%; min-width: 5.2rem; padding-left: 0; } td.s > span { gap: .35rem; } td.s b { min-width: 3.4rem; } .bar { min-width: 1.6rem; }
  .wide .bar { display: none; } .wide td.s { min-width: 0; width: auto; }
}
@media print { details > * { display: block; } nav { display: none; } body { background: none; } }
"""
