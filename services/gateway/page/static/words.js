// What the page says.

export const STAGES = {
  detect: "Finding faces",
  attack: "Computing the mask",
  amplify: "Applying the mask",
  verify: "Asking the recognisers",
};

/** How far a photo is as a whole, by stage: where each begins, of 100. */
export const SHARES = { detect: [0, 5], attack: [5, 80], amplify: [80, 85], verify: [85, 100] };

const NOT_CHECKED = "Not checked";

/** By outcome: what it means, in a word and in a sentence. Only the first two say anything about protection. */
export const OUTCOMES = {
  transferred: ["good", "Not recognised", "It no longer says that this is the same person."],
  not_transferred: ["bad", "Still recognised", "It still says that this is the same person."],
  clean_mismatch: [
    "open",
    "Would not have been recognised anyway",
    "It did not know the unprotected photo either, so this says nothing about the mask.",
  ],
  no_clean_pair: [
    "open",
    "No match, but no proof",
    "Nothing says that it would have known the unprotected photo, so this is not counted.",
  ],
  no_face_protected: [
    "open",
    NOT_CHECKED,
    "It found no face in the protected photo, so nothing was compared. Another recogniser may find it.",
  ],
  no_face_reference: ["open", NOT_CHECKED, "It found no face in the photo to compare with."],
  throttled: ["open", NOT_CHECKED, "It had too much to do to answer."],
  refused: ["open", NOT_CHECKED, "It did not take the photo, or was not allowed to be asked."],
  error: ["open", NOT_CHECKED, "It answered with an error."],
  over_budget: ["open", NOT_CHECKED, "What may be spent on asking it is used up."],
};

export const AGAINST = {
  original: "its own original",
  reference: "your reference photos",
  linked: "your other protected photos",
};

export const outcome = (name) => OUTCOMES[name] ?? ["open", NOT_CHECKED, "It gave an answer that this page does not know."];

/** Of all verdicts: only those count that were checked and that knew the unprotected photo. */
export function sum(verdicts) {
  const known = verdicts.filter(({ outcome }) => outcome === "not_transferred").length;
  const all = verdicts.filter(({ outcome }) => outcome === "transferred").length + known;
  if (!all) return "Nothing could be checked: whether the mask protects is not known.";
  const checks = all === 1 ? "1 check" : `${all} checks`;
  const rest = verdicts.length - all;
  const more = rest ? ` ${rest} more ${rest === 1 ? "says" : "say"} nothing about the mask.` : "";
  if (!known) return `Not recognised in ${all === 1 ? "the 1 check" : `all ${checks}`} that counted.${more}`;
  if (known === all) return `Still recognised in ${all === 1 ? "the 1 check" : `all ${checks}`} that counted.${more}`;
  return `Not recognised in ${all - known} of ${checks}; still recognised in ${known}.${more}`;
}

export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

export const clock = (time) => new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
