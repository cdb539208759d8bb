// A protected photo, as it is shown: before and after, what changed, what the recognisers say, and how long it is kept.

import { AGAINST, clock, outcome, span, sum } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const AMPLIFIED = 10;
const GREY = 128;
const NARROW = 0.03; // below the threshold by less than this is only just below
const MOST_SIDE = 1600; // of the difference's picture
const REMIND = [
  [60, "The service deletes it in one minute."],
  [300, "The service deletes it in five minutes."],
];

let numbered = 0;

export class Result {
  #operation;
  #url;
  #blob;
  #with;
  #drawn = false;
  #reminded = Infinity;

  /** `before` is the original's URL, `name` the file's, `until` the milliseconds until a time, `remove` what deleting does. */
  constructor(operation, blob, { before, name, until, remove }) {
    const { result } = operation;
    this.#operation = operation;
    this.#blob = blob;
    this.#url = URL.createObjectURL(blob);
    this.#with = { before, until };
    this.sum = sum(result.verdicts);
    this.element = document.createElement("div");
    this.element.append(document.getElementById("result").content.cloneNode(true));
    this.#compare(before);
    this.#judge(result);
    const link = this.#part(".download");
    link.href = this.#url;
    link.download = `${name.replace(/\.[^.]*$/, "")}.protected.${result.format === "jpeg" ? "jpg" : result.format}`;
    link.textContent = `Download (${size(result.size)})`;
    this.#part(".delete").addEventListener("click", remove);
    this.tick();
  }

  /** What to say now of the time that is left, "over" when none is. */
  tick() {
    const { expires } = this.#operation;
    const seconds = this.#with.until(expires) / 1000;
    const place = this.#part(".expires");
    if (seconds <= 0) {
      place.textContent = "";
      this.#part(".delete").hidden = true;
      return "over";
    }
    place.textContent = `Deleted at the service in ${span(seconds)}, at ${clock(Date.now() + seconds * 1000)}`;
    const [limit, words] = REMIND.find(([limit]) => seconds <= limit) ?? [Infinity, ""];
    const due = limit < this.#reminded;
    this.#reminded = limit;
    return due ? words : "";
  }

