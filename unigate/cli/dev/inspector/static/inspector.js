"use strict";

const list = document.querySelector("#exchanges");
const detail = document.querySelector("#detail");
const notice = document.querySelector("#notice");
const state = document.querySelector("#state");
const MOST = 200; // as many as the server keeps

async function ask(path, given) {
  const post = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(given) };
  const response = await fetch(path, given && post);
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}

// Do something for the user, and say when it does not work.
async function attempt(work) {
  notice.textContent = "";
  try {
    await work();
  } catch (error) {
    notice.textContent = error.message;
  }
}

const shown = () => location.hash.slice(1).split("/").filter(Boolean);

function mark() {
  const numbers = shown();
  for (const link of list.querySelectorAll("a")) {
    if (numbers.includes(link.hash.slice(1))) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

let asked = 0;

// Show what the address names: #12 is one request, #12/13 are two beside each other.
async function show() {
  mark();
  const turn = ++asked;
  const numbers = shown();
  if (!numbers.length) return;
  const html = await ask(numbers.join("/"));
  // An answer to an earlier question may come after that to a later one.
  if (turn === asked) detail.innerHTML = html; // escaped by the server
}

async function sendAgain(path, given, beside) {
  const { number } = JSON.parse(await ask(path, given));
  location.hash = beside ? `${beside}/${number}` : number;
}

function toggleForm(button) {
  const form = detail.querySelector("#edit");
  form.hidden = !form.hidden;
  button.setAttribute("aria-expanded", String(!form.hidden));
  if (!form.hidden) form.elements.target.focus();
}

async function copy(button) {
  await navigator.clipboard.writeText(await ask(button.dataset.copy));
  const name = button.textContent;
  button.textContent = "copied";
  setTimeout(() => (button.textContent = name), 1500);
}

detail.addEventListener("click", ({ target }) => {
  const button = target.closest("button[type=button]");
  if (!button) return;
  const { replay, copy: path } = button.dataset;
  if ("edit" in button.dataset) toggleForm(button);
  else if (path) attempt(() => copy(button));
  else if ("beside" in button.dataset)
    attempt(() => sendAgain(`${replay}/replay`, { source: detail.querySelector("#source").value }, replay));
  else attempt(() => sendAgain(`${replay}/replay`, {}));
});

detail.addEventListener("submit", (event) => {
  event.preventDefault();
  const { dataset, elements } = event.target;
  const given = { method: elements.method.value, target: elements.target.value, headers: elements.headers.value };
  if (!elements.body.disabled) given.body = elements.body.value;
  attempt(() => sendAgain(`${dataset.resend}/resend`, given));
});

addEventListener("hashchange", () => attempt(show));
attempt(show);

const news = new EventSource(`stream?since=${encodeURIComponent(document.body.dataset.since)}`);

function report(text, waiting) {
  state.textContent = text;
  state.classList.toggle("waiting", waiting);
}

news.addEventListener("open", () => report("live", false));
news.addEventListener("error", () => report("waiting for the server", true));
news.addEventListener("restart", () => location.reload()); // another server than that of this list
news.addEventListener("exchange", ({ data }) => {
  const { number, row } = JSON.parse(data);
  const known = document.querySelector(`#row-${number}`);
  if (known) known.outerHTML = row; // escaped by the server
  else list.insertAdjacentHTML("afterbegin", row);
  while (list.children.length > MOST) list.lastElementChild.remove();
  mark();
  const editing = detail.querySelector("#edit:not([hidden])");
  if (shown().includes(String(number)) && !editing) attempt(show);
});
