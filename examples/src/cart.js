// Saves the gift note while it is typed. Without this script, the form's button does.
"use strict";

const PAUSE_MS = 400; // so long after the last key

const gift = document.querySelector("#gift");
const form = gift.querySelector("form");
const field = form.elements.note;
const button = form.querySelector("button");
const status = form.querySelector("output");
const items = Number(gift.dataset.items);

let socket = null;
let pause = null;
let told = field.value; // what the shop was told last
let owed = 0; // answers that it has not given yet
let over = false; // nothing more to tell

function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(`${scheme}//${location.host}/cart/live`);
  socket.addEventListener("open", send);
  socket.addEventListener("message", (event) => hear(JSON.parse(event.data)));
  socket.addEventListener("close", () => {
    socket = null;
    if (owed > 0) told = null;
    owed = 0;
    if (!over && field.value !== told) say("Not saved: the shop cannot be reached. The button may help.");
  });
}

function send() {
  if (over || field.value === told) return;
  if (socket === null) return connect(); // which sends when it is open
  if (socket.readyState !== WebSocket.OPEN) return;
  told = field.value;
  owed += 1;
  socket.send(told);
}

function hear(reply) {
  if (reply.closing) return; // the shop stops; the next key finds it open again, or says so
  owed = Math.max(owed - 1, 0);
  if (reply.ended) {
    stop(reply.refused ?? "This session has ended: you signed in or out in another tab, or somebody signed you out.");
  } else if (reply.refused) {
    told = null;
    say(`Not saved. ${reply.refused}`);
  } else if (reply.saved && reply.items !== items) {
    outdated("Saved. Your cart changed in another tab.");
  } else if (reply.saved) {
    say("Saved.");
  }
}

function stop(words) {
  over = true;
  clearTimeout(pause);
  field.readOnly = true;
  button.disabled = true;
  outdated(words);
}

function say(words) {
  status.textContent = words;
}

// The page is no longer what the shop has.
function outdated(words) {
  const again = document.createElement("a");
  again.href = location.pathname;
  again.textContent = "Reload the page";
  status.replaceChildren(words, " ", again);
}

field.addEventListener("input", () => {
  clearTimeout(pause);
  pause = setTimeout(send, PAUSE_MS);
});

// The button saves too, and leaves this page.
form.addEventListener("submit", () => { over = true; });

connect();
