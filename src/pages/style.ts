/** The style of every page. Its hash stands in the policy of the page, so it is one constant text. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f4f4f2; --sheet: #ffffff; --ink: #1c1c1a; --soft: #595955; --line: #d9d9d4;
  --accent: #1d4ed8; --on-accent: #ffffff; --link: #1d4ed8; --fault: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #161615; --sheet: #232321; --ink: #ecece9; --soft: #b3b3ad; --line: #44443f;
    --accent: #2f5fe0; --on-accent: #ffffff; --link: #93b4ff; --fault: #ff9d94;
  }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 1rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 32rem; margin: 0 auto; padding: 1.5rem; background: var(--sheet); border-radius: 0.75rem; }
main.wide { max-width: 52rem; }
@media (min-width: 40rem) { body { padding: 3rem 1rem; } main { padding: 2.5rem; } }
h1 { margin: 0 0 1rem; font-size: 1.5rem; line-height: 1.25; text-wrap: balance; }
h2 { margin: 0; font-size: 1.125rem; line-height: 1.35; }
p, ul, dl { margin: 0 0 1rem; }
main > :last-child { margin-bottom: 0; }
a { color: var(--link); }
.small { color: var(--soft); font-size: 0.875rem; }
label { display: block; margin-bottom: 0.25rem; font-weight: 600; }
input { width: 100%; margin-bottom: 1rem; padding: 0.625rem 0.75rem; font: inherit; color: inherit;
  background: var(--sheet); border: 1px solid var(--soft); border-radius: 0.5rem; }
input[readonly] { color: var(--soft); background: var(--ground); border-color: var(--line); }
.hint, .fault { margin: 0 0 0.5rem; font-size: 0.875rem; }
.hint { color: var(--soft); }
.fault { color: var(--fault); font-weight: 600; }
[aria-invalid="true"] { border-color: var(--fault); }
button, .button { display: inline-block; padding: 0.75rem 1.25rem; font: inherit; font-weight: 600; border: 0;
  border-radius: 0.5rem; background: var(--accent); color: var(--on-accent); text-decoration: none; cursor: pointer; }
button:hover, .button:hover { filter: brightness(1.1); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
form { margin: 0 0 1.25rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.25rem 1rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
code, pre { font: 0.9375em/1.5 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { margin: 0.75rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.letters { list-style: none; padding: 0; }
.letters > li { padding: 1.25rem 0; border-top: 1px solid var(--line); }
.letters p { margin: 0.25rem 0 0.5rem; overflow-wrap: anywhere; }
summary { padding: 0.375rem 0; cursor: pointer; }
iframe { display: block; width: 100%; height: 36rem; margin: 0.75rem 0; border: 1px solid var(--line);
  border-radius: 0.5rem; }
`
