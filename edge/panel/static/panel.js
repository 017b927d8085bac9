// Shows what the terminal tells by server-sent events, and asks it to hold cards and move doors.

const words = await (await fetch("words.json")).json();
const at = (id) => document.getElementById(id);

let language = localStorage.getItem("language") ?? (navigator.language.startsWith("sv") ? "sv" : "en");
let seen = null;
let drawn = {};

const said = (key, facts = {}) =>
  words[language].page[key].replace(/\{(\w+)\}/g, (_, name) => facts[name]);

// --- asking ---------------------------------------------------------------------------------------------------------

async function ask(request) {
  const answer = await fetch("ask", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(request),
  }).then((response) => response.json(), () => ({ refused: said("lost") }));
  at("refused").textContent = answer.refused ?? "";
  return answer;
}

let lowering;
function tap(card, name) {
  at("held-card").textContent = name || card;
  at("field").classList.add("held");
  clearTimeout(lowering);
  lowering = setTimeout(() => at("field").classList.remove("held"), 900);
  return ask({ ask: "tap", card, reader: seen.tappable[0] ?? null });
}

at("other").addEventListener("submit", (event) => {
  event.preventDefault();
  tap(at("card").value.trim(), "");
});

// --- showing --------------------------------------------------------------------------------------------------------

function show() {
  if (!seen) return;
  lamps(seen.lights);
  part("says", [seen.shown], says);
  part("top", [seen.terminal, seen.place, seen.online, seen.unsent], top);
  part("cards", [seen.cards, seen.tappable], cards);
  part("readers", [seen.readers, seen.tappable], readers);
  part("doors", seen.doors, doors);
  part("wrong", seen.held, wrong);
  part("answers", seen.answers, answers);
}

function part(name, facts, draw) {
  const key = JSON.stringify([language, facts]);
  if (drawn[name] === key) return;
  drawn[name] = key;
  draw();
}

function lamps(lights) {
  beep(lights.buzzer);
  for (const name of ["red", "green", "buzzer"]) {
    at(name).classList.toggle("on", lights[name]);
    at(name).setAttribute("aria-label", `${said(name)}: ${said(lights[name] ? "on" : "off")}`);
  }
}

function says() {
  at("pattern").textContent = words[language].patterns[seen.shown].title;
  at("meaning").textContent = words[language].patterns[seen.shown].says;
  at("box").dataset.pattern = seen.shown;
}

function top() {
  document.title = `${said("title", { terminal: seen.terminal })} – Grindvakt`;
  at("title").textContent = said("title", { terminal: seen.terminal });
  at("place").textContent = seen.place ? seen.place.join(", ") : said("unplaced");
  at("link").textContent = said(seen.online ? "online" : "offline") + (seen.unsent ? `, ${said("unsent", { n: seen.unsent })}` : "");
  at("link").classList.toggle("good", seen.online);
}

function cards() {
  const reader = seen.tappable[0];
  at("uses").textContent = reader ? `${said("cards_hint")} ${said("uses", { reader })}` : said("no_reader");
  at("other").hidden = !reader;
  at("cards").replaceChildren(...(reader ? seen.cards.map(cardButton) : []));
}

function readers() {
  const reader = seen.tappable[0];
  const acts = reader ? [seen.readers[reader] ? "unplug" : "plug", "hurry"] : [];
  at("reader-acts").replaceChildren(
    ...acts.map((act) => {
      const button = element("button", act, words[language].readers[act]);
      button.type = "button";
      button.addEventListener("click", () => ask({ ask: "reader", act, reader }));
      return button;
    }),
  );
}

function cardButton({ card, name, company }) {
  const button = element("button", "card");
  button.type = "button";
  button.append(
    element("span", "chip"),
    element("span", "holder", name || said("unknown")),
    element("span", "company", company),
    element("span", "number", card),
  );
  button.addEventListener("click", () => tap(card, name));
  return button;
}

function wrong() {
  at("wrong").hidden = !seen.held.length;
  at("wrong-list").replaceChildren(
    ...seen.held.map((name) => element("li", "", `${words[language].patterns[name].title}: ${words[language].patterns[name].says}`)),
  );
}

function answers() {
  const names = Object.fromEntries(seen.cards.map(({ card, name }) => [card, name]));
  at("nothing").hidden = seen.answers.length > 0;
  at("answers").replaceChildren(
    ...seen.answers.map((answer) => {
      const row = element("li", answer.outcome);
      const time = element("time", "", new Date(answer.at).toLocaleTimeString(language));
      time.dateTime = new Date(answer.at).toISOString();
      const way = answer.outcome === "granted" && answer.direction ? `, ${said(answer.direction)}` : "";
      const written = answer.seq === null ? said("unrecorded") : said("entry", { seq: answer.seq });
      row.append(
        element("span", "mark", answer.outcome === "granted" ? "✓" : "✕"),
        element("span", "who", names[answer.card] || answer.name || answer.card),
        element("span", "what", `${said(answer.outcome)}${way} – ${words[language].patterns[answer.shown].title}`),
        time,
        element("span", "entry", `${answer.reader}, ${written}`),
      );
      return row;
    }),
  );
}

