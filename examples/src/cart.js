// Saves the gift note while it is typed. Without this script, the form's button does.
"use strict";

const PAUSE_MS = 400; // so long after the last key

const form = document.querySelector("#gift");
const field = form.elements.note;
const button = form.querySelector("button");
const status = form.querySelector("output");
const items = Number(form.dataset.items);

let socket = null;
let pause = null;
let sent = field.value; // what the server was told last
let over = false; // it said that it will not listen any more

function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(`${scheme}//${location.host}/cart/live`);
  socket.addEventListener("open", send);
  socket.addEventListener("message", (event) => hear(JSON.parse(event.data)));
  socket.addEventListener("close", () => {
    socket = null;
    if (!over && field.value !== sent) say("Not saved: the shop cannot be reached. The button may help.");
  });
}

function send() {
  if (over || field.value === sent) return;
  if (socket === null) return connect(); // which sends when it is open
  if (socket.readyState !== WebSocket.OPEN) return;
  sent = field.value;
  socket.send(sent);
}

function hear(reply) {
  if (reply.ended) {
    stop("This session has ended: you signed in or out in another tab, or somebody signed you out.");
  } else if (reply.refused) {
    sent = null;
    say(`Not saved. ${reply.refused}`);
  } else if (reply.saved && reply.items !== items) {
    say("Saved. Your cart changed in another tab:", "reload");
  } else if (reply.saved) {
    say("Saved.");
  }
}

function stop(words) {
  over = true;
  clearTimeout(pause);
  field.readOnly = true;
  button.disabled = true;
  say(words, "reload");
}

function say(words, link) {
  status.textContent = words;
  if (link) {
    const again = document.createElement("a");
    again.href = location.pathname;
    again.textContent = link;
    status.append(" ", again);
  }
}

field.addEventListener("input", () => {
  clearTimeout(pause);
  pause = setTimeout(send, PAUSE_MS);
});

// The button would save, and end the socket, with a page of its own: no need to hear of that.
form.addEventListener("submit", () => { over = true; });

connect();
