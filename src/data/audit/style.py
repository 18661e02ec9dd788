"""How the page of an audit looks: light and dark, on a phone as on a screen."""

CSS = """
:root { color-scheme: light dark;
  --paper: #f6f7f9; --card: #ffffff; --ink: #1c2430; --soft: #5b6675; --line: #e1e5eb;
  --error: #c62f3b; --warning: #b86e00; --note: #3a6ea5;
  --s0: #3f74d1; --s1: #e39a2d; --s2: #2a9d8a; --track: #eef1f5; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #12161c; --card: #1b2129; --ink: #e4e9f0; --soft: #9aa6b5; --line: #2c3540;
  --error: #ff7b82; --warning: #f0b04f; --note: #7fb2e8;
  --s0: #6f9ff0; --s1: #f0b04f; --s2: #4cc4b0; --track: #252d37; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 16px 56px; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 4px; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 36px 0 12px; }
h3 { font-size: .95rem; margin: 0 0 10px; overflow-wrap: anywhere; }
.about { color: var(--soft); margin: 0; overflow-wrap: anywhere; }
.chips { display: flex; flex-wrap: wrap; gap: 8px; margin: 18px 0 0; padding: 0; list-style: none; }
.chips li { background: var(--card); border: 1px solid var(--line); border-radius: 999px;
  padding: 4px 14px; font-size: .92rem; }
.chips b { font-variant-numeric: tabular-nums; }
.error { --level: var(--error); } .warning { --level: var(--warning); }
.note { --level: var(--note); }
.chips .error b, .chips .warning b, .chips .note b { color: var(--level); }
.finding, .figure { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.finding { border-left: 5px solid var(--level); padding: 12px 16px; margin: 0 0 10px; }
.finding p { margin: 2px 0; overflow-wrap: anywhere; }
.finding .what { font-weight: 600; }
.badge { color: var(--level); font-size: .75rem; font-weight: 700; text-transform: uppercase;
  letter-spacing: .06em; margin-right: 8px; }
.where { color: var(--soft); font: .84rem/1.55 ui-monospace, SFMono-Regular, Menlo, monospace; }
.good { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 16px; margin: 0; }
.figures { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(290px, 1fr)); }
.figure { padding: 14px 16px; margin: 0; min-width: 0; }
.wide { grid-column: 1 / -1; }
.small { color: var(--soft); font-size: .82rem; margin: 8px 0 0; overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; color: var(--soft); font-size: .82rem;
  margin: 0 0 8px; padding: 0; list-style: none; }
.legend i { display: inline-block; width: 10px; height: 10px;
  border-radius: 2px; margin-right: 6px; }
.c0 { background: var(--s0); } .c1 { background: var(--s1); } .c2 { background: var(--s2); }
.bars { display: grid; grid-template-columns: minmax(40px, max-content) 1fr max-content;
  gap: 5px 12px; align-items: center; font-size: .88rem; }
.bars .name { max-width: 34vw; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bars .track { display: flex; height: 15px; background: var(--track); border-radius: 4px;
  overflow: hidden; }
.bars .count { text-align: right; font-variant-numeric: tabular-nums; color: var(--soft); }
svg { display: block; width: 100%; height: auto; }
svg .f0 { fill: var(--s0); opacity: .45; }
svg .l0, svg .l1, svg .l2 { fill: none; stroke-width: 1.6; }
svg .l0 { stroke: var(--s0); } svg .l1 { stroke: var(--s1); } svg .l2 { stroke: var(--s2); }
svg .axis { stroke: var(--line); } svg text { fill: var(--soft); font-size: 11px; }
.groups { display: flex; flex-wrap: wrap; gap: 14px; }
.pictures { display: flex; flex-wrap: wrap; gap: 10px; }
.groups .pictures:not(:only-child) { background: var(--paper); border-radius: 10px; padding: 8px; }
.pictures figure { margin: 0; width: 112px; }
.pictures img { width: 112px; height: 112px; object-fit: contain; background: var(--track);
  border-radius: 6px; display: block; image-rendering: pixelated; }
.pictures img.smooth { image-rendering: auto; }
.pictures figcaption { color: var(--soft); font-size: .76rem; line-height: 1.35; margin-top: 4px;
  overflow-wrap: anywhere; }
.texts { display: grid; gap: 10px; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); }
.texts + .texts { margin-top: 12px; border-top: 1px solid var(--line); padding-top: 12px; }
.texts blockquote { margin: 0; font-size: .9rem; overflow-wrap: anywhere; }
.texts cite { display: block; color: var(--soft); font-size: .78rem; font-style: normal; }
footer { color: var(--soft); font-size: .82rem; margin-top: 40px; overflow-wrap: anywhere; }
@media (max-width: 480px) { main { padding: 18px 12px 40px; } .pictures figure, .pictures img
  { width: 92px; } .pictures img { height: 92px; } }
@media print { body { background: #fff; } .finding, .figure { break-inside: avoid; } }
"""
