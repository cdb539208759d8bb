// The page for people: choosing photos and options. Nothing of either is stored anywhere but in this tab's memory.

import { Api } from "./api.js";
import { Row } from "./row.js";

const UNDER_WAY = 3; // a browser has six connections to a server, and each photo under way holds one

const part = (id) => document.getElementById(id);
const most = Object.fromEntries(Object.entries(part("photos").dataset).map(([name, value]) => [name, Number(value)]));
const rows = new Set();
const references = [];

/** Who may be under way; the others wait in order. */
const turns = {
  free: UNDER_WAY,
  waiting: [],
  async take() {
    if (this.free) this.free -= 1;
    else await new Promise((resolve) => this.waiting.push(resolve));
    return () => {
      const next = this.waiting.shift();
      if (next) next();
      else this.free += 1;
    };
  },
};

const page = {
  api: new Api(() => part("key").value.trim()),
  turns,
  say,
  refused() {
    part("key-part").hidden = false;
    part("key").ariaInvalid = "true";
    part("key").focus();
  },
  /** A row is in another state; `focus` is the one to go on from, where the focus was in a row that is gone. */
  changed(focus) {
    for (const row of rows) if (row.state === "removed") rows.delete(row);
    const ready = [...rows].filter(({ state }) => state === "ready").length;
    part("protect").disabled = !ready;
    part("protect").textContent = ready > 1 ? `Protect ${ready} photos` : ready ? "Protect 1 photo" : "Protect photos";
    part("photos").hidden = !rows.size;
    if (focus !== undefined && focus !== null) focus.querySelector("button, .name").focus();
    else if (focus === null && !rows.size) part("files").focus();
  },
};

let words = [];

/** Read out by screen readers; what comes within a moment is said together. */
function say(sentence) {
  if (!words.length) {
    setTimeout(() => {
      part("said").textContent = words.slice(-4).join(" ");
      words = [];
    }, 300);
  }
  words.push(sentence);
}

function add(files) {
  const photos = [...files].filter(({ type }) => !type || type.startsWith("image/"));
  const fitting = photos.filter(({ size }) => size <= most.bytes);
  for (const file of fitting) {
    const row = new Row(file, page);
    rows.add(row);
    part("rows").append(row.element);
  }
  page.changed();
  const left = files.length - fitting.length;
  if (fitting.length) say(`${fitting.length} ${fitting.length === 1 ? "photo" : "photos"} added.`);
  part("left").hidden = !left;
  part("left").textContent = left
    ? `${left === 1 ? "One file was" : `${left} files were`} not taken: it has to be a photo of at most ${Math.floor(most.bytes / 1e6)} MB.`
    : "";
}

function refer(files) {
  for (const file of [...files].slice(0, most.references - references.length)) {
    const item = document.createElement("li");
    const image = new Image();
    const button = document.createElement("button");
    image.src = URL.createObjectURL(file);
    image.alt = "";
    button.type = "button";
    button.textContent = "×";
    button.ariaLabel = `Remove reference ${file.name}`;
    button.addEventListener("click", () => {
      URL.revokeObjectURL(image.src);
      references.splice(references.indexOf(file), 1);
      item.remove();
      part("references").focus();
    });
    references.push(file);
    item.append(image, button);
    part("references-list").append(item);
  }
  say(`${references.length} of at most ${most.references} reference photos.`);
}

/** What was chosen is taken once: the same file can be chosen again. */
function chosen(input, take) {
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = "";
    take(files);
  });
}

chosen(part("files"), add);
chosen(part("references"), refer);

part("key").addEventListener("input", () => {
  part("key").ariaInvalid = null;
});

part("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (part("protect").disabled) return;
  const { strength, format } = Object.fromEntries(new FormData(part("form")));
  const options = { fields: { strength, format }, references: [...references] };
  for (const row of rows) if (row.state === "ready") row.protect(options);
  part("photos-heading").focus();
});

document.addEventListener("paste", (event) => {
  const files = [...event.clipboardData.files];
  if (!files.length) return;
  event.preventDefault();
  add(files);
});

document.addEventListener("dragover", (event) => {
  event.preventDefault(); // or the browser would open the photo in place of the page
  part("drop").classList.toggle("over", event.dataTransfer.types.includes("Files"));
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) part("drop").classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  part("drop").classList.remove("over");
  if (event.dataTransfer.files.length) add(event.dataTransfer.files);
});

setInterval(() => rows.forEach((row) => row.tick()), 1000);