  forget() {
    URL.revokeObjectURL(this.#url);
    this.#blob = null;
    this.element.remove();
  }

  #compare(before) {
    const [stack, slider] = [this.#part(".stack"), this.#part(".stack input")];
    numbered += 1;
    slider.id = `slider-${numbered}`;
    this.#part(".slide").htmlFor = slider.id;
    const split = () => {
      stack.style.setProperty("--split", `${slider.value}%`);
      slider.ariaValueText = `${slider.value} % before, ${100 - slider.value} % after`;
    };
    slider.addEventListener("input", split);
    split();
    const original = this.#part(".before");
    original.addEventListener("error", () => {
      for (const part of [original, slider, ...this.element.querySelectorAll(".handle, .tag, .views")]) part.remove();
      stack.classList.add("alone");
      this.#part(".slide").textContent = "Your browser cannot show the original of this kind; this is the result.";
    });
    original.src = before;
    this.#part(".after").src = this.#url;
    for (const button of this.element.querySelectorAll(".view")) {
      button.addEventListener("click", () => this.#look(button.dataset.view));
    }
  }

  #look(view) {
    for (const button of this.element.querySelectorAll(".view")) {
      button.ariaPressed = String(button.dataset.view === view);
    }
    this.#part(".stack").hidden = this.#part(".slide").hidden = view !== "slider";
    this.#part(".difference").hidden = view !== "difference";
    if (view === "difference" && !this.#drawn) {
      this.#drawn = true;
      this.#difference().catch(() => {
        this.#part(".difference p").textContent = "The difference could not be drawn.";
      });
    }
  }

  async #difference() {
    const words = this.#part(".difference p");
    words.textContent = "Comparing…";
    const [was, is] = await Promise.all([bitmap(this.#part(".before")), bitmap(this.#part(".after"))]);
    if (was.width !== is.width || was.height !== is.height) {
      this.#part("canvas").hidden = true;
      words.textContent = "The two have different sizes, so they cannot be compared pixel by pixel.";
      return;
    }
    const scale = Math.min(1, MOST_SIDE / Math.max(was.width, was.height));
    const [width, height] = [Math.round(was.width * scale), Math.round(was.height * scale)];
    const [a, b] = [pixels(was, width, height), pixels(is, width, height)];
    let [largest, changed] = [0, 0];
    for (let at = 0; at < a.data.length; at += 4) {
      let most = 0;
      for (let channel = at; channel < at + 3; channel += 1) {
        const difference = b.data[channel] - a.data[channel];
        most = Math.max(most, Math.abs(difference));
        b.data[channel] = GREY + difference * AMPLIFIED;
      }
      b.data[at + 3] = 255;
      largest = Math.max(largest, most);
      changed += most > 0;
    }
    const canvas = this.#part("canvas");
    [canvas.width, canvas.height] = [width, height];
    canvas.getContext("2d").putImageData(b, 0, 0);
    const share = ((400 * changed) / a.data.length).toFixed(1);
    words.textContent =
      `Every difference is shown ${AMPLIFIED} times stronger than it is; grey is unchanged. ${share} % of the pixels ` +
      `changed, by at most ${largest} of 255 levels.` +
      (scale < 1 ? " Shown from a sample of the pixels, as the photo is large." : "");
  }

  #judge({ verdicts, faces }) {
    const against = new Set(verdicts.map(({ against }) => AGAINST[against]));
    this.#part(".against").textContent = against.size ? `The result was compared with ${[...against].join(" and ")}.` : "";
    const missed = faces.filter(({ outcome }) => outcome === "not_reached").length;
    if (missed) {
      const words = document.createElement("p");
      words.className = "help";
      words.textContent =
        "On the networks that it was made with, the mask did not get as far as it aims to" +
        (faces.length > 1 ? ` for ${missed} of ${faces.length} faces.` : ".") +
        " A higher strength gets farther.";
      this.#part(".against").after(words);
    }
    this.#part(".legend").hidden = !verdicts.some(({ protected_score: score }) => score !== null);
    this.#part(".verdicts").append(...verdicts.map((verdict) => this.#verdict(verdict, faces.length)));
  }

  #verdict(verdict, faces) {
    const [kind, word, sentence] = outcome(verdict.outcome);
    const item = document.createElement("li");
    item.className = "verdict";
    item.dataset.kind = kind;
    item.dataset.outcome = verdict.outcome;
    const view = verdict.view === "photo" ? "" : `, ${verdict.view}`;
    const who = faces > 1 ? `${verdict.victim}, face ${verdict.face + 1}${view}` : verdict.victim + view;
    const [was, is] = [verdict.clean_score, verdict.protected_score];
    const narrow = kind === "good" && verdict.threshold - is < NARROW;
    const digits = narrow ? 3 : 2;
    const scores = [
      was === null ? "" : `before ${was.toFixed(digits)}`,
      is === null ? "" : `after ${is.toFixed(digits)}`,
    ].filter(Boolean);
    item.append(text("p", "who", who), text("p", "word", word));
    if (scores.length) {
      const all = `${scores.join(", ")}; threshold ${verdict.threshold.toFixed(digits)}`;
      item.append(meter(verdict, `Similarity ${all}`), text("p", "scores", `Similarity ${all}`));
    }
    const note = verdict.note ? ` ${verdict.note}` : "";
    const close = narrow ? " But only just: saved anew, or beside another photo, it may say so again." : "";
    item.append(text("p", "help", sentence + close + note));
    return item;
  }

  #part(selector) {
    return this.element.querySelector(selector);
  }
}

function text(name, kind, words) {
  const element = document.createElement(name);
  element.className = kind;
  element.textContent = words;
  return element;
}

/** Similarity from 0 to 1, with the threshold at and above which a recogniser says "same person". */
function meter({ clean_score: was, protected_score: is, threshold }, label) {
  const drawing = document.createElementNS(SVG, "svg");
  const percent = (score) => `${Math.min(Math.max(score, 0), 1) * 96 + 2}%`; // room for the marks at the ends
  const draw = (name, kind, attributes) => {
    const shape = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries({ class: kind, ...attributes })) shape.setAttribute(key, value);
    drawing.append(shape);
  };
  drawing.setAttribute("class", "meter");
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", label);
  draw("rect", "track", { x: "0", y: "9", width: "100%", height: "6", rx: "3" });
  draw("line", "threshold", { x1: percent(threshold), x2: percent(threshold), y1: "1", y2: "23" });
  if (was !== null && is !== null) draw("line", "way", { x1: percent(was), x2: percent(is), y1: "12", y2: "12" });
  if (was !== null) draw("circle", "was", { cx: percent(was), cy: "12", r: "5" });
  if (is !== null) draw("circle", "is", { cx: percent(is), cy: "12", r: "6" });
  return drawing;
}

async function bitmap(image) {
  await image.decode();
  return createImageBitmap(image);
}

function pixels(picture, width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false; // a smooth picture would hide what changed
  context.drawImage(picture, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
