// The gateway's HTTP API, as everybody has it.

const SILENT_MS = 30_000; // the server says something every ten seconds, if only that it is there

/** An answer that is a problem. `reason` is a stable name; `after` the seconds until another try may succeed. */
export class Problem extends Error {
  constructor(reason, detail, hint = "", after = null) {
    super(detail);
    this.reason = reason;
    this.hint = hint;
    this.after = after;
  }
}

const unreachable = () =>
  new Problem("UNREACHABLE", "The service does not answer.", "See whether you are online, then try again.");

/** `key` gives the caller's key, or nothing where none is asked. */
export class Api {
  #key;
  #ahead = 0;

  constructor(key) {
    this.#key = key;
  }

  /** Milliseconds until `time`, by the service's clock. */
  until(time) {
    return Date.parse(time) - Date.now() - this.#ahead;
  }

  /** The operation of a new photo. `once` makes a repeat of a request whose answer was lost the same operation. */
  async protect(form, once, signal) {
    return (
      await this.#call("/v1/protections", {
        method: "POST",
        body: form,
        headers: { "Idempotency-Key": once },
        signal,
      })
    ).json();
  }

  async result(href, signal) {
    return (await this.#call(href, { signal })).blob();
  }

  async delete(id) {
    return (await this.#call(`/v1/operations/${id}`, { method: "DELETE" })).json();
  }

  async json(path) {
    return (await this.#call(path)).json();
  }

  /** The operation now and whenever it changes. Ends when the stream does: the last one is not always the last there is. */
  async *events(id, signal) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENT_MS);
    try {
      const response = await this.#call(`/v1/operations/${id}/events`, {
        signal: AbortSignal.any([signal, silence.signal]),
      });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENT_MS);
        const events = (text + value).split("\n\n");
        text = events.pop();
        for (const event of events) {
          const fields = Object.fromEntries(event.split("\n").map((line) => line.split(/: ?(.*)/s, 2)));
          if (fields.event === "problem") {
            const { reason } = JSON.parse(fields.data);
            throw new Problem(reason, "The service stopped telling how far it is.");
          }
          if (fields.data) yield JSON.parse(fields.data);
        }
      }
    } catch (error) {
      if (error instanceof Problem || signal.aborted) throw error;
      throw unreachable();
    } finally {
      clearTimeout(timer);
      silence.abort(); // frees the connection
    }
  }

  async #call(path, { headers = {}, ...init } = {}) {
    const key = this.#key();
    if (key && !/^[\x21-\x7e]+$/.test(key)) {
      throw new Problem("UNAUTHENTICATED", "This is not a key.", "Copy it again, without spaces.");
    }
    let response;
    try {
      response = await fetch(path, {
        ...init,
        headers: { ...headers, ...(key && { Authorization: `Bearer ${key}` }) },
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        referrerPolicy: "no-referrer",
      });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw unreachable();
    }
    const date = Date.parse(response.headers.get("Date"));
    if (date) this.#ahead = date - Date.now();
    if (response.ok) return response;
    throw await problem(response);
  }
}

async function problem(response) {
  const after = Number(response.headers.get("Retry-After")) || null;
  try {
    const { reason, detail, title, hint } = await response.json();
    if (reason) return new Problem(reason, detail ?? title, hint, after);
  } catch {
    // a proxy's words, not the service's
  }
  return new Problem("UNREACHABLE", `The service answered with an error (${response.status}).`, "Try again.", after);
}
