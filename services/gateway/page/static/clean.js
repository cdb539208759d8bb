// Takes off a photo what says where, when and with what it was made, before it is sent. What the picture itself needs stays:
// its colours and which way up it is. The service does all of this again; what is not well-formed here it judges.

const JPEG_KEPT = [
  [0xe0, "JFIF\0"],
  [0xe2, "ICC_PROFILE\0"],
  [0xee, "Adobe"],
];
const PNG_KEPT = "IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP sBIT bKGD pHYs cICP acTL fcTL fdAT".split(" ");
const WEBP_KEPT = ["VP8 ", "VP8L", "VP8X", "ALPH", "ANIM", "ANMF", "ICCP"];

/** `file` without its name and, where it is JPEG, PNG or WebP, without metadata. */
export async function clean(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const parts = jpeg(bytes) ?? png(bytes) ?? webp(bytes) ?? [bytes];
  return new Blob(parts);
}

const ascii = (bytes, start, length) => String.fromCharCode(...bytes.subarray(start, start + length));
const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function jpeg(bytes) {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return null;
  const data = view(bytes);
  const parts = [bytes.subarray(0, 2)];
  let turned = null;
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at += 1; // padding
      continue;
    }
    if (marker === 0xda) break;
    const end = at + 2 + data.getUint16(at + 2);
    if (end > bytes.length) return null;
    const app = (marker >= 0xe0 && marker <= 0xef) || marker === 0xfe;
    const kept = JPEG_KEPT.some(([kind, name]) => kind === marker && ascii(bytes, at + 4, name.length) === name);
    if (marker === 0xe1 && ascii(bytes, at + 4, 6) === "Exif\0\0") {
      turned ??= orientation(bytes.subarray(at + 10, end));
    }
    if (!app || kept) parts.push(bytes.subarray(at, end));
    at = end;
  }
  const end = endOfImage(bytes, at);
  if (bytes[at + 1] !== 0xda || end === null) return null;
  if (turned > 1) parts.splice(1, 0, exifSegment(turned));
  parts.push(bytes.subarray(at, end)); // and nothing behind the picture: phones hide films there
  return parts;
}

/** Where the picture whose first scan begins at `at` ends; null where it does not, or has metadata between its scans. */
function endOfImage(bytes, at) {
  const data = view(bytes);
  let next = at;
  while (next >= 0 && next + 4 <= bytes.length) {
    const marker = bytes[next + 1];
    if (marker === 0xd9) break;
    if (marker >= 0xe0 && marker <= 0xfe) return null;
    const within = marker === 0 || marker === 0xff || (marker >= 0xd0 && marker <= 0xd7);
    next = bytes.indexOf(0xff, within ? next + 1 : next + 2 + data.getUint16(next + 2));
  }
  return bytes[next] === 0xff && bytes[next + 1] === 0xd9 ? next + 2 : null;
}

function png(bytes) {
  if (ascii(bytes, 0, 8) !== "\x89PNG\r\n\x1a\n") return null;
  const data = view(bytes);
  const parts = [bytes.subarray(0, 8)];
  let at = 8;
  while (at + 12 <= bytes.length) {
    const end = at + 12 + data.getUint32(at);
    const kind = ascii(bytes, at + 4, 4);
    if (end > bytes.length) return null;
    if (PNG_KEPT.includes(kind)) {
      parts.push(bytes.subarray(at, end));
    } else if (kind === "eXIf") {
      const turned = orientation(bytes.subarray(at + 8, end - 4));
      if (turned > 1) parts.push(pngChunk("eXIf", tiff(turned)));
    }
    if (kind === "IEND") return parts;
    at = end;
  }
  return null;
}

function webp(bytes) {
  if (ascii(bytes, 0, 4) !== "RIFF" || ascii(bytes, 8, 4) !== "WEBP") return null;
  const data = view(bytes);
  const parts = [];
  let turned = null;
  let at = 12;
  const last = Math.min(bytes.length, 8 + data.getUint32(4, true));
  while (at + 8 <= last) {
    const size = data.getUint32(at + 4, true);
    const end = at + 8 + size + (size & 1);
    const kind = ascii(bytes, at, 4);
    if (end > bytes.length) return null;
    if (WEBP_KEPT.includes(kind)) parts.push(bytes.slice(at, end));
    if (kind === "EXIF") turned ??= orientation(bytes.subarray(at + 8, at + 8 + size));
    at = end;
  }
  const extended = parts.find((part) => ascii(part, 0, 4) === "VP8X");
  if (extended) {
    extended[8] &= ~0x0c; // it had EXIF, XMP
    if (turned > 1) {
      extended[8] |= 0x08;
      const exif = tiff(turned);
      parts.push(new Uint8Array([...letters("EXIF"), exif.length, 0, 0, 0, ...exif]));
    }
  }
  const head = new Uint8Array(12);
  head.set([...letters("RIFF"), 0, 0, 0, 0, ...letters("WEBP")]);
  view(head).setUint32(4, 4 + parts.reduce((sum, part) => sum + part.length, 0), true);
  return [head, ...parts];
}

/** EXIF's orientation, 1 to 8; 1 where it says none. */
function orientation(exif) {
  const start = ascii(exif, 0, 6) === "Exif\0\0" ? 6 : 0;
  const data = view(exif.subarray(start));
  try {
    const little = data.getUint16(0) === 0x4949;
    const directory = data.getUint32(4, little);
    for (let entry = 0; entry < data.getUint16(directory, little); entry += 1) {
      const at = directory + 2 + 12 * entry;
      if (data.getUint16(at, little) === 0x0112) {
        const value = data.getUint16(at + 8, little);
        return value >= 1 && value <= 8 ? value : 1;
      }
    }
  } catch {
    // cut short
  }
  return 1;
}

const letters = (text) => [...text].map((letter) => letter.charCodeAt(0));

/** EXIF that says the orientation, and nothing else. */
const tiff = (turned) =>
  new Uint8Array([...letters("MM"), 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, turned, 0, 0, 0, 0, 0, 0]);

function exifSegment(turned) {
  const exif = tiff(turned);
  return new Uint8Array([0xff, 0xe1, 0, exif.length + 8, ...letters("Exif"), 0, 0, ...exif]);
}

function pngChunk(kind, content) {
  const chunk = new Uint8Array(content.length + 12);
  const data = view(chunk);
  data.setUint32(0, content.length);
  chunk.set([...letters(kind), ...content], 4);
  let sum = ~0;
  for (const byte of chunk.subarray(4, -4)) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  data.setUint32(chunk.length - 4, ~sum >>> 0);
  return chunk;
}
