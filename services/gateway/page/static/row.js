// One photo on its way: chosen, sent, followed, shown, deleted.

import { Problem } from "./api.js";
import { clean } from "./clean.js";
import { Result } from "./result.js";
import { SHARES, STAGES, clock } from "./words.js";

const AGAIN = new Set(["UNREACHABLE", "OVERLOADED", "SERVICE_UNAVAILABLE", "QUOTA_EXCEEDED"]);
const GONE = new Set(["NOT_FOUND", "EXPIRED"]);
const LONGEST_PAUSE = 8;
const TRIES = 4;

const pause = (seconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });

function identifier() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** `page` has `api`, `turns` (who may be under way), `say` (to screen readers), `refused` (a key was not taken) and `changed`. */
export class Row {
  state = "ready";
  #page;
  #file;
  #name;
  #url;
  #options;
  #id = null;
  #once = identifier();
  #stop = new AbortController();
  #result = null;
  #stage = "";

  constructor(file, page) {
    this.#page = page;
    this.#file = file;
    this.#name = file.name || "Pasted photo";
    this.#url = URL.createObjectURL(file);
    this.element = document.getElementById("row").content.firstElementChild.cloneNode(true);
    this.#part(".name").textContent = this.#name;
    const image = new Image();
    image.alt = "";
    image.src = this.#url;
    image.addEventListener("error", () => image.remove());
    this.#part(".thumb").append(image);
    this.#show("ready", "Ready: not sent yet", { actions: [["Remove", () => this.remove()]] });
  }

  /** Send it and see it through. `options` are a form's fields, references included. */
  async protect(options) {
    this.#options = options ?? this.#options;
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    this.#show("waiting", "Waits for its turn", { actions: [["Cancel", () => this.#cancel()]] });
    const free = await this.#page.turns.take();
    try {
      signal.throwIfAborted();
      await this.#through(signal);
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    } finally {
      free();
    }
  }

  remove() {
    this.#stop.abort();
    this.#forget();
    const focus = this.element.contains(document.activeElement);
    const next = this.element.nextElementSibling ?? this.element.previousElementSibling;
    this.state = "removed";
    this.element.remove();
    this.#page.changed(focus ? next : null);
  }

