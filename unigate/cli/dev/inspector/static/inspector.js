"use strict";

const list = document.querySelector("#exchanges");
const detail = document.querySelector("#detail");
const notice = document.querySelector("#notice");
const state = document.querySelector("#state");
const MOST = 200; // as many as the server keeps

async function ask(path, body) {
  const post = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(path, body && post);
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}

// --- changing the page without disturbing the user ----------------------------------------------

// Attributes that the user and this script change, and the server never does.
const LOCAL = new Set(["open", "hidden", "aria-expanded", "aria-current"]);

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html; // escaped by the server
  return template.content;
}

const key = (node) =>
  node.nodeType === Node.ELEMENT_NODE
    ? [node.nodeName, node.id, node.getAttribute("class"), node.dataset.part].join()
    : node.nodeName;

// Change a node into another, touching only what differs: focus, selection, scroll positions, and
// text that the user has entered survive.
function patch(node, fresh) {
  if (node.isEqualNode(fresh)) return;
  if (node.nodeType === Node.TEXT_NODE) node.data = fresh.data;
  if (node.nodeType !== Node.ELEMENT_NODE || node === copied) return;
  for (const { name } of [...node.attributes])
    if (!LOCAL.has(name) && !fresh.hasAttribute(name)) node.removeAttribute(name);
  for (const { name, value } of fresh.attributes)
    if (!LOCAL.has(name) && node.getAttribute(name) !== value) node.setAttribute(name, value);
  patchChildren(node, fresh);
}

// Pair the children from both ends; what remains in between was added or removed.
function patchChildren(node, fresh) {
  const before = [...node.childNodes];
  const after = [...fresh.childNodes];
  let start = 0;
  while (start < Math.min(before.length, after.length) && key(before[start]) === key(after[start])) start++;
  let end = 0;
  while (end < Math.min(before.length, after.length) - start && key(before.at(-1 - end)) === key(after.at(-1 - end))) end++;
  for (let i = 0; i < start; i++) patch(before[i], after[i]);
  for (let i = 1; i <= end; i++) patch(before.at(-i), after.at(-i));
  const rest = end ? before.at(-end) : null;
  for (const child of before.slice(start, before.length - end)) child.remove();
  for (const child of after.slice(start, after.length - end)) node.insertBefore(child, rest);
}

// --- what the user does -------------------------------------------------------------------------

const attempts = { copy: 0, move: 0 };

// Do something for the user, and report its failure unless a later attempt of its kind began since.
async function attempt(kind, work) {
  const turn = ++attempts[kind];
  notice.textContent = "";
  try {
    await work();
  } catch (error) {
    if (turn === attempts[kind]) notice.textContent = error.message;
  }
}

const numbers = () => location.hash.slice(1).split("/").filter(Boolean);

function mark() {
  for (const link of list.querySelectorAll("a")) {
    if (numbers().includes(link.hash.slice(1))) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

let requested = 0;
let applied = 0; // the latest request whose answer is displayed
let displayed = "";

// Show what the address names: #12 is one request, #12/13 are two side by side.
async function show() {
  mark();
  const path = numbers().join("/");
  // Until the answer is there, nothing can be done with the request that it replaces.
  detail.inert = path !== "" && path !== displayed;
  if (!path) return;
  const turn = ++requested;
  let html;
  try {
    html = await ask(path);
  } catch (error) {
    if (path !== numbers().join("/")) return; // the user has moved on
    detail.inert = false;
    throw error;
  }
  // Answers may overtake each other.
  if (turn < applied || path !== numbers().join("/")) return;
  applied = turn;
  const fresh = parse(html);
  if (path === displayed) patchChildren(detail, fresh);
  else detail.replaceChildren(fresh);
  displayed = path;
  detail.inert = false;
}

let steps = 0; // of the user; a result does not interrupt what began after its request

// Send a request, and show the new exchange if the user is still waiting for it.
async function sendAgain(path, body, beside) {
  const step = ++steps;
  const { number } = JSON.parse(await ask(path, body));
  if (step === steps) location.hash = beside ? `${beside}/${number}` : number;
}

function toggleForm(button) {
  steps++;
  const form = detail.querySelector("#edit");
  form.hidden = !form.hidden;
  button.setAttribute("aria-expanded", String(!form.hidden));
  if (!form.hidden) form.elements.target.focus();
}

let copies = 0;
let copied = null; // the button that reads "copied" at the moment
let timer = 0;

async function copy(button) {
  const turn = ++copies;
  const text = await ask(button.dataset.copy);
  if (turn !== copies) return; // the clipboard holds something newer
  await navigator.clipboard.writeText(text);
  restore();
  copied = button;
  button.dataset.name = button.textContent;
  button.textContent = "copied";
  timer = setTimeout(restore, 1500);
}

function restore() {
  clearTimeout(timer);
  if (copied) copied.textContent = copied.dataset.name;
  copied = null;
}

detail.addEventListener("click", ({ target }) => {
  const button = target.closest("button[type=button]");
  if (!button) return;
  const { replay, copy: path } = button.dataset;
  if ("edit" in button.dataset) toggleForm(button);
  else if (path) attempt("copy", () => copy(button));
  else if ("beside" in button.dataset)
    attempt("move", () => sendAgain(`${replay}/replay`, { source: detail.querySelector("#source").value }, replay));
  else attempt("move", () => sendAgain(`${replay}/replay`, {}));
});

detail.addEventListener("submit", (event) => {
  event.preventDefault();
  const { dataset, elements } = event.target;
  const body = { method: elements.method.value, target: elements.target.value, headers: elements.headers.value };
  if (!elements.body.disabled) body.body = elements.body.value;
  attempt("move", () => sendAgain(`${dataset.resend}/resend`, body));
});

detail.addEventListener("input", () => steps++);
addEventListener("copy", () => copies++);
addEventListener("hashchange", () => {
  steps++;
  attempt("move", show);
});
attempt("move", show);

// --- live updates -------------------------------------------------------------------------------

const news = new EventSource(`stream?since=${encodeURIComponent(document.body.dataset.since)}`);

function report(text, waiting) {
  state.textContent = text;
  state.classList.toggle("waiting", waiting);
}

let missed = false;

// Update what is displayed. The user did not request this, so a failure is not reported; the update
// is repeated as soon as the server responds again.
async function refresh() {
  missed = false;
  await show().catch(() => (missed = true));
}

news.addEventListener("open", () => report("live", false));
news.addEventListener("error", () => {
  // A server that was started anew asks for its own token, and the browser gives up.
  const refused = news.readyState === EventSource.CLOSED;
  report(refused ? "refused: open the address that the server has printed" : "waiting for the server", true);
});
news.addEventListener("seen", () => missed && refresh());

// A new server has started, which has none of these requests.
news.addEventListener("restart", () => {
  if (!detail.querySelector("#edit:not([hidden])")) return location.reload();
  news.close();
  report("the server was restarted: reload this page", true);
  applied = ++requested; // later answers would come from the new server
  for (const button of detail.querySelectorAll("button")) button.disabled = true;
});

news.addEventListener("exchange", ({ data }) => {
  const { number, row } = JSON.parse(data);
  const fresh = parse(row).firstElementChild;
  const present = document.querySelector(`#${fresh.id}`);
  if (present) patch(present, fresh);
  else {
    const older = [...list.children].find(({ id }) => Number(id.slice("row-".length)) < number);
    list.insertBefore(fresh, older ?? null);
  }
  while (list.children.length > MOST) list.lastElementChild.remove();
  mark();
  if (numbers().includes(String(number))) refresh();
});