// --- sound ----------------------------------------------------------------------------------------------------------

let loudness = null;
at("sound").addEventListener("click", () => {
  const isOn = at("sound").getAttribute("aria-pressed") === "false";
  at("sound").setAttribute("aria-pressed", isOn);
  if (!isOn) return void (loudness.gain.value = 0);
  if (loudness) return;
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  loudness = audio.createGain();
  loudness.gain.value = 0;
  tone.type = "square";
  tone.frequency.value = 2300; // as small piezo buzzers do
  tone.connect(loudness).connect(audio.destination);
  tone.start();
});

function beep(isOn) {
  const isWanted = at("sound").getAttribute("aria-pressed") === "true";
  if (loudness) loudness.gain.value = isOn && isWanted ? 0.06 : 0;
}

// --- doors ----------------------------------------------------------------------------------------------------------

function doors() {
  at("doors").hidden = !seen.doors.length;
  const list = at("door-list");
  while (list.children.length > seen.doors.length) list.lastChild.remove();
  seen.doors.forEach((door, number) => {
    const article = list.children[number] ?? list.appendChild(drawnDoor());
    doorIs(article, door);
  });
}

function drawnDoor() {
  return at("door-drawing").content.cloneNode(true).firstElementChild;
}

function doorIs(article, { name, state, real }) {
  const guessed = ["open", "held_open", "forced"].includes(state);
  const isOpen = real ? real.open : guessed;
  const isHeld = real ? real.held : ["locked", "locking", "jammed"].includes(state);
  const thrown = real?.bolt ?? (isHeld ? 1 : 0);
  article.dataset.state = state;
  article.classList.toggle("is-open", isOpen);
  article.classList.toggle("is-held", isHeld);
  article.classList.toggle("has-bolt", real?.bolt !== null && real !== null);
  article.classList.toggle("is-stuck", Boolean(real?.stuck) || state === "jammed");
  article.querySelector(".bolt").setAttribute("x", 170 - 20 * thrown);
  article.querySelector("h3").textContent = name;
  article.querySelector(".state").textContent = words[language].doors[state];
  const facts = [said(isOpen ? "leaf_open" : "leaf_closed"), said(isHeld ? "locked_now" : "unlocked_now")];
  if (real?.stuck) facts.push(said("stuck"));
  article.querySelector(".really").textContent = facts.join(", ");
  actsOf(article.querySelector(".acts"), name, real);
}

function actsOf(holder, name, real) {
  if (!real) return holder.replaceChildren();
  const possible = ["push", "close", "force"];
  if (real.fitted.includes("exit")) possible.push("exit");
  if (real.fitted.includes("tamper")) possible.push("tamper");
  if (real.bolt !== null) possible.push(real.stuck ? "unjam" : "jam");
  const key = JSON.stringify([language, possible]);
  if (holder.dataset.key === key) return;
  holder.dataset.key = key;
  holder.replaceChildren(
    ...possible.map((act) => {
      const button = element("button", act, words[language].acts[act]);
      button.type = "button";
      button.addEventListener("click", async () => {
        const { came_of_it: told } = await ask({ ask: "door", door: name, act });
        holder.nextElementSibling.textContent = words[language].came_of_it[told] ?? told ?? "";
      });
      return button;
    }),
  );
}

// --- the rest -------------------------------------------------------------------------------------------------------

function element(tag, name, text = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.textContent = text;
  return made;
}

function speak(chosen) {
  language = chosen;
  localStorage.setItem("language", chosen);
  document.documentElement.lang = chosen;
  const fixed = { front: "front", simulated: "simulated", hold: "hold", "cards-head": "cards", "doors-head": "doors", "latest-head": "answers", "wrong-head": "held", nothing: "nothing", lost: "lost" };
  for (const [id, key] of Object.entries(fixed)) at(id).textContent = said(key);
  at("sound").setAttribute("aria-label", said("sound"));
  at("sound").title = said("sound");
  at("languages").setAttribute("aria-label", said("language"));
  at("other").querySelector("label").textContent = `${said("other")} (${said("other_hint")})`;
  at("other").querySelector("button").textContent = said("tap");
  for (const button of at("languages").children) button.setAttribute("aria-pressed", button.dataset.language === chosen);
  show();
}

for (const button of at("languages").children) button.addEventListener("click", () => speak(button.dataset.language));

const events = new EventSource("events");
events.addEventListener("open", () => { at("lost").hidden = true; });
events.addEventListener("error", () => {
  at("lost").hidden = false;
  if (seen) lamps({ red: false, green: false, buzzer: false });
});
events.addEventListener("message", (event) => {
  seen = JSON.parse(event.data);
  document.body.classList.add("live");
  show();
});

speak(language);