  /** A second has passed. */
  tick() {
    if (this.state !== "done") return;
    const said = this.#result.tick();
    if (said === "over") {
      this.#show("gone", "Deleted by the service: its time was over", {
        hint: "The result shown here is the copy in this tab. It is gone when you remove it, reload or close the page.",
        actions: [["Remove", () => this.remove()]],
        keepResult: true,
      });
      this.#announce("was deleted by the service, as its time was over.");
    } else if (said) this.#announce(said);
  }

  async #through(signal) {
    if (!this.#id) {
      const operation = await this.#send(signal);
      this.#id = operation.id;
      this.#progress(operation);
    }
    const last = await this.#follow(signal);
    if (last.error) {
      this.#renew();
      throw new Problem(last.error.reason, last.error.detail, last.error.hint);
    }
    const blob = await this.#page.api.result(last.result.href, signal);
    this.#done(last, blob);
  }

  async #send(signal) {
    this.#show("sending", "Sending");
    const form = new FormData();
    form.append("photo", await clean(this.#file), "photo");
    for (const [name, value] of Object.entries(this.#options.fields)) form.append(name, value);
    for (const reference of this.#options.references) form.append("reference", await clean(reference), "reference");
    for (let tried = 1; ; tried += 1) {
      try {
        return await this.#page.api.protect(form, this.#once, signal);
      } catch (error) {
        if (!(error instanceof Problem) || error.reason !== "OVERLOADED" || tried === TRIES) throw error;
        const seconds = Math.max(error.after ?? 2 ** tried, 1);
        this.#show("sending", `The service has too much to do. Trying again in ${seconds} s`);
        await pause(seconds, signal);
      }
    }
  }

  /** The operation when it has ended, however often the connection breaks meanwhile. */
  async #follow(signal) {
    for (let seconds = 0.5; ; seconds = Math.min(seconds * 2, LONGEST_PAUSE)) {
      try {
        for await (const operation of this.#page.api.events(this.#id, signal)) {
          seconds = 0.5;
          if (operation.done) return operation;
          this.#progress(operation);
        }
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof Problem) || !AGAIN.has(error.reason)) throw error;
        this.#show("running", "The connection was lost. Trying again: your photo is still worked on");
      }
      await pause(seconds, signal);
    }
  }

  #progress({ state, progress }) {
    if (state !== "running" || !progress) {
      this.#show("queued", "Waits in the service's queue");
      return;
    }
    const [from, to] = SHARES[progress.stage] ?? [0, 100];
    const share = progress.total ? progress.done / progress.total : 0;
    this.#show("running", STAGES[progress.stage] ?? "Working", {
      percent: from + (to - from) * share,
      detail: progress.stage === "attack" && progress.total > 1 ? `${progress.done} of ${progress.total}` : "",
    });
  }

  #done(operation, blob) {
    this.#result = new Result(operation, blob, {
      before: this.#url,
      name: this.#name,
      until: (time) => this.#page.api.until(time),
      remove: () => this.#destroy("Deleted"),
    });
    this.#part(".result").replaceChildren(this.#result.element);
    this.#show("done", this.#result.sum, { keepResult: true });
    this.#announce(`Done. ${this.#result.sum}`);
  }

  #fail(error) {
    if (!(error instanceof Problem)) {
      error = new Problem("INTERNAL", "This page could not go on with the photo.", "Try again, or with another browser.");
    }
    if (error.reason === "UNAUTHENTICATED") {
      error = new Problem(error.reason, "The service did not take the key.", "Type it again above, then try again.");
    }
    if (GONE.has(error.reason)) {
      this.#renew();
      error = new Problem(
        error.reason,
        "The service no longer has this photo.",
        "Its time was over, or the service was restarted. Nothing of it is left there; you can send it again.",
      );
    }
    this.#show("failed", error.message, {
      hint: error.hint,
      actions: [
        ["Try again", () => this.protect()],
        this.#id ? ["Delete now", () => this.#destroy("Deleted")] : ["Remove", () => this.remove()],
      ],
    });
    this.#announce(`Not protected. ${error.message} ${error.hint}`);
    if (error.reason === "UNAUTHENTICATED" || error.reason === "PERMISSION_DENIED") this.#page.refused();
  }

  /** What was begun is over: another try is another operation. */
  #renew() {
    this.#id = null;
    this.#once = identifier();
  }

  async #cancel() {
    this.#stop.abort();
    if (this.#id) return this.#destroy("Cancelled");
    this.#renew();
    this.#show("cancelled", "Cancelled", {
      hint: this.state === "sending" ? "Should the service have got all of it, it deletes it when its time is over." : "",
      actions: [
        ["Try again", () => this.protect()],
        ["Remove", () => this.remove()],
      ],
    });
    this.#announce("Cancelled.");
    return null;
  }

  async #destroy(word) {
    this.#show(this.state, "Deleting", { actions: [], keepResult: true });
    try {
      const receipt = await this.#page.api.delete(this.#id);
      this.#deleted(word, receipt);
    } catch (error) {
      if (GONE.has(error.reason)) this.#deleted(word, null);
      else {
        this.#show(this.#result ? "done" : "failed", `Not deleted yet. ${error.message}`, {
          hint: error.hint,
          actions: [["Delete again", () => this.#destroy(word)]],
          keepResult: true,
        });
        this.#announce(`Not deleted yet. ${error.message}`);
      }
    }
  }

  #deleted(word, receipt) {
    const photos = receipt && `${receipt.photos} encrypted ${receipt.photos === 1 ? "photo" : "photos"}`;
    const keys = receipt && `${receipt.keys} ${receipt.keys === 1 ? "key" : "keys"}`;
    const hint = receipt
      ? `Receipt: at ${clock(receipt.deleted)} the service deleted ${photos} and destroyed ${keys} of operation ${receipt.id}. ` +
        "No copy can be read without its key."
      : "The service had already deleted everything of it.";
    this.#show("deleted", `${word}, here and at the service`, { hint, actions: [["Remove", () => this.remove()]] });
    this.#announce(`${word}. ${hint}`);
    this.#part(".thumb").replaceChildren();
    this.#forget();
  }

  #forget() {
    URL.revokeObjectURL(this.#url);
    this.#result?.forget();
    this.#result = null;
    this.#file = null;
  }

  #show(state, stage, { percent = null, detail = "", hint = "", actions = null, keepResult = false } = {}) {
    const within = this.element.contains(document.activeElement);
    const running = ["waiting", "sending", "queued", "running"].includes(state);
    this.state = state;
    this.element.dataset.state = state;
    this.#part(".stage").textContent = detail ? `${stage}, ${detail}` : stage;
    if (running && stage !== this.#stage) this.#announce(stage);
    this.#stage = stage;
    const bar = this.#part("progress");
    bar.hidden = !running;
    bar.ariaLabel = `How far ${this.#name} is`;
    if (percent === null) bar.removeAttribute("value");
    else bar.value = percent;
    this.#part(".hint").hidden = !hint;
    this.#part(".hint").textContent = hint;
    this.#part(".result").hidden = !keepResult || !this.#result;
    if (!keepResult) this.#part(".result").replaceChildren();
    this.#buttons(actions ?? (running ? [["Cancel", () => this.#cancel()]] : []));
    const focused = document.activeElement;
    if (within && !(this.element.contains(focused) && focused.checkVisibility())) {
      (this.#part(".actions button") ?? this.#part(".name")).focus({ preventScroll: true });
    }
    this.#page.changed();
  }

  #buttons(actions) {
    const place = this.#part(".actions");
    const now = [...place.children].map((button) => button.textContent);
    if (now.join() === actions.map(([word]) => word).join()) return; // they keep the focus
    place.replaceChildren(
      ...actions.map(([word, act]) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = word;
        button.ariaLabel = `${word}: ${this.#name}`;
        button.addEventListener("click", act);
        return button;
      }),
    );
  }

  #announce(words) {
    this.#page.say(`${this.#name}: ${words}`);
  }

  #part(selector) {
    return this.element.querySelector(selector);
  }
}
