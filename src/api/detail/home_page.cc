#include "api/detail/home_page.h"

namespace panal::api::detail {
namespace {

constexpr std::string_view kPage = R"page(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>panal</title>
<link rel="icon" href="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><path fill='%23d99211' d='M16 2l12 7v14l-12 7-12-7V9z'/></svg>">
<style>
:root { --page: #faf8f4; --card: #fff; --ink: #23201a; --soft: #6f6759; --line: #e5dfd2; --honey: #b87503; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --page: #17150f; --card: #211e17; --ink: #efe9dc; --soft: #a79d8a; --line: #38332a; --honey: #f0b13c; --bad: #ff8a80; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { display: flex; align-items: center; gap: .6rem; margin: 0; font-size: 1.7rem; letter-spacing: -.02em; }
h1 svg { width: 1.9rem; fill: var(--honey); }
h2 { margin: 2.2rem 0 .6rem; font-size: .8rem; letter-spacing: .08em; text-transform: uppercase; color: var(--soft); }
p.lead { margin: .4rem 0 1.6rem; color: var(--soft); }
.card { padding: 1rem; background: var(--card); border: 1px solid var(--line); border-radius: .8rem; }
textarea { width: 100%; min-height: 5.5rem; padding: .2rem; border: 0; outline: 0; resize: vertical; background: none; color: inherit; font: inherit; }
.row { display: flex; flex-wrap: wrap; align-items: center; gap: .6rem; }
.row .space { flex: 1; }
label { color: var(--soft); font-size: .85rem; }
select, button { padding: .4rem .8rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); color: inherit; font: inherit; font-size: .9rem; }
button.go { border-color: var(--honey); background: var(--honey); color: var(--card); font-weight: 600; cursor: pointer; }
button:disabled { opacity: .5; cursor: default; }
:focus-visible { outline: 2px solid var(--honey); outline-offset: 2px; }
textarea:focus-visible { outline: 0; }
#answer { margin-top: 1rem; white-space: pre-wrap; overflow-wrap: anywhere; }
#answer.bad { color: var(--bad); }
#trace { margin-top: .8rem; font-size: .88rem; color: var(--soft); }
#trace table, #models table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-weight: 500; color: var(--soft); }
td, th { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; font-size: .88rem; }
code, pre { font: .84rem/1.5 ui-monospace, monospace; }
pre { margin: 0; overflow-x: auto; }
summary { margin-top: .6rem; cursor: pointer; }
a { color: var(--honey); }
[hidden] { display: none; }
</style>
</head>
<body>
<main>
<h1><svg viewBox="0 0 32 32" aria-hidden="true"><path d="M16 2l12 7v14l-12 7-12-7V9z"/></svg>panal</h1>
<p class="lead">One endpoint, several experts. Ask, and see who answered, how fast and at what cost.</p>

<form class="card" id="form">
  <textarea id="question" aria-label="Your question" placeholder="Ask something&hellip;" autofocus></textarea>
  <div class="row">
    <label>Model <select id="model"></select></label>
    <label>Route <select id="route"><option value="auto">auto</option><option value="core">core</option></select></label>
    <span class="space"></span>
    <button type="button" id="stop" hidden>Stop</button>
    <button class="go" id="ask">Ask</button>
  </div>
</form>
<div class="card" id="reply" hidden style="margin-top:1rem">
  <div id="answer" role="status" aria-live="polite" style="margin-top:0"></div>
  <div id="trace"></div>
</div>

<h2>Models</h2>
<div class="card" id="models">Loading&hellip;</div>

<h2>From a program</h2>
<div class="card"><pre id="example"></pre></div>

<h2>Also here</h2>
<p><a href="/v1/models">/v1/models</a> &middot; <a href="/metrics">/metrics</a> &middot;
<a href="/healthz">/healthz</a> &middot; <a href="/readyz">/readyz</a></p>
</main>
<script>
"use strict";
const $ = id => document.getElementById(id);
const make = (tag, text) => { const e = document.createElement(tag); if (text !== undefined) e.textContent = text; return e; };
let models = [];
let running = null;

function expertsOf(model) {
  const about = model && model.panal || {};
  const group = about.endpoint ? models.find(one => one.id === about.endpoint) : model;
  const experts = group && group.panal && group.panal.experts;
  return Array.isArray(experts) ? experts.map(one => typeof one === "string" ? {name: one} : one) : [];
}

function describe(model) {
  const about = model.panal || {};
  if (about.label) return about.label;
  const experts = expertsOf(model).map(one => one.name).join(", ");
  if (about.endpoint) return "chooses for you, in " + about.endpoint;
  return experts ? "core and experts: " + experts : about.version || about.core || "";
}

function showRoutes() {
  const model = models.find(one => one.id === $("model").value);
  $("route").replaceChildren(...["auto", "core", ...expertsOf(model).map(one => one.name)].map(name => {
    const option = make("option", name); option.value = name; return option;
  }));
}

function table(head, rows) {
  const result = make("table"), first = make("tr");
  head.forEach(text => first.append(make("th", text)));
  result.append(first);
  rows.forEach(cells => { const row = make("tr"); cells.forEach(text => row.append(make("td", text))); result.append(row); });
  return result;
}

async function loadModels() {
  try {
    const answer = await fetch("/v1/models");
    models = (await answer.json()).data || [];
  } catch (error) {
    $("models").textContent = "The list of models could not be read: " + error.message;
    return;
  }
  $("model").replaceChildren(...models.map(one => { const option = make("option", one.id); option.value = one.id; return option; }));
  $("ask").disabled = models.length === 0;
  if (models.length === 0) $("models").textContent = "No model is deployed yet.";
  else $("models").replaceChildren(table(["Name", "Kind", "What"], models.map(one => [one.id, one.panal && one.panal.kind || "model", describe(one)])));
  showRoutes();
  const name = models.length ? models[0].id : "MODEL";
  $("example").textContent = "from openai import OpenAI\n\nclient = OpenAI(base_url=\"" + location.origin +
    "/v1\", api_key=\"none\")\nanswer = client.chat.completions.create(\n    model=\"" + name +
    "\", messages=[{\"role\": \"user\", \"content\": \"Hello!\"}])\nprint(answer.choices[0].message.content)";
}

const isNumber = value => typeof value === "number";
const round = value => !isNumber(value) ? "unknown" : Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
// What was not measured is unknown, never zero.
const energyText = energy => energy && isNumber(energy.joules) ? round(energy.joules) + " J, " + energy.method : "unknown";

function showTrace(trace, usage, wallMs) {
  const box = $("trace");
  box.replaceChildren();
  if (!trace) return;
  const parts = Array.isArray(trace.parts) ? trace.parts : [];
  if (parts.length) {
    box.append(table(["Answered by", "Why", "Tokens/s", "Energy"], parts.map(part => [
      part.expert, [part.why, part.fallback].filter(Boolean).join("; "), round(part.tokens_per_s), energyText(part.energy)])));
  }
  const totals = trace.totals || {}, facts = [];
  if (usage) facts.push(usage.prompt_tokens + " tokens read, " + usage.completion_tokens + " written");
  facts.push((wallMs / 1000).toFixed(1) + " s", round(totals.tokens_per_s) + " tokens/s",
    "energy " + energyText(totals), "CO2 " + (isNumber(totals.gco2) ? round(totals.gco2) + " g" : "unknown"));
  box.append(make("p", facts.join(" \u00b7 ")));
  const details = make("details");
  details.append(make("summary", "The whole trace"), make("pre", JSON.stringify(trace, null, 2)));
  box.append(details);
}

function fail(message) { $("answer").className = "bad"; $("answer").append(($("answer").textContent ? "\n" : "") + message); }

async function ask(event) {
  event.preventDefault();
  const text = $("question").value.trim();
  if (!text || running) return;
  running = new AbortController();
  $("ask").disabled = true; $("stop").hidden = false; $("reply").hidden = false;
  $("answer").className = ""; $("answer").textContent = ""; $("trace").replaceChildren();
  const started = performance.now();
  let trace = null, usage = null;
  const take = data => {
    if (data === "[DONE]") return;
    const chunk = JSON.parse(data);
    if (chunk.error) return fail(chunk.error.message);
    if (chunk.panal) trace = chunk.panal;
    if (chunk.usage) usage = chunk.usage;
    const delta = chunk.choices && chunk.choices[0] && chunk.choices[0].delta;
    if (delta && delta.content) $("answer").append(delta.content);
  };
  try {
    const answer = await fetch("/v1/chat/completions", {
      method: "POST", signal: running.signal, headers: {"Content-Type": "application/json"},
      body: JSON.stringify({model: $("model").value, stream: true, stream_options: {include_usage: true},
        messages: [{role: "user", content: text}], panal: {route: $("route").value}})});
    if (!answer.ok) {
      const body = await answer.json().catch(() => null);
      throw new Error(body && body.error ? body.error.message : "The server answered " + answer.status + ".");
    }
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let waiting = "";
    for (;;) {
      const {value, done} = await reader.read();
      if (done) break;
      waiting += value;
      for (let end; (end = waiting.indexOf("\n\n")) >= 0; waiting = waiting.slice(end + 2)) {
        const event = waiting.slice(0, end);
        if (event.startsWith("data: ")) take(event.slice(6));
      }
    }
  } catch (error) {
    if (error.name !== "AbortError") fail(error.message);
  }
  showTrace(trace, usage, performance.now() - started);
  running = null;
  $("ask").disabled = false; $("stop").hidden = true;
}

$("form").addEventListener("submit", ask);
$("stop").addEventListener("click", () => running && running.abort());
$("model").addEventListener("change", showRoutes);
$("question").addEventListener("keydown", event => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) ask(event);
});
loadModels();
</script>
</body>
</html>
)page";

}  // namespace

std::string_view home_page() { return kPage; }

}  // namespace panal::api::detail
