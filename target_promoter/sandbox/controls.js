"use strict";

// The knobs: what the forms and buttons ask of the sandbox, and what they say came of it.

async function post(path, body, said, words) {
  said.classList.remove("bad");
  try {
    const answer = await fetch(path, { method: "POST", body: JSON.stringify(body) });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    said.textContent = words;
    return true;
  } catch (error) {
    said.classList.add("bad");
    said.textContent = error instanceof TypeError ? "The sandbox does not answer." : error.message;
    return false;
  }
}

const unsubscribe = (email) =>
  post(`/sandbox/contacts/${encodeURIComponent(email)}/unsubscribe`, {}, byId("contacts-said"), `${email} is unsubscribed.`);

const advance = (hours) => post("/sandbox/advance", { hours }, byId("time-said"), `${count(hours, "hour")} passed.`);

for (const button of document.querySelectorAll("[data-hours]")) {
  button.addEventListener("click", () => advance(Number(button.dataset.hours)));
}
byId("time-form").addEventListener("submit", (event) => {
  event.preventDefault();
  advance(byId("hours").valueAsNumber);
});

byId("reset").addEventListener("click", () => byId("reset-dialog").showModal());
byId("reset-no").addEventListener("click", () => byId("reset-dialog").close());
byId("reset-yes").addEventListener("click", () => {
  byId("reset-dialog").close();
  post("/sandbox/reset", {}, byId("reset-said"), "The account is empty.");
});

// The faults form shows what is set, unless somebody is just changing it.
let edited = false;
let shownFaults = "";

function showFaults(faults) {
  const percent = Math.round(faults.rate * 1000) / 10;
  byId("faulty").hidden = !faults.rate && !faults.failing_emails.length;
  byId("faulty").textContent = faults.rate ? `Faults: ${percent}%` : "Faults for some addresses";
  const shape = JSON.stringify(faults);
  if (edited || shape === shownFaults) return;
  shownFaults = shape;
  byId("rate").value = percent;
  for (const box of byId("kinds").querySelectorAll("input")) box.checked = faults.kinds.includes(box.value);
  const only = byId("only");
  if (![...only.options].some((option) => option.value === faults.only)) only.add(new Option(faults.only));
  only.value = faults.only;
  byId("statuses").value = faults.statuses.join(", ");
  byId("latency").value = faults.latency;
  byId("times").value = faults.times ?? "";
  byId("seed").value = faults.seed;
}

async function setFaults(faults, words) {
  if (await post("/sandbox/faults", faults, byId("faults-said"), words)) {
    edited = false;
    shownFaults = "";
  }
}

byId("faults-form").addEventListener("input", () => {
  edited = true;
});
byId("faults-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!byId("kinds").querySelector("input:checked")) {
    byId("faults-said").classList.add("bad");
    byId("faults-said").textContent = "Choose at least one fault that they may meet.";
    return;
  }
  const faults = {
    ...last?.faults,
    rate: byId("rate").valueAsNumber / 100,
    kinds: [...byId("kinds").querySelectorAll("input:checked")].map((box) => box.value),
    only: byId("only").value,
    statuses: byId("statuses").value.match(/\d+/g).map(Number),
    latency: byId("latency").valueAsNumber,
    times: byId("times").value === "" ? null : byId("times").valueAsNumber,
    seed: byId("seed").valueAsNumber,
  };
  setFaults(faults, faults.rate ? `${byId("rate").value}% of the requests meet a fault from now on.` : "No request meets a fault.");
});
byId("no-faults").addEventListener("click", () => setFaults({}, "No request meets a fault."));

byId("address").textContent = `${location.origin}/api`;
follow();
