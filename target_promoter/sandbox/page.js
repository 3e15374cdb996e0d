"use strict";

// Everything shown comes from outside and goes in as text: no markup is ever made of it.

const byId = (id) => document.getElementById(id);
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

const timeOfDay = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const dayAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function element(name, options = {}, ...children) {
  const made = document.createElement(name);
  const { className, attributes = {}, ...properties } = options;
  if (className) made.className = className;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  Object.assign(made, properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

function moment(seconds, format) {
  const date = new Date(seconds * 1000);
  return element("time", { dateTime: date.toISOString() }, format.format(date));
}

// A list keeps the elements of what did not change, so that focus, selection and open details stay where they are.
function reconcile(parent, items, keyOf, build) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const first = !parent.dataset.filled;
  items.forEach((item, index) => {
    const key = String(keyOf(item));
    const shape = JSON.stringify(item);
    let child = old.get(key);
    old.delete(key);
    if (!child || child.dataset.shape !== shape) {
      const made = build(item);
      made.tabIndex = -1;
      made.dataset.key = key;
      made.dataset.shape = shape;
      if (!first) made.classList.add("fresh");
      if (child) replace(child, made);
      child = made;
    }
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
  for (const child of old.values()) child.remove();
  parent.dataset.filled = "yes";
}

function replace(child, made) {
  const focused = child.contains(document.activeElement) ? document.activeElement.tagName : null;
  const [before, after] = [child.querySelector("details"), made.querySelector("details")];
  if (before && after) after.open = before.open;
  child.replaceWith(made);
  if (focused) (made.querySelector(focused) ?? made.querySelector("summary") ?? made).focus();
}

function facts(attributes, leftOut, open) {
  const names = Object.keys(attributes);
  if (!names.length) return null;
  const list = element("dl", { className: "facts" });
  for (const name of names) {
    list.append(element("dt", {}, name), element("dd", {}, String(attributes[name])));
  }
  if (leftOut) list.append(element("dt", {}, "…"), element("dd", {}, `and ${leftOut} more`));
  return element("details", { open }, element("summary", {}, count(names.length + leftOut, "attribute")), list);
}

const fullName = (person) => `${person.first_name} ${person.last_name}`.trim();

function surveyCard(survey) {
  const name = fullName(survey);
  const scale = element("div", {
    className: "scale",
    attributes: { role: "img", "aria-label": "A scale from 0, not at all likely, to 10, extremely likely" },
  });
  for (let score = 0; score <= 10; score += 1) scale.append(element("span", {}, String(score)));
  return element(
    "li",
    {},
    element(
      "div",
      { className: "line" },
      element("h3", {}, survey.campaign_name || "Campaign"),
      element("span", { className: "note" }, `campaign ${survey.campaign}`),
    ),
    element(
      "dl",
      { className: "mail" },
      element("dt", {}, "To"),
      element("dd", {}, name ? `${name} <${survey.email}>` : survey.email),
      element("dt", {}, "Sent"),
      element("dd", {}, moment(survey.time, dayAndTime)),
    ),
    element("p", {}, survey.first_name ? `Hi ${survey.first_name},` : "Hi,"),
    element("p", { className: "question" }, "How likely are you to recommend us to a friend or colleague?"),
    element(
      "div",
      {},
      scale,
      element(
        "div",
        { className: "ends", attributes: { "aria-hidden": "true" } },
        element("span", {}, "Not at all likely"),
        element("span", {}, "Extremely likely"),
      ),
    ),
    facts(survey.attributes, survey.attributes_left_out, true),
  );
}

function contactCard(contact, lists) {
  const name = fullName(contact);
  const button = element("button", { type: "button", className: "small" }, "Unsubscribe");
  button.setAttribute("aria-label", `Unsubscribe ${contact.email}`);
  button.addEventListener("click", () => unsubscribe(contact.email));
  const [kind, words] = contact.unsubscribed
    ? ["bad", "Unsubscribed"]
    : contact.eligible
      ? ["good", "May be surveyed"]
      : ["warn", "Surveyed, within the throttle"];
  const names = contact.lists.map((id) => lists[id] ?? `List ${id}`);
  return element(
    "li",
    {},
    element("div", { className: "line" }, element("h3", {}, name || contact.email), element("span", { className: `badge ${kind}` }, words)),
    name ? element("p", {}, contact.email) : null,
    names.length ? element("p", { className: "note" }, `On ${names.join(", ")}`) : null,
    facts(contact.attributes, contact.attributes_left_out, false),
    contact.unsubscribed ? null : element("div", {}, button),
  );
}

function requestRow(request) {
  const status = request.status === null ? "cut" : String(request.status);
  const kind = request.status === null || request.status >= 500 ? "bad" : request.status >= 400 ? "warn" : "good";
  const path = element("code", {}, `${request.method} ${request.path}`);
  return element(
    "tr",
    {},
    element("td", {}, moment(request.time, timeOfDay)),
    element("td", {}, path, request.fault ? element("div", { className: "warn" }, `fault: ${request.fault}`) : ""),
    element("td", { className: kind }, status),
  );
}

let last = null;
let clockFrom = 0;

function show(view) {
  const { totals, lists } = view;
  byId("total-contacts").textContent = totals.contacts.toLocaleString("en");
  byId("total-surveys").textContent = totals.surveys.toLocaleString("en");
  byId("total-unsubscribed").textContent = totals.unsubscribed.toLocaleString("en");
  byId("total-requests").textContent = totals.requests.toLocaleString("en");
  byId("total-busiest").textContent = totals.busiest_minute.toLocaleString("en");
  byId("mass-sends").hidden = !totals.mass_sends;
  byId("mass-sends").textContent =
    `A whole list was to be e-mailed ${count(totals.mass_sends, "time")}: no program should ever call send-surveys.`;
  reconcile(byId("surveys"), view.surveys, (survey) => survey.id, surveyCard);
  // The names of lists are part of what a card shows.
  const named = view.contacts.map((contact) => ({ ...contact, names: contact.lists.map((id) => lists[id]) }));
  reconcile(byId("contacts"), named, (contact) => contact.email, (contact) => contactCard(contact, lists));
  reconcile(byId("requests"), view.requests, (request) => request.number, requestRow);
  byId("surveys-note").textContent = noteOf(view.surveys.length, totals.surveys, "survey");
  byId("contacts-note").textContent = noteOf(view.contacts.length, totals.contacts, "contact");
  byId("requests-note").textContent = view.requests.length ? "" : "No request yet.";
  showFaults(view.faults);
  if (last) tell(last.totals, totals);
  last = view;
  clockFrom = performance.now();
  tick();
}

function noteOf(shown, all, thing) {
  const searching = byId("search").value.trim() !== "";
  if (searching) return shown ? `${count(shown, thing)} shown that match.` : `No ${thing} matches.`;
  if (!all) return `No ${thing} yet.`;
  return shown < all ? `The last ${count(shown, thing)} of ${all.toLocaleString("en")}.` : "";
}

function tick() {
  if (!last) return;
  const date = new Date(last.now * 1000 + performance.now() - clockFrom);
  byId("now").dateTime = date.toISOString();
  byId("now").textContent = dayAndTime.format(date);
}

setInterval(tick, 1000);

// What changed is said in words now and then, and not at every request: a busy account would talk without end.
let told = null;
let telling = false;

async function tell(before, after) {
  told ??= before;
  if (telling) return;
  telling = true;
  await pause(2000);
  telling = false;
  const now = last.totals;
  const news = [];
  if (now.surveys > told.surveys) news.push(count(now.surveys - told.surveys, "new survey"));
  if (now.contacts > told.contacts) news.push(count(now.contacts - told.contacts, "new contact"));
  if (now.requests < told.requests) news.push("The account was reset");
  told = now;
  if (news.length) byId("news").textContent = `${news.join(", ")}.`;
}

function connected(isLive, words) {
  const badge = byId("connection");
  if (badge.textContent === words) return;
  badge.textContent = words;
  badge.className = `badge ${isLive ? "good" : "bad"}`;
}

let version = "";
let waiting = new AbortController();

async function follow() {
  for (;;) {
    waiting = new AbortController();
    const query = new URLSearchParams({ after: version, search: byId("search").value });
    try {
      const answer = await fetch(`/sandbox/view?${query}`, { signal: waiting.signal });
      if (answer.status === 200) {
        const view = await answer.json();
        version = view.version;
        show(view);
      }
      if (answer.ok) connected(true, "Live");
      else connected(false, (await answer.json()).detail);
      // Answers of a busy account come no faster than they can be read.
      await pause(answer.ok ? 300 : 3000);
    } catch (error) {
      if (error.name === "AbortError") continue;
      connected(false, "The sandbox does not answer");
      version = "";
      await pause(1500);
    }
  }
}

byId("search").addEventListener("input", () => {
  version = "";
  waiting.abort();
});
byId("search-form").addEventListener("submit", (event) => event.preventDefault());
